"""The shared cache: keeps, forgets, keeps tenants apart, and is missed by nobody when it is down."""

import pytest

from services import memo
from tests.servers import wait_until


@pytest.fixture
def kept(valkey_url):
    one = memo.connect(valkey_url)
    yield one
    one.close()


def test_what_was_put_is_got_until_it_expires(kept):
    kept.put("a", b"\x00value", 60)
    assert kept.get("a") == b"\x00value"
    kept.put("short", b"x", 0.01)
    wait_until(lambda: kept.get("short") is None)
    assert kept.get("never") is None


def test_prefixes_keep_tenants_apart(kept):
    one, other = kept.below("tenant:1:"), kept.below("tenant:2:")
    one.put("a", b"1", 60)
    assert (one.get("a"), other.get("a"), kept.get("a")) == (b"1", None, None)
    assert kept.get("tenant:1:a") == b"1"


@pytest.mark.parametrize("url", [None, "redis://127.0.0.1:1/0"])
def test_a_memo_that_is_down_or_absent_remembers_nothing_and_raises_nothing(url):
    one = memo.connect(url)
    one.put("a", b"1", 60)
    assert one.get("a") is None
    one.close()
