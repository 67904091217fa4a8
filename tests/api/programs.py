"""Runs the service as a program of its own, with an environment that holds nothing but the given settings."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVE = ("-m", "app.cli", "serve")
SECONDS_MAX = 20


@dataclass(frozen=True)
class Ended:
    """What a program said until it ended, and how it ended."""

    code: int
    out: str
    err: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def start(*arguments: str, **settings: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
        start_new_session=True,
    )


async def end_of(process: Process, *, kill: bool = False) -> Ended:
    """Wait for a program's end. One that does not end in time is killed, which is a failure."""
    try:
        async with asyncio.timeout(0 if kill else SECONDS_MAX):
            out, err = await process.communicate()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


async def run(*arguments: str, **settings: str) -> Ended:
    return await end_of(await start(*arguments, **settings))


@asynccontextmanager
async def served(*program: str, **settings: str) -> AsyncIterator[tuple[str, Process]]:
    """Serve, by `wallet serve` or another program, and lend the URL and the process once it has said that it is up."""
    port = free_port()
    process = await start(*(program or SERVE), PORT=str(port), **settings)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS_MAX):
            while line := await process.stdout.readline():
                if b"Ctrl-C" in line:
                    break
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
