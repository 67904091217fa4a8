"""Holds: loading them with the lots that they reserve, and writing what became of them."""

import struct
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from app.database import Connection
from app.domain.account import Account
from app.domain.hold import Hold
from app.domain.record import record
from app.domain.records import HoldRow, LotRow, Outcome, ParentRow, TransactionType
from app.repositories.binary_copy import copy_rows, timestamp, word
from app.repositories.literals import addresses, literal, times
from app.repositories.rows import lot_row, shared_hold, shared_lot
from app.repositories.statements import expect_rows, statement

LOAD_DUE = statement("load_due")
LOAD_PARENTS = statement("load_parents")
LOAD_FUTURE = statement("load_future")
UPDATE_HOLDS = statement("update_holds")

HOLD_COLUMNS = (
    *("id", "bucket", "owner_id", "asset_type_id", "seq", "amount", "captured", "deadline"),
    *("lot_ids", "lot_amounts", "lot_held_at", "status"),
)
_UUID_TYPE, _INT8_TYPE, _TIMESTAMPTZ_TYPE = 2950, 20, 1184
"""By which numbers PostgreSQL knows the types that the arrays are made of."""

_HOLD = ">h i16s ih iq ii iq iq iq iq"
_ARRAY_HEAD = "iiiIii"
_ArrayHead = tuple[int, int, int, int, int, int]
"""Its length, one dimension, no NULLs, the type of its elements, how many, the number of the first."""

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
class LoadedFuture:
    """What is to come: open holds, what they reserve, and lots that expire before the last of their deadlines."""

    holds: list[HoldRow]
    hold_lots: list[LotRow]
    lots: list[LotRow]


async def load_due(connection: Connection, wallets: Sequence[WalletAt], rows_max: int, parts_max: int) -> LoadedDue:
    """Load what is due in `wallets` at their moments: at most `rows_max` lots and as many holds of each.

    Of the holds only the first that together reserve `parts_max` lots or a little more, but always one.
    """
    rows = await connection.fetch(LOAD_DUE, *_binds(wallets), rows_max, parts_max)
    return LoadedDue(
        lots=[shared_lot(row) for row in rows if row["what"] == "due lot"],
        holds=[shared_hold(row) for row in rows if row["what"] == "hold"],
        hold_lots=[shared_lot(row) for row in rows if row["what"] == "held lot"],
        next_due_at={(row["owner_id"], row["asset_type_id"]): row["moment"] for row in rows if row["what"] == "next"},
    )


async def load_parents(connection: Connection, ids: Sequence[tuple[UUID, int]]) -> list[ParentRow]:
    """Load earlier transactions by id and bucket."""
    rows = await connection.fetch(LOAD_PARENTS, *addresses(ids))
    return [_parent_row(row) for row in rows]


async def load_future(connection: Connection, wallets: Sequence[WalletAt], rows_max: int) -> LoadedFuture:
    """Load what is to come in `wallets`, at most `rows_max` holds and as many lots of each."""
    rows = await connection.fetch(LOAD_FUTURE, *_binds(wallets), rows_max)
    return LoadedFuture(
        holds=[shared_hold(row) for row in rows if row["what"] == "hold"],
        hold_lots=[shared_lot(row) for row in rows if row["what"] == "held lot"],
        lots=[shared_lot(row) for row in rows if row["what"] == "lot"],
    )


async def insert(connection: Connection, pairs: Sequence[tuple[Account, Hold]]) -> None:
    """Write holds that were placed."""
    if pairs:
        status = await copy_rows(connection, "holds", HOLD_COLUMNS, (_new_row(*pair) for pair in pairs))
        expect_rows(status, len(pairs), "holds")


async def update(connection: Connection, pairs: Sequence[tuple[Account, Hold]]) -> None:
    """Write holds in which more has changed than that they have ended. Parts are texts: unnest would flatten them."""
    if not pairs:
        return
    status = await connection.execute(
        UPDATE_HOLDS,
        literal([hold.id for _, hold in pairs]),
        literal([account.bucket for account, _ in pairs]),
        literal([hold.amount for _, hold in pairs]),
        literal([hold.captured for _, hold in pairs]),
        times([hold.deadline for _, hold in pairs]),
        [hold.status for _, hold in pairs],
        [literal([lot.row.id for lot, _, _ in hold.parts]) for _, hold in pairs],
        [literal([amount for _, amount, _ in hold.parts]) for _, hold in pairs],
        [times([held_at for _, _, held_at in hold.parts]) for _, hold in pairs],
    )
    expect_rows(status, len(pairs), "holds")


def _new_row(account: Account, hold: Hold) -> bytes:
    row = hold.row
    ids: list[Any] = []
    amounts: list[int] = []
    moments: list[int] = []
    for lot, amount, held_at in hold.parts:
        ids += (16, lot.row.id.bytes)
        amounts += (8, amount)
        moments += (8, timestamp(held_at))
    layout, ids_head, amounts_head, moments_head = _layout(len(hold.parts))
    fixed = layout.pack(
        len(HOLD_COLUMNS),
        16, row.id.bytes, 2, account.bucket, 8, row.owner_id, 4, row.asset_type_id, 8, row.seq,
        8, hold.amount, 8, hold.captured, 8, timestamp(hold.deadline),
        *ids_head, *ids, *amounts_head, *amounts, *moments_head, *moments,
    )  # fmt: skip
    return fixed + word(hold.status)


@lru_cache(maxsize=64)  # most holds reserve few lots
def _layout(parts: int) -> tuple[struct.Struct, _ArrayHead, _ArrayHead, _ArrayHead]:
    """Return the layout of a hold of so many parts, but for its status, and what its three arrays begin with."""
    arrays = f"{_ARRAY_HEAD} {'i16s' * parts} {_ARRAY_HEAD} {'iq' * parts} {_ARRAY_HEAD} {'iq' * parts}"
    return (
        struct.Struct(f"{_HOLD} {arrays}"),
        (20 + 20 * parts, 1, 0, _UUID_TYPE, parts, 1),
        (20 + 12 * parts, 1, 0, _INT8_TYPE, parts, 1),
        (20 + 12 * parts, 1, 0, _TIMESTAMPTZ_TYPE, parts, 1),
    )


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


def _binds(wallets: Sequence[WalletAt]) -> tuple[str, str, str, str]:
    return (
        literal([each.owner_id for each in wallets]),
        literal([each.bucket for each in wallets]),
        literal([each.asset_type_id for each in wallets]),
        times([each.moment for each in wallets]),
    )
