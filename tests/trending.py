"""A small stream with one trend in it, stored and worked on as workers would."""

import random
from datetime import timedelta

from services import watch, work
from tasks import job
from tests import rows
from tests.rows import DAY, entry

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FIRE = (
    "Fire crews fight a blaze at the Luhva paper mill on Zavodska street; workers were led out.",
    "A blaze at the Luhva paper mill on Zavodska street: fire crews are at work, workers led out.",
    "The Luhva paper mill on Zavodska street burns; fire crews came, workers were led to safety.",
    "Fire at the Luhva paper mill on Zavodska street: crews fight the blaze, workers are safe.",
    "Blaze at the Luhva paper mill: fire crews on Zavodska street, workers led out, road closed.",
    "The blaze at the Luhva paper mill on Zavodska street is out, fire crews and workers say.",
)
FIRE_AT = DAY + timedelta(days=3, hours=10)


def entries(days=4, fire_at=FIRE_AT, texts=FIRE):
    """Yield (source, entry): each hour two small stories in words of their own, and six posts on a fire."""
    rng = random.Random(3)
    for number in range(2 * 24 * days):
        made_up = ("".join(rng.choices("abdegiklmnoprstuvz", k=8)) for _ in range(7))
        text = f"{' '.join(made_up).capitalize()}."
        yield "abcd"[number % 4], entry(f"n{number}", text, at=DAY + (7 + 30 * number) * MINUTE)
    for number, text in enumerate(texts):
        yield "abcd"[number % 4], entry(f"fire{number}", text, at=fire_at + 11 * number * MINUTE)


def by_time(found):
    """Return (source, entry) pairs by the entries' time."""
    return sorted(found, key=lambda one: one[1].at)


def store(database, tenant_id, found):
    """Store (source, entry) pairs, each when it came."""
    sources = {}
    for name, one in found:
        if name not in sources:
            sources[name] = rows.feed(database, tenant_id, name, url=f"https://{name}.example/rss")
        rows.posts(database, tenant_id, sources[name], one, now=one.at)


def detect(world, tenant_id):
    """Analyse what came and detect; return what is to be done next."""
    with world.database.transaction() as session:
        work.wake_indexing(session, now=world.clock.now())
    job.perform(world, job.INDEX, tenant_id)
    return job.perform(world, job.TREND, watch.of(world.database, tenant_id, now=world.clock.now()))


def follow(world, errands):
    """Do what detection asked for, and all that follows."""
    waiting = list(errands)
    done = []
    while waiting:
        task, row = waiting.pop(0)
        done.append(task)
        waiting += job.perform(world, job.kind_of(task), row)
    return done
