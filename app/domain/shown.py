"""What is shown of accounts, lots, holds and transactions, and which of them: values for reading alone."""

from datetime import datetime
from uuid import UUID

from app.domain.account_changes import ERASED_PREFIX
from app.domain.record import record
from app.domain.records import (
    AccountStatus,
    EntryRecord,
    HoldRow,
    LotKind,
    LotRow,
    Outcome,
    RefundPart,
    TransactionType,
)

BurnPosition = tuple[int, datetime | None, LotKind, int, UUID]
"""Where a lot stands in burn order: priority, expiry, kind, seq, id."""

OwnerPosition = tuple[int, int]
"""Where a transaction stands among those of all owners: owner id, seq."""


def living_name(external_user_id: str) -> str | None:
    """Return a user's id as it is shown: None once it is erased."""
    return None if external_user_id.startswith(ERASED_PREFIX) else external_user_id


@record
class ListedAccount:
    """An account in a list. `name` is the user's id, or a tombstone."""

    id: int
    name: str
    status: AccountStatus
    opened_at: datetime

    @property
    def external_user_id(self) -> str | None:
        """The user's id; None once it is erased."""
        return living_name(self.name)


@record
class ListedHold:
    """A hold as it is at the moment of asking, and when it was placed."""

    hold: HoldRow
    created_at: datetime


@record
class HistoryFilter:
    """Which transactions of one owner are wanted. The times are of booking, `before` exclusive."""

    type: TransactionType | None = None
    outcome: Outcome | None = Outcome.POSTED
    asset_type_id: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    reference: str | None = None
    group_id: UUID | None = None

    @property
    def hides_groups(self) -> bool:
        """Whether the headers of posted groups are left out: their members say it all."""
        return self.type is not TransactionType.GROUP and self.group_id is None and self.reference is None


@record
class ListedTransaction:
    """A transaction in a list. `balance_after` is what was posted after it, of its asset type.

    `terms` and `facts` are canonical JSON; in a list, `facts` only those of a refusal.
    """

    id: UUID
    owner_id: int
    seq: int
    type: TransactionType
    outcome: Outcome
    asset_type_id: int | None
    amount: int | None
    balance_after: int | None
    created_at: datetime
    effective_at: datetime
    parent_id: UUID | None
    group_id: UUID | None
    idempotency_key: str | None
    reference: str | None
    metadata: str | None
    operator: str | None
    reason: str | None
    actor: str
    facts: str | None


@record
class FoundTransaction:
    """A transaction of anybody. `external_user_id` is None once it is erased."""

    transaction: ListedTransaction
    external_user_id: str | None


@record
class WholeTransaction:
    """A transaction with all that belongs to it. `refunded` is how much of it was given back since."""

    transaction: ListedTransaction
    external_user_id: str | None
    terms: str | None
    hash: bytes
    refund: RefundPart | None
    refunded: int
    entries: tuple[EntryRecord, ...]
    lots: tuple[LotRow, ...]
