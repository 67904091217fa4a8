"""What a rate costs, and how exact it is over several processes: `python -m benchmarks.rates`, three minutes.

Compared, in turns on the same PostgreSQL, with the obvious way: one UPDATE for each request. Needs wrk.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from starlette.types import ASGIApp

import app.main
from app.config import load_settings
from app.database import Connection, Database, create_database
from app.domain.api_keys import Rate
from app.domain.errors import RateLimited
from app.embedded_postgres import EmbeddedPostgres
from app.migration import migrate
from app.repositories.rate_repo import Asked, take_tokens
from app.services.rate_limits import RateLimits
from app.services.seed_service import seed
from benchmarks.load import SCRIPT, check_wrk
from benchmarks.servers import ROOT, START_SECONDS, STOP_SECONDS, Service

CALLERS = 32
PROCESSES = (1, 2, 4)
ENDLESS = Rate(requests_per_second=100_000, burst=100_000)
SHARED = Rate(requests_per_second=1_000, burst=1_000)
FIRST_KEY = 1_000_000
"""Below HTTP keys are numbers: these are nobody's."""

PAUSE_SECONDS = 0.001
"""How long a caller that was refused waits."""

WAYS = {"ours": ("app.main:app",), "one UPDATE each": ("--factory", "benchmarks.rates:app_with_one_update_each")}
OURS, EACH = WAYS
RATES: dict[str, dict[str, int]] = {
    "no rate": {},
    "a rate": {"requests_per_second": ENDLESS.requests_per_second, "burst": ENDLESS.burst},
    "refused": {"requests_per_second": 1, "burst": 1},
}
UPDATE = """
    UPDATE key_buckets
       SET tokens = least($3, tokens + $2 * greatest(0, extract(epoch FROM now() - filled_at)::double precision)) - 1,
           filled_at = greatest(filled_at, now())
     WHERE key_id = $1
       AND least($3, tokens + $2 * greatest(0, extract(epoch FROM now() - filled_at)::double precision)) >= 1
"""


class OneUpdateEach(RateLimits):
    """The obvious way, for a key whose bucket is there."""

    async def take(self, key_id: int, rate: Rate) -> None:
        """Take a token in a statement of its own."""

        async def update(connection: Connection) -> str:
            return await connection.execute(UPDATE, key_id, float(rate.requests_per_second), float(rate.burst))

        if await self._database.read(update) == "UPDATE 0":
            raise RateLimited(requests_per_second=rate.requests_per_second, retry_after_seconds=1)


def app_with_one_update_each() -> ASGIApp:
    vars(app.main)["RateLimits"] = OneUpdateEach
    return app.main.create_served_app(load_settings())


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


# Over HTTP


class Turn(NamedTuple):
    way: str
    rate: str
    connections: int


class Measured(NamedTuple):
    """Requests a second, milliseconds that one took, and of each: milliseconds of a core, transactions that wrote."""

    per_second: float
    p50: float
    p99: float
    service: float
    postgresql: float
    written: float


class Used(NamedTuple):
    """What was used so far: seconds of a core by the service and by its sessions, and numbers of transactions."""

    service: float
    postgresql: float
    transactions: int


@dataclass(frozen=True, kw_only=True)
class Running:
    service: Service
    pid: int

    def used(self) -> Used:
        async def ask() -> tuple[int, list[int]]:
            async with connected(self.service.database_url) as connection:
                number = int(await connection.fetchval("SELECT pg_current_xact_id()::text"))
                sessions = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'wallet'")
                return number, [each["pid"] for each in sessions]

        number, sessions = asyncio.run(ask())
        return Used(service=core_seconds([self.pid]), postgresql=core_seconds(sessions), transactions=number)


