"""One computation for all who ask at once, kept while it is true, shared by processes."""

import threading

import pytest

from services.cache import ENTRIES, TTL_S, Cache
from services.memo import Memo, connect


def answer(value, true=True):
    return lambda: (value, true)


def test_an_answer_is_computed_once_and_kept_an_hour(clock):
    cache = Cache(Memo(None), clock)
    assert cache.get("k", answer(b"1")) == (b"1", False)
    assert cache.get("k", answer(b"2")) == (b"1", True)
    clock.advance(seconds=TTL_S)
    assert cache.get("k", answer(b"3")) == (b"3", False)


def test_what_is_not_the_truth_and_what_fails_is_not_kept(clock):
    cache = Cache(Memo(None), clock)
    assert cache.get("k", answer(b"1", true=False)) == (b"1", False)
    with pytest.raises(ZeroDivisionError):
        cache.get("k", lambda: 1 / 0)
    assert cache.get("k", answer(b"2")) == (b"2", False)


def test_another_process_finds_it_and_keeps_it_no_longer_than_the_first(clock, valkey_url):
    one, other = Cache(connect(valkey_url), clock), Cache(connect(valkey_url), clock)
    one.get("k", answer(b"1"))
    clock.advance(seconds=TTL_S - 1)
    assert other.get("k", answer(b"2")) == (b"1", True)
    clock.advance(seconds=2)
    assert other.get("k", answer(b"3")) == (b"3", False)


def test_a_server_that_is_away_costs_nothing_but_its_memory(clock):
    cache = Cache(connect("redis://127.0.0.1:1/0"), clock)
    assert cache.get("k", answer(b"1")) == (b"1", False)
    assert cache.get("k", answer(b"2")) == (b"1", True)


def test_the_oldest_answers_make_room(clock):
    cache = Cache(Memo(None), clock)
    for number in range(ENTRIES + 1):
        cache.get(str(number), answer(b"x"))
    assert cache.get("0", answer(b"y")) == (b"y", False)
    assert cache.get(str(ENTRIES), answer(b"y")) == (b"x", True)


@pytest.mark.parametrize("fails", [False, True])
def test_of_many_who_ask_at_once_one_computes(clock, fails):
    cache = Cache(Memo(None), clock)
    asked, go, computed = threading.Barrier(9), threading.Event(), []

    def compute():
        computed.append(threading.get_ident())
        if len(computed) == 1:
            go.wait(5)
            if fails:
                raise ValueError("the first one fails")
        return b"1", True

    answers = []

    def ask():
        asked.wait(5)
        try:
            answers.append(cache.get("k", compute)[0])
        except ValueError:
            answers.append(None)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    asked.wait(5)
    go.set()
    for thread in threads:
        thread.join(5)
    assert answers.count(b"1") == (7 if fails else 8)
    assert len(computed) == 1 or fails
