"""The Celery application: the wrapper's tasks, the sweeps, and the operator's buttons. Arguments are row ids.

beat ─▶ *.due ─▶ nudge ─▶ source.fetch | index.posts | digest.make | delivery.send | trend.detect | trend.make ─▶ tasks.job.perform
"""

import gc
import logging
import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from celery import Celery
from celery.signals import setup_logging, task_success, worker_process_init, worker_process_shutdown
from kombu.exceptions import OperationalError

from monitoring import baseline, metrics, tracing
from services import (
    backlog,
    bulk,
    deadletter,
    delivery,
    log,
    memory,
    pace,
    persona,
    query,
    replay,
    retention,
    settings,
    subscription,
    watch,
    wiring,
    work,
)
from services.clock import SystemClock
from tasks import job

logger = logging.getLogger("svodka.tasks")
app: Final = Celery("svodka", config_source="celeryconfig")
SPOKEN: Final = (("newspapers", "en"), ("газетами", "ru"), ("газетами", "uk"))
LIMIT: Final = 500
LETTERS: Final = 5_000
KEPT_BUDGETS: Final = timedelta(days=90)


class Process:
    """What one worker process holds: its `World`, built after the fork and never shared."""

    def __init__(self) -> None:
        self._world: wiring.World | None = None

    @property
    def world(self) -> wiring.World:
        """The process's world, built when it is first needed."""
        if self._world is None:
            set_ = settings.load()
            tracing.configure(set_.otlp_url)
            self._world = wiring.build(set_, SystemClock(), random.Random())  # noqa: S311  jitter
            # What is read at first use is read now, before a lease runs.
            for word, lang in SPOKEN:
                self._world.language.detect(word)
                self._world.language.lemma(word, lang)
            # Modules, models and dictionaries stay as long as the process: each search of them for garbage took some
            # tenths of a second, by the hundred of tasks.
            gc.collect()
            gc.freeze()
        return self._world

    def close(self, **_: Any) -> None:
        """Close every connection."""
        if self._world is not None:
            self._world.close()
            self._world = None


process: Final = Process()


@setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    set_ = settings.load()
    log.configure(set_.log_level, json=set_.log_json)


@worker_process_init.connect
def _begin_process(**_: Any) -> None:
    process.close()


@task_success.connect
def _count_sweep(sender: Any, **_: Any) -> None:
    if sender.name in metrics.SWEEPS:
        process.world.meter.count(metrics.SWEEPS_DONE, sweep=sender.name)


worker_process_shutdown.connect(process.close)


def nudge(errands: Iterable[tuple[str, int]]) -> int:
    """Tell workers which rows to look at and return how many they are.

    A broker that is away costs nothing but time: the sweep says it again.
    """
    count = 0
    for task, row_id in errands:
        try:
            app.send_task(task, args=[row_id])
        except (OperationalError, OSError) as error:
            logger.warning("the broker does not take nudges (%s); sweeps will", type(error).__name__)
            break
        count += 1
    return count


@app.task(name="source.fetch")
def fetch(source_id: int) -> None:
    """Fetch or scan one source."""
    nudge(job.perform(process.world, job.FETCH, source_id))


@app.task(name="index.posts")
def index(tenant_id: int) -> None:
    """Analyse one tenant's new posts."""
    nudge(job.perform(process.world, job.INDEX, tenant_id))


@app.task(name="digest.make")
def make(run_id: int) -> None:
    """Make one run's digest."""
    nudge(job.perform(process.world, job.DIGEST, run_id))


@app.task(name="delivery.send")
def send(delivery_id: int) -> None:
    """Send one digest to one channel."""
    nudge(job.perform(process.world, job.DELIVERY, delivery_id))


@app.task(name="trend.detect")
def detect(watch_id: int) -> None:
    """Find the trends of one tenant's stream."""
    nudge(job.perform(process.world, job.TREND, watch_id))


@app.task(name="trend.make")
def make_card(card_id: int) -> None:
    """Write one trend's card."""
    nudge(job.perform(process.world, job.CARD, card_id))


@app.task(name="source.due")
def source_due() -> int:
    """Nudge sources that are due."""
    return sweep(job.FETCH)


