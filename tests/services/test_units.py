"""What several commands of one unit of work do to each other, where less was loaded than there is."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.database import Connection, Database
from app.domain.account_changes import ERASED_PREFIX
from app.domain.errors import AmountTooLarge, HoldNotOpen, UnknownUser, WalletError
from app.domain.records import AccountStatus, AnyReceipt, GroupReceipt, HoldStatus, Receipt
from app.services import loading
from app.services.account_directory import AccountDirectory
from app.services.account_service import AccountService
from app.services.posting import Posted, post
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.commands import (
    bonus,
    capture,
    change_account,
    erase_account,
    extend,
    group,
    hold,
    note,
    release,
    reversal,
    spend,
    top_up,
)

Clock = Callable[[str], Awaitable[None]]
USER = "user_units"


async def lots_beyond_the_first(wallets: WalletService) -> tuple[UUID, UUID]:
    """Give as many lots as are loaded first, and one more; return the first's transaction and the last lot."""
    first = await wallets.execute(top_up(USER, 100, priority=1, open_account=True))
    for _ in range(loading.FREE_LOTS_FIRST - 1):
        await wallets.execute(top_up(USER, 1, priority=2))
    last = await wallets.execute(top_up(USER, 100, priority=3))
    return first.transaction_id, last.lots[0].lot_id


def posted(answer: AnyReceipt | WalletError) -> Receipt:
    assert isinstance(answer, Receipt)
    return answer


async def test_a_spend_after_a_reversal_in_the_same_unit_burns_what_comes_next_in_order(
    wallets: WalletService,
) -> None:
    first, last_lot = await lots_beyond_the_first(wallets)
    answers = await wallets.execute_all([reversal(USER, first), top_up(USER, 100, priority=99), spend(USER, 50)])
    used = posted(answers[2]).lots
    assert (used[-1].lot_id, used[-1].amount) == (last_lot, 50 - (loading.FREE_LOTS_FIRST - 1))


async def test_a_group_that_reverses_and_spends_finds_the_lots_that_are_left(wallets: WalletService) -> None:
    first, last_lot = await lots_beyond_the_first(wallets)
    receipt = await wallets.execute(group(USER, reversal(USER, first), spend(USER, 50)))
    assert receipt.members[1].lots[-1].lot_id == last_lot


