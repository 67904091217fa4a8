"""Whole tables in the order of their owners, for recomputing them."""

from collections.abc import AsyncIterator
from typing import Any

from app.database import Connection
from app.domain.audit import StoredNote
from app.domain.audit_state import AuditedTransaction
from app.domain.record import record
from app.domain.records import (
    AccountRow,
    EntryRecord,
    HoldRow,
    LotRow,
    Note,
    Outcome,
    RefundPart,
    TransactionType,
    WalletRow,
)
from app.repositories.rows import account_row, hold_row, lot_row
from app.repositories.statements import statement

STREAM_ACCOUNTS = statement("stream_accounts")
STREAM_TRANSACTIONS = statement("stream_transactions")
STREAM_ENTRIES = statement("stream_entries")
STREAM_LOTS = statement("stream_lots")
STREAM_HOLDS = statement("stream_holds")
STREAM_WALLETS = statement("stream_wallets")
COUNT_ACCOUNTS = statement("count_accounts")
FIND_IMPOSSIBLE = statement("find_impossible")

PREFETCH = 2_000


@record
class StoredTransaction:
    """A header with its note, still without entries and lots."""

    record: AuditedTransaction
    hash: bytes
    note: StoredNote | None


async def count_accounts(connection: Connection) -> int:
    """Return how many user accounts there are."""
    count: int = await connection.fetchval(COUNT_ACCOUNTS)
    return count


async def find_impossible(connection: Connection) -> str | None:
    """Return what is wrong with a row that can't be, None when there is none."""
    problem: str | None = await connection.fetchval(FIND_IMPOSSIBLE)
    return problem


async def accounts(connection: Connection) -> AsyncIterator[AccountRow]:
    """Yield every user account in the order of the ids."""
    async for row in connection.cursor(STREAM_ACCOUNTS, prefetch=PREFETCH):
        yield account_row(row)


async def transactions(connection: Connection) -> AsyncIterator[StoredTransaction]:
    """Yield every header in the order of owner and seq."""
    async for row in connection.cursor(STREAM_TRANSACTIONS, prefetch=PREFETCH):
        note = _note(row)
        yield StoredTransaction(
            record=AuditedTransaction(
                id=row["id"],
                owner_id=row["owner_id"],
                bucket=row["bucket"],
                seq=row["seq"],
                type=TransactionType(row["type"]),
                outcome=Outcome(row["outcome"]),
                asset_type_id=row["asset_type_id"],
                amount=row["amount"],
                idempotency_key=row["idempotency_key"],
                fingerprint=row["fingerprint"],
                actor=row["actor"],
                created_at=row["created_at"],
                effective_at=row["effective_at"],
                terms=row["terms"],
                facts=row["facts"],
                parent_id=row["parent_id"],
                group_id=row["group_id"],
                refund=None
                if row["refund_no"] is None
                else RefundPart(
                    number=row["refund_no"],
                    parent_amount=row["parent_amount"],
                    refunded_after=row["refunded_after"],
                ),
                note=None
                if note is None
                else Note(
                    reference=note.reference,
                    metadata=note.metadata,
                    operator=note.operator,
                    salt=note.salt or b"",
                    digest=note.digest,
                    reason=note.reason,
                ),
                is_refunded=row["is_refunded"],
            ),
            hash=row["hash"],
            note=note,
        )


async def entries(connection: Connection) -> AsyncIterator[tuple[tuple[int, int], EntryRecord]]:
    """Yield every entry with its owner and seq, in that order, then by line."""
    async for row in connection.cursor(STREAM_ENTRIES, prefetch=PREFETCH):
        owner_id, seq, *entry = row
        yield (owner_id, seq), EntryRecord(*entry)


async def lots(connection: Connection) -> AsyncIterator[tuple[tuple[int, int], LotRow]]:
    """Yield every lot with its owner and the seq that made it, in that order, then by id."""
    async for row in connection.cursor(STREAM_LOTS, prefetch=PREFETCH):
        lot = lot_row(tuple(row))
        yield (lot.owner_id, lot.seq), lot


async def wallets(connection: Connection) -> AsyncIterator[tuple[tuple[int], WalletRow]]:
    """Yield every wallet with its owner, in the order of owner and asset type."""
    async for row in connection.cursor(STREAM_WALLETS, prefetch=PREFETCH):
        yield (row["owner_id"],), WalletRow(*row)


async def holds(connection: Connection) -> AsyncIterator[tuple[tuple[int], HoldRow]]:
    """Yield every hold with its owner, in the order of owner and the seq that placed it."""
    async for row in connection.cursor(STREAM_HOLDS, prefetch=PREFETCH):
        yield (row["owner_id"],), hold_row(tuple(row))


def _note(row: Any) -> StoredNote | None:  # noqa: ANN401 - asyncpg's records are untyped
    if row["digest"] is None:
        return None
    return StoredNote(
        digest=row["digest"],
        salt=row["salt"],
        reference=row["reference"],
        metadata=row["metadata"],
        operator=row["operator"],
        reason=row["reason"],
    )
