"""Balance reads share queries, see every write that was answered before they were asked, and write nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.database import Database
from app.domain.errors import WalletError
from app.domain.records import Balance
from app.repositories import wallet_repo
from app.services.wallet_service import WalletService
from tests.commands import spend, top_up
from tests.conftest import own_sessions, run_as_owner, url_of
from tests.sizes import choices, size

READERS = 64
ROUNDS = size(10, 500)
USERS = [f"user_{number}" for number in range(5)]
UNITS = 1_000_000


@pytest.fixture
async def other_wallets(seeded_url: str) -> AsyncIterator[WalletService]:
    database = Database(seeded_url)
    service = WalletService(database)
    yield service
    await service.close()
    await database.close()


async def test_no_read_is_older_than_a_write_that_was_answered_before_it(
    wallets: WalletService, other_wallets: WalletService
) -> None:
    """Many tasks spend and read a few wallets through two services; a balance only goes down."""
    await wallets.execute_all([top_up(user, UNITS, open_account=True) for user in USERS])
    random = choices("reads")
    lowest_answered = dict.fromkeys(USERS, UNITS)

    async def spend_and_read() -> None:
        for _ in range(ROUNDS):
            user = random.choice(USERS)
            receipt = await random.choice((wallets, other_wallets)).execute(spend(user, 1))
            lowest_answered[user] = min(lowest_answered[user], receipt.balance_after)
            read = random.choice(USERS)
            known = lowest_answered[read]
            assert (await random.choice((wallets, other_wallets)).balance(read, 1)).posted <= known

    await asyncio.gather(*(spend_and_read() for _ in range(READERS)))


async def test_reads_that_come_together_share_a_query(wallets: WalletService, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read_balances = wallet_repo.read_balances

    async def counted(connection: object, questions: list[wallet_repo.BalanceQuestion]) -> list[Balance | None]:
        asked.append(len(questions))
        return await read_balances(connection, questions)  # type: ignore[arg-type]  # asyncpg's connection

    monkeypatch.setattr(wallet_repo, "read_balances", counted)
    await asyncio.gather(*(wallets.balance("user_alice", 1) for _ in range(READERS)))
    assert sum(asked) == READERS
    assert len(asked) <= 2


@own_sessions
async def test_reads_write_nothing_even_where_something_is_due(database: Database, wallets: WalletService) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE wallets SET next_due_at = '2000-01-01'"))
    await run_as_owner(
        url_of(database), f'ALTER DATABASE "{database.engine.url.database}" SET default_transaction_read_only = on'
    )
    await database.engine.dispose()  # the setting holds for new connections
    assert (await wallets.balance("user_alice", 1)).posted > 0
    with pytest.raises(WalletError):
        await wallets.execute(spend("user_alice", 1))
    async with database.engine.begin() as connection:
        await connection.execute(text("SET TRANSACTION READ WRITE"))
        await connection.execute(text("UPDATE wallets SET next_due_at = NULL"))
