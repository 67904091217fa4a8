"""Races with real commits, by two services on one database as if they were two processes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.database import Database
from app.domain.errors import InsufficientFunds, WalletError
from app.domain.records import Receipt
from app.services.account_service import AccountService
from app.services.wallet_service import WalletService
from tests.commands import bonus, spend, top_up


@pytest.fixture
async def other_wallets(seeded_url: str) -> AsyncIterator[WalletService]:
    database = Database(seeded_url)
    service = WalletService(database)
    yield service
    await service.close()
    await database.close()


async def outcome(service: WalletService, command: object) -> Receipt | WalletError:
    (answer,) = await service.execute_all([command])  # type: ignore[list-item]  # commands of all kinds
    return answer


async def test_every_write_goes_through_while_somebody_holds_the_treasury(
    database: Database, wallets: WalletService
) -> None:
    async with database.engine.connect() as stranger:
        await stranger.execute(text("SELECT 1 FROM accounts WHERE id IN (1, 2) FOR UPDATE"))
        async with asyncio.timeout(2):
            for command in (top_up("user_alice", 5), bonus("user_alice", 5), spend("user_alice", 5)):
                assert isinstance(await wallets.execute(command), Receipt)
        await stranger.rollback()


async def test_an_expiry_goes_through_while_somebody_holds_breakage(database: Database, wallets: WalletService) -> None:
    await wallets.execute(bonus("user_alice", 7, asset=2, days=1))
    async with database.engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
                "RETURN clock_timestamp() + interval '2 days'"
            )
        )
    async with database.engine.connect() as stranger:
        await stranger.execute(text("SELECT 1 FROM accounts WHERE id IN (1, 2) FOR UPDATE"))
        async with asyncio.timeout(2):
            receipt = await wallets.execute(spend("user_alice", 1, asset=2))
        await stranger.rollback()
    assert receipt.balance_after == 20_000 - 1
    async with database.engine.connect() as connection:
        breakage = await connection.scalar(text("SELECT sum(amount) FROM ledger_entries WHERE account_id = 2"))
    assert breakage == 7


async def test_of_200_spends_of_one_exactly_as_many_succeed_as_there_are_units(
    wallets: WalletService, other_wallets: WalletService
) -> None:
    await wallets.execute(top_up("user_race", 100, open_account=True))
    answers = await asyncio.gather(
        *(outcome(service, spend("user_race", 1)) for _ in range(100) for service in (wallets, other_wallets))
    )
    assert sum(isinstance(each, Receipt) for each in answers) == 100
    assert sum(isinstance(each, InsufficientFunds) for each in answers) == 100
    assert (await wallets.balance("user_race", 1)).posted == 0


async def test_a_key_sent_fifty_times_at_once_to_two_services_is_one_transaction(
    wallets: WalletService, other_wallets: WalletService
) -> None:
    answers = await asyncio.gather(
        *(
            service.execute(spend("user_bob", 100, key="storm"))
            for _ in range(25)
            for service in (wallets, other_wallets)
        )
    )
    assert len({each.transaction_id for each in answers}) == 1
    assert sum(not each.replayed for each in answers) == 1
    assert (await wallets.balance("user_bob", 1)).posted == 50_000 - 100


async def test_batches_over_the_same_owners_in_opposite_order_do_not_deadlock(
    database: Database, wallets: WalletService, other_wallets: WalletService
) -> None:
    users = [f"user_{number}" for number in range(40)]
    await wallets.execute_all([top_up(user, 1_000, open_account=True) for user in users])
    answers = await asyncio.gather(
        *(
            service.execute_all([spend(user, 1) for user in order])
            for _ in range(10)
            for service, order in ((wallets, users), (other_wallets, users[::-1]))
        )
    )
    assert all(isinstance(each, Receipt) for some in answers for each in some)
    async with database.engine.connect() as connection:
        deadlocks = await connection.scalar(
            text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    assert deadlocks == 0


async def test_an_account_opened_by_two_services_at_once_is_one_account(
    database: Database, wallets: WalletService, other_wallets: WalletService
) -> None:
    answers = await asyncio.gather(
        *(
            service.execute(top_up("user_new", 10, open_account=True))
            for _ in range(5)
            for service in (wallets, other_wallets)
        ),
        AccountService(database).open("user_new", None),
    )
    assert len({each.balance.account_id for each in answers[:-1] if isinstance(each, Receipt)}) == 1
    assert (await wallets.balance("user_new", 1)).posted == 100


async def test_a_read_sees_every_write_that_was_answered_before(
    wallets: WalletService, other_wallets: WalletService
) -> None:
    async def spend_and_read(reader: WalletService) -> None:
        for _ in range(10):
            receipt = await wallets.execute(spend("user_alice", 1, asset=3))
            assert (await reader.balance("user_alice", 3)).posted <= receipt.balance_after

    await asyncio.gather(*(spend_and_read(reader) for reader in (wallets, other_wallets) for _ in range(4)))
