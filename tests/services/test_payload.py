"""What an operator may see and edit of a dead letter's work: by its schema, and never a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.errors import NotFound, Refused, UsageError
from services import payload
from services.schema import Delivery, Run, Source, Tenant
from tests import rows
from tests.rows import DAY

FEED = {"name": "a", "url": "https://feed.example/rss", "interval_s": 900.0}


@pytest.fixture
def feed(database):
    return rows.feed(database, rows.tenant(database), "a", url="https://me:secret@feed.example/rss?key=hush")


@pytest.fixture
def delivery(database):
    tenant_id = rows.tenant(database)
    run_id = rows.run(database, tenant_id)
    with database.transaction() as session:
        row = Delivery(
            tenant_id=tenant_id,
            run_id=run_id,
            channel="webhook",
            target="https://hook.example/a?token=hush",
            state="dead",
            next_at=DAY,
        )
        session.add(row)
        session.flush()
        return row.id


def write(database, task, model, row_id, given):
    with database.transaction() as session:
        return payload.write(session, task, model, row_id, given)


def test_secrets_in_addresses_are_not_shown(database, feed, delivery):
    with database.transaction() as session:
        shown = [payload.read(session, Source, feed), payload.read(session, Delivery, delivery)]
    assert shown[0]["url"] == "https://feed.example/rss?…"
    assert "secret" not in str(shown)
    assert "hush" not in str(shown)


def test_what_comes_back_as_it_was_shown_stays_as_it_is(database, feed):
    with database.transaction() as session:
        before = session.get_one(Source, feed).url
        assert payload.write(
            session, "source.fetch", Source, feed, payload.read(session, Source, feed) | {"interval_s": 600}
        ) == {"interval_s": 600}
        assert session.get_one(Source, feed).url == before


def test_an_edited_payload_is_written_into_the_row(database, delivery):
    with database.transaction() as session:
        given = payload.read(session, Delivery, delivery) | {"target": "https://other.example/?token=new"}
    assert write(database, "delivery.send", Delivery, delivery, given) == {
        "target": "https://other.example/?…"
    }
    with database.transaction() as session:
        assert session.get_one(Delivery, delivery).target == "https://other.example/?token=new"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (FEED | {"interval_s": "soon"}, r"\$\.interval_s: "),
        (FEED | {"interval_s": 1}, r"\$\.interval_s: "),
        (FEED | {"interval_s": True}, r"\$\.interval_s: "),
        (FEED | {"url": "file:///etc/passwd"}, r"\$\.url: "),
        (FEED | {"url": "https://a b"}, r"\$\.url: "),
        (FEED | {"url": "https://a\x00b"}, r"\$\.url: "),
        (FEED | {"url": "https://a\ud800b"}, r"\$\.url: "),
        (FEED | {"url": "https://a/" + "b" * 3000}, r"\$\.url: "),
        (FEED | {"name": "other"}, r"\$\.name: .*stays 'a'"),
        (FEED | {"state": "done"}, r"\$: .*state"),
        ({"name": "a"}, r"\$: .*required"),
        ([], r"\$: "),
        (None, r"\$: "),
    ],
)  # fmt: skip
def test_what_breaks_the_schema_is_refused_with_its_path(database, feed, given, path):
    with pytest.raises(UsageError, match=path):
        write(database, "source.fetch", Source, feed, given)
    with database.transaction() as session:
        assert session.get_one(Source, feed).interval_s == 900


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    )
)
def test_nothing_else_than_the_schema_passes_the_check(value):
    with pytest.raises(UsageError):
        payload.check("source.fetch", value)


def test_work_without_anything_to_edit_says_so(database):
    tenant_id = rows.tenant(database)
    with pytest.raises(Refused, match="nothing that could be edited"):
        write(database, "index.posts", Tenant, tenant_id, {})
    with database.transaction() as session:
        assert payload.read(session, Tenant, tenant_id) == {"tenant": "t"}
        assert payload.read(session, Run, 77) == {}
        assert set(payload.read(session, Run, rows.run(database, tenant_id))) == {
            "subscription",
            "window",
            "domain",
        }


def test_a_row_that_is_gone_is_named(database):
    with pytest.raises(NotFound, match=r"source\.fetch 77"):
        write(database, "source.fetch", Source, 77, FEED)
