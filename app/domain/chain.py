"""The hash chain over an owner's transactions: canonical bytes, and the link from one to the next.

The layout is fixed and documented in docs/chain.md; tests/domain/chain_vectors.json pins it. Big-endian throughout;
a text or an optional is preceded by its length or presence, so no two transactions have the same bytes.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.domain.records import EntryRecord, LotKind, LotRow, Outcome, TransactionRecord, TransactionType

LAYOUT_VERSION = 1
GENESIS = bytes(32)
"""The hash before the first transaction."""

TYPE_CODES: dict[TransactionType, int] = {each: code for code, each in enumerate(TransactionType, start=1)}
OUTCOME_CODES: dict[Outcome, int] = {Outcome.POSTED: 1, Outcome.REFUSED: 2}
KIND_CODES: dict[LotKind, int] = {LotKind.PAID: 1, LotKind.PROMO: 2}

_HEADER = struct.Struct(">BqqH16sBBqq")
_ENTRY = struct.Struct(">hqi16sq")
_LOT = struct.Struct(">16siBhqq")
_LENGTH = struct.Struct(">i")
_INT64 = struct.Struct(">q")
_ABSENT = _LENGTH.pack(-1)
_NO_ID = bytes(16)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def next_hash(previous: bytes, transaction: TransactionRecord) -> bytes:
    """Return SHA-256(previous ‖ canonical bytes of `transaction`), 32 bytes."""
    return hashlib.sha256(previous + canonical_bytes(transaction)).digest()


def canonical_bytes(transaction: TransactionRecord) -> bytes:
    """Return the bytes that the chain covers: everything that was decided."""
    note = transaction.note
    return b"".join(
        (
            _HEADER.pack(
                LAYOUT_VERSION,
                transaction.owner_id,
                transaction.seq,
                transaction.bucket,
                transaction.id.bytes,
                TYPE_CODES[transaction.type],
                OUTCOME_CODES[transaction.outcome],
                microseconds(transaction.created_at),
                microseconds(transaction.effective_at),
            ),
            _optional_int(transaction.asset_type_id),
            _optional_int(transaction.amount),
            _optional_id(transaction.parent_id),
            _optional_id(transaction.group_id),
            _text(transaction.idempotency_key),
            _bytes(transaction.fingerprint),
            _text(transaction.actor),
            _text(transaction.terms),
            _text(transaction.facts),
            _bytes(None if note is None else note.digest),
            _LENGTH.pack(len(transaction.entries)),
            *(_entry(each) for each in transaction.entries),
            _LENGTH.pack(len(transaction.lots)),
            *(_lot(each) for each in transaction.lots),
        )
    )


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970-01-01T00:00:00Z to `moment`, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def note_digest(*, salt: bytes, reference: str | None, metadata: str | None, operator: str | None) -> bytes:
    """Return the salted SHA-256 that stands for a transaction's erasable text."""
    return hashlib.sha256(salt + _text(reference) + _text(metadata) + _text(operator)).digest()


def _entry(entry: EntryRecord) -> bytes:
    return _ENTRY.pack(
        entry.line,
        entry.account_id,
        entry.asset_type_id,
        _NO_ID if entry.lot_id is None else entry.lot_id.bytes,
        entry.amount,
    ) + _optional_int(entry.balance_after)


def _lot(lot: LotRow) -> bytes:
    return _LOT.pack(
        lot.id.bytes,
        lot.asset_type_id,
        KIND_CODES[lot.kind],
        lot.priority,
        lot.granted,
        -1 if lot.expires_at is None else microseconds(lot.expires_at),
    )


def _bytes(value: bytes | None) -> bytes:
    return _ABSENT if value is None else _LENGTH.pack(len(value)) + value


def _text(value: str | None) -> bytes:
    return _bytes(None if value is None else value.encode())


def _optional_int(value: int | None) -> bytes:
    return b"\0" if value is None else b"\1" + _INT64.pack(value)


def _optional_id(value: UUID | None) -> bytes:
    return b"\0" if value is None else b"\1" + value.bytes
