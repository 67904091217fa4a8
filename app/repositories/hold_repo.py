"""Holds: loading them with the lots that they reserve, and writing what became of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.database import Connection
from app.domain.account import Account
from app.domain.hold import Hold
from app.domain.record import record
from app.domain.records import HoldRow, LotRow, Outcome, ParentRow, TransactionType
from app.repositories.rows import hold_row, lot_row
from app.repositories.statements import expect_rows, statement

LOAD_DUE = statement("load_due")
LOAD_NAMED = statement("load_named")
LOAD_FUTURE = statement("load_future")
WRITE_HOLDS = statement("write_holds")

WalletOf = tuple[int, int]
"""An owner's id and an asset type's."""


@record
class WalletAt:
    """A wallet, and the moment it is looked at (or, of what is to come, up to which; None: no further)."""

    owner_id: int
    bucket: int
    asset_type_id: int
    moment: datetime | None


@record
class LoadedDue:
    """What is due. `hold_lots` are what `holds` reserve; `next_due_at` is, by wallet, when more will be due."""

    lots: list[LotRow]
    holds: list[HoldRow]
    hold_lots: list[LotRow]
    next_due_at: dict[WalletOf, datetime | None]


@record
class LoadedNamed:
    """What commands name. `hold_lots` are what `holds` reserve."""

    holds: list[HoldRow]
    hold_lots: list[LotRow]
    parents: list[ParentRow]


@record
class LoadedFuture:
    """What is to come: open holds, what they reserve, and lots that expire before the last of their deadlines."""

    holds: list[HoldRow]
    hold_lots: list[LotRow]
    lots: list[LotRow]


async def load_due(connection: Connection, wallets: Sequence[WalletAt], rows_max: int, parts_max: int) -> LoadedDue:
    """Load what is due in `wallets` at their moments: at most `rows_max` lots and as many holds of each.

    Of the holds only the first that together reserve `parts_max` lots or a little more, but always one.
    """
    (row,) = await connection.fetch(LOAD_DUE, *_binds(wallets), rows_max, parts_max)
    return LoadedDue(
        lots=[lot_row(each) for each in row["lots"]],
        holds=[hold_row(each) for each in row["holds"]],
        hold_lots=[lot_row(each) for each in row["hold_lots"]],
        next_due_at={(owner_id, asset_type_id): moment for owner_id, asset_type_id, moment in row["next"]},
    )


async def load_named(
    connection: Connection, holds: Sequence[tuple[UUID, int]], parents: Sequence[tuple[UUID, int]]
) -> LoadedNamed:
    """Load holds and earlier transactions by id and bucket."""
    (row,) = await connection.fetch(
        LOAD_NAMED,
        [hold_id for hold_id, _ in holds],
        [bucket for _, bucket in holds],
        [parent_id for parent_id, _ in parents],
        [bucket for _, bucket in parents],
    )
    return LoadedNamed(
        holds=[hold_row(each) for each in row["holds"]],
        hold_lots=[lot_row(each) for each in row["hold_lots"]],
        parents=[_parent_row(each) for each in row["parents"]],
    )


async def load_future(connection: Connection, wallets: Sequence[WalletAt], rows_max: int) -> LoadedFuture:
    """Load what is to come in `wallets`, at most `rows_max` holds and as many lots of each."""
    (row,) = await connection.fetch(LOAD_FUTURE, *_binds(wallets), rows_max)
    return LoadedFuture(
        holds=[hold_row(each) for each in row["holds"]],
        hold_lots=[lot_row(each) for each in row["hold_lots"]],
        lots=[lot_row(each) for each in row["lots"]],
    )


async def write(connection: Connection, accounts: Sequence[Account]) -> None:
    """Write the holds that were placed or changed."""
    changed = [(account, hold) for account in accounts for hold in account.books.holds.values() if hold.changed]
    if changed:
        expect_rows(await connection.execute(WRITE_HOLDS, *_columns(changed)), len(changed), "holds")


def _parent_row(columns: Any) -> ParentRow:  # noqa: ANN401
    parent_id, owner_id, type_, outcome, asset_type_id, amount, created_at, facts, refunds, refunded, lines = columns
    return ParentRow(
        id=parent_id,
        owner_id=owner_id,
        type=TransactionType(type_),
        outcome=Outcome(outcome),
        asset_type_id=asset_type_id or 0,
        amount=amount or 0,
        created_at=created_at,
        facts=facts,
        refunds=refunds,
        refunded=refunded,
        lines=tuple((lot_row(each[:-1]), each[-1]) for each in map(tuple, lines)),
    )


def _binds(wallets: Sequence[WalletAt]) -> tuple[list[Any], ...]:
    return (
        [each.owner_id for each in wallets],
        [each.bucket for each in wallets],
        [each.asset_type_id for each in wallets],
        [each.moment for each in wallets],
    )


def _columns(changed: Sequence[tuple[Account, Hold]]) -> tuple[list[Any], ...]:
    """Return the columns of holds; their parts as array literals: unnest would flatten an array of arrays."""
    return (
        [hold.id for _, hold in changed],
        [account.bucket for account, _ in changed],
        [account.id for account, _ in changed],
        [hold.row.asset_type_id for _, hold in changed],
        [hold.row.seq for _, hold in changed],
        [hold.amount for _, hold in changed],
        [hold.captured for _, hold in changed],
        [hold.deadline for _, hold in changed],
        [hold.status for _, hold in changed],
        [_literal(str(lot.row.id) for lot, _, _ in hold.parts) for _, hold in changed],
        [_literal(str(amount) for _, amount, _ in hold.parts) for _, hold in changed],
        [_literal(f'"{held_at.isoformat()}"' for _, _, held_at in hold.parts) for _, hold in changed],
    )


def _literal(elements: Iterable[str]) -> str:
    return f"{{{','.join(elements)}}}"
