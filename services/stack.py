"""One supervisor for everything a person starts: servers, then children such as Celery's worker and beat.

    lock var ─▶ PostgreSQL ─▶ migrate ─▶ Valkey ─▶ children in order ─▶ stack.json ─▶ watch ─▶ stop, the other way round

What dies is started again after growing pauses; what keeps dying stops the stack, loudly. Every process has a guard, so
none outlives the supervisor, however it ends.
"""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import structlog
from pydantic import SecretStr

from domains.errors import Busy, Unavailable
from domains.ports import Clock
from services import arcade, disk, guard, lock
from services.database import Database
from services.embedded import Postgres
from services.pid import begun, guarded_pid
from services.settings import Settings, child_environment
from services.valkey import Valkey

LOCK: Final = "lock"
STATE: Final = "stack.json"
LOCK_S: Final = 1.0
TICK_S: Final = 0.2
ROTATE_S: Final = 5.0
RESTARTS: Final = 5
WINDOW_S: Final = 60.0
BACKOFF_S: Final = 0.5
CHILD_GRACE_S: Final = 20.0
FREE_BYTES: Final = 50 * 1024**2
ENDINGS: Final = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Child:
    """A command to keep running; ``env`` is added to this process's environment and the stack's URLs.

    One that is not ``vital`` is tried again for ever, and never stops the stack.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = CHILD_GRACE_S
    vital: bool = True


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the stack: the child itself, not its guard."""

    name: str
    pid: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that runs, as ``stack.json`` describes it. The URLs carry passwords."""

    pid: int
    started_at: datetime
    database_url: str
    broker_url: str
    redis_url: str
    ports: Mapping[str, int]
    processes: tuple[Process, ...]
    neo4j_url: str = ""

    def process(self, name: str) -> Process | None:
        """Return the process of that name, or None."""
        return next((one for one in self.processes if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds ``var``."""

    pid: int
    started_at: datetime


def attach(var: Path) -> Running | None:
    """Return the stack that runs on ``var``, or None. Raises Unavailable when its record may not be read."""
    holder = held_by(var)
    if holder is None:
        return None
    try:
        with disk.named(var):
            running = msgspec.json.decode((var / STATE).read_bytes(), type=Running)
    except (Unavailable, msgspec.DecodeError):
        return None
    return running if running.pid == holder.pid else None


def held_by(var: Path) -> Holder | None:
    """Return who holds ``var``, or None; one that was killed holds nothing."""
    path = var / LOCK
    if not path.exists():
        return None
    with disk.named(path):
        if lock.is_shared(path):
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Holder)
        except msgspec.DecodeError:
            return None


