"""System accounts are never locked: whoever holds one holds up nobody."""

import asyncio

from sqlalchemy import text

from app.database import Database
from app.domain.records import Receipt
from app.services.wallet_service import WalletService
from tests.commands import bonus, spend, top_up
from tests.conftest import set_ledger_now, url_of


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
    await set_ledger_now(url_of(database), "clock_timestamp() + interval '2 days'")
    async with database.engine.connect() as stranger:
        await stranger.execute(text("SELECT 1 FROM accounts WHERE id IN (1, 2) FOR UPDATE"))
        async with asyncio.timeout(2):
            receipt = await wallets.execute(spend("user_alice", 1, asset=2))
        await stranger.rollback()
    assert receipt.balance_after == 20_000 - 1
    async with database.engine.connect() as connection:
        breakage = await connection.scalar(text("SELECT sum(amount) FROM ledger_entries WHERE account_id = 2"))
    assert breakage == 7
