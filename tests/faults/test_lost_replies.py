"""The connection ends round a COMMIT: a command is applied exactly once or not at all, and the caller is told which."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.database import Database
from app.domain.commands import Command
from app.domain.errors import DatabaseUnavailable, OutcomeUnknown
from app.domain.records import AnyReceipt, GroupReceipt, Receipt
from app.services import lanes
from app.services.wallet_service import WalletService
from tests.commands import (
    adjustment,
    bonus,
    capture,
    change_account,
    extend,
    group,
    hold,
    refund,
    release,
    reversal,
    spend,
    top_up,
)
from tests.conftest import run_as_owner
from tests.faults.cutting_proxy import CuttingProxy, Fault, proxied


@dataclass
class Faulty:
    """A service whose database is behind the proxy."""

    proxy: CuttingProxy
    wallets: WalletService


@pytest.fixture
async def faulty(seeded_url: str) -> AsyncIterator[Faulty]:
    async with proxied(seeded_url) as (proxy, url):
        database = Database(url)
        service = WalletService(database)
        await service.execute(spend("user_alice", 1))  # connections are there
        yield Faulty(proxy, service)
        await service.close()
        await database.close()


async def applied(database: Database, transaction_id: object) -> int:
    async with database.engine.connect() as connection:
        count = await connection.scalar(
            text("SELECT count(*) FROM transactions WHERE id = :id"), {"id": str(transaction_id)}
        )
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("keyed", [True, False], ids=["with key", "without key"])
@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.CUT_REPLY])
async def test_a_commit_that_is_cut_is_settled_and_applied_exactly_once(
    faulty: Faulty, database: Database, fault: Fault, keyed: bool
) -> None:
    for number in range(5):
        before = (await faulty.wallets.balance("user_bob", 1)).posted
        faulty.proxy.arm(fault)
        command = spend("user_bob", 10, key=f"{fault.name}-{number}" if keyed else None)
        receipt = await faulty.wallets.execute(command)
        assert receipt.transaction_id == command.transaction_id
        assert not receipt.replayed
        assert receipt.balance_after == before - 10
        assert await applied(database, command.transaction_id) == 1
        assert (await faulty.wallets.balance("user_bob", 1)).posted == before - 10
    assert faulty.proxy.done == 5


async def test_a_batch_whose_commit_is_cut_is_settled_as_a_whole(faulty: Faulty, database: Database) -> None:
    commands = [
        *(top_up(f"user_{number}", 5, open_account=True) for number in range(20)),
        spend("user_alice", 10**12, key="refused"),
        *(spend(f"user_{number}", 5, key="k") for number in range(20)),
    ]
    faulty.proxy.arm(Fault.CUT_REPLY, times=2)  # one for each lane
    answers = await faulty.wallets.execute_all(commands)
    assert sum(isinstance(each, Receipt) for each in answers) == 40
    for command in commands:
        assert await applied(database, command.transaction_id) == 1


async def test_every_kind_of_operation_whose_commit_is_cut_answers_what_it_would_have_answered(
    faulty: Faulty, database: Database
) -> None:
    """Each is settled from what is stored of it: the answer is the one that a run without a fault gives."""
    user = "user_bob"
    plain = WalletService(database)
    placed = await plain.execute(hold(user, 50))
    spent = await plain.execute(spend(user, 40))
    given = await plain.execute(top_up(user, 30))
    commands: list[Command] = [
        hold(user, 10),
        extend(user, placed.transaction_id, 5),
        capture(user, placed.transaction_id, 20, final=False),
        release(user, placed.transaction_id),
        refund(user, spent.transaction_id, 15),
        reversal(user, given.transaction_id),
        adjustment(user, -7),
        adjustment(user, 8),
        group(user, spend(user, 3), hold(user, 4), bonus(user, 5, asset=2)),
        change_account(user, limits={1: {"balance_max": 10**9}}),
    ]
    for command in commands:
        expected = await plain.execute(replace(command, dry_run=True))
        faulty.proxy.arm(Fault.CUT_REPLY)
        answer = await faulty.wallets.execute(command)
        assert _comparable(answer) == _comparable(expected)
        assert await applied(database, command.transaction_id) == 1
    assert faulty.proxy.done == len(commands)
    await plain.close()


def _comparable(answer: AnyReceipt) -> AnyReceipt:
    """Return an answer without the times that a dry run a moment earlier can't have."""
    then = datetime(2030, 1, 1, tzinfo=UTC)
    match answer:
        case Receipt():
            facts = {name: fact for name, fact in answer.facts.items() if name not in {"deadline", "held_at"}}
            return replace(answer, created_at=then, facts=facts)
        case GroupReceipt():
            members = [
                replace(each, created_at=then, facts={}, balance=answer.members[-1].balance, lots=())
                for each in answer.members
            ]
            return replace(answer, created_at=then, members=tuple(members))
        case _:
            return replace(answer, created_at=then)


