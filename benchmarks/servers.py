"""Starts what is measured: one PostgreSQL with two databases, this service and the straightforward one, both filled.

Everything started here is stopped when the context ends, however it ends.
"""

import asyncio
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

from app.embedded_postgres import EmbeddedPostgres
from benchmarks.load import BATCH_SIZE, BenchmarkError

ROOT = Path(__file__).parent.parent
OURS, THEIRS = "ours", "theirs"
FIRST_BALANCE = "1000000.00"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
IDLE_SECONDS = 30.0
LOOK_SECONDS = 0.05
IDLE_LOOKS = 4

_COUNT_BUSY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
       AND state <> 'idle'
"""
_INSERT_USERS = "INSERT INTO users (external_user_id) SELECT 'user_' || n FROM generate_series(1, $1::integer) AS n"
_INSERT_ACCOUNTS = """
    INSERT INTO accounts (user_id, asset_type_id) SELECT id, 1 FROM users WHERE external_user_id LIKE 'user%'
"""
_INSERT_TRANSACTIONS = """
    INSERT INTO transactions (id, account_id, type, amount)
    SELECT gen_random_uuid(), a.id, 'top_up', $1::numeric
      FROM accounts AS a JOIN users AS u ON u.id = a.user_id
     WHERE u.external_user_id LIKE 'user%'
"""
_INSERT_ENTRIES = """
    INSERT INTO ledger_entries (transaction_id, account_id, amount)
    SELECT t.id, line.account_id, line.amount
      FROM transactions AS t
     CROSS JOIN (SELECT a.id FROM accounts AS a JOIN users AS u ON u.id = a.user_id
                  WHERE u.external_user_id = 'system:treasury' AND a.asset_type_id = 1) AS treasury
     CROSS JOIN LATERAL (VALUES (t.account_id, t.amount), (treasury.id, -t.amount)) AS line (account_id, amount)
"""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that answers on a port of this machine."""

    name: str
    port: int
    log: Path
    database_url: str

    @property
    def accounts(self) -> Path:
        """A file that says whose an account is, for the load generator: `<account_id> <user>` in each line."""
        return self.log.with_suffix(".accounts")

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Make one call and return the status and the answer.

        Raises:
            BenchmarkError: the service failed.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1{path}", text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read().decode()
            if response.status >= 500:
                raise BenchmarkError(f"{self.name}: {method} {path} was answered {response.status}: {answer[:400]}")
            return response.status, json.loads(answer)
        finally:
            connection.close()


@dataclass(frozen=True, kw_only=True)
class Servers:
    ours: Service
    theirs: Service
    postgresql_version: str


@contextmanager
def started(users: int, workers: int) -> Iterator[Servers]:
    """Start everything in a fresh folder, with `users` users who have something to spend; in the end remove it all.

    Each service gets `workers` processes.
    """
    home = Path(tempfile.mkdtemp(prefix="wallet-bench-"))
    try:
        with ExitStack() as stack:
            postgres = stack.enter_context(EmbeddedPostgres(home))
            urls = {name: postgres.url(name) for name in (OURS, THEIRS)}
            version = asyncio.run(_create_databases(postgres.url("postgres")))
            services = {name: stack.enter_context(_service(name, url, home, workers)) for name, url in urls.items()}
            _fill_ours(services[OURS], users)
            asyncio.run(_list_accounts(services[OURS]))
            asyncio.run(_fill_theirs(urls[THEIRS], users))
            asyncio.run(_settle(list(urls.values())))
            yield Servers(ours=services[OURS], theirs=services[THEIRS], postgresql_version=version)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def wait_until_idle(service: Service) -> None:
    """Return once the service is done with what it was still doing when the load generator hung up on it.

    Raises:
        BenchmarkError: it does not end.
    """
    asyncio.run(_wait_until_idle(service))


