"""A look at everything Svodka needs: does it answer, which version, how fast, and what to do when it does not."""

import locale
import platform
import re
import shutil
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import redis
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from domains.errors import SvodkaError, Unavailable
from domains.ports import Clock
from services import disk, embedded, stack
from services.database import Database, head
from services.language import OfflineLanguage
from services.log import mask
from services.settings import Settings
from services.valkey import ONCE, Valkey

FREE_BYTES: Final = 500 * 1024**2
SKEW_S: Final = 5.0
POSTGRES_MAJOR: Final = 15
CONNECT_S: Final = 5.0
AMQP_HELLO: Final = b"AMQP\x00\x00\x09\x01"
AMQP_VERSION: Final = re.compile(rb"\x07versionS\x00\x00\x00.([\d.]+)", re.DOTALL)
# What a dependency that is ill raises; anything else is a fault of ours and is not hidden.
AILMENTS: Final = (SvodkaError, OSError, SQLAlchemyError, redis.RedisError, ZoneInfoNotFoundError)


@dataclass(frozen=True, slots=True)
class Health:
    """How one dependency is. ``latency_ms`` is the time the whole check took."""

    name: str
    ok: bool
    version: str | None
    latency_ms: float
    detail: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; with a remedy it is ill."""

    detail: str
    version: str | None = None
    remedy: str | None = None


def checks(settings: Settings, clock: Clock) -> tuple[Health, ...]:
    """Return the health of every dependency, each with a remedy when it is ill. No text of it carries a password.

    Embedded servers that do not run are started for the check and stopped again.
    """
    return (
        _examine("python", _python, "install Python 3.11 or newer"),
        _examine("var", lambda: _folder(settings.var), "set SVODKA_VAR to a folder that can be written"),
        _examine("stack", lambda: _stack(settings.var), "run `svodka up`"),
        *_database(settings, clock),
        *_brokers(settings),
        _examine("time zones", _zones, "reinstall: the tzdata package is damaged"),
        _examine("languages", _languages, "reinstall: py3langid or simplemma is damaged"),
        _examine("text encoding", _encoding, "set PYTHONUTF8=1 or LANG=C.UTF-8"),
    )


def _examine(name: str, look: Callable[[], Finding], remedy: str) -> Health:
    began = time.perf_counter()
    try:
        found = look()
    except AILMENTS as error:
        found = Finding(_first_line(error), remedy=getattr(error, "remedy", None) or remedy)
    return Health(
        name=name,
        ok=found.remedy is None,
        version=found.version,
        latency_ms=round((time.perf_counter() - began) * 1000, 1),
        detail=mask(found.detail),
        remedy=found.remedy and mask(found.remedy),
    )


def _first_line(error: BaseException) -> str:
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def _python() -> Finding:
    return Finding(f"{platform.python_implementation()} at {sys.executable}", platform.python_version())


def _folder(var: Path) -> Finding:
    var = var.absolute()
    with disk.named(var):
        disk.make(var)
        with tempfile.TemporaryFile(dir=var) as file:
            file.write(b"\0" * 4096)
        free = shutil.disk_usage(var).free
    detail = f"{var} can be written, {free / 1024**3:.1f} GB free"
    return Finding(detail, remedy="free some space" if free < FREE_BYTES else None)


def _stack(var: Path) -> Finding:
    running = stack.attach(var)
    if running is None:
        return Finding("not running; `svodka up` starts it")
    names = ", ".join(process.name for process in running.processes)
    return Finding(f"process {running.pid} since {running.started_at:%Y-%m-%d %H:%M:%S} UTC: {names}")


def _zones() -> Finding:
    summer, winter = (
        datetime(2026, month, 1, tzinfo=UTC).astimezone(ZoneInfo("Europe/Kyiv")) for month in (7, 1)
    )
    if summer.utcoffset() == winter.utcoffset():
        return Finding("Europe/Kyiv has no summer time here", remedy="install the tzdata package")
    return Finding("Europe/Kyiv has summer and winter time", version("tzdata"))


def _languages() -> Finding:
    language = OfflineLanguage()
    code = language.detect("Міська рада підвищила вартість проїзду до вісімнадцяти гривень")
    lemma = language.lemma("новости", "ru")
    if (code, lemma) != ("uk", "новость"):
        return Finding(f"wrong answers: {code}, {lemma}", remedy="reinstall py3langid and simplemma")
    return Finding("languages identified, words reduced", f"{version('py3langid')} / {version('simplemma')}")


def _encoding() -> Finding:
    found = {
        "terminal": sys.stdout.encoding or "",
        "files": locale.getpreferredencoding(do_setlocale=False),
        "paths": sys.getfilesystemencoding(),
    }
    wrong = [
        f"{what}: {name}" for what, name in found.items() if name.lower().replace("-", "") not in {"utf8", ""}
    ]
    if wrong:
        return Finding(", ".join(wrong), remedy="set PYTHONUTF8=1 or LANG=C.UTF-8")
    return Finding("UTF-8")


def _database(settings: Settings, clock: Clock) -> Iterator[Health]:
    """Yield what PostgreSQL says; when it says nothing, only that."""
    remedy = "see that the server runs and SVODKA_DATABASE_URL is right"
    with ExitStack() as closing:
        opened: list[Connection] = []

        def connect() -> Finding:
            where, url = closing.enter_context(_database_url(settings))
            database = Database(url)
            closing.callback(database.dispose)
            connection = closing.enter_context(database.engine.connect())
            opened.append(connection)
            number = str(connection.execute(text("SHOW server_version")).scalar_one())
            if int(number.split(".", maxsplit=1)[0]) < POSTGRES_MAJOR:
                return Finding(f"{where}: too old", number, f"use PostgreSQL {POSTGRES_MAJOR} or newer")
            return Finding(where, number.split(" ", maxsplit=1)[0])

        yield _examine("postgresql", connect, remedy)
        for connection in opened:
            own = settings.database_url is None
            yield _examine("schema", partial(_schema, connection, own), "run `svodka migrate`")
            yield _examine("pgvector", partial(_vector, connection), remedy)
            yield _examine("clock", partial(_clock, connection, clock), "set the clock, by NTP")


@contextmanager
def _database_url(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.database_url is not None:
        yield "SVODKA_DATABASE_URL", settings.database_url.get_secret_value()
    elif (running := stack.attach(settings.var)) is not None:
        yield "embedded, of the running stack", running.database_url
    else:
        with embedded.borrowed(settings.var) as url:
            yield "embedded, started for this check", url


def _schema(connection: Connection, own: bool) -> Finding:
    known = connection.execute(text("SELECT to_regclass('alembic_version')")).scalar()
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if found == head():
        return Finding("up to date", found)
    detail = f"at {found or 'nothing'}, this program needs {head()}"
    if own:
        return Finding(f"{detail}; the next `svodka up` brings it there", found)
    return Finding(detail, found, "run `svodka migrate`")


def _vector(connection: Connection) -> Finding:
    found = connection.execute(
        text("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    ).scalar()
    return Finding("available", str(found)) if found else Finding("not there; nothing needs it yet")


def _clock(connection: Connection, clock: Clock) -> Finding:
    theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    skew_s = (clock.now() - theirs).total_seconds()
    detail = f"{abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} PostgreSQL's"
    return Finding(detail, remedy="set the clock, by NTP" if abs(skew_s) > SKEW_S else None)


def _brokers(settings: Settings) -> Iterator[Health]:
    broker, cache = settings.broker_url, settings.redis_url
    if broker is not None:
        yield _examine(
            "broker",
            lambda: _server(broker.get_secret_value(), "SVODKA_BROKER_URL"),
            "see that the server runs and SVODKA_BROKER_URL is right",
        )
    if cache is not None:
        yield _examine(
            "cache",
            lambda: _server(cache.get_secret_value(), "SVODKA_REDIS_URL"),
            "see that the server runs and SVODKA_REDIS_URL is right",
        )
    if broker is None or cache is None:
        yield _examine("valkey", lambda: _embedded_valkey(settings.var), "set SVODKA_BROKER_URL")


def _embedded_valkey(var: Path) -> Finding:
    running = stack.attach(var)
    if running is not None and "valkey" in running.ports:
        url = running.redis_url if f":{running.ports['valkey']}/" in running.redis_url else running.broker_url
        return _server(url, "embedded, of the running stack")
    # In a folder of its own: the real one may be another command's.
    with (
        tempfile.TemporaryDirectory(prefix="svodka-") as folder,
        Valkey(Path(folder) / "valkey", log=Path(folder) / "valkey.log") as server,
    ):
        return _server(server.url(), "embedded, started for this check")


def _server(url: str, where: str) -> Finding:
    if url.startswith(("amqp://", "amqps://")):
        return Finding(f"{where}: answers; the password was not tried", _amqp_version(url))
    with redis.Redis.from_url(
        url, socket_timeout=CONNECT_S, socket_connect_timeout=CONNECT_S, decode_responses=True, retry=ONCE
    ) as client:
        client.ping()
        info = cast("dict[str, str]", client.info("server"))
    return Finding(where, str(info.get("valkey_version") or info.get("redis_version")))


def _amqp_version(url: str) -> str | None:
    """Return the version that an AMQP 0-9-1 broker names in its first frame. Raises Unavailable for another server."""
    parts = urlsplit(url)
    secure = parts.scheme == "amqps"
    address = (parts.hostname or "localhost", parts.port or (5671 if secure else 5672))
    with socket.create_connection(address, timeout=CONNECT_S) as plain, ExitStack() as closing:
        stream = plain
        if secure:
            context = ssl.create_default_context()
            stream = closing.enter_context(context.wrap_socket(plain, server_hostname=address[0]))
        stream.sendall(AMQP_HELLO)
        frame = stream.recv(4096)
    # A method frame of channel 0 with Connection.Start (10, 10).
    if frame[:3] != b"\x01\x00\x00" or frame[7:11] != b"\x00\x0a\x00\x0a":
        raise Unavailable(f"{address[0]}:{address[1]} does not speak AMQP 0-9-1")
    found = AMQP_VERSION.search(frame)
    return found.group(1).decode() if found else None