def core_seconds(pids: Iterable[int]) -> float:
    """Return how long these processes have computed, as Linux tells it."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError):
            after_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(after_the_name[11]) + int(after_the_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


TURNS = (
    *(
        Turn(way, rate, number)
        for number in (1, CALLERS)
        for way, rate in ((OURS, "no rate"), *((way, "a rate") for way in WAYS))
    ),
    *(Turn(way, "refused", CALLERS) for way in WAYS),
)


@contextmanager
def served(way: str, url: str, folder: Path) -> Iterator[Running]:
    """Run the service in one process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    service = Service(name=way, port=port, log=folder / "service.log", database_url=url)
    command = [sys.executable, "-m", "uvicorn", *WAYS[way], f"--port={port}", "--no-access-log", "--log-level=warning"]
    environment = os.environ | {"DATABASE_URL": url, "LOG_LEVEL": "error", "DUE_JOB": "false"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(ConnectionRefusedError):
                service.call("PUT", "/wallets/users/user_1")  # whose balance is read
                break
            time.sleep(0.1)
        yield Running(service=service, pid=process.pid)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def made_key(service: Service, rate: str) -> str:
    _, answer = service.call("POST", "/keys", {"name": rate, "scopes": ["wallets:read"], **RATES[rate]})
    return str(answer["key"])


def measure(turn: Turn, running: Running, key: str, seconds: int) -> Measured:
    command = ["wrk", "--threads=1", f"--connections={turn.connections}", f"--duration={seconds}s", "--timeout=30s"]
    command += ["-H", f"Authorization: Bearer {key}", f"--script={SCRIPT}", f"http://127.0.0.1:{running.service.port}"]
    before = running.used()
    ended = subprocess.run([*command, "--", "read", "1", "1", "no-keys"], capture_output=True, text=True, check=True)
    after = running.used()
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("measured "))
    counted: dict[str, int] = json.loads(line.removeprefix("measured "))
    if (turn.rate == "refused") != (counted["status"] > 0):
        raise RuntimeError(f"{turn}: {counted['status']} of {counted['requests']} were refused")
    return Measured(
        per_second=counted["requests"] / (counted["microseconds"] / 1e6),
        p50=counted["p50"] / 1e3,
        p99=counted["p99"] / 1e3,
        service=(after.service - before.service) * 1e3 / counted["requests"],
        postgresql=(after.postgresql - before.postgresql) * 1e3 / counted["requests"],
        written=(after.transactions - before.transactions - 1) / counted["requests"],
    )


def compare_over_http(url: str, folder: Path, rounds: int, seconds: int) -> None:
    measured: dict[Turn, list[Measured]] = {turn: [] for turn in TURNS}
    with ExitStack() as stack:
        services = {way: stack.enter_context(served(way, url, folder)) for way in WAYS}
        keys = {rate: made_key(services[OURS].service, rate) for rate in RATES}
        for number in range(rounds + 1):
            for turn in TURNS:
                result = measure(turn, services[turn.way], keys[turn.rate], seconds if number else 1)
                measured[turn] += [result] if number else []  # the first warms up
    heads = ("a second", "p50 ms", "p99 ms", "service", "PostgreSQL", "writes")
    print(f"{'GET …/balance; ms of a core a request:':40}" + "".join(f"{head:>12}" for head in heads))
    for turn, results in measured.items():
        what = f"{turn.rate}, {turn.way}, {turn.connections} connections"
        medians = (statistics.median(each) for each in zip(*results, strict=True))
        print(f"{what:40}" + "".join(f"{each:12,.3f}" for each in medians))


# Below HTTP


async def takes_in(limits: RateLimits, key_id: int, rate: Rate, seconds: float) -> tuple[int, int]:
    """Let callers take all the time; return how often they got a token, and how often they were refused."""
    taken = refused = 0
    until = time.monotonic() + seconds

    async def keep_taking() -> None:
        nonlocal taken, refused
        while time.monotonic() < until:
            try:
                await limits.take(key_id, rate)
                taken += 1
            except RateLimited:
                refused += 1
                await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(keep_taking() for _ in range(CALLERS)))
    return taken, refused


async def compare_below_http(url: str, rounds: int, seconds: int) -> None:
    database = Database(url)
    ways = {OURS: RateLimits(database), EACH: OneUpdateEach(database)}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, limits in ways.items():
            rates[way].append((await takes_in(limits, FIRST_KEY, ENDLESS, seconds))[0] / seconds)
    await database.close()
    for way, some in rates.items():
        print(f"tokens a second, {way}, {CALLERS} callers: {statistics.median(some):,.0f}")


