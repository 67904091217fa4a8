"""Somebody holds a lock for seconds: it is waited for by those who need it, and by nobody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import LOCK_TIMEOUT_MS, Database
from app.domain.errors import Busy, DatabaseUnavailable, InsufficientFunds, InternalError, UnknownUser
from app.domain.records import Receipt
from app.services import lanes
from app.services.wallet_service import WalletService
from tests.commands import spend, top_up
from tests.conftest import run_as_owner, url_of

# An owner in each lane beside Alice's, whose bucket is even.
USERS = ("user_bob", "user_0", "user_1", "user_2", "user_3")


@asynccontextmanager
async def locked(database: Database, user: str) -> AsyncIterator[AsyncConnection]:
    async with database.engine.connect() as stranger:
        await stranger.execute(text("SELECT 1 FROM accounts WHERE external_user_id = :user FOR UPDATE"), {"user": user})
        yield stranger
        await stranger.rollback()


@pytest.fixture
async def users(wallets: WalletService) -> None:
    await wallets.execute_all([top_up(user, 100_000, open_account=True) for user in USERS])


@pytest.mark.usefixtures("users")
async def test_others_stall_once_and_briefly_and_the_owners_callers_are_answered_in_order(
    database: Database, wallets: WalletService
) -> None:
    stalls: list[float] = []
    stop = asyncio.Event()

    async def spend_on(user: str) -> None:
        while not stop.is_set():
            began = time.perf_counter()
            await wallets.execute(spend(user, 1))
            stalls.append(time.perf_counter() - began)

    async with locked(database, "user_alice"):
        others = [asyncio.create_task(spend_on(user)) for user in USERS]
        mine = [asyncio.create_task(wallets.execute(spend("user_alice", 1))) for _ in range(20)]
        await asyncio.sleep(1.5)  # how long the stranger holds the lock is what this test is about
        assert not any(task.done() for task in mine)
    receipts = await asyncio.gather(*mine)
    stop.set()
    await asyncio.gather(*others)
    assert [each.seq for each in receipts] == sorted(each.seq for each in receipts)
    assert [each.balance_after for each in receipts] == [105_000 - number for number in range(1, 21)]
    assert max(stalls) < LOCK_TIMEOUT_MS / 1000 + 0.5
    assert sum(stall > LOCK_TIMEOUT_MS / 2000 for stall in stalls) <= len(USERS), "they stalled more than once"


async def test_at_its_deadline_a_parked_command_is_busy_and_never_runs(
    database: Database, wallets: WalletService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "DEADLINE_SECONDS", 0.6)
    service = WalletService(database)
    async with locked(database, "user_alice"):
        with pytest.raises(Busy):
            await service.execute(spend("user_alice", 1))
    await service.close()
    assert (await wallets.execute(spend("user_alice", 10))).balance_after == 105_000 - 10


async def test_an_unknown_user_is_unknown_also_while_somebody_is_locked(
    database: Database, wallets: WalletService
) -> None:
    async with locked(database, "user_alice"):
        parked = asyncio.create_task(wallets.execute(spend("user_alice", 1)))
        answers = await wallets.execute_all([spend("user_nobody", 1), spend("user_bob", 10**10)])
        assert isinstance(answers[0], UnknownUser)
        assert isinstance(answers[1], InsufficientFunds)
    assert isinstance(await parked, Receipt)


async def test_many_parked_owners_do_not_keep_others_waiting(database: Database, wallets: WalletService) -> None:
    held = [f"user_{number}" for number in range(30)]
    await wallets.execute_all([top_up(user, 10, open_account=True) for user in held])
    async with database.engine.connect() as stranger:
        await stranger.execute(text("SELECT 1 FROM accounts WHERE external_user_id LIKE 'user\\__%' FOR UPDATE"))
        parked = [asyncio.create_task(wallets.execute(spend(user, 1))) for user in held]
        await asyncio.sleep(0.6)  # all have run into the lock
        began = time.perf_counter()
        opened = await wallets.execute(top_up("another", 1, open_account=True))
        assert time.perf_counter() - began < 0.5
        assert opened.balance_after == 1
        await stranger.rollback()
    assert all(isinstance(each, Receipt) for each in await asyncio.gather(*parked))


async def test_closing_waits_for_the_parked(database: Database) -> None:
    service = WalletService(database)
    async with locked(database, "user_alice"):
        parked = asyncio.create_task(service.execute(spend("user_alice", 1)))
        await asyncio.sleep(0.4)  # it has run into the lock
        closing = asyncio.create_task(service.close())
    await closing
    assert isinstance(await parked, Receipt)


async def test_what_a_batch_fails_with_does_not_reach_those_who_wait_for_a_lock(
    database: Database, wallets: WalletService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told "it was not begun" and then carried out: that would be a charge nobody knows of."""
    queue = wallets._lanes
    post = queue._post
    async with locked(database, "user_alice"):
        first = asyncio.create_task(wallets.execute(spend("user_alice", 1)))
        await asyncio.sleep(2 * LOCK_TIMEOUT_MS / 1000)  # it is parked by now

        async def unavailable(*_: object, **__: object) -> NoReturn:
            raise DatabaseUnavailable

        monkeypatch.setattr(queue, "_post", unavailable)
        both = asyncio.create_task(wallets.execute_all([spend("user_alice", 7), spend("user_bob", 1)]))
        await asyncio.sleep(0.1)
        monkeypatch.setattr(queue, "_post", post)
    receipt, refusal = await both
    assert isinstance(refusal, DatabaseUnavailable)
    assert isinstance(receipt, Receipt)
    assert (await first).seq + 1 == receipt.seq


async def test_a_waiter_that_fails_refuses_who_waits_and_nobody_after(
    database: Database, wallets: WalletService, monkeypatch: pytest.MonkeyPatch
) -> None:

    async def broken(_: int) -> NoReturn:
        raise RuntimeError("a waiter's connection was cancelled")

    with monkeypatch.context() as patched:
        patched.setattr(wallets._lanes, "_lock_was_free", broken)
        async with locked(database, "user_alice"):
            with pytest.raises(Busy):
                await wallets.execute(spend("user_alice", 1))
    assert not wallets._lanes._parking.occupied
    assert (await wallets.execute(spend("user_alice", 2))).balance_after == 105_000 - 2


@pytest.mark.usefixtures("users")
async def test_a_culprit_in_the_batch_of_one_who_is_locked_out_loses_and_disorders_nothing(
    database: Database, wallets: WalletService
) -> None:
    await run_as_owner(
        url_of(database),
        "ALTER TABLE transactions ADD CONSTRAINT ck_transactions_poison CHECK (amount <> 666) NOT VALID",
    )
    commands = [spend("user_alice", 1), spend("user_0", 1), spend("user_alice", 2), spend("user_1", 666)]
    async with locked(database, "user_alice"):
        task = asyncio.create_task(wallets.execute_all(commands))
        await asyncio.sleep(4 * LOCK_TIMEOUT_MS / 1000)
    first, other, second, culprit = await task
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert first.seq + 1 == second.seq
    assert isinstance(other, Receipt)
    assert isinstance(culprit, InternalError)
