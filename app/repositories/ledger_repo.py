"""The two append-only tables and their notes: what has been decided, and appending to it."""

import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.database import Connection
from app.domain.account import Account
from app.domain.record import record
from app.domain.records import (
    AccountRow,
    AssetStatus,
    AssetType,
    DecidedRow,
    EntryRecord,
    LotKind,
    LotRow,
    LotUse,
    Outcome,
    TransactionRecord,
    TransactionType,
    WalletRow,
)
from app.repositories.binary_copy import copy_rows, data, int4, int8, text, timestamp, uuid
from app.repositories.statements import rows_of, statement

LOAD_OWNERS = statement("load_owners")
INSERT_NOTES = statement("insert_notes")

HEADER_COLUMNS = (
    *("id", "bucket", "owner_id", "seq", "created_at", "effective_at", "hash"),
    *("type", "outcome", "actor", "asset_type_id", "amount", "idempotency_key", "fingerprint", "terms", "facts"),
)
_HEADER = struct.Struct(">h i16s ih iq iq iq iq i32s")
ENTRY_COLUMNS = (
    *("owner_id", "bucket", "seq", "line", "account_id", "asset_type_id", "amount"),
    *("lot_id", "balance_after"),
)
_ENTRY = struct.Struct(">h iq ih iq ih iq ii iq")


@record
class LoadedWallet:
    row: WalletRow
    next_expiry_at: datetime | None
    """The first expiry that is still to come; loaded only when something is due."""


@record
class Loaded:
    """What a unit of work decides on: one snapshot, taken under the owners' locks."""

    now: datetime
    wallets: list[LoadedWallet]
    due_lots: list[LotRow]
    free_lots: list[LotRow]
    decided: list[DecidedRow]
    asset_types: dict[int, AssetType]


async def load(
    connection: Connection,
    owners: Sequence[AccountRow],
    keys: Sequence[tuple[int, int, str]],
    transaction_ids: Sequence[tuple[UUID, int]],
    asset_type_ids: Sequence[int],
    due_lots_max: int,
    spent_from: Sequence[tuple[AccountRow, int]],
    free_lots_max: int,
) -> Loaded:
    """Load the wallets of `owners`, what is due in them, and what became of keys and ids.

    `keys` are (owner, bucket, key), `transaction_ids` (id, bucket). Of each wallet in `spent_from` (owner, asset type)
    the lots that are burned first are loaded too.
    """
    row = await connection.fetchrow(
        LOAD_OWNERS,
        [each.id for each in owners],
        [each.bucket for each in owners],
        [each.last_at for each in owners],
        [owner_id for owner_id, _, _ in keys],
        [bucket for _, bucket, _ in keys],
        [key for _, _, key in keys],
        asset_type_ids,
        due_lots_max,
        [transaction_id for transaction_id, _ in transaction_ids],
        [bucket for _, bucket in transaction_ids],
        [owner.id for owner, _ in spent_from],
        [owner.bucket for owner, _ in spent_from],
        [owner.last_at for owner, _ in spent_from],
        [asset_type_id for _, asset_type_id in spent_from],
        free_lots_max,
    )
    if row is None:
        raise AssertionError("a SELECT without FROM has one row")
    return Loaded(
        now=row["now"],
        wallets=[_wallet(each) for each in row["wallets"]],
        due_lots=[lot_row(each) for each in row["due_lots"]],
        free_lots=[lot_row(each) for each in row["free_lots"]],
        decided=[_decided(each) for each in row["decided"]],
        asset_types={each[0]: _asset_type(each) for each in row["asset_types"]},
    )


async def append(connection: Connection, accounts: Sequence[Account]) -> None:
    """Append every transaction that `accounts` decided: headers, then entries, then notes.

    Raises:
        AssertionError: the database wrote fewer rows than were meant.
    """
    decided = [each for account in accounts for each in account.transactions]
    if not decided:
        return
    await _insert_headers(connection, decided)
    transactions = [transaction for transaction, _ in decided]
    await _insert_entries(connection, transactions)
    await _insert_notes(connection, transactions)


async def _insert_headers(connection: Connection, decided: Sequence[tuple[TransactionRecord, bytes]]) -> None:
    status = await copy_rows(
        connection, "transactions", HEADER_COLUMNS, (_header(transaction, digest) for transaction, digest in decided)
    )
    expect_rows(status, len(decided), "transactions")