def process_that_takes(url: str, start: Any, results: Any, key_id: int, seconds: int) -> None:  # noqa: ANN401 - multiprocessing's
    async def run() -> tuple[int, int]:
        database = Database(url)
        limits = RateLimits(database)
        await limits.take(key_id + 1_000, ENDLESS)  # the connection is there
        for _ in ("ready", "go"):
            await asyncio.to_thread(start.wait)
        try:
            return await takes_in(limits, key_id, SHARED, seconds)
        finally:
            await database.close()

    results.put(asyncio.run(run()))


async def measure_exactness(url: str, seconds: int) -> None:
    """Flood one key from several processes, and compare what they admitted with what came in meanwhile."""
    context = multiprocessing.get_context("spawn")
    for number in PROCESSES:
        key_id = FIRST_KEY + number
        start, results = context.Barrier(number + 1), context.Queue()
        processes = [
            context.Process(target=process_that_takes, args=(url, start, results, key_id, seconds))
            for _ in range(number)
        ]
        for process in processes:
            process.start()
        async with connected(url) as connection:
            await asyncio.to_thread(start.wait)
            await take_tokens(connection, [Asked(key_id=key_id, rate=SHARED, tokens=SHARED.burst)])
            _, began = await bucket_of(connection, key_id)
            await asyncio.to_thread(start.wait)
            counted = [await asyncio.to_thread(results.get) for _ in processes]
            left, ended = await bucket_of(connection, key_id)
        for process in processes:
            process.join()
        given, refused = (sum(each) for each in zip(*counted, strict=True))
        came_in = SHARED.requests_per_second * (ended - began)
        off = (given + left) / came_in - 1
        print(
            f"{number} processes at {SHARED.requests_per_second:,} a second: {came_in:,.1f} tokens came in, "
            f"{given:,} were given out and {left:,.1f} are left ({off:+.4%}), {refused:,} requests refused"
        )


async def bucket_of(connection: Connection, key_id: int) -> tuple[float, float]:
    """Return how many tokens a bucket had when it was last looked at, and when that was."""
    query = "SELECT tokens, extract(epoch FROM filled_at)::double precision FROM key_buckets WHERE key_id = $1"
    ((tokens, moment),) = await connection.fetch(query, key_id)
    return tokens, moment


async def measure_snapshot(url: str, takes: int) -> None:
    """Take again and again while somebody keeps a snapshot: what no longer counts can't be cleared away meanwhile."""
    asked = [Asked(key_id=FIRST_KEY, rate=ENDLESS, tokens=1)]
    async with connected(url) as connection, connected(url) as stranger:

        async def milliseconds(times: int) -> float:
            some = []
            for _ in range(times):
                began = time.perf_counter()
                await take_tokens(connection, asked)
                some.append((time.perf_counter() - began) * 1e3)
            return statistics.median(some)

        await milliseconds(1_000)
        before = await milliseconds(1_000)
        await stranger.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await stranger.execute("SELECT count(*) FROM key_buckets")
        await milliseconds(takes)
        during = await milliseconds(1_000)
        await stranger.execute("ROLLBACK")
        await milliseconds(1_000)
        after = await milliseconds(1_000)
    print(f"a take: {before:.2f} ms; when a stranger's snapshot has seen {takes:,} of them {during:.2f} ms", end="; ")
    print(f"when that is over {after:.2f} ms")


# All of it


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rates", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--takes", type=int, default=20_000)
    options = parser.parse_args()
    check_wrk()
    folder = Path(tempfile.mkdtemp(prefix="wallet-bench-"))
    folder.chmod(0o755)  # as root the server is another user, who must be able to enter
    try:
        with EmbeddedPostgres(folder / "postgres") as server:
            url = server.url("wallet")
            asyncio.run(made(server.url("postgres"), url))
            print(f"load average before: {os.getloadavg()[0]:.1f}", flush=True)
            compare_over_http(url, folder, options.rounds, options.seconds)
            asyncio.run(compare_below_http(url, options.rounds, options.seconds))
            asyncio.run(measure_exactness(url, options.seconds * options.rounds))
            asyncio.run(measure_snapshot(url, options.takes))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def made(server_url: str, url: str) -> None:
    await create_database(server_url, "wallet")
    database = Database(url)
    await migrate(database, sandbox=False)
    await seed(database)
    await database.close()


if __name__ == "__main__":
    main()
