"""What the tests of the embedded server share: launchers as processes, questions to a database, limited waiting."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import asyncpg

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
PLAIN_UID = pwd.getpwnam("daemon").pw_uid  # not the server's nobody; initdb wants a user with a name


def eventually(condition: Callable[[], object], *, seconds: float = 15) -> None:
    """Wait until the condition holds, and fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def is_ended(pid: int) -> bool:
    """Tell whether a process has ended; a zombie has."""
    try:
        os.kill(pid, 0)
        return sys.platform == "linux" and state_of(pid) == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_server_ready(home: Path) -> bool:
    pid_file = home / "data" / "postmaster.pid"
    return pid_file.exists() and "ready" in pid_file.read_text()


def server_pid(home: Path) -> int:
    return int((home / "data" / "postmaster.pid").read_text().split("\n")[0])


def ask(url: str, *statements: str) -> Any:  # whatever the last statement returns
    """Run statements on a connection of their own and return the last one's first value."""

    async def run() -> Any:  # the same
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(run())


@dataclass
class Launcher:
    """A process that runs `launcher.py`."""

    process: subprocess.Popen[str]

    def said(self) -> dict[str, Any]:  # JSON
        """Wait for the next line that it prints and return it; empty at its end, which comes when it takes too long."""
        assert self.process.stdout is not None
        too_long = threading.Timer(60, self.process.kill)
        too_long.start()
        try:
            return json.loads(self.process.stdout.readline() or "{}")  # type: ignore[no-any-return]  # JSON
        finally:
            too_long.cancel()

    def url(self) -> str:
        said = self.said()
        assert "url" in said, said
        return str(said["url"])

    def finish(self) -> int:
        """Close its input, which ends it in good order, and return its exit status."""
        self.process.communicate(timeout=20)
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Place:
    """A folder for a home, and the unix user (none: ours) that launchers run as in it."""

    uid: int | None = None
    launchers: list[Launcher] = field(default_factory=list)
    home: Path = field(init=False)

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="wallet-test-"))  # pytest's own is closed to others
        self.folder.chmod(0o755)
        if self.uid is not None:
            os.chown(self.folder, self.uid, self.uid)
        self.home = self.folder / "home"
        return self

    def __exit__(self, *_: object) -> None:
        """Leave neither a process nor a file behind."""
        self.end_processes()
        shutil.rmtree(self.folder)

    def end_processes(self) -> None:
        while self.launchers:
            with self.launchers.pop().process as process:
                process.kill()
        for pid_file in self.folder.glob("*/data/postmaster.pid"):
            with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
                pid = server_pid(pid_file.parents[1])
                os.kill(pid, signal.SIGQUIT)
                os.kill(pid, signal.SIGCONT)  # a test may have stopped it
                eventually(partial(is_ended, pid))

    def launch(self, *, path: str = "", home: Path | None = None, **options: str) -> Launcher:
        """Start a launcher, `path` first on its PYTHONPATH, and do not wait for it."""
        if self.uid is not None:
            options = {"uid": str(self.uid)} | options
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("launcher.py")), str(home or self.home), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{ROOT}" if path else str(ROOT)},
            text=True,
            start_new_session=True,
        )
        self.launchers.append(Launcher(process))
        return self.launchers[-1]

    @contextlib.contextmanager
    def moved_home(self, name: str) -> Iterator[Path]:
        """Give the home another path for a while."""
        moved = self.home.rename(self.folder / name)
        try:
            yield moved
        finally:
            self.end_processes()
            moved.rename(self.home)


@contextlib.contextmanager
def changed(path: Path) -> Iterator[Path]:
    """Restore the file afterwards, whatever becomes of it."""
    contents, status = path.read_bytes(), path.stat()
    try:
        yield path
    finally:
        path.write_bytes(contents)
        os.chown(path, status.st_uid, status.st_gid)
        path.chmod(status.st_mode)