async def _insert_entries(connection: Connection, transactions: Sequence[TransactionRecord]) -> None:
    rows = [_entry(transaction, entry) for transaction in transactions for entry in transaction.entries]
    if rows:
        expect_rows(await copy_rows(connection, "ledger_entries", ENTRY_COLUMNS, rows), len(rows), "ledger_entries")


def _header(transaction: TransactionRecord, digest: bytes) -> bytes:
    t = transaction
    return b"".join(
        (
            _HEADER.pack(
                len(HEADER_COLUMNS),
                *(16, t.id.bytes, 2, t.bucket, 8, t.owner_id, 8, t.seq),
                *(8, timestamp(t.created_at), 8, timestamp(t.effective_at), 32, digest),
            ),
            text(t.type),
            text(t.outcome),
            text(t.actor),
            int4(t.asset_type_id),
            int8(t.amount),
            text(t.idempotency_key),
            data(t.fingerprint),
            text(t.terms),
            text(t.facts),
        )
    )


def _entry(transaction: TransactionRecord, entry: EntryRecord) -> bytes:
    return (
        _ENTRY.pack(
            len(ENTRY_COLUMNS),
            *(8, transaction.owner_id, 2, transaction.bucket, 8, transaction.seq, 2, entry.line),
            *(8, entry.account_id, 4, entry.asset_type_id, 8, entry.amount),
        )
        + uuid(entry.lot_id)
        + int8(entry.balance_after)
    )


async def _insert_notes(connection: Connection, transactions: Sequence[TransactionRecord]) -> None:
    rows = [(transaction, transaction.note) for transaction in transactions if transaction.note is not None]
    if not rows:
        return
    status = await connection.execute(
        INSERT_NOTES,
        [transaction.owner_id for transaction, _ in rows],
        [transaction.bucket for transaction, _ in rows],
        [transaction.seq for transaction, _ in rows],
        [note.digest for _, note in rows],
        [note.salt for _, note in rows],
        [note.reference for _, note in rows],
        [note.metadata for _, note in rows],
        [note.operator for _, note in rows],
    )
    expect_rows(status, len(rows), "transaction_notes")


def expect_rows(status: str, expected: int, table: str) -> None:
    """Compare how many rows were written with how many were meant.

    Raises:
        AssertionError: they differ; the unit of work must not commit.
    """
    written = rows_of(status)
    if written != expected:
        raise AssertionError(f"{expected} rows of {table} were to be written, {written} were")


def lot_row(columns: Any) -> LotRow:  # noqa: ANN401 - asyncpg's anonymous records are untyped
    """Build a lot from its columns, in the order in which the statements name them."""
    lot_id, owner_id, asset_type_id, seq, kind, priority, expires_at, granted, remaining, held, debt = columns
    return LotRow(
        id=lot_id,
        owner_id=owner_id,
        asset_type_id=asset_type_id,
        seq=seq,
        kind=LotKind(kind),
        priority=priority,
        expires_at=expires_at,
        granted=granted,
        remaining=remaining,
        held=held,
        debt=debt,
    )


def _wallet(columns: Any) -> LoadedWallet:  # noqa: ANN401
    owner_id, asset_type_id, posted, held, next_due_at, next_expiry_at = columns
    row = WalletRow(owner_id=owner_id, asset_type_id=asset_type_id, posted=posted, held=held, next_due_at=next_due_at)
    return LoadedWallet(row=row, next_expiry_at=next_expiry_at)


def _decided(columns: Any) -> DecidedRow:  # noqa: ANN401
    (owner_id, key, transaction_id, seq, type_, outcome, asset_type_id, amount) = columns[:8]
    (fingerprint, terms, facts, created_at, lots) = columns[8:]
    return DecidedRow(
        owner_id=owner_id,
        idempotency_key=key,
        transaction_id=transaction_id,
        seq=seq,
        type=TransactionType(type_),
        outcome=Outcome(outcome),
        asset_type_id=asset_type_id,
        amount=amount,
        fingerprint=fingerprint,
        terms=terms,
        facts=facts,
        created_at=created_at,
        balance_after=lots[-1][4] if lots else None,
        lots=tuple(
            LotUse(lot_id=lot_id, kind=LotKind(kind), amount=used, expires_at=expires_at)
            for lot_id, kind, used, expires_at, _ in lots
        ),
    )


def _asset_type(columns: Any) -> AssetType:  # noqa: ANN401
    asset_type_id, code, name, scale, status, default_expiry_days = columns
    return AssetType(
        id=asset_type_id,
        code=code,
        name=name,
        scale=scale,
        status=AssetStatus(status),
        default_expiry_days=default_expiry_days,
    )
