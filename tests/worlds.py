"""A real `World` on a test's database, with its clock in the test's hand."""

import random
from dataclasses import replace
from datetime import timedelta

from services import settings, subscription, wiring
from services.clock import StoppedClock
from tasks import job
from tests import rows
from tests.rows import DAY, entry


def build(database, tmp_path, now=DAY + timedelta(days=1), **overrides):
    """Return a world whose clock stands at ``now`` and whose digests go below ``tmp_path``."""
    url = database.engine.url.render_as_string(hide_password=False)
    set_ = settings.load(database_url=url, var=tmp_path / "var", **overrides)
    return wiring.build(set_, StoppedClock(now), random.Random(7))


def with_channel(world, channel):
    """Return the world with one more channel."""
    return replace(world, channels={**world.channels, channel.name: channel})


def digested(world, tenant_id):
    """Subscribe, let the worker make the digest of the window that is over, and return its run."""
    rows.subscribed(world.database, tenant_id)
    with world.database.transaction() as session:
        (made,) = subscription.close_windows(session, world.clock.now(), tenant_id=tenant_id)
    drive(world, job.DIGEST, made)
    return made


def drive(world, kind, row_id):
    """Do a row's work and all that follows from it, as workers would."""
    waiting = [(kind.name, row_id)]
    while waiting:
        task, row = waiting.pop(0)
        waiting += job.perform(world, job.kind_of(task), row)


NEWS = (
    (
        "a",
        "Fire crews fought a blaze at the Luhva paper mill on Zavodska street; three workers were taken to hospital.",
    ),
    (
        "b",
        "A blaze at the Luhva paper mill on Zavodska street sent three workers to hospital on Friday morning.",
    ),
    ("a", "The city council of Solvych voted 21 to 9 to raise the bus fare to 18 hryvnias from January."),
    ("b", "Solvych council raised the bus fare to 18 hryvnias from January, by 21 votes to 9."),
    ("a", "The Luhva hockey club beat Pryvillia 4:1 in the first match of the season at home."),
)


def with_news(database, *, name="t", day=DAY, tenant_id=None, extra=()):
    """Store a small day of news from two publishers and return (tenant, number of posts)."""
    tenant_id = rows.tenant(database, name) if tenant_id is None else tenant_id
    sources = {
        one: rows.feed(database, tenant_id, one, url=f"https://{one}.example/rss") for one in ("a", "b")
    }
    texts = (*NEWS, *extra)
    for number, (source, text) in enumerate(texts):
        at = day + timedelta(hours=8, minutes=7 * number)
        rows.posts(database, tenant_id, sources[source], entry(f"{day:%m%d}-{number}", text, at=at), now=at)
    return tenant_id, len(texts)
