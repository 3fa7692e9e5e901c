"""What a letter's work is given: shown without secrets, changed by its schema, no larger than is useful."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from domains import limits
from domains.digest import Settings
from domains.errors import UsageError
from services import payload
from services.almanac import Watch
from services.schema import Delivery, Run, Source, Subscription, Tenant
from tests import rows
from tests.services import letterdesk as desk

SECRET = "hunter2hunter2"


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def run_id(database, tenant_id):
    return desk.runs(database, tenant_id, 1)[0]


def read(database, model, row_id, how=payload.of):
    with database.transaction() as session:
        return how(session, model, row_id)


def change(database, model, row_id, edit):
    with database.transaction() as session:
        return payload.change(session, model, row_id, edit)


def test_every_kind_of_work_has_a_schema_that_its_payload_meets(database, tenant_id, run_id):
    (delivery,) = desk.deliveries(database, [run_id])
    for model, row_id in (
        (Source, rows.feed(database, tenant_id)),
        (Run, run_id),
        (Delivery, delivery),
        (Tenant, tenant_id),
        (Watch, 1),
    ):
        schema = read(database, model, row_id, payload.schema)
        Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False
        assert list(Draft202012Validator(schema).iter_errors(read(database, model, row_id))) == []


def test_the_schema_knows_every_setting_of_a_digest(database, run_id):
    schema = read(database, Run, run_id, payload.schema)
    assert set(schema["properties"]["settings"]["properties"]) == set(Settings.__dataclass_fields__)


def test_what_a_payload_hides_stays_as_it_is_unless_it_is_written_out(database, run_id):
    (delivery,) = desk.deliveries(database, [run_id], "webhook")
    target = f"https://me:{SECRET}@receiver.example/in?token={SECRET}"
    with database.transaction() as session:
        session.get_one(Delivery, delivery).target = target
        run = session.get_one(Run, run_id)
        session.get_one(Subscription, run.subscription_id).channels = [["webhook", target]]
    for model, row_id in ((Delivery, delivery), (Run, run_id)):
        seen = read(database, model, row_id)
        assert SECRET not in str(seen)
        assert change(database, model, row_id, seen) == {}
    seen = read(database, Delivery, delivery)
    assert change(database, Delivery, delivery, seen | {"channel": "file"}) == {"channel": "file"}
    with pytest.raises(UsageError, match=r"\$\.target: \*\*\*"):
        change(database, Delivery, delivery, {"target": seen["target"] + "/other"})
    new = "https://receiver.example/other"
    assert change(database, Delivery, delivery, {"target": new}) == {"target": new}


def test_a_secret_in_an_address_is_not_shown_by_what_refuses_it(database, tenant_id):
    feed = rows.feed(database, tenant_id)
    with pytest.raises(UsageError) as caught:
        change(database, Source, feed, {"url": f"ftp://me:{SECRET}@host/"})
    assert "$.url" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_watched_folder_has_a_cursor_and_no_address_to_change(database, tenant_id):
    feed = rows.feed(database, tenant_id)
    with database.transaction() as session:
        session.get_one(Source, feed).kind = "directory"
    assert change(database, Source, feed, {"cursor": {"files": {"a": [1, 2, "sha"]}}})
    for edit, place in (({"url": "https://a.example"}, r"\$"), ({"cursor": {"files": {"a": [-1, 2, "s"]}}}, r"\$\.cursor")):  # fmt: skip
        with pytest.raises(UsageError, match=place):
            change(database, Source, feed, edit)


def test_a_row_that_is_gone_has_nothing_to_say(database):
    assert read(database, Source, 7) == {}
    assert read(database, Source, 7, payload.schema)["properties"] == {}


def test_what_an_operator_set_for_a_run_is_its_payload(database, run_id):
    with database.transaction() as session:
        session.get_one(Run, run_id).changed = {"rung": "extractive"}
    assert read(database, Run, run_id)["rung"] == "extractive"


def test_a_large_payload_is_kept_as_what_it_was_made_of():
    given_ = {"cursor": {"files": {f"file {number}": [1, 2, "0" * 64] for number in range(1_000)}}}
    kept = payload.kept(given_)
    assert (kept["cut"], kept["fields"]) == (True, ["cursor"])
    assert kept["bytes"] > limits.DLQ_PAYLOAD_BYTES
    assert payload.kept({"a": 1}) == {"a": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["url", "etag", "last_modified", "target", "", "cursor"]), JSON, max_size=3
    )
)
def test_whatever_is_asked_is_either_met_by_the_schema_or_refused_by_its_place(database, edit):
    tenant_id = rows.tenant(database)
    feed = rows.feed(database, tenant_id)
    refused = ""
    try:
        changed = change(database, Source, feed, edit)
    except UsageError as error:
        refused, changed = str(error), {}
    assert refused.startswith("$") or (not refused and set(changed) <= {"url", "etag", "last_modified"})