async def test_what_came_due_in_quarantine_is_booked_before_the_next_command_after_it(
    database: Database, wallets: WalletService, set_clock: Clock
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    await wallets.execute(top_up(USER, 100, open_account=True))
    placed = await wallets.execute(hold(USER, 60, seconds=10))
    await wallets.execute(bonus(USER, 40, days=1, priority=1))
    await wallets.execute(change_account(USER, status=AccountStatus.QUARANTINED))
    await set_clock("2030-01-03T00:00:00Z")
    changed, captured, spent = await wallets.execute_all(
        [
            change_account(USER, status=AccountStatus.ACTIVE),
            capture(USER, placed.transaction_id),
            spend(USER, 5),
        ]
    )
    assert not isinstance(changed, WalletError)
    assert isinstance(captured, HoldNotOpen)
    assert posted(spent).balance_after == 95
    assert (await verify(database)).problem is None


async def test_a_group_looked_up_by_key_and_by_id_has_each_member_once(
    database: Database, wallets: WalletService
) -> None:
    command = group("user_bob", top_up("user_bob", 1), spend("user_bob", 2), key="looked up")
    first = await wallets.execute(command)

    async def look_up(connection: Connection) -> Posted:
        return await post(connection, [command], AccountDirectory(), look_up_ids=True)

    (again,) = (await database.run(look_up)).answers
    assert isinstance(again, GroupReceipt)
    assert [each.transaction_id for each in again.members] == [each.transaction_id for each in first.members]


async def test_holds_of_very_many_lots_that_end_at_once_are_booked_in_bounded_units(
    database: Database, wallets: WalletService, set_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "DUE_PARTS_MAX", 20)
    monkeypatch.setattr(loading, "DUE_ROWS_MAX", 50)
    await set_clock("2030-01-01T00:00:00Z")
    await wallets.execute(top_up(USER, 1, open_account=True))
    await wallets.execute_all([bonus(USER, 1, days=1) for _ in range(120)])
    for _ in range(8):
        await wallets.execute(hold(USER, 15, seconds=3600))
    await set_clock("2030-01-03T00:00:00Z")
    assert (await wallets.balance(USER, 1)).posted == 1
    assert (await wallets.execute(spend(USER, 1))).balance_after == 0
    async with database.connect() as connection:
        statuses = (await connection.execute(text("SELECT DISTINCT status FROM holds"))).scalars().all()
        largest = await connection.scalar(
            text("SELECT max(amount) FROM transactions WHERE type = 'expiry' AND amount IS NOT NULL")
        )
    assert statuses == [HoldStatus.EXPIRED]
    assert largest is not None
    assert largest <= 50


async def test_a_hold_cannot_grow_beyond_63_bits(wallets: WalletService) -> None:
    most = 2**63 - 1
    await wallets.execute(top_up(USER, most, open_account=True))
    placed = await wallets.execute(hold(USER, most))
    await wallets.execute(capture(USER, placed.transaction_id, most, final=False))
    await wallets.execute(top_up(USER, most))
    for command in (
        extend(USER, placed.transaction_id, most),
        capture(USER, placed.transaction_id, most, from_available=True),
    ):
        (answer,) = await wallets.execute_all([command])
        assert isinstance(answer, AmountTooLarge)
    await wallets.execute(release(USER, placed.transaction_id))


async def test_a_capture_of_nothing_is_no_matter_of_the_days_limit(wallets: WalletService) -> None:
    placed = await wallets.execute(hold("user_bob", 50))
    await wallets.execute(capture("user_bob", placed.transaction_id, 50, final=False))
    await wallets.execute(change_account("user_bob", limits={1: {"daily_spend_max": 10}}))
    receipt = await wallets.execute(capture("user_bob", placed.transaction_id))
    assert (receipt.amount, receipt.facts["hold_status"]) == (0, "captured")


async def test_an_erasure_takes_what_was_written_while_it_was_at_work(
    database: Database, wallets: WalletService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wallets.execute(top_up(USER, 5, note=note(reference="first"), open_account=True))
    await wallets.execute(spend(USER, 5))
    await wallets.execute(change_account(USER, status=AccountStatus.CLOSED))
    accounts = AccountService(database, wallets)
    erase_notes = accounts._erase_notes

    async def then_write(account_id: int, bucket: int) -> None:
        await erase_notes(account_id, bucket)
        await wallets.execute_all([top_up(USER, 1, key="late", note=note(reference="second"))])

    monkeypatch.setattr(accounts, "_erase_notes", then_write)
    await accounts.erase(erase_account(USER))
    async with database.connect() as connection:
        left = await connection.execute(text("SELECT reference FROM transaction_notes WHERE reference IS NOT NULL"))
        names = await connection.execute(text("SELECT external_user_id FROM accounts WHERE status = 'closed'"))
    assert left.all() == []
    assert [name.startswith(ERASED_PREFIX) for (name,) in names] == [True]


async def test_an_erasure_whose_answer_was_lost_is_told_to_be_done(
    database: Database, wallets: WalletService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wallets.execute(top_up(USER, 5, open_account=True))
    await wallets.execute(spend(USER, 5))
    await wallets.execute(change_account(USER, status=AccountStatus.CLOSED))
    accounts = AccountService(database, wallets)
    execute: Any = wallets.execute

    async def lose_the_answer(command: Any) -> AnyReceipt:
        receipt: AnyReceipt = await execute(command)
        if not command.dry_run:
            raise UnknownUser(external_user_id=USER)  # what settling a lost COMMIT of it comes to
        return receipt

    monkeypatch.setattr(wallets, "execute", lose_the_answer)
    await accounts.erase(erase_account(USER))
    with pytest.raises(UnknownUser):
        await accounts.erase(erase_account(USER))
