"""What a unit of work loads, books and writes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from app.database import Database
from app.domain.errors import InsufficientFunds, InternalError, LedgerCorrupt, UnknownUser
from app.domain.records import Receipt
from app.repositories import projection_repo
from app.services import loading
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.commands import bonus, capture, hold, spend, top_up


async def scalar(database: Database, sql: str) -> object:
    async with database.engine.connect() as connection:
        return await connection.scalar(text(sql))


async def test_commands_that_come_together_are_committed_together(database: Database, wallets: WalletService) -> None:
    await asyncio.gather(*(wallets.execute(spend("user_alice", 1)) for _ in range(100)))
    units = await scalar(
        database, "SELECT count(DISTINCT feed_xid) FROM transactions WHERE type = 'spend' AND outcome = 'posted'"
    )
    assert isinstance(units, int)
    assert units <= 3  # the first alone, the rest while it was in the database


async def test_commands_of_one_user_are_decided_in_the_order_in_which_they_came(wallets: WalletService) -> None:
    answers = await wallets.execute_all(
        [top_up("user_order", 5, open_account=True), spend("user_order", 5), spend("user_order", 1)]
    )
    assert isinstance(answers[0], Receipt)
    assert isinstance(answers[1], Receipt)
    assert isinstance(answers[2], InsufficientFunds)


async def test_a_user_is_unknown_until_a_command_opens_the_account(wallets: WalletService) -> None:
    answers = await wallets.execute_all(
        [top_up("user_nobody", 5), top_up("user_nobody", 5, open_account=True), top_up("user_nobody", 5)]
    )
    assert isinstance(answers[0], UnknownUser)
    assert isinstance(answers[1], Receipt)
    assert isinstance(answers[2], Receipt)
    assert answers[2].balance_after == 10


async def test_a_refusal_without_a_key_opens_no_account(database: Database, wallets: WalletService) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE asset_types SET status = 'inactive' WHERE id = 3"))
    await wallets.execute_all([top_up("user_nobody", 5, asset=3, open_account=True)])
    assert await scalar(database, "SELECT count(*) FROM accounts WHERE external_user_id = 'user_nobody'") == 0


async def test_a_spend_eats_as_many_lots_as_it_needs(wallets: WalletService) -> None:
    await wallets.execute(top_up("user_many", 1, open_account=True))
    await wallets.execute_all([top_up("user_many", 1) for _ in range(199)])
    few, most, over = await wallets.execute_all([spend("user_many", 3), spend("user_many", 190), spend("user_many", 8)])
    assert isinstance(few, Receipt)
    assert isinstance(most, Receipt)
    assert (len(few.lots), len(most.lots)) == (3, 190)
    assert isinstance(over, InsufficientFunds)
    assert over.facts["available"] == 7


async def test_lots_burn_by_priority_then_expiry_then_kind_then_age(wallets: WalletService) -> None:
    user = "user_burn"
    await wallets.execute(top_up(user, 1, open_account=True))
    made = [
        await wallets.execute(command)
        for command in (
            bonus(user, 1),
            bonus(user, 1, days=30),
            bonus(user, 1, days=10),
            bonus(user, 1, days=60, priority=10),
            top_up(user, 1),
        )
    ]
    first = [receipt.lots[0].lot_id for receipt in made]
    answers = await wallets.execute_all([spend(user, 5)])
    assert isinstance(answers[0], Receipt)
    # priority 10, then 10 days, 30 days, then never: promo before paid, and the older paid before the newer
    assert [use.lot_id for use in answers[0].lots][:4] == [first[3], first[2], first[1], first[0]]
    assert answers[0].lots[4].lot_id != first[4]


async def test_thousands_of_due_lots_are_booked_in_bounded_units_before_the_command(
    database: Database, wallets: WalletService, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    user, lots = "user_due", 2 * loading.DUE_ROWS_MAX + 10
    await set_clock("2030-01-01T00:00:00Z")
    await wallets.execute(top_up(user, 5, open_account=True))
    for _ in range(3):
        await wallets.execute_all([bonus(user, 1, days=1) for _ in range(lots // 3)])
    await set_clock("2030-01-02T00:00:00Z")
    assert (await wallets.balance(user, 1)).posted == 5
    receipt = await wallets.execute(spend(user, 5))
    assert receipt.balance_after == 0
    units = await scalar(
        database, "SELECT count(DISTINCT feed_xid) FROM transactions WHERE type = 'expiry' AND outcome = 'posted'"
    )
    assert units == 3


async def test_a_corrupt_wallet_fails_alone(wallets: WalletService, database: Database) -> None:
    await wallets.execute_all([top_up(f"user_{number}", 10, open_account=True) for number in range(20)])
    hurt = (
        "UPDATE wallets SET posted = posted + {} FROM accounts a WHERE a.id = owner_id AND external_user_id = 'user_7'"
    )
    async with database.engine.begin() as connection:
        await connection.execute(text(hurt.format("5")))
    answers = await wallets.execute_all([spend(f"user_{number}", 12 if number == 7 else 10) for number in range(20)])
    async with database.engine.begin() as connection:
        await connection.execute(text(hurt.format("-5")))
    assert isinstance(answers.pop(7), LedgerCorrupt)
    assert all(isinstance(each, Receipt) for each in answers)


async def test_the_first_commands_of_a_unit_survive_a_replay_in_the_middle(wallets: WalletService) -> None:
    first, again, after = await wallets.execute_all(
        [spend("user_bob", 10, key="k"), spend("user_bob", 10, key="k"), spend("user_bob", 1)]
    )
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert isinstance(after, Receipt)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.transaction_id == first.transaction_id
    assert after.balance_after == first.balance_after - 1


@pytest.mark.parametrize("table", ["a", "w", "l", "h"])
async def test_a_row_that_is_not_written_where_it_should_be_fails_the_unit(
    database: Database, wallets: WalletService, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    placed = await wallets.execute(hold("user_alice", 3))
    before = await wallets.balance("user_alice", 1)
    statement, written_by_id = projection_repo.UPDATE_PROJECTIONS, f"\n       AND {table}.bucket = c.bucket"
    assert statement.count(written_by_id) == 1
    monkeypatch.setattr(projection_repo, "UPDATE_PROJECTIONS", statement.replace(written_by_id, "\n       AND false"))
    with pytest.raises(InternalError):
        await wallets.execute(capture("user_alice", placed.transaction_id))
    monkeypatch.undo()
    assert await wallets.balance("user_alice", 1) == before
    assert (await wallets.execute(capture("user_alice", placed.transaction_id))).amount == 3
    assert (await verify(database)).problem is None
