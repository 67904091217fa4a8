"""A share of everything through pgbouncer, in every run. `make test-pooler` runs all functional tests through it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest

from app.config import Pooler
from app.database import Database, driver_connection
from app.migration import HEAD, current_revision, migrate
from app.services.seed_service import CREDITS, Seeded, seed
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.commands import spend, top_up
from tests.conftest import as_owner, cloned_database
from tests.pooler.pgbouncer import SERVER_CONNECTIONS, PgBouncer

ALICE = "/api/v1/wallets/users/user_alice"
READERS = 3 * SERVER_CONNECTIONS
SPENDS = 60


@pytest.fixture
async def blank(pooler: PgBouncer, server_url: str) -> AsyncIterator[Database]:
    """A database without tables, reached as its owner."""
    async with cloned_database(as_owner(server_url), "template1") as url:
        database = Database(pooler.url(url), pooler=Pooler.TRANSACTION)
        yield database
        await database.close()


async def test_the_four_calls_are_answered(client: httpx2.AsyncClient) -> None:
    gold = {"amount": "50.00", "asset_type_id": 1}
    balances = [(await client.post(f"{ALICE}/{call}", json=gold)).json() for call in ("top-up", "bonus", "spend")]
    assert [each["new_balance"] for each in balances] == ["1100.00", "1150.00", "1100.00"]
    read = await client.get(f"{ALICE}/balance", params={"asset_type_id": 1})
    assert (read.status_code, read.json()["balance"]) == (200, "1100.00")


async def test_an_account_is_opened_and_changed(client: httpx2.AsyncClient) -> None:
    path = "/api/v1/wallets/users/somebody"
    opened, changed = [await client.put(path, json={"metadata": {"plan": plan}}) for plan in ("free", "paid")]
    assert (opened.status_code, changed.status_code) == (201, 200)
    assert changed.json()["metadata"] == {"plan": "paid"}


async def test_a_batch_of_a_thousand_operations_is_answered(client: httpx2.AsyncClient) -> None:
    operation = {"type": "spend", "external_user_id": "user_alice", "amount": "0.01", "asset_type_id": 1}
    answer = await client.post("/api/v1/batch", json={"operations": [operation] * 1_000})
    assert {each["status"] for each in answer.json()["results"]} == {200}
    assert answer.json()["results"][-1]["new_balance"] == "1040.00"


async def test_a_key_sent_again_is_answered_with_the_same_transaction(client: httpx2.AsyncClient) -> None:
    body = {"amount": "50.00", "asset_type_id": 1, "idempotency_key": "again"}
    first, second = [(await client.post(f"{ALICE}/spend", json=body)).json() for _ in range(2)]
    assert (first["replayed"], second["replayed"]) == (False, True)
    assert second["transaction_id"] == first["transaction_id"]
    assert second["new_balance"] == first["new_balance"] == "1000.00"


async def test_a_spend_of_more_than_there_is_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{ALICE}/spend", json={"amount": "1050.01", "asset_type_id": 1})
    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_funds")


async def test_spends_by_two_services_at_once_share_the_few_connections(pooled: Database, pooled_url: str) -> None:
    other = Database(pooled_url, pooler=Pooler.TRANSACTION)
    services = [WalletService(pooled), WalletService(other)]
    users = [f"user_{number}" for number in range(SPENDS // len(services))]
    await services[0].execute_all([top_up(user, 2, open_account=True) for user in users])
    receipts = await asyncio.gather(*(service.execute(spend(user, 1)) for user in users for service in services))
    assert [each.balance_after for each in receipts].count(0) == len(users)
    assert {(await services[0].balance(user, 1)).posted for user in users} == {0}
    assert 1 <= await _server_connections(pooled) <= SERVER_CONNECTIONS
    for service in services:
        await service.close()
    await other.close()


async def test_an_empty_database_is_migrated_seeded_and_verified(blank: Database) -> None:
    await asyncio.gather(*(migrate(blank) for _ in range(2)))
    async with blank.connect() as connection:
        assert await current_revision(connection) == HEAD
    assert await seed(blank) == Seeded(asset_types=3, accounts=2, credits=len(CREDITS))
    assert (await verify(blank)).problem is None


async def test_statements_outlive_their_connection_without_the_setting(pooled_url: str) -> None:
    unaware = Database(pooled_url, pooler=Pooler.NONE, pool_size=READERS)
    with pytest.raises((asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)):
        await _read_again_and_again(unaware)
    await unaware.close()


async def test_no_statement_outlives_its_connection_with_the_setting(pooled_url: str) -> None:
    aware = Database(pooled_url, pooler=Pooler.TRANSACTION, pool_size=READERS)
    await _read_again_and_again(aware)
    await aware.close()


async def _read_again_and_again(database: Database) -> None:
    """Let more clients than the pooler has connections run statements of their own, each often enough to meet all."""

    async def read(reader: int) -> None:
        async with database.connect() as connection:
            driver = await driver_connection(connection)
            for _ in range(20):
                assert await driver.fetchval(f"SELECT $1::integer + {reader}", 1) == 1 + reader

    outcomes = await asyncio.gather(*(read(reader) for reader in range(READERS)), return_exceptions=True)
    for failed in (each for each in outcomes if isinstance(each, BaseException)):
        raise failed


async def _server_connections(database: Database) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    count: int = await database.read(lambda connection: connection.fetchval(sql))
    return count
