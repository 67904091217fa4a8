"""What time decides is booked in the background, by one instance at a time, and nothing depends on it."""

import asyncio
from collections.abc import Awaitable, Callable

from app.database import Database
from app.services.due_job import ADVISORY_LOCK, DueJob
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.commands import bonus, spend, top_up

Clock = Callable[[str], Awaitable[None]]


async def count(database: Database, query: str) -> int:
    async with database.connect() as connection:
        found: int = (await connection.exec_driver_sql(query)).scalar_one()
    return found


EXPIRIES = "SELECT count(*) FROM transactions WHERE type = 'expiry'"


async def test_what_has_expired_of_many_users_is_booked_once(
    database: Database, wallets: WalletService, set_clock: Clock
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    users = [f"user_{number}" for number in range(300)]
    await wallets.execute_all([top_up(user, 5, open_account=True) for user in users])
    await wallets.execute_all([bonus(user, 10, days=1) for user in users])
    job = DueJob(database, wallets)
    assert await job.run_once() == 0
    await set_clock("2030-01-02T00:00:00Z")
    assert await job.run_once() == len(users)
    assert await job.run_once() == 0
    assert await count(database, EXPIRIES) == len(users)
    assert {(await wallets.balance(user, 1)).posted for user in users} == {5}


async def test_two_instances_at_once_book_everything_once(
    database: Database, wallets: WalletService, set_clock: Clock
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    await wallets.execute_all([bonus("user_alice", 10, days=days) for days in range(1, 41)])
    await set_clock("2030-03-01T00:00:00Z")
    other_wallets = WalletService(database)
    try:
        await asyncio.gather(
            *(DueJob(database, each).run_once() for each in (wallets, other_wallets) for _ in range(3))
        )
    finally:
        await other_wallets.close()
    assert await count(database, EXPIRIES) == 40


async def test_an_instance_leaves_it_to_the_one_that_is_at_it(
    database: Database, wallets: WalletService, set_clock: Clock
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    await wallets.execute(bonus("user_alice", 10, days=1))
    await set_clock("2030-01-02T00:00:00Z")
    async with database.alone(ADVISORY_LOCK) as is_alone:
        assert is_alone
        assert await DueJob(database, wallets).run_once() == 0
    assert await DueJob(database, wallets).run_once() == 1


async def test_thousands_of_lots_due_at_once_are_booked_while_others_are_served(
    database: Database, wallets: WalletService, set_clock: Clock
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    await wallets.execute_all([bonus("user_alice", 1, days=1 + number % 50) for number in range(3_500)])
    await set_clock("2030-06-01T00:00:00Z")
    job = asyncio.create_task(DueJob(database, wallets).run_once())
    while not job.done():
        await wallets.execute(spend("user_bob", 1))
    assert await job >= 1
    assert await count(database, "SELECT count(*) FROM lots WHERE open AND expires_at <= ledger_now()") == 0
    assert (await wallets.balance("user_alice", 1)).posted == 105_000
    assert (await verify(database)).problem is None
