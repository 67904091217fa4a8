"""Lists of accounts, lots and holds, page by page. A page reads about as many rows as it has, wherever it begins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Row, Select, and_, func, literal, or_, select, true, tuple_, union_all

from app.database import View
from app.domain.account_changes import ERASED_PREFIX
from app.domain.placement import bucket_of
from app.domain.record import record
from app.domain.records import AccountStatus, HoldRow, HoldStatus, LotRow
from app.domain.shown import BurnPosition, ListedAccount, ListedHold
from app.models.tables import accounts, holds, lots, transactions
from app.repositories.rows import hold_row, lot_row

_SURROGATES = range(0xD800, 0xE000)
_CODE_POINT_MAX = 0x10FFFF

_NAME = accounts.c.external_user_id.collate("C")
LOT_COLUMNS = (
    *(lots.c.id, lots.c.owner_id, lots.c.asset_type_id, lots.c.seq, lots.c.kind, lots.c.priority, lots.c.expires_at),
    *(lots.c.granted, lots.c.remaining, lots.c.held, lots.c.debt, lots.c.expired, lots.c.reversed),
)
_BURN_ORDER = (lots.c.priority, lots.c.expires_at, lots.c.kind.desc(), lots.c.seq, lots.c.id)
_HOLD = (
    *(holds.c.id, holds.c.owner_id, holds.c.asset_type_id, holds.c.seq, holds.c.amount, holds.c.captured),
    *(holds.c.deadline, holds.c.status, holds.c.lot_ids, holds.c.lot_amounts, holds.c.lot_held_at),
)
_OPEN = literal(HoldStatus.OPEN.value, literal_execute=True)
"""Not bound, so that a plan for any values can use the index of the open holds."""


@record
class Owner:
    """An account that is asked about, and the moment of asking."""

    id: int
    bucket: int
    last_seq: int
    now: datetime


async def find_owner(connection: View, external_user_id: str) -> Owner | None:
    """Return a user's account, None when there is none."""
    bucket = bucket_of(external_user_id)
    found = await connection.execute(
        select(accounts.c.id, accounts.c.last_seq, func.ledger_now(type_=DateTime(timezone=True)).label("now")).where(
            accounts.c.external_user_id == external_user_id, accounts.c.bucket == bucket
        )
    )
    row = found.one_or_none()
    return None if row is None else Owner(id=row.id, bucket=bucket, last_seq=row.last_seq, now=row.now)


# -- accounts ------------------------------------------------------------------------------------------------------


async def list_accounts(
    connection: View, *, prefix: str | None, status: AccountStatus | None, after: str | None, rows_max: int
) -> list[ListedAccount]:
    """Return user accounts in the order of their names' bytes."""
    query = select(accounts.c.id, accounts.c.external_user_id, accounts.c.status, accounts.c.created_at).where(
        accounts.c.external_user_id.is_not(None)
    )
    if after is not None:
        query = query.where(after < _NAME)
    if prefix:
        query = query.where(prefix <= _NAME, ~_NAME.startswith(ERASED_PREFIX))
        if (end := after_prefix(prefix)) is not None:
            query = query.where(end > _NAME)
    if status is not None:
        query = query.where(accounts.c.status == status.value)
    rows = await connection.execute(query.order_by(_NAME).limit(rows_max))
    return [
        ListedAccount(id=row.id, name=row.external_user_id, status=AccountStatus(row.status), opened_at=row.created_at)
        for row in rows
    ]


def after_prefix(prefix: str) -> str | None:
    """Return the first text after all that begin with `prefix`, None when there is none.

    In the order of the bytes, which in UTF-8 is that of the code points.
    """
    kept = prefix.rstrip(chr(_CODE_POINT_MAX))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


# -- lots ----------------------------------------------------------------------------------------------------------


async def list_lots(
    connection: View, owner: Owner, asset_type_id: int, *, after: BurnPosition | None, rows_max: int
) -> list[LotRow]:
    """Return the open lots of a wallet, in burn order, but for those past their expiry of which nothing is held.

    A page is put together from the ranges of the index that follow `after`: it reads none of what is before.
    """
    ranges = [
        select(*LOT_COLUMNS)
        .where(
            lots.c.owner_id == owner.id,
            lots.c.asset_type_id == asset_type_id,
            lots.c.bucket == owner.bucket,
            lots.c.open,
            or_(lots.c.expires_at.is_(None), lots.c.expires_at > owner.now, lots.c.held > 0),
            each,
        )
        .order_by(*_BURN_ORDER)
        .limit(rows_max)
        for each in _ranges_after(after)
    ]
    rows = await connection.execute(_in_burn_order(ranges, rows_max))
    return [lot_row(row) for row in rows]


