"""What the layers hand each other: rows as they are stored, and answers as they are given. All frozen."""

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.domain.record import record, row


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


class HoldStatus(StrEnum):
    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


@record
class Limits:
    """What callers may do with a wallet, in smallest units; None: no limit. The daily ones count UTC days."""

    amount_min: int | None = None
    amount_max: int | None = None
    balance_max: int | None = None
    daily_spend_max: int | None = None
    daily_credit_max: int | None = None


NO_LIMITS = Limits()
HOLD_SECONDS_DEFAULT = 86_400
"""How long a hold lasts, where neither the caller nor the asset type says so."""


@record
class AssetType:
    """A kind of credit. `code` and `scale` never change; the rest is policy and comes with each load."""

    id: int
    code: str
    name: str
    scale: int
    status: AssetStatus
    default_expiry_days: int | None = None
    hold_seconds: int = HOLD_SECONDS_DEFAULT
    limits: Limits = NO_LIMITS


@row
class AccountRow:
    id: int
    bucket: int
    external_user_id: str
    status: AccountStatus
    last_seq: int
    last_hash: bytes
    last_at: datetime
    last_effective_at: datetime
    limits: str | None = None
    """The limits of this account's own, as canonical JSON: by asset type id, in smallest units."""


@row
class WalletRow:
    """A wallet as loaded. `next_due_at` is a lower bound: nothing of this wallet is due before it.

    `day_spent` and `day_credited` are what was spent and credited on the UTC day `day`, the last one on which any was.
    """

    owner_id: int
    asset_type_id: int
    posted: int
    held: int
    next_due_at: datetime | None
    day: date | None = None
    day_spent: int = 0
    day_credited: int = 0


@row
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
    """What a reversal could not take back: whatever returns to the lot pays it first."""
    expired: int = 0
    reversed: bool = False


@row
class HoldPart:
    """What a hold reserves of one lot, and since when."""

    lot_id: UUID
    amount: int
    held_at: datetime


@row
class HoldRow:
    """A hold. Its id is that of the transaction that placed it. `captured` counts what captures took beyond it too."""

    id: UUID
    owner_id: int
    asset_type_id: int
    seq: int
    amount: int
    captured: int
    deadline: datetime
    status: HoldStatus
    parts: tuple[HoldPart, ...]


@record
class Note:
    """The erasable text of a transaction. `digest` is what the chain covers."""

    reference: str | None
    metadata: str | None
    operator: str | None
    salt: bytes
    digest: bytes
    reason: str | None = None


@row
class EntryRecord:
    """One signed line. `balance_after` only on the owner's own lines."""

    line: int
    account_id: int
    asset_type_id: int
    lot_id: UUID | None
    amount: int
    balance_after: int | None


@row
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
    refund: "RefundPart | None" = None
    note: Note | None = None
    entries: tuple[EntryRecord, ...] = ()
    lots: tuple[LotRow, ...] = ()


@row
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
    lines: tuple[LotUse, ...]
    """The owner's lines, with signed amounts."""
    parent_id: UUID | None = None
    members: tuple["DecidedRow", ...] = ()
    """Of a group: its members, in order."""


@row
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
class RefundPart:
    """Which refund of its parent a refund is, and how much of the parent is given back after it."""

    number: int
    parent_amount: int
    refunded_after: int


@record
class ParentRow:
    """An earlier transaction that a command names, with the owner's lines of it."""

    id: UUID
    owner_id: int
    type: TransactionType
    outcome: Outcome
    asset_type_id: int
    amount: int
    created_at: datetime
    facts: str | None
    refunds: int
    refunded: int
    lines: tuple[tuple[LotRow, int], ...]
    """For each of the owner's lines, in order: the lot as it is now, and the signed amount."""


FactsOf = Mapping[str, Any]
"""What a transaction's `facts` say, from JSON: integers are smallest units, or microseconds since 1970."""


@row
class Receipt:
    """The answer to a posted operation on a wallet.

    `facts` is what beyond the usual its kind of operation came to. `transaction_id` and `seq` of a dry run are of no
    transaction.
    """

    transaction_id: UUID
    type: TransactionType
    amount: int
    seq: int
    created_at: datetime
    balance_after: int
    balance: Balance
    lots: tuple[LotUse, ...]
    replayed: bool
    parent_id: UUID | None = None
    facts: FactsOf = field(default_factory=dict)


@record
class GroupReceipt:
    """The answer to a posted group: its members' receipts in order."""

    transaction_id: UUID
    account_id: int
    seq: int
    created_at: datetime
    members: tuple[Receipt, ...]
    replayed: bool


@record
class ChangeReceipt:
    """The answer to a change of the account, or to booking what is due (`seq` is the last one then)."""

    transaction_id: UUID
    account_id: int
    seq: int
    created_at: datetime
    replayed: bool


AnyReceipt = Receipt | GroupReceipt | ChangeReceipt
