"""An owner's history in memory: numbered, timed and chained. The only place where these move on."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from app.domain import chain
from app.domain.records import (
    AccountRow,
    EntryRecord,
    LotRow,
    Note,
    Outcome,
    RefundPart,
    TransactionRecord,
    TransactionType,
)


class History:
    """What one unit of work adds to an owner's transactions: `appended`, each with its hash."""

    __slots__ = ("appended", "bucket", "last_at", "last_effective_at", "last_hash", "last_seq", "owner_id")

    def __init__(self, row: AccountRow) -> None:
        self.owner_id = row.id
        self.bucket = row.bucket
        self.last_seq = row.last_seq
        self.last_hash = row.last_hash
        self.last_at = row.last_at
        self.last_effective_at = row.last_effective_at
        self.appended: list[tuple[TransactionRecord, bytes]] = []

    def append(
        self,
        *,
        transaction_id: UUID,
        type: TransactionType,  # noqa: A002 - the column's name
        asset_type_id: int | None,
        amount: int | None,
        actor: str,
        now: datetime,
        effective_at: datetime,
        outcome: Outcome = Outcome.POSTED,
        idempotency_key: str | None = None,
        fingerprint: bytes | None = None,
        terms: str | None = None,
        facts: str | None = None,
        parent_id: UUID | None = None,
        group_id: UUID | None = None,
        refund: RefundPart | None = None,
        note: Note | None = None,
        entries: tuple[EntryRecord, ...] = (),
        lots: tuple[LotRow, ...] = (),
    ) -> TransactionRecord:
        """Make the owner's next transaction."""
        transaction = TransactionRecord(
            transaction_id,
            self.owner_id,
            self.bucket,
            self.last_seq + 1,
            type,
            outcome,
            asset_type_id,
            amount,
            idempotency_key,
            fingerprint,
            actor,
            now,
            max(effective_at, self.last_effective_at),
            terms,
            facts,
            parent_id,
            group_id,
            refund,
            note,
            entries,
            lots,
        )
        self.last_hash = chain.next_hash(self.last_hash, transaction)
        self.last_seq = transaction.seq
        self.last_at = now
        self.last_effective_at = transaction.effective_at
        self.appended.append((transaction, self.last_hash))
        return transaction

    def savepoint(self) -> Callable[[], None]:
        """Return what takes away all that is appended from now on."""
        state = (self.last_seq, self.last_hash, self.last_at, self.last_effective_at)
        length = len(self.appended)

        def restore() -> None:
            self.last_seq, self.last_hash, self.last_at, self.last_effective_at = state
            del self.appended[length:]

        return restore
