"""Races with real commits, between two instances of the service: exactly one wins, and nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

import pytest

from app.database import Database
from app.domain.commands import (
    Capture,
    ChangeAccount,
    Command,
    Extend,
    OnShortfall,
    Operation,
    PlaceHold,
    Refund,
    Release,
    Reversal,
    Spend,
)
from app.domain.errors import WalletError
from app.domain.placement import bucket_of
from app.domain.records import AccountStatus, AnyReceipt, Receipt
from app.services.due_job import DueJob
from app.services.ids import new_id
from app.services.wallet_service import WalletService
from tests.commands import bonus, spend, top_up
from tests.conftest import set_ledger_now, url_of
from tests.sizes import choices, size

Kind = TypeVar("Kind", bound=Command)

ROUNDS = size(15, 150)


def asked(kind: type[Kind], user: str, **members: Any) -> Kind:
    """Make a command of `kind`."""
    bucket = bucket_of(user)
    if issubclass(kind, Operation):
        members = {"asset_type_id": 1, **members}
    return kind(transaction_id=new_id(bucket), external_user_id=user, bucket=bucket, actor="test", **members)


@pytest.fixture
async def instances(seeded_url: str) -> AsyncIterator[list[WalletService]]:
    """Two instances of the service on one database."""
    databases = [Database(seeded_url) for _ in range(2)]
    services = [WalletService(each) for each in databases]
    yield services
    for service in services:
        await service.close()
    for database in databases:
        await database.close()


async def race(instances: Sequence[WalletService], commands: Sequence[Command]) -> list[AnyReceipt | str]:
    """Run the commands at once, in turns on the instances; return receipts, and the codes of refusals."""

    async def run(number: int, command: Command) -> AnyReceipt | str:
        try:
            return await instances[number % len(instances)].execute(command)
        except WalletError as error:
            return error.code

    return await asyncio.gather(*(run(number, each) for number, each in enumerate(commands)))


def winners(answers: Sequence[AnyReceipt | str]) -> list[Receipt]:
    return [each for each in answers if isinstance(each, Receipt)]


async def advance(database: Database, days: int) -> None:
    await set_ledger_now(url_of(database), f"clock_timestamp() + interval '{days} days'")


async def test_of_captures_and_releases_of_one_hold_exactly_one_wins(instances: list[WalletService]) -> None:
    random = choices("captures and releases")
    for _ in range(ROUNDS):
        hold = await instances[0].execute(asked(PlaceHold, "user_bob", amount=10))
        before = await instances[0].balance("user_bob", 1)
        kinds = random.choices([Capture, Release], k=6)
        answers = await race(instances, [asked(kind, "user_bob", hold_id=hold.transaction_id) for kind in kinds])
        (winner,) = winners(answers)
        assert sorted(map(str, answers)).count("hold_not_open") == 5
        after = await instances[1].balance("user_bob", 1)
        assert before.held - after.held == 10
        assert before.posted - after.posted == (10 if winner.type == "capture" else 0)


async def test_partial_captures_at_once_never_take_more_than_was_held(instances: list[WalletService]) -> None:
    for _ in range(ROUNDS):
        hold = await instances[0].execute(asked(PlaceHold, "user_bob", amount=10))
        captures = [asked(Capture, "user_bob", hold_id=hold.transaction_id, amount=3, final=False) for _ in range(6)]
        answers = await race(instances, captures)
        assert len(winners(answers)) == 3
        assert answers.count("capture_exceeds_hold") == 3


async def test_a_capture_and_an_extension_that_race_with_the_deadline_find_it_open_or_not(
    database: Database, instances: list[WalletService]
) -> None:
    before = await instances[0].balance("user_bob", 1)
    captured = 0
    for number in range(ROUNDS):
        hold = await instances[0].execute(asked(PlaceHold, "user_bob", amount=10, expires_in_seconds=1))
        named: dict[str, Any] = {"hold_id": hold.transaction_id}
        moving = asyncio.create_task(advance(database, number + 1))
        answers = await race(
            instances,
            [
                asked(Capture, "user_bob", amount=4, final=False, **named),
                asked(Extend, "user_bob", amount=1, **named),
                asked(Capture, "user_bob", **named),
            ],
        )
        await moving
        assert {each for each in answers if isinstance(each, str)} <= {"hold_not_open"}
        captured += sum(each.amount for each in winners(answers) if each.type == "capture")
    await advance(database, ROUNDS + 1)
    after = await instances[1].balance("user_bob", 1)
    assert after.held == 0
    assert before.posted - after.posted == captured


async def test_refunds_of_one_spend_never_give_back_more_than_it_took(instances: list[WalletService]) -> None:
    random = choices("refunds")
    for _ in range(ROUNDS):
        before = await instances[0].balance("user_bob", 1)
        spent = await instances[0].execute(spend("user_bob", 10))
        amounts = random.choices([None, 3, 4, 7], k=6)
        refunds = [asked(Refund, "user_bob", parent_id=spent.transaction_id, amount=each) for each in amounts]
        answers = await race(instances, refunds)
        given_back = sum(each.amount for each in winners(answers))
        assert given_back <= 10
        assert {each for each in answers if isinstance(each, str)} <= {"refund_exceeds_remaining"}
        after = await instances[1].balance("user_bob", 1)
        assert after.posted == before.posted - 10 + given_back


async def test_a_top_up_is_reversed_once(instances: list[WalletService]) -> None:
    for _ in range(ROUNDS):
        given = await instances[0].execute(top_up("user_bob", 10))
        reversals = [
            asked(Reversal, "user_bob", parent_id=given.transaction_id, on_shortfall=OnShortfall.PARTIAL)
            for _ in range(4)
        ]
        answers = await race(instances, [*reversals, spend("user_bob", 5)])
        assert answers.count("already_reversed") == 3


async def test_a_spend_that_races_with_an_expiry_has_the_credits_or_they_expire(
    database: Database, instances: list[WalletService]
) -> None:
    await instances[0].execute(top_up("user_race", 1, open_account=True))
    await instances[0].execute(spend("user_race", 1))
    for number in range(ROUNDS):
        await instances[0].execute(bonus("user_race", 10, days=1))
        moving = asyncio.create_task(advance(database, 2 * number + 2))
        answers = await race(instances, [asked(Spend, "user_race", amount=4) for _ in range(6)])
        await moving
        assert len(winners(answers)) <= 2
        assert {each for each in answers if isinstance(each, str)} <= {"insufficient_funds"}
        assert (await instances[1].balance("user_race", 1)).posted == 0


async def test_after_a_freeze_is_answered_nothing_is_spent(instances: list[WalletService]) -> None:
    statuses = {True: AccountStatus.FROZEN, False: AccountStatus.ACTIVE}
    for _ in range(ROUNDS):
        freeze, unfreeze = (asked(ChangeAccount, "user_bob", status=statuses[each]) for each in (True, False))
        answers, frozen = await asyncio.gather(
            race(instances, [spend("user_bob", 1) for _ in range(8)]), instances[0].execute(freeze)
        )
        assert await race(instances, [spend("user_bob", 1)]) == ["account_frozen"]
        assert all(each.seq < frozen.seq for each in winners(answers))
        assert {each for each in answers if isinstance(each, str)} <= {"account_frozen"}
        await instances[1].execute(unfreeze)


async def test_two_instances_that_book_what_is_due_while_others_write_book_it_once(
    database: Database, instances: list[WalletService]
) -> None:
    for number in range(size(4, 40)):
        await instances[0].execute_all([bonus("user_bob", 10, days=1) for _ in range(20)])
        holds = [asked(PlaceHold, "user_bob", amount=7, expires_in_seconds=60) for _ in range(5)]
        await instances[1].execute_all(holds)
        await advance(database, 2 * number + 2)
        jobs = [DueJob(database, each) for each in instances]
        await asyncio.gather(
            *(job.run_once() for job in jobs), race(instances, [spend("user_bob", 1) for _ in range(6)])
        )
    balance = await instances[0].balance("user_bob", 1)
    assert (balance.posted, balance.held) == (50_000 - 6 * size(4, 40), 0)
