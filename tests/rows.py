"""Factories of rows: what a test needs and nothing more."""

from datetime import UTC, datetime, timedelta

from domains.post import Entry
from domains.window import Schedule
from services import post, source, subscription
from services.source import Known

DAY = datetime(2026, 11, 20, tzinfo=UTC)


class Anywhere:
    """A channel that would send to any target."""

    def check(self, target):
        pass


def anywhere(*names):
    return {name: Anywhere() for name in names}


def tenant(database, name="t", *, live=True):
    with database.transaction() as session:
        return subscription.tenant(session, name, live=live)


def feed(database, tenant_id, name="feed", *, url="https://feed.example/rss", now=DAY, **known):
    with database.transaction() as session:
        return source.register(
            session, tenant_id, Known(name, "feed", name, url, polled=True, **known), now=now
        )


def entry(number, text, *, at=DAY, **rest):
    return Entry(external_id=str(number), at=at, text=text, **rest)


def posts(database, tenant_id, source_id, *entries, now=DAY):
    with database.transaction() as session:
        return post.store(session, tenant_id, source_id, entries, now)


def subscribed(
    database,
    tenant_id,
    *,
    name="daily",
    starts_at=DAY,
    period=timedelta(days=1),
    channels=(("file", ""),),
    **rest,
):
    wish = subscription.Wish(
        name=name,
        schedule=Schedule(period=period, anchor=starts_at),
        starts_at=starts_at,
        channels=channels,
        **rest,
    )
    with database.transaction() as session:
        return subscription.subscribe(session, tenant_id, wish, anywhere("file", "stdout"))


def run(database, tenant_id, *, now=DAY + timedelta(days=1), **rest):
    """Return the first run of a new subscription."""
    subscribed(database, tenant_id, **rest)
    with database.transaction() as session:
        return subscription.close_windows(session, now, tenant_id=tenant_id)[0]
