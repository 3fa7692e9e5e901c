"""The product's worker with snares in it: `celery -A tests.chaos.snared worker`.

A snare is a file VAR/snares/PLACE.NUMBER.SIGNAL. The first process that comes by PLACE moves it to VAR/sprung, with its
pid at the end, and sends itself the signal: so each snare strikes once, exactly there, whatever the machine's load.

Places of a run: run-ID.claimed, .STEP.computed, .STEP.recorded, .finish.before, .finish.uncommitted, .done;
of a delivery: run-ID-CHANNEL.claimed, .unsent, .sent, .uncommitted; of indexing: tenant-ID-BATCH.analysed, .uncommitted.
"""

import os
import signal
from datetime import UTC, datetime, timedelta

from domains.ports import Receipt
from services import delivery, index, run, settings, wiring
from services.channel.file import FileChannel
from services.language import OfflineLanguage
from services.schema import Delivery
from tasks import celery, job
from tasks.celery import app

VAR = settings.load().var
SNARES, SPRUNG = VAR / "snares", VAR / "sprung"
SENT, ENDED, CLOCK = VAR / "sent.log", VAR / "ended.log", VAR / "clock"
__all__ = ["app"]


def come_by(place):
    for snare in sorted(SNARES.glob(f"{place}.*")):
        try:
            snare.rename(SPRUNG / f"{snare.name}.{os.getpid()}")
        except FileNotFoundError:
            continue
        os.kill(os.getpid(), signal.Signals[f"SIG{snare.suffix[1:]}"])
        return


def note(path, line):
    """Add a line whole, by one write: a killed process leaves no half of it, and no buffer is lost."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


class Pigeon:
    """A channel that cannot take back what it sent; what it sent is a line of VAR/sent.log."""

    name = "pigeon"
    idempotent = False

    def send(self, parcel, target):
        return send(parcel, lambda: Receipt((f"pigeon:{parcel.key}",)))


def send(parcel, hand_over):
    come_by(f"{parcel.key}.unsent")
    receipt = hand_over()
    note(SENT, parcel.key)
    come_by(f"{parcel.key}.sent")
    return receipt


def key_of(session, lease):
    row = session.get_one(Delivery, lease.id)
    return f"run-{row.run_id}-{row.channel}"


class JumpingClock:
    """The machine's clock, or as many seconds beside it as VAR/clock says."""

    def now(self):
        try:
            beside_s = float(CLOCK.read_text("ascii"))
        except (FileNotFoundError, ValueError):
            beside_s = 0.0
        return datetime.now(UTC) + timedelta(seconds=beside_s)


def hasten():
    """Make each step short beside the shortest lease: a slow step is not a dead worker, but looks like one.

    Batches are small, and the dictionaries that each process would load are there when it is forked.
    """
    index.BATCH = 60
    language = OfflineLanguage()
    for word, code in celery.SPOKEN:
        language.detect(word)
        language.lemma(word, code)
    wiring.OfflineLanguage = lambda: language


def snare():
    """Lay paths past the snares around the product's own functions; none of them is replaced."""
    step, finish, is_behind = run.RunJournal.step, run.finish, run.is_behind
    errand, delivered = delivery.errand, delivery.delivered
    perform, write, channels, send_file = job.perform, index._write, wiring.channels, FileChannel.send

    def snared_step(self, name, kind, compute):
        place = f"run-{self._lease.id}.{name}"

        def computed():
            value = compute()
            come_by(f"{place}.computed")
            return value

        value = step(self, name, kind, computed)
        come_by(f"{place}.recorded")
        return value

    def snared_is_behind(session, run_id):
        come_by(f"run-{run_id}.claimed")
        return is_behind(session, run_id)

    def snared_finish(session, lease, *args, **kwargs):
        come_by(f"run-{lease.id}.finish.before")
        finish(session, lease, *args, **kwargs)
        session.flush()
        come_by(f"run-{lease.id}.finish.uncommitted")

    def snared_errand(session, lease, **kwargs):
        come_by(f"{key_of(session, lease)}.claimed")
        return errand(session, lease, **kwargs)

    def snared_delivered(session, lease, receipt, **kwargs):
        delivered(session, lease, receipt, **kwargs)
        come_by(f"{key_of(session, lease)}.uncommitted")

    def snared_write(session, tenant_id, memory, batch, now):
        place = f"tenant-{tenant_id}-{memory.generation}"
        come_by(f"{place}.analysed")
        write(session, tenant_id, memory, batch, now)
        come_by(f"{place}.uncommitted")

    def snared_perform(world, kind, row_id):
        errands = perform(world, kind, row_id)
        note(ENDED, f"{kind.name} {row_id} {os.getpid()}")
        if kind is job.DIGEST:
            come_by(f"run-{row_id}.done")
        return errands

    run.RunJournal.step, run.finish, run.is_behind = snared_step, snared_finish, snared_is_behind
    delivery.errand, delivery.delivered = snared_errand, snared_delivered
    job.perform, index._write = snared_perform, snared_write
    wiring.channels = lambda *given: {**channels(*given), Pigeon.name: Pigeon()}
    FileChannel.send = lambda self, parcel, target: send(parcel, lambda: send_file(self, parcel, target))


celery.SystemClock = JumpingClock
hasten()
snare()
