"""What the layers hand each other: rows as they are stored, and answers as they are given. All frozen."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.domain.record import record


class TransactionType(StrEnum):
    TOP_UP = "top_up"
    BONUS = "bonus"
    SPEND = "spend"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    REFUND = "refund"
    REVERSAL = "reversal"
    EXPIRY = "expiry"
    ADJUSTMENT = "adjustment"
    EXTEND = "extend"
    GROUP = "group"
    ACCOUNT_CHANGE = "account_change"


class Outcome(StrEnum):
    POSTED = "posted"
    REFUSED = "refused"


class AccountStatus(StrEnum):
    ACTIVE = "active"
    FROZEN = "frozen"
    QUARANTINED = "quarantined"
    CLOSED = "closed"


class AssetStatus(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"


class LotKind(StrEnum):
    PAID = "paid"
    PROMO = "promo"


@record
class AssetType:
    """A kind of credit. `code` and `scale` never change; the rest is policy and comes with each load."""

    id: int
    code: str
    name: str
    scale: int
    status: AssetStatus
    default_expiry_days: int | None = None


@record
class AccountRow:
    id: int
    bucket: int
    external_user_id: str
    status: AccountStatus
    last_seq: int
    last_hash: bytes
    last_at: datetime
    last_effective_at: datetime


@record
class WalletRow:
    """A wallet as loaded. `next_due_at` is a lower bound: nothing of this wallet is due before it."""

    owner_id: int
    asset_type_id: int
    posted: int
    held: int
    next_due_at: datetime | None


@record
class LotRow:
    id: UUID
    owner_id: int
    asset_type_id: int
    seq: int
    kind: LotKind
    priority: int
    expires_at: datetime | None
    granted: int
    remaining: int
    held: int
    debt: int = 0


@record
class Note:
    """The erasable text of a transaction. `digest` is what the chain covers."""

    reference: str | None
    metadata: str | None
    operator: str | None
    salt: bytes
    digest: bytes


@record
class EntryRecord:
    """One signed line. `balance_after` only on the owner's own lines."""

    line: int
    account_id: int
    asset_type_id: int
    lot_id: UUID | None
    amount: int
    balance_after: int | None


@record
class TransactionRecord:
    """A header, and with it everything its hash covers."""

    id: UUID
    owner_id: int
    bucket: int
    seq: int
    type: TransactionType
    outcome: Outcome
    asset_type_id: int | None
    amount: int | None
    idempotency_key: str | None
    fingerprint: bytes | None
    actor: str
    created_at: datetime
    effective_at: datetime
    terms: str | None = None
    facts: str | None = None
    parent_id: UUID | None = None
    group_id: UUID | None = None
    note: Note | None = None
    entries: tuple[EntryRecord, ...] = ()
    lots: tuple[LotRow, ...] = ()


@record
class LotUse:
    """How much of a lot a transaction made or took, positive."""

    lot_id: UUID
    kind: LotKind
    amount: int
    expires_at: datetime | None


@record
class DecidedRow:
    """What became of a command: enough to answer a replay of its key and to name what differs."""

    owner_id: int
    idempotency_key: str | None
    transaction_id: UUID
    seq: int
    type: TransactionType
    outcome: Outcome
    asset_type_id: int
    amount: int
    fingerprint: bytes | None
    terms: str | None
    facts: str | None
    created_at: datetime
    balance_after: int | None
    lots: tuple[LotUse, ...]


@record
class Balance:
    """What a wallet has at a moment, in smallest units. `posted` is already less what is due."""

    account_id: int
    asset_type_id: int
    posted: int
    held: int

    @property
    def available(self) -> int:
        """What can be spent now."""
        return self.posted - self.held


@record
class Receipt:
    """The answer to a posted command."""

    transaction_id: UUID
    type: TransactionType
    amount: int
    seq: int
    created_at: datetime
    balance_after: int
    balance: Balance
    lots: tuple[LotUse, ...]
    replayed: bool
