"""Wallets and lots: the projections that a unit of work rewrites, and reading balances."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record

from app.database import Connection
from app.domain.account import Account
from app.domain.due import ReleasedPart, settled_balance
from app.domain.record import record
from app.domain.records import AccountRow, Balance, LotRow
from app.domain.wallet import Lot, Wallet
from app.repositories.literals import literal, times
from app.repositories.rows import lot_row
from app.repositories.statements import expect_rows, statement

LOAD_FREE_LOTS = statement("load_free_lots")
INSERT_WALLETS = statement("insert_wallets")
INSERT_LOTS = statement("insert_lots")
UPDATE_LOT_MARKS = statement("update_lot_marks")
READ_BALANCES = statement("read_balances")
FIND_DUE = statement("find_due")
LIST_WALLETS = statement("list_wallets")


@record
class BalanceQuestion:
    external_user_id: str
    bucket: int
    asset_type_id: int


async def load_free_lots(
    connection: Connection, wallets: Sequence[tuple[AccountRow, int]], now: datetime, lots_max: int
) -> list[LotRow]:
    """Return the first `lots_max` lots, in burn order, of each of `wallets` (owner, asset type)."""
    rows = await connection.fetch(
        LOAD_FREE_LOTS,
        literal([owner.id for owner, _ in wallets]),
        literal([owner.bucket for owner, _ in wallets]),
        literal([asset_type_id for _, asset_type_id in wallets]),
        times([max(now, owner.last_at) for owner, _ in wallets]),
        lots_max,
    )
    return [lot_row(row) for row in rows]


async def insert(connection: Connection, pairs: Sequence[tuple[Account, Wallet]]) -> None:
    """Write wallets that came into being."""
    if pairs:
        expect_rows(await connection.execute(INSERT_WALLETS, *wallet_columns(pairs)), len(pairs), "wallets")


def wallet_columns(pairs: Sequence[tuple[Account, Wallet]]) -> tuple[str, ...]:
    """Return what to store of wallets, an array a column."""
    return (
        literal([account.id for account, _ in pairs]),
        literal([account.bucket for account, _ in pairs]),
        literal([wallet.asset_type_id for _, wallet in pairs]),
        literal([wallet.posted for _, wallet in pairs]),
        literal([wallet.held for _, wallet in pairs]),
        times([wallet.next_due_at for _, wallet in pairs]),
        times([wallet.day for _, wallet in pairs]),
        literal([wallet.day_spent for _, wallet in pairs]),
        literal([wallet.day_credited for _, wallet in pairs]),
    )


async def insert_lots(connection: Connection, pairs: Sequence[tuple[Account, Lot]]) -> None:
    """Write lots that were made."""
    if not pairs:
        return
    status = await connection.execute(
        INSERT_LOTS,
        literal([lot.id for _, lot in pairs]),
        literal([account.bucket for account, _ in pairs]),
        literal([account.id for account, _ in pairs]),
        literal([lot.row.asset_type_id for _, lot in pairs]),
        literal([lot.row.seq for _, lot in pairs]),
        [lot.row.kind for _, lot in pairs],
        literal([lot.row.priority for _, lot in pairs]),
        times([lot.row.expires_at for _, lot in pairs]),
        literal([lot.row.granted for _, lot in pairs]),
        literal([lot.remaining for _, lot in pairs]),
        literal([lot.held for _, lot in pairs]),
    )
    expect_rows(status, len(pairs), "lots")


async def mark_lots(connection: Connection, pairs: Sequence[tuple[Account, Lot]]) -> None:
    """Write what is rarely changed in lots: what they owe, what of them has expired, that they were reversed."""
    if not pairs:
        return
    status = await connection.execute(
        UPDATE_LOT_MARKS,
        literal([lot.id for _, lot in pairs]),
        literal([account.bucket for account, _ in pairs]),
        literal([lot.debt for _, lot in pairs]),
        literal([lot.expired for _, lot in pairs]),
        literal([lot.reversed for _, lot in pairs]),
    )
    expect_rows(status, len(pairs), "lots")


async def read_balances(connection: Connection, questions: Sequence[BalanceQuestion]) -> list[Balance | None]:
    """Answer all `questions`, in order; None for an unknown user."""
    rows = await connection.fetch(
        READ_BALANCES,
        [each.external_user_id for each in questions],
        literal([each.bucket for each in questions]),
        literal([each.asset_type_id for each in questions]),
    )
    answers: list[Balance | None] = [None] * len(questions)
    for row in rows:
        answers[row["number"] - 1] = _balance(row, questions[row["number"] - 1].asset_type_id)
    return answers


async def find_due(connection: Connection, rows_max: int) -> list[tuple[str, int, int]]:
    """Return users for whom something is due: external id, bucket, and of how many of the lots and holds looked at.

    `rows_max` lots and as many holds are looked at, at most, those that are due longest.
    """
    rows = await connection.fetch(FIND_DUE, rows_max)
    return [(row["external_user_id"], row["bucket"], row["due"]) for row in rows]


async def list_wallets(connection: Connection, account_id: int, bucket: int) -> list[int]:
    """Return of which asset types an account has wallets, in their order."""
    return [row["asset_type_id"] for row in await connection.fetch(LIST_WALLETS, account_id, bucket)]


def _balance(row: Record, asset_type_id: int) -> Balance:
    posted, held = settled_balance(
        posted=(row["posted"] or 0) - row["due"],
        held=row["held"] or 0,
        released=[
            ReleasedPart(lot_id=lot_id, amount=amount, debt=debt, expired=bool(expired))
            for lot_id, amount, debt, expired in row["released"] or ()
        ],
    )
    return Balance(account_id=row["account_id"], asset_type_id=asset_type_id, posted=posted, held=held)