@contextmanager
def _service(name: str, url: str, folder: Path, workers: int) -> Iterator[Service]:
    """Run one service in processes of its own."""
    service = Service(name=name, port=_free_port(), log=folder / f"{name}.log", database_url=url)
    settings = {"DATABASE_URL": url, "PORT": str(service.port), "WORKERS": str(workers)}
    environment = os.environ | settings | {"SEED_ON_START": "1", "LOG_LEVEL": "warning"}
    command = [sys.executable, "-m"]
    if name == OURS:
        command += ["app.cli", "serve"]
    else:
        command += ["uvicorn", "--factory", "benchmarks.straightforward:create_app"]
        command += [f"--port={service.port}", f"--workers={workers}"]
        command += ["--loop=uvloop", "--http=httptools", "--no-access-log", "--log-level=warning"]
    with service.log.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log)
    try:
        _wait_until_answering(service, process)
        yield service
    finally:
        _stop(process)
        _show_log(service)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_answering(service: Service, process: subprocess.Popen[bytes]) -> None:
    """Return once the port is open: uvicorn opens it when the application has started."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", service.port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise BenchmarkError(f"the service {service.name} did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _show_log(service: Service) -> None:
    """Print what the service complained about: it says only warnings and worse."""
    lines = service.log.read_text(errors="replace").splitlines()
    if lines:
        shown = "\n  ".join(lines[-20:])
        print(f"\n{service.name} wrote {len(lines)} lines of log, at the end:\n  {shown}", file=sys.stderr)


def _fill_ours(service: Service, users: int) -> None:
    for first in range(1, users + 1, BATCH_SIZE):
        operations = [
            {
                "type": "top_up",
                "external_user_id": f"user_{number}",
                "amount": FIRST_BALANCE,
                "asset_type_id": 1,
                "open_account": True,
            }
            for number in range(first, min(first + BATCH_SIZE, users + 1))
        ]
        status, answer = service.call("POST", "/batch", {"operations": operations})
        if status != 200 or any(each["status"] != 200 for each in answer["results"]):
            raise BenchmarkError(f"the users could not be opened: {status} {str(answer)[:400]}")


async def _list_accounts(service: Service) -> None:
    async with _connected(service.database_url) as connection:
        rows = await connection.fetch("SELECT id, external_user_id FROM accounts WHERE external_user_id IS NOT NULL")
    service.accounts.write_text("".join(f"{row['id']} {row['external_user_id']}\n" for row in rows))


async def _create_databases(url: str) -> str:
    """Make a database for each service, and return the server's version."""
    async with _connected(url) as connection:
        for name in (OURS, THEIRS):
            await connection.execute(f"CREATE DATABASE {name}")
        version: str = await connection.fetchval("SHOW server_version")
        return version


async def _fill_theirs(url: str, users: int) -> None:
    async with _connected(url) as connection, connection.transaction():
        await connection.execute(_INSERT_USERS, users)
        await connection.execute(_INSERT_ACCOUNTS)
        await connection.execute(_INSERT_TRANSACTIONS, Decimal(FIRST_BALANCE))
        await connection.execute(_INSERT_ENTRIES)


async def _settle(urls: list[str]) -> None:
    """Leave no work over from the filling: statistics, visibility, the pages to write."""
    for url in urls:
        async with _connected(url) as connection:
            await connection.execute("VACUUM ANALYZE")
            await connection.execute("CHECKPOINT")


async def _wait_until_idle(service: Service) -> None:
    """Look whether any connection of the service is at work, until none was several times in a row."""
    deadline = time.monotonic() + IDLE_SECONDS
    idle = 0
    async with _connected(service.database_url) as connection:
        while idle < IDLE_LOOKS:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"the service {service.name} is still busy {IDLE_SECONDS:g} s after the load")
            await asyncio.sleep(LOOK_SECONDS)
            idle = 0 if await connection.fetchval(_COUNT_BUSY) else idle + 1


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        yield connection
    finally:
        await connection.close()
