"""PostgreSQL is killed outright, all its processes, under writers who retry: nothing is lost, nothing is done twice."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from app.database import Database, create_database
from app.database_url import APPLICATION
from app.domain.errors import Unavailable
from app.domain.records import Receipt
from app.embedded_postgres import EmbeddedPostgres
from app.migration import migrate
from app.roles import apply_roles
from app.services.seed_service import seed
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.commands import spend, top_up
from tests.sizes import size

ROUNDS = size(10, 100)
WRITERS = 16
ACKNOWLEDGED_BETWEEN_KILLS = 200
ANSWERS_WITHIN_SECONDS = 5


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of its own that keeps what it has acknowledged."""
    home = Path(tempfile.mkdtemp(prefix="wallet-death-"))
    home.chmod(0o755)
    server = EmbeddedPostgres(home / "postgres")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def database(server: EmbeddedPostgres) -> AsyncIterator[Database]:
    await create_database(server.url("postgres"), "wallet")
    owner = Database(server.url("wallet"))
    await migrate(owner)
    await apply_roles(owner, password=server.password)
    await owner.close()
    database = Database(server.url("wallet", APPLICATION))
    await seed(database)
    yield database
    await database.close()


@dataclass
class Writers:
    """Who keep writing, each with a new key, and the same key again until it is answered."""

    wallets: WalletService
    acknowledged: dict[str, Receipt] = field(default_factory=dict)
    unavailable: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, writer: int) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            key = f"{writer}-{number}"
            make = spend if number % 2 else top_up
            while key not in self.acknowledged:
                try:
                    self.acknowledged[key] = await self.wallets.execute(make(f"user_{writer % 5}", 1, key=key))
                except Unavailable:
                    self.unavailable += 1
                    await asyncio.sleep(0.02)

    async def until_acknowledged(self, more: int) -> None:
        wanted = len(self.acknowledged) + more
        async with asyncio.timeout(30):
            while len(self.acknowledged) < wanted:  # noqa: ASYNC110 - the writers only write
                await asyncio.sleep(0.005)


def kill_all(server: EmbeddedPostgres) -> None:
    process = server._server
    assert process is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_nothing_acknowledged_is_lost_and_nothing_is_applied_twice(
    server: EmbeddedPostgres, database: Database
) -> None:
    wallets = WalletService(database)
    await wallets.execute_all([top_up(f"user_{number}", 1_000, open_account=True) for number in range(5)])
    writers = Writers(wallets)
    tasks = [asyncio.create_task(writers.write(writer)) for writer in range(WRITERS)]
    for _ in range(ROUNDS):
        await writers.until_acknowledged(ACKNOWLEDGED_BETWEEN_KILLS)
        kill_all(server)
        server.stop()
        server.start()
        ready = time.monotonic()
        await writers.until_acknowledged(1)
        assert time.monotonic() - ready < ANSWERS_WITHIN_SECONDS
    writers.stop.set()
    await asyncio.gather(*tasks)
    await wallets.close()
    async with database.engine.connect() as connection:
        rows = (
            await connection.execute(
                text("SELECT idempotency_key, id::text AS id FROM transactions WHERE idempotency_key NOT LIKE 'seed:%'")
            )
        ).all()
    stored: dict[str, str] = {row.idempotency_key: row.id for row in rows}
    assert len(rows) == len(stored) == len(writers.acknowledged)
    for key, receipt in writers.acknowledged.items():
        assert stored[key] == str(receipt.transaction_id)
    assert (await verify(database)).problem is None