class Stack:
    """The servers that the settings leave to us, and the children, under one supervisor and one ``var``."""

    def __init__(self, settings: Settings, clock: Clock, children: Sequence[Child]) -> None:
        self._var = settings.var.absolute()
        self._settings = settings
        self._clock = clock
        self._postgres = Postgres(self._var / "postgres", log=self._log("postgres"))
        self._valkey = Valkey(self._var / "valkey", log=self._log("valkey"))
        self._graph = arcade.of(settings, self._var, self._log("graph"))
        self._children = [_Warded(child, self._log(child.name)) for child in children]
        self._kept: list[_Kept] = []
        self._lock: int | None = None
        self._rotated_s = 0.0
        self._handlers: dict[signal.Signals, Any] = {}

    def start(self) -> Running:
        """Start everything in order; return when the servers answer and the children run.

        From here to `stop`, SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does. Raises Busy when another
        supervisor holds ``var``, Unavailable when a server or the disk is in the way.
        """
        self._take_lock()
        with ExitStack() as undo:
            undo.callback(self.stop)
            self._listen()
            self._start_servers()
            self._migrate()
            for child in self._children:
                start = partial(child.start, self._environment(child.child))
                start()
                self._keep(child.child.name, child.alive, start, vital=child.child.vital)
            running = self._record()
            undo.pop_all()
        return running

    def ready(self, predicate: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Return when ``predicate`` holds, keeping the stack alive meanwhile.

        Raises Unavailable when it does not hold in time, or when something keeps dying.
        """
        deadline = time.monotonic() + timeout_s
        while not predicate():
            self.tend()
            if time.monotonic() > deadline:
                raise Unavailable(f"not ready within {timeout_s:g} s", remedy=f"see {self._var / 'log'}")
            time.sleep(TICK_S)

    def watch(self) -> None:
        """Keep the stack alive until Ctrl-C or SIGTERM. Raises Unavailable when something keeps dying."""
        with suppress(KeyboardInterrupt):
            while True:
                self.tend()
                time.sleep(TICK_S)

    def tend(self) -> None:
        """Start again what has died, unless it dies too often, and turn the logs that have grown."""
        now_s = time.monotonic()
        revived = [one for one in self._kept if one.tend(now_s)]
        if revived:
            self._record()
        if now_s - self._rotated_s > ROTATE_S:
            self._rotated_s = now_s
            self._rotate()

    def stop(self) -> None:
        """Stop everything, the last started first; by force what does not stop in its grace. Again is harmless."""
        if self._lock is None:
            return
        self._ignore_signals()
        held, self._lock, self._kept = self._lock, None, []
        # Each step runs even when the one before it fails; the last pushed is the first done.
        with ExitStack() as steps:
            steps.callback(self._restore_signals)
            steps.callback(os.close, held)
            steps.callback(self._postgres.stop)
            steps.callback(self._valkey.stop)
            if self._graph:
                steps.callback(self._graph.stop)
            for child in self._children:
                steps.callback(child.stop)
            with suppress(OSError):
                (self._var / STATE).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _log(self, name: str) -> Path:
        return self._var / "log" / f"{name}.log"

    def _take_lock(self) -> None:
        with disk.named(self._var), ExitStack() as undo:
            disk.make(self._var)
            try:
                held = lock.exclusive(self._var / LOCK, time.monotonic() + LOCK_S)
            except Busy as error:
                raise _busy(self._var) from error
            undo.callback(os.close, held)
            disk.check_free(self._var, FREE_BYTES)
            (self._var / STATE).unlink(missing_ok=True)
            holder = Holder(os.getpid(), self._clock.now())
            os.ftruncate(held, 0)
            os.pwrite(held, msgspec.json.encode(holder), 0)
            self._lock = held
            undo.pop_all()

    def _start_servers(self) -> None:
        if self._settings.database_url is None:
            self._postgres.start()
            self._keep("postgres", self._postgres.alive, self._postgres.revive)
        if self._settings.broker_url is None or self._settings.redis_url is None:
            self._valkey.start()
            self._keep("valkey", self._valkey.alive, self._valkey.revive)
        if self._graph:
            self._graph.start()
            # Searches and digests go on without it.
            self._keep("graph", self._graph.alive, self._graph.revive, vital=False)

    def _keep(
        self, name: str, alive: Callable[[], bool], revive: Callable[[], None], *, vital: bool = True
    ) -> None:
        self._kept.append(_Kept(name, alive, revive, self._log(name), vital=vital))

    def _migrate(self) -> None:
        database = Database(self._urls()["database_url"])
        try:
            database.migrate()
        finally:
            database.dispose()

    def _urls(self) -> dict[str, str]:
        set_ = self._settings
        return {
            "database_url": _given(set_.database_url) or self._postgres.url(),
            "broker_url": _given(set_.broker_url) or self._valkey.url(),
            "redis_url": _given(set_.redis_url) or self._valkey.url(),
            "neo4j_url": _given(set_.neo4j_url) or (self._graph.url() if self._graph else ""),
        }

    def _environment(self, child: Child) -> dict[str, str]:
        return {**child_environment(var=str(self._var), **self._urls()), **child.env}

    def _record(self) -> Running:
        """Write what runs, whole and for the owner's eyes only, and return it."""
        pids = {child.child.name: child.pid() for child in self._children}
        pids |= {"postgres": self._postgres.pid(), "valkey": self._valkey.pid()}
        pids |= {"graph": self._graph.pid()} if self._graph else {}
        urls = self._urls()
        running = Running(
            pid=os.getpid(),
            started_at=begun(os.getpid()),
            ports={"valkey": self._valkey.port} if self._valkey.port else {},
            processes=tuple(Process(name, pid, begun(pid)) for name, pid in pids.items() if pid),
            **urls,
        )
        with disk.named(self._var):
            disk.write(self._var / STATE, msgspec.json.format(msgspec.json.encode(running)).decode())
        return running

    def _rotate(self) -> None:
        """Turn the logs that have grown. A disk too full for the old text is no reason to stop the servers."""
        for path in (self._var / "log").glob("*.log"):
            try:
                disk.rotate(path)
            except OSError as error:
                structlog.get_logger("svodka.stack").warning(
                    "log not turned", path=str(path), error=str(error)
                )

    def _listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for ending in ENDINGS:
            # One that somebody told us to ignore, as nohup does, stays ignored.
            if signal.getsignal(ending) is not signal.SIG_IGN:
                self._handlers[ending] = signal.signal(ending, signal.default_int_handler)

    def _ignore_signals(self) -> None:
        """Let a second Ctrl-C not cut the stopping short: each step has its deadline."""
        if threading.current_thread() is threading.main_thread():
            self._handlers[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
            for ending in ENDINGS:
                signal.signal(ending, signal.SIG_IGN)

    def _restore_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


class _Warded:
    """A child and its guard."""

    def __init__(self, child: Child, log: Path) -> None:
        self.child = child
        self._log = log
        self._ward: guard.Ward | None = None

    def start(self, env: Mapping[str, str]) -> None:
        self.stop()
        with disk.named(self._log), disk.log_file(self._log) as log:
            self._ward = guard.Ward(guard.Orders(self.child.argv, grace_s=self.child.grace_s), log, env=env)

    def alive(self) -> bool:
        return self._ward is not None and self._ward.exit_code() is None

    def pid(self) -> int | None:
        return guarded_pid(self._ward) if self._ward else None

    def stop(self) -> None:
        if self._ward is not None:
            self._ward.stop()
            self._ward = None


class _Kept:
    """Something that is started again when it dies, after growing pauses, but not for ever."""

    def __init__(
        self, name: str, alive: Callable[[], bool], revive: Callable[[], None], log: Path, *, vital: bool
    ) -> None:
        self._name, self._alive, self._revive, self._log, self._vital = name, alive, revive, log, vital
        self._deaths: deque[float] = deque(maxlen=RESTARTS + 1)
        self._due_s: float | None = None

    def tend(self, now_s: float) -> bool:
        """Return whether it was dead and has been started again. Raises Unavailable when it dies too often."""
        if self._due_s is None:
            if self._alive():
                return False
            self._due_s = now_s + self._pause(now_s)
        if now_s < self._due_s:
            return False
        self._due_s = None
        self._revive()
        return True

    def _pause(self, now_s: float) -> float:
        self._deaths.append(now_s)
        recent = sum(now_s - death < WINDOW_S for death in self._deaths)
        why = disk.last_line(self._log)
        structlog.get_logger("svodka.stack").warning("died", name=self._name, deaths=recent, last_line=why)
        if recent > RESTARTS and self._vital:
            raise Unavailable(
                f"{self._name} died {recent} times within {WINDOW_S:g} s; the last it said: {why}",
                remedy=f"see {self._log}",
            )
        return min(BACKOFF_S * 2.0 ** (recent - 1), WINDOW_S)


def _given(url: SecretStr | None) -> str:
    return url.get_secret_value() if url else ""


def _busy(var: Path) -> Busy:
    holder = held_by(var)
    if holder is None:
        return Busy(f"{var} is just being taken by another `svodka up`", remedy="try again in a moment")
    return Busy(
        f"{var} is held by process {holder.pid} since {holder.started_at:%Y-%m-%d %H:%M:%S} UTC",
        remedy=f"stop it with Ctrl-C or `kill {holder.pid}`, or set SVODKA_VAR to another folder",
    )
