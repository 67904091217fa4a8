"""Runs the load generator, wrk, and reads what it counted.

An answer that is no success fails the benchmark. Inside batches, operations that were refused as busy are allowed, as
on a slow machine they must be: they are counted, and not as work done.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
BATCH_SIZE = 1_000
TIMEOUT_SECONDS = 30
ERRORS = ("status", "connect", "read", "write", "timeout")


class BenchmarkError(Exception):
    """The benchmark can't go on; the message is for the reader of the terminal."""


class WrkMissing(BenchmarkError):
    pass


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent (a kind that load.lua knows), over how many connections."""

    kind: str
    connections: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One round: operations a second (a batch is many, a hold and its capture one); latency of requests in ms."""

    per_second: float
    p50: float
    p99: float
    busy: int


def check_wrk() -> None:
    """Find the load generator.

    Raises:
        WrkMissing: it is not installed.
    """
    if shutil.which("wrk") is None:
        raise WrkMissing("wrk, the load generator, is not installed: apt-get install wrk (or brew install wrk)")


def run(load: Load, port: int, accounts: Path, *, users: int, seconds: int, seed: int, keys: bool) -> Measured:
    """Send `load` for `seconds` and return what was measured. A `seed` may be used once: keys are made of it.

    `accounts` is a file that says whose an account is, see load.lua.

    Raises:
        BenchmarkError: a request failed, or an operation in a batch was refused.
    """
    command = ["wrk", "--threads=1", f"--connections={load.connections}", f"--duration={seconds}s"]
    command += [f"--timeout={TIMEOUT_SECONDS}s", f"--script={SCRIPT}", f"http://127.0.0.1:{port}", "--"]
    command += [load.kind, str(users), str(seed), "keys" if keys else "no-keys", str(accounts)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("measured ")]
    if ended.returncode != 0 or not lines:
        raise BenchmarkError(f"wrk failed: {ended.stderr or ended.stdout}")
    counted: dict[str, int] = json.loads(lines[0].removeprefix("measured "))
    _check(load, counted, ended.stdout)
    operations = counted["accepted"] if load.kind in {"batch", "hold"} else counted["requests"]
    return Measured(
        per_second=operations / (counted["microseconds"] / 1e6),
        p50=counted["p50"] / 1e3,
        p99=counted["p99"] / 1e3,
        busy=counted["busy"],
    )


def _check(load: Load, counted: dict[str, int], output: str) -> None:
    failed = {name: counted[name] for name in ERRORS if counted[name]}
    if failed:
        raise BenchmarkError(f"{load.kind}: of {counted['requests']} requests some failed, by kind of error: {failed}")
    if not counted["requests"]:
        raise BenchmarkError(f"{load.kind}: not one request was answered in time")
    answered = counted["accepted"] + counted["busy"]
    if load.kind == "batch" and answered != counted["requests"] * BATCH_SIZE:
        refused = next((line for line in output.splitlines() if line.startswith("refused ")), "")
        raise BenchmarkError(f"of {counted['requests']} batches only {answered} operations were carried out; {refused}")