async def test_a_cut_while_the_statements_run_is_an_error_and_changes_nothing(
    faulty: Faulty, database: Database
) -> None:
    faulty.proxy.arm(Fault.CUT_AFTER, trigger=b"INSERT INTO transactions")
    faulty.proxy.arm(Fault.CUT_BEFORE, trigger=b"SET LOCAL")
    command = spend("user_bob", 10)
    with pytest.raises(DatabaseUnavailable):
        await faulty.wallets.execute(command)
    assert await applied(database, command.transaction_id) == 0
    assert (await faulty.wallets.execute(spend("user_bob", 10))).balance_after == 50_000 - 10


async def test_a_commit_that_is_never_answered_is_unknown_and_a_retry_with_the_key_settles_it(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.COMMIT_SECONDS", 0.2)
    monkeypatch.setattr(lanes, "SETTLE_SECONDS", 0.3)
    faulty.proxy.arm(Fault.STALL_REPLY, times=100)
    command = spend("user_bob", 10, key="lost")
    with pytest.raises(OutcomeUnknown) as unknown:
        await faulty.wallets.execute(command)
    assert unknown.value.facts["transaction_id"] == str(command.transaction_id)
    faulty.proxy.arm(Fault.STALL_REPLY, times=0)
    receipt = await faulty.wallets.execute(spend("user_bob", 10, key="lost"))
    assert receipt.transaction_id == command.transaction_id
    assert receipt.replayed
    assert receipt.balance_after == 50_000 - 10


async def test_no_connection_is_leaked_by_the_ends_of_others(faulty: Faulty, database: Database) -> None:
    for _ in range(30):
        faulty.proxy.arm(Fault.CUT_REPLY)
        await faulty.wallets.execute(spend("user_bob", 1))
    async with database.engine.connect() as connection:
        async with asyncio.timeout(5):
            while await connection.scalar(
                text("SELECT count(*) > 12 FROM pg_stat_activity WHERE datname = current_database()")
            ):
                await connection.rollback()
        open_units = await connection.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'")
        )
    assert open_units == 0


@pytest.fixture
async def unreplicated(seeded_url: str, database: Database) -> AsyncIterator[WalletService]:
    """A service whose commits wait for a standby that is not there."""
    await run_as_owner(seeded_url, f'ALTER DATABASE "{database.engine.url.database}" SET synchronous_commit = on')
    waiting = Database(seeded_url)
    service = WalletService(waiting)
    yield service
    await service.close()
    await waiting.close()


async def test_a_cancelled_wait_for_a_standby_is_never_acknowledged(
    unreplicated: WalletService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server calls such a COMMIT a success: a warning (01000) is all that tells it from one that is safe."""
    monkeypatch.setattr(lanes, "SETTLE_SECONDS", 0.5)
    cancelled = 0

    async def cancel_every_wait() -> None:
        nonlocal cancelled
        async with database.engine.connect() as stranger:
            while True:
                cancelled += await stranger.scalar(
                    text(
                        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND wait_event = 'SyncRep'"
                    )
                )
                await stranger.rollback()

    canceller = asyncio.create_task(cancel_every_wait())
    with pytest.raises(OutcomeUnknown):
        await unreplicated.execute(spend("user_bob", 10))
    canceller.cancel()
    assert cancelled >= 2  # the commit itself, and that of settling


async def test_a_commit_that_waits_for_a_standby_too_long_is_unknown(
    unreplicated: WalletService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.COMMIT_SECONDS", 0.2)
    monkeypatch.setattr(lanes, "SETTLE_SECONDS", 0.3)
    with pytest.raises(OutcomeUnknown):
        await unreplicated.execute(spend("user_bob", 10))
