"""Processes of PostgreSQL servers: ending them, telling whose they are, and what they leave in postmaster.pid."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MARKER_PREFIX = "wallet-postgres-"
POLL_SECONDS = 0.01
PID_FILE_STATUS_LINE = 7
PROC = Path("/proc/self/cmdline")
PR_SET_PDEATHSIG = 1  # from Linux's <sys/prctl.h>

# How long to wait for what: seconds, after the signal that is sent first (0 sends none).
SERVER_ENDINGS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 8.0), (signal.SIGKILL, 2.0))
ORPHAN_ENDINGS = ((0, 0.2), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 2.0))


def end_with_launcher() -> Callable[[], None] | None:
    """Return what a new child runs before its program, so that it gets SIGINT when this process dies; Linux only."""
    if sys.platform != "linux":
        return None
    launcher, libc = os.getpid(), ctypes.CDLL(None)

    def ask_for_death_signal() -> None:  # runs after the change of user, which would clear the request
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != launcher:  # died before the request
            os._exit(1)

    return ask_for_death_signal


def end_child(server: subprocess.Popen[bytes]) -> None:
    """End a server of our own: fast first, then without its checkpoint (the next start recovers), then by force."""
    for number, seconds in SERVER_ENDINGS:
        server.send_signal(number)  # sends nothing to a process that has ended
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
            return


@dataclass(frozen=True)
class PidFile:
    """What a server tells about itself in postmaster.pid."""

    pid: int
    is_ready: bool


def read_pid_file(data: Path) -> PidFile | None:
    """Return the contents of postmaster.pid, None if it is absent or cut off."""
    try:
        lines = (data / "postmaster.pid").read_bytes().split(b"\n")
        pid = abs(int(lines[0]))  # a single-user server writes a negative number
    except (FileNotFoundError, ValueError):
        return None
    status = lines[PID_FILE_STATUS_LINE].strip() if len(lines) > PID_FILE_STATUS_LINE else b""
    return PidFile(pid, is_ready=status == b"ready")


def marker_of(data: Path) -> str:
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


def end_earlier_processes(marker: str) -> list[int]:
    """Return once no process of an earlier server with this marker lives; return those that do not end.

    A killed launcher leaves a server that is stopping, or on other systems than Linux one that runs on. A killed server
    leaves the processes of busy connections, and PostgreSQL does not start beside them.
    """

    def servers() -> list[int]:
        return [pid for pid, command in _commands().items() if command.endswith(f" -ccluster_name={marker}")]

    def orphans() -> list[int]:
        return [pid for pid, command in _commands().items() if command.startswith(f"postgres: {marker}:")]

    for find, endings in ((servers, SERVER_ENDINGS), (orphans, ORPHAN_ENDINGS)):
        if not _end_all(find, endings):
            return find()
    return []


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


def remove_misleading_pid_file(data: Path) -> None:
    """Remove a postmaster.pid that would stop PostgreSQL although no server runs.

    Its number may be a zombie's, by now another program's, or the next server's own; a cut-off file has none. A server
    that somebody started by hand is left, for PostgreSQL to refuse.
    """
    state = read_pid_file(data)
    command = _commands().get(state.pid, "") if state else ""
    if not re.search(r"(^|/)postgres( |:|$)", command) or MARKER_PREFIX in command:
        (data / "postmaster.pid").unlink(missing_ok=True)
