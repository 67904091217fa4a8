"""The hash chain over an owner's transactions: canonical bytes, and the link from one to the next.

The layout is fixed and documented in docs/chain.md; tests/domain/chain_vectors.json pins it. Every member has a fixed
place, a presence flag or a length before it, so no two transactions have the same bytes.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]  # not in the stubs

from app.domain.records import EntryRecord, FactsOf, LotKind, LotRow, Outcome, TransactionRecord, TransactionType

LAYOUT_VERSION = 1
GENESIS = bytes(32)
"""The hash before the first transaction."""

TYPE_CODES: dict[TransactionType, int] = {
    TransactionType.TOP_UP: 1,
    TransactionType.BONUS: 2,
    TransactionType.SPEND: 3,
    TransactionType.HOLD: 4,
    TransactionType.CAPTURE: 5,
    TransactionType.RELEASE: 6,
    TransactionType.REFUND: 7,
    TransactionType.REVERSAL: 8,
    TransactionType.EXPIRY: 9,
    TransactionType.ADJUSTMENT: 10,
    TransactionType.EXTEND: 11,
    TransactionType.GROUP: 12,
    TransactionType.ACCOUNT_CHANGE: 13,
}
OUTCOME_CODES: dict[Outcome, int] = {Outcome.POSTED: 1, Outcome.REFUSED: 2}
KIND_CODES: dict[LotKind, int] = {LotKind.PAID: 1, LotKind.PROMO: 2}

_HEADER = struct.Struct(">BHqqH16sBBqqiq16s16s32s32s")
_ENTRY = struct.Struct(">hqi16sq?q")
_LOT = struct.Struct(">16siBhq?q")
_LENGTH = struct.Struct(">i")
_ABSENT = _LENGTH.pack(-1)
_NO_ID = bytes(16)
_NO_DIGEST = bytes(32)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def next_hash(previous: bytes, transaction: TransactionRecord) -> bytes:
    """Return SHA-256(previous ‖ canonical bytes of `transaction`), 32 bytes."""
    return hashlib.sha256(previous + canonical_bytes(transaction)).digest()


def canonical_bytes(transaction: TransactionRecord) -> bytes:
    """Return the bytes that the chain covers: everything that was decided."""
    t, note = transaction, transaction.note
    header = _HEADER.pack(
        LAYOUT_VERSION,
        (t.asset_type_id is not None)
        | (t.amount is not None) << 1
        | (t.parent_id is not None) << 2
        | (t.group_id is not None) << 3
        | (t.fingerprint is not None) << 4
        | (note is not None) << 5,
        t.owner_id,
        t.seq,
        t.bucket,
        t.id.bytes,
        TYPE_CODES[t.type],
        OUTCOME_CODES[t.outcome],
        microseconds(t.created_at),
        microseconds(t.effective_at),
        t.asset_type_id or 0,
        t.amount or 0,
        _NO_ID if t.parent_id is None else t.parent_id.bytes,
        _NO_ID if t.group_id is None else t.group_id.bytes,
        t.fingerprint or _NO_DIGEST,
        _NO_DIGEST if note is None else note.digest,
    )
    return b"".join(
        (
            header,
            _text(t.idempotency_key),
            _text(t.actor),
            _text(t.terms),
            _text(t.facts),
            _LENGTH.pack(len(t.entries)),
            *map(_entry, t.entries),
            _LENGTH.pack(len(t.lots)),
            *map(_lot, t.lots),
        )
    )


@lru_cache(maxsize=256)  # all transactions of a unit of work have the same moment
def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970-01-01T00:00:00Z to `moment`, exactly."""
    return (moment - EPOCH) // _MICROSECOND


@lru_cache(maxsize=256)
def moment(microseconds_since_1970: int) -> datetime:
    """Return the moment that `microseconds` has made a number of."""
    return EPOCH + timedelta(microseconds=microseconds_since_1970)


# What json.JSONEncoder(sort_keys=True, …).encode makes anew for each text, which takes longer than writing it.
_chunks_of = c_make_encoder(None, microseconds, encode_basestring_ascii, None, ":", ",", True, False, False)  # noqa: FBT003


def canonical(facts: FactsOf) -> str:
    """Write facts, terms or limits as they are stored: canonical JSON, times in microseconds since 1970."""
    return "".join(_chunks_of(facts, 0))


def note_digest(
    *, salt: bytes, reference: str | None, metadata: str | None, operator: str | None, reason: str | None
) -> bytes:
    """Return the salted SHA-256 that stands for a transaction's erasable text; a missing reason has no byte in it."""
    texts = _text(reference) + _text(metadata) + _text(operator) + (b"" if reason is None else _text(reason))
    return hashlib.sha256(salt + texts).digest()


def _entry(entry: EntryRecord) -> bytes:
    return _ENTRY.pack(
        entry.line,
        entry.account_id,
        entry.asset_type_id,
        _NO_ID if entry.lot_id is None else entry.lot_id.bytes,
        entry.amount,
        entry.balance_after is not None,
        entry.balance_after or 0,
    )


def _lot(lot: LotRow) -> bytes:
    return _LOT.pack(
        lot.id.bytes,
        lot.asset_type_id,
        KIND_CODES[lot.kind],
        lot.priority,
        lot.granted,
        lot.expires_at is not None,
        0 if lot.expires_at is None else microseconds(lot.expires_at),
    )


def _text(value: str | None) -> bytes:
    if value is None:
        return _ABSENT
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded
