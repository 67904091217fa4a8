"""The history of an owner, page by page, and single transactions with all that belongs to them.

Every list walks an index from where the page begins. What belongs to a row is probed for, a row at a time.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Subquery,
    Text,
    Uuid,
    case,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.database import View
from app.domain.commands import GROUP_MAX
from app.domain.placement import bucket_of_id
from app.domain.record import record
from app.domain.records import EntryRecord, LotRow, Outcome, RefundPart, TransactionType
from app.domain.shown import (
    FoundTransaction,
    HistoryFilter,
    ListedTransaction,
    OwnerPosition,
    WholeTransaction,
    living_name,
)
from app.models.tables import accounts, ledger_entries, lots, transaction_notes, transactions
from app.repositories.listing_repo import LOT_COLUMNS, Owner
from app.repositories.rows import lot_row

_t, _n, _e = transactions.c, transaction_notes.c, ledger_entries.c

_HEADER = (
    *(_t.id, _t.owner_id, _t.bucket, _t.seq, _t.type, _t.outcome, _t.asset_type_id, _t.amount, _t.created_at),
    *(_t.effective_at, _t.parent_id, _t.group_id, _t.idempotency_key, _t.actor),
    case((_t.outcome == Outcome.REFUSED.value, _t.facts)).label("facts"),
)

GROUP_SPAN_MAX = 3 * GROUP_MAX
"""A group's members follow its header at once, but for what expires because of them."""


@record
class GroupSpan:
    """Where a group's header and members stand in its owner's history, from `first` to `last`."""

    first: int
    last: int


# -- lists ---------------------------------------------------------------------------------------------------------


async def list_transactions(
    connection: View,
    owner: Owner,
    wanted: HistoryFilter,
    *,
    seqs: range,
    rows_max: int,
) -> list[ListedTransaction]:
    """Return the transactions of an owner that are `wanted` and whose numbers are in `seqs`, newest first."""
    conditions = [_t.owner_id == owner.id, _t.bucket == owner.bucket, *_conditions(wanted)]
    if wanted.reference is None:
        seq, page = _t.seq, select(*_HEADER).where(*conditions)
    else:
        seq, page = (
            _n.seq,
            _noted(*conditions).where(
                _n.reference == wanted.reference, _n.owner_id == owner.id, _n.bucket == owner.bucket
            ),
        )
    page = page.where(seq >= seqs.start, seq < seqs.stop).order_by(seq.desc()).limit(rows_max)
    rows = await connection.execute(_described(page.subquery("page")))
    return [_listed(row) for row in rows]


async def find_transactions(
    connection: View, reference: str, *, after: OwnerPosition | None, rows_max: int
) -> list[FoundTransaction]:
    """Return the transactions of anybody that have this reference: owner by owner, of each the newest first.

    A range of one reference instead of an equality: only the index of the references has the order of that.
    """
    order = (_n.reference.desc(), _n.owner_id.desc(), _n.seq.desc())
    page = _noted().where(_n.reference.between(reference, reference)).order_by(*order).limit(rows_max)
    if after is not None:
        begin = (literal(reference, Text), *(literal(each, BigInteger) for each in after))
        page = page.where(tuple_(_n.reference, _n.owner_id, _n.seq) < tuple_(*begin))
    rows = await connection.execute(_named(_described(page.subquery("page"))))
    return [
        FoundTransaction(transaction=_listed(row), external_user_id=living_name(row.external_user_id)) for row in rows
    ]


async def find_by_key(connection: View, owner: Owner, key: str) -> ListedTransaction | None:
    """Return the transaction that an owner's key was used for, None when there is none."""
    page = select(*_HEADER).where(_t.owner_id == owner.id, _t.idempotency_key == key, _t.bucket == owner.bucket)
    row = (await connection.execute(_described(page.subquery("page")))).one_or_none()
    return None if row is None else _listed(row)


async def first_seq_since(connection: View, owner: Owner, moment: datetime) -> int:
    """Return the number of the owner's first transaction that was booked at `moment` or later.

    When there is none it is the number that the next one gets. Found by halves: times only grow with the number.
    """
    halves = select(literal(1, BigInteger).label("low"), literal(owner.last_seq + 1, BigInteger).label("high")).cte(
        "halves", recursive=True
    )
    middle = (halves.c.low + halves.c.high) // 2
    probe = (
        select((_t.created_at < moment).label("is_before"), _t.seq)
        .where(_t.owner_id == owner.id, _t.seq == middle, _t.bucket == owner.bucket)
        .limit(1)
        .lateral("probe")
    )
    halved = (
        select(
            case((probe.c.is_before, probe.c.seq + 1), else_=halves.c.low),
            case((probe.c.is_before, halves.c.high), else_=probe.c.seq),
        )
        .select_from(halves.join(probe, true()))
        .where(halves.c.low < halves.c.high)
    )
    found = halves.union_all(halved)
    seq: int = await connection.scalar(select(func.max(found.c.low)))
    return seq


async def find_group(connection: View, owner: Owner, group_id: UUID) -> GroupSpan | None:
    """Return where an owner's group stands, None when there is no such group."""
    first = await connection.scalar(
        select(_t.seq).where(
            _t.id == group_id,
            _t.owner_id == owner.id,
            _t.bucket == owner.bucket,
            _t.type == TransactionType.GROUP.value,
        )
    )
    if first is None:
        return None
    members = (
        select(_t.seq, _t.group_id)
        .where(_t.owner_id == owner.id, _t.seq > first, _t.bucket == owner.bucket)
        .order_by(_t.seq)
        .limit(GROUP_SPAN_MAX)
        .subquery()
    )
    last = await connection.scalar(select(func.max(members.c.seq)).where(members.c.group_id == group_id))
    return GroupSpan(first=first, last=first if last is None else last)


