"""Filters, groups and the replay of all: ten thousand letters of twenty kinds stay quick, and each gets one time."""

from datetime import timedelta
from time import perf_counter

import pytest
from sqlalchemy import insert, select

from domains.errors import UsageError
from services.schema import DeadLetter
from tests import rows
from tests.rows import DAY
from web.flower import query

LETTERS, KINDS = 10_000, 20


def letters(database, count, *, name="t", state="permanent", **changes):
    tenant_id = rows.tenant(database, name)
    with database.transaction() as session:
        session.execute(
            insert(DeadLetter),
            [
                {
                    "tenant_id": tenant_id, "task": "digest.make", "row_id": number, "kind": "transient", "state": state,
                    "error": "Unavailable", "message": f"host {number} is away", "traceback": "…", "attempt": 3,
                    "fingerprint": f"{number % KINDS:016x}", "created_at": DAY, "updated_at": DAY + timedelta(seconds=number),
                }
                | changes
                for number in range(count)
            ],
        )  # fmt: skip


def found(database, **asked):
    asked = {name.rstrip("_"): value for name, value in asked.items()}
    with database.transaction() as session:
        return [letter.row_id for letter, _ in query.page(session, asked, None)]


def test_each_filter_finds_its_own(database):
    letters(database, 3)
    letters(
        database,
        1,
        name="u",
        task="source.fetch",
        row_id=70,
        kind="bug",
        fingerprint="f" * 16,
        message="50%_ \\ <b>",
    )
    letters(database, 1, name="v", state="resolved", row_id=80)
    assert found(database) == [70, 2, 1, 0]
    assert found(database, task="source.fetch") == [70]
    assert found(database, class_="bug") == [70]
    assert found(database, state="resolved") == [80]
    assert found(database, tenant="u") == [70]
    assert found(database, tenant="nobody") == []
    assert found(database, fingerprint=f"{1:016x}") == [1]
    assert found(database, text="HOST 2") == [2]
    assert found(database, text="50%_ \\ <B>") == [70]
    assert found(database, text="%") == [70]
    assert found(database, since="2026-11-20T00:00:01Z", task="digest.make") == found(
        database, since=(DAY + timedelta(seconds=1)).isoformat(), task="digest.make"
    )
    assert found(
        database,
        since=(DAY + timedelta(seconds=1)).isoformat(),
        until=(DAY + timedelta(seconds=2)).isoformat(),
    ) == [1]


@pytest.mark.parametrize(
    "asked",
    [{"since": "yesterday"}, {"until": "32"}, {"drop table": "x"}, {"text": "a\x00b"}, {"task": "\ud800"}],
)
def test_a_filter_that_is_none_is_refused(database, asked):
    with pytest.raises(UsageError), database.transaction() as session:
        query.page(session, asked, None)


def test_ten_thousand_letters_are_listed_within_300_ms(database):
    letters(database, LETTERS)
    with database.transaction() as session:
        took = []
        for _ in range(3):
            began = perf_counter()
            groups, page, totals = (
                query.groups(session, {}),
                query.page(session, {}, None),
                query.totals(session, {}),
            )
            took.append(perf_counter() - began)
            session.expunge_all()
    assert min(took) < 0.3
    assert (len(groups), len(page), totals) == (KINDS, query.PAGE, (LETTERS, KINDS))
    assert {group.count for group in groups} == {LETTERS // KINDS}


def test_pages_show_each_letter_once(database):
    letters(database, 120)
    seen, before = [], None
    with database.transaction() as session:
        while page := query.page(session, {}, before):
            seen += [letter.id for letter, _ in page]
            before = seen[-1]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 120


def test_a_replay_of_all_gives_each_its_time_at_the_rate_oldest_first(database):
    letters(database, 40)
    letters(database, 1, state="replaying", row_id=90)
    letters(database, 1, state="resolved", row_id=91)
    asked = {"fingerprint": f"{7:016x}"}
    with database.transaction() as session:
        assert query.plan(session, asked) == {"digest.make": 2}
        assert query.replay(session, asked, rate=30, now=DAY, by="olga") == 2
        assert query.replay(session, {}, rate=60, now=DAY, by="olga") == 40
    with database.transaction() as session:
        by_row = {one.row_id: one for one in session.scalars(select(DeadLetter))}
    times = [by_row[number].next_at - DAY for number in range(40)]
    assert times == [timedelta(seconds=number) for number in range(40)]
    assert all(by_row[number].state == "scheduled" and by_row[number].attempt == 0 for number in range(40))
    assert [event["what"] for event in by_row[7].history] == ["replay of all asked by olga"] * 2
    assert (by_row[90].state, by_row[91].state) == ("replaying", "resolved")