def _ranges_after(after: BurnPosition | None) -> list[ColumnElement[bool]]:
    if after is None:
        return [true()]
    priority, expires_at, kind, seq, lot_id = after
    same_priority = lots.c.priority == priority
    never = lots.c.expires_at.is_(None)
    same_expiry = and_(same_priority, never if expires_at is None else lots.c.expires_at == expires_at)
    ranges = [
        and_(
            same_expiry,
            lots.c.kind == kind.value,
            tuple_(lots.c.seq, lots.c.id) > tuple_(literal(seq), literal(lot_id)),
        ),
        and_(same_expiry, lots.c.kind < kind.value),
        lots.c.priority > priority,
    ]
    if expires_at is not None:
        ranges += [and_(same_priority, lots.c.expires_at > expires_at), and_(same_priority, never)]
    return ranges


def _in_burn_order(ranges: Sequence[Select[Any]], rows_max: int) -> Select[Any]:
    found = union_all(*(each.subquery().select() for each in ranges)).subquery()
    order = (found.c.priority, found.c.expires_at, found.c.kind.desc(), found.c.seq, found.c.id)
    return select(found).order_by(*order).limit(rows_max)


# -- holds ---------------------------------------------------------------------------------------------------------


async def due_holds(connection: View, owner: Owner, asset_type_id: int) -> list[HoldRow]:
    """Return the open holds of a wallet whose deadline has come."""
    query: Select[Any] = select(*_HOLD).where(
        holds.c.owner_id == owner.id,
        holds.c.asset_type_id == asset_type_id,
        holds.c.status == _OPEN,
        holds.c.deadline <= owner.now,
        holds.c.bucket == owner.bucket,
    )
    return [hold_row(row) for row in await connection.execute(query)]


async def list_holds(
    connection: View,
    owner: Owner,
    *,
    status: HoldStatus | None,
    asset_type_id: int | None,
    after: int | None,
    rows_max: int,
) -> list[ListedHold]:
    """Return an owner's holds as they are stored, newest first: those of which `status` is true now."""
    query = _holds_of(owner).order_by(holds.c.seq.desc()).limit(rows_max)
    if after is not None:
        query = query.where(holds.c.seq < after)
    if asset_type_id is not None:
        query = query.where(holds.c.asset_type_id == asset_type_id)
    if status is not None:
        query = query.where(_has_status(status, owner.now))
    return [_listed(row) for row in await connection.execute(query)]


async def find_hold(connection: View, owner: Owner, hold_id: UUID) -> ListedHold | None:
    """Return a hold of an owner as it is stored, None when there is none."""
    found = await connection.execute(_holds_of(owner).where(holds.c.id == hold_id))
    row = found.one_or_none()
    return None if row is None else _listed(row)


def _holds_of(owner: Owner) -> Select[Any]:
    placed = (
        select(transactions.c.created_at)
        .where(
            transactions.c.owner_id == holds.c.owner_id,
            transactions.c.seq == holds.c.seq,
            transactions.c.bucket == holds.c.bucket,
        )
        .limit(1)
        .scalar_subquery()
    )
    return select(*_HOLD, placed.label("created_at")).where(
        holds.c.owner_id == owner.id, holds.c.bucket == owner.bucket
    )


def _has_status(status: HoldStatus, now: datetime) -> ColumnElement[bool]:
    stored = holds.c.status == status.value
    match status:
        case HoldStatus.OPEN:
            return and_(stored, holds.c.deadline > now)
        case HoldStatus.EXPIRED:
            return or_(stored, and_(holds.c.status == HoldStatus.OPEN.value, holds.c.deadline <= now))
        case _:
            return stored


def _listed(row: Row[Any]) -> ListedHold:
    return ListedHold(hold=hold_row(row[:-1]), created_at=row.created_at)