def _conditions(wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.type is not None:
        conditions.append(_t.type == wanted.type.value)
    if wanted.outcome is not None:
        conditions.append(_t.outcome == wanted.outcome.value)
    if wanted.asset_type_id is not None:
        conditions.append(_t.asset_type_id == wanted.asset_type_id)
    if wanted.group_id is not None:
        conditions.append(or_(_t.id == wanted.group_id, _t.group_id == wanted.group_id))
    if wanted.hides_groups:
        conditions.append(or_(_t.type != TransactionType.GROUP.value, _t.outcome == Outcome.REFUSED.value))
    return conditions


def _noted(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Return the headers under these conditions by way of their notes."""
    header = (
        select(*_HEADER)
        .where(_t.owner_id == _n.owner_id, _t.seq == _n.seq, _t.bucket == _n.bucket, *conditions)
        .limit(1)
        .lateral("header")
    )
    return select(*header.c).select_from(transaction_notes.join(header, true()))


def _described(page: Subquery) -> Select[Any]:
    """Return the headers of `page` with their notes and the balances after them, the newest of an owner first."""
    note = (
        select(_n.reference, _n.metadata, _n.operator, _n.reason)
        .where(_n.owner_id == page.c.owner_id, _n.seq == page.c.seq, _n.bucket == page.c.bucket)
        .limit(1)
        .lateral("note")
    )
    newest = (
        select(_e.balance_after)
        .where(
            _e.owner_id == page.c.owner_id,
            _e.asset_type_id == page.c.asset_type_id,
            _e.seq <= page.c.seq,
            _e.bucket == page.c.bucket,
            _e.account_id == page.c.owner_id,
        )
        .order_by(_e.seq.desc(), _e.line.desc())
        .limit(1)
        .lateral("newest")
    )
    balance_after = case((page.c.asset_type_id.is_not(None), func.coalesce(newest.c.balance_after, 0)))
    return (
        select(*page.c, *note.c, balance_after.label("balance_after"))
        .select_from(page.outerjoin(note, true()).outerjoin(newest, true()))
        .order_by(page.c.owner_id.desc(), page.c.seq.desc())
    )


def _named(query: Select[Any]) -> Select[Any]:
    """Return `query` with the names of the owners."""
    page = query.selected_columns
    owner = (
        select(accounts.c.external_user_id)
        .where(accounts.c.id == page.owner_id, accounts.c.bucket == page.bucket)
        .limit(1)
        .scalar_subquery()
    )
    return query.add_columns(owner.label("external_user_id"))


# -- one transaction -----------------------------------------------------------------------------------------------


async def load(connection: View, transaction_id: UUID) -> WholeTransaction | None:
    """Return a transaction with all that belongs to it, None when there is none."""
    whole = (_t.facts.label("all_facts"), _t.terms, _t.hash, _t.refund_no, _t.parent_amount, _t.refunded_after)
    page = select(*_HEADER, *whole).where(_t.id == transaction_id, _t.bucket == bucket_of_id(transaction_id))
    row = (await connection.execute(_named(_described(page.subquery("page"))))).one_or_none()
    if row is None:
        return None
    entries = await _entries(connection, row)
    return WholeTransaction(
        transaction=replace(_listed(row), facts=row.all_facts),
        external_user_id=living_name(row.external_user_id),
        terms=row.terms,
        hash=row.hash,
        refund=None
        if row.refund_no is None
        else RefundPart(number=row.refund_no, parent_amount=row.parent_amount, refunded_after=row.refunded_after),
        refunded=await _refunded(connection, row),
        entries=entries,
        lots=await _lots_made(connection, row, entries),
    )


async def _entries(connection: View, header: Row[Any]) -> tuple[EntryRecord, ...]:
    rows = await connection.execute(
        select(_e.line, _e.account_id, _e.asset_type_id, _e.lot_id, _e.amount, _e.balance_after)
        .where(
            _e.owner_id == header.owner_id,
            _e.asset_type_id == header.asset_type_id,
            _e.seq == header.seq,
            _e.bucket == header.bucket,
        )
        .order_by(_e.line)
    )
    return tuple(EntryRecord(*row) for row in rows)


async def _lots_made(connection: View, header: Row[Any], entries: tuple[EntryRecord, ...]) -> tuple[LotRow, ...]:
    """Return the lots that a transaction made: it has put into them first."""
    filled = {each.lot_id for each in entries if each.lot_id is not None and each.amount > 0}
    if not filled:
        return ()
    query: Select[Any] = (
        select(*LOT_COLUMNS)
        .where(lots.c.id == func.any(literal(list(filled), ARRAY(Uuid))), lots.c.bucket == header.bucket)
        .where(lots.c.owner_id == header.owner_id, lots.c.seq == header.seq)
        .order_by(lots.c.id)
    )
    return tuple(lot_row(row) for row in await connection.execute(query))


async def _refunded(connection: View, header: Row[Any]) -> int:
    """Return how much of a transaction was given back: the newest refund says it."""
    refunded: int | None = await connection.scalar(
        select(_t.refunded_after)
        .where(
            _t.owner_id == header.owner_id,
            _t.parent_id == header.id,
            _t.refund_no.is_not(None),
            _t.bucket == header.bucket,
        )
        .order_by(_t.refund_no.desc())
        .limit(1)
    )
    return refunded or 0


def _listed(row: Row[Any]) -> ListedTransaction:
    return ListedTransaction(
        id=row.id,
        owner_id=row.owner_id,
        seq=row.seq,
        type=TransactionType(row.type),
        outcome=Outcome(row.outcome),
        asset_type_id=row.asset_type_id,
        amount=row.amount,
        balance_after=row.balance_after,
        created_at=row.created_at,
        effective_at=row.effective_at,
        parent_id=row.parent_id,
        group_id=row.group_id,
        idempotency_key=row.idempotency_key,
        reference=row.reference,
        metadata=row.metadata,
        operator=row.operator,
        reason=row.reason,
        actor=row.actor,
        facts=row.facts,
    )
