"""Manifests: what the schema says, small for large windows, and never a body or a secret."""

import json
from copy import deepcopy
from dataclasses import asdict

import pytest

from domains import limits
from domains.digest import Settings
from domains.errors import NotFound, Refused
from services import manifest, work
from services.schema import Run
from tasks import job
from tests import rows, worlds
from tests.rows import DAY, entry

POSTS = 2_000


@pytest.fixture
def world(database, tmp_path):
    world = worlds.build(database, tmp_path)
    yield world
    world.close()


def assemble(database, run_id):
    with database.transaction() as session:
        value = manifest.assemble(session, run_id)
    manifest.check(value)
    return value


def size_bytes(value):
    return len(json.dumps(value, ensure_ascii=False).encode())


def test_a_run_that_has_not_begun_has_a_manifest(database):
    run_id = rows.run(database, rows.tenant(database))
    value = assemble(database, run_id)
    assert (value["run"], value["state"], value["decision"], value["steps"]) == (run_id, "due", None, [])
    assert value["window"] == {"start": "2026-11-20T00:00:00+00:00", "end": "2026-11-21T00:00:00+00:00", "zone": "UTC"}  # fmt: skip
    assert value["settings"] == asdict(Settings())
    assert value["software"] == {}


def test_a_finished_run_accounts_for_everything_and_holds_no_body(database, world):
    tenant_id, count = worlds.with_news(database)
    run_id = rows.run(database, tenant_id, settings={"max_stories": 2})
    worlds.drive(world, job.DIGEST, run_id)
    value = assemble(database, run_id)
    assert (value["state"], value["decision"], value["rung"]) == ("done", "ship", "extractive")
    assert sum(value["posts"].values()) == count
    assert value["settings"]["max_stories"] == 2
    assert set(value["software"]) == set(manifest.versions()) >= {"svodka", "numpy"}
    names = [step["name"] for step in value["steps"]]
    assert names[:2] == ["begin", "brief"]
    assert len(names) == len(set(names)) > 4
    (sent,) = value["deliveries"]
    assert (sent["channel"], sent["state"]) == ("file", "done")
    text = json.dumps(value, ensure_ascii=False)
    assert not [news for _, news in worlds.NEWS if news[:30] in text]


def test_a_window_of_thousands_of_posts_has_a_small_manifest(database, world):
    tenant_id = rows.tenant(database)
    feeds = [rows.feed(database, tenant_id, f"source{n}", url=f"https://{n}.example/rss") for n in range(4)]
    for number, feed in enumerate(feeds):
        rows.posts(
            database, tenant_id, feed,
            *(entry(n, f"Happening {n % 97} in the town of {'abcdefg'[n % 7] * 5}: {n} people came to see number {n % 13}.", at=DAY)
              for n in range(number, POSTS, len(feeds))),
        )  # fmt: skip
    run_id = rows.run(database, tenant_id, channels=(("file", "a" * 100), ("stdout", "")))
    worlds.drive(world, job.DIGEST, run_id)
    value = assemble(database, run_id)
    assert sum(value["posts"].values()) == POSTS
    assert size_bytes(value) < limits.MANIFEST_BYTES / 10


def test_a_held_run_says_why(database, clock):
    run_id = rows.run(database, rows.tenant(database))
    clock.move_to(DAY.replace(day=21))
    with database.transaction() as session:
        lease = work.claim(session, Run, run_id, owner="me", now=clock.now(), lease_s=60)
        work.settle(session, lease, "held", decision="hold", why="nothing was supported")
    value = assemble(database, run_id)
    assert (value["state"], value["decision"], value["why"]) == ("held", "hold", "nothing was supported")


def test_every_state_of_a_run_is_allowed(database):
    run_id = rows.run(database, rows.tenant(database))
    for state in ("due", "leased", "done", "dead", "held", "unknown"):
        with database.transaction() as session:
            session.get_one(Run, run_id).state = state
        assert assemble(database, run_id)["state"] == state


@pytest.mark.parametrize(
    ("path", "wrong", "word"),
    [
        ("state", "lost", r"\$\.state"),
        ("decision", "maybe", r"\$\.decision"),
        ("score", 1.5, r"\$\.score"),
        ("version", 2, r"\$\.version"),
        ("claims", -1, r"\$\.claims"),
        ("digest_sha256", "abc", r"\$\.digest_sha256"),
        ("text", "a body", "text"),
        ("window", {"start": "2026-11-20T00:00:00+00:00"}, r"\$\.window"),
        ("software", {"svodka": 1}, r"\$\.software\.svodka"),
        ("steps", [{"name": "a", "sha256": "0" * 64, "at": "now", "elapsed_ms": -1}], r"\$\.steps\[0\]"),
        ("deliveries", [{"channel": "file", "target": "", "state": "sent"}], r"\$\.deliveries\[0\]\.state"),
    ],
)
def test_what_is_not_by_the_schema_is_refused_with_its_place(database, path, wrong, word):
    value = assemble(database, rows.run(database, rows.tenant(database)))
    with pytest.raises(Refused, match=word):
        manifest.check(value | {path: wrong})


def test_nothing_required_may_be_missing(database):
    value = assemble(database, rows.run(database, rows.tenant(database)))
    for name in json.loads(manifest.SCHEMA.read_text())["required"]:
        short = deepcopy(value)
        del short[name]
        with pytest.raises(Refused, match=name):
            manifest.check(short)


def test_a_manifest_over_its_cap_is_refused_by_its_bytes(database):
    value = assemble(database, rows.run(database, rows.tenant(database)))
    room = limits.MANIFEST_BYTES - size_bytes(value | {"why": ""})
    manifest.check(value | {"why": "x" * room})
    for over in ("x" * (room + 1), "я" * (room // 2 + 1)):
        with pytest.raises(Refused, match=str(limits.MANIFEST_BYTES)):
            manifest.check(value | {"why": over})


def test_a_run_that_is_not_there_has_no_manifest(database):
    with database.transaction() as session, pytest.raises(NotFound, match="999"):
        manifest.assemble(session, 999)