@app.task(name="index.due")
def index_due() -> int:
    """Nudge tenants that have posts to be analysed."""
    world = process.world
    with world.database.transaction() as session:
        work.wake_indexing(session, now=world.clock.now())
        backlog.wake(session, world.clock.now())
    return sweep(job.INDEX)


@app.task(name="digest.due")
def digest_due() -> int:
    """Close windows, insert their runs, and nudge the runs that are due."""
    world = process.world
    with world.database.transaction() as session:
        subscription.close_windows(session, subscription.agreed(session, world.clock.now()))
    return sweep(job.DIGEST)


@app.task(name="trend.due")
def trend_due() -> int:
    """Watch the streams that nobody watches yet, and nudge the watches that are due, and the cards."""
    world = process.world
    watch.wake(world.database, now=world.clock.now())
    return sweep(job.TREND) + sweep(job.CARD)


@app.task(name="delivery.due")
def delivery_due() -> int:
    """Nudge deliveries that are due, every channel's in turn."""
    world = process.world
    with world.database.transaction() as session:
        ids = delivery.due(session, now=world.clock.now(), limit=LIMIT)
    return nudge((job.DELIVERY.name, row_id) for row_id in ids)


@app.task(name="dlq.sweep")
def dlq_sweep() -> int:
    """Replay the dead letters whose time has come, and close those whose work turns out to be done."""
    world = process.world
    with world.database.transaction() as session:
        now = world.clock.now()
        deadletter.settle_finished(session, job.LETTERS, now=now)
        bulk.keep_pace(session, now=now, grace_s=2 * world.settings.sweep_s)
    nudged = 0
    for _ in range(LETTERS // replay.BATCH):
        with world.database.transaction() as session:
            errands, found = replay.sweep(session, job.LETTERS, now=now)
        nudged += nudge(errands)
        if found < replay.BATCH:
            break
    return nudged


@app.task(name="budget.expire")
def budget_expire() -> int:
    """Give back what workers that died had reserved, and return how many reservations that were."""
    return process.world.gateways.budget.expire()


@app.task(name="persona.refresh")
def persona_refresh() -> None:
    """Learn readers' interests anew from what they said, by night."""
    world = process.world
    persona.refresh(world.database, world.clock, world.language)


@app.task(name="memory.purge")
def memory_purge() -> None:
    """Forget what is too old to teach anything, by night."""
    world = process.world
    memory.purge(world.database, world.clock)
    persona.purge(world.database, world.clock)
    with world.database.transaction() as session:
        pace.purge(session, now=world.clock.now())
        query.purge(session, now=world.clock.now())
    world.gateways.budget.purge(world.clock.now() - KEPT_BUDGETS)


@app.task(name="dlq.retain")
def dlq_retain() -> int:
    """Move dead letters that ended long ago into a file, by night, and return how many."""
    world = process.world
    keep = timedelta(days=world.settings.letter_days)
    return retention.retain(world.database, world.clock, world.settings.var / "letters", keep)


@app.task(name="baseline.snapshot")
def baseline_snapshot() -> int:
    """Keep the dashboards, and what Prometheus says where one is set, and return how many files that made."""
    set_, now = process.world.settings, process.world.clock.now()
    label = "morning" if now.hour < 12 else "evening"
    return len(baseline.keep(set_.var / baseline.REPORTS, label, now, set_.prometheus_url))


@app.task(name="dlq.replay")
def dlq_replay(letter_id: int) -> None:
    """Replay one dead letter at once; the operator's button."""
    errand = job.replay(process.world, letter_id, by="operator")
    nudge([errand] if errand else [])


@app.task(name="dlq.discard")
def dlq_discard(letter_id: int) -> None:
    """Discard one dead letter; the operator's button."""
    job.discard(process.world, letter_id, by="operator")


def sweep(kind: job.Kind) -> int:
    """Nudge every due row of one kind of work and return how many they are."""
    world = process.world
    with world.database.transaction() as session:
        ids = work.due(session, kind.model, now=world.clock.now(), limit=LIMIT)
    return nudge((kind.name, row_id) for row_id in ids)
