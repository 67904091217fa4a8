"""What the naive model is made of: lots, holds, transactions and answers, as plain values."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.domain.records import HoldStatus, LotKind
from app.domain.records import TransactionType as Kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(Exception):
    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


@dataclass
class Lot:
    number: int
    asset: int
    kind: LotKind
    priority: int
    expires_at: int | None
    granted: int
    remaining: int
    held: int = 0
    debt: int = 0
    expired: int = 0
    reversed: bool = False

    @property
    def free(self) -> int:
        return self.remaining - self.held

    def is_gone(self, at: int) -> bool:
        return self.expires_at is not None and self.expires_at <= at


@dataclass
class Take:
    """So much of a lot: taken, given or reserved, and when. For what a hold reserved, that is since when."""

    lot: Lot
    amount: int
    at: int


@dataclass
class Hold:
    id: UUID
    asset: int
    amount: int
    deadline: int
    captured: int = 0
    status: HoldStatus = HoldStatus.OPEN
    parts: list[Take] = field(default_factory=list)


@dataclass
class Transaction:
    """`own` has the user's lines as (lot, amount); what they come to stands on `counter` with the other sign."""

    seq: int
    id: UUID | None
    type: Kind
    posted: bool
    asset: int | None
    amount: int | None
    created_at: int
    effective_at: int
    parent: UUID | None
    facts: dict[str, Any]
    takes: list[Take]
    own: list[tuple[Lot, int]]
    counter: str
    balance_after: int | None
    refunded: int = 0


@dataclass
class Answer:
    """What a command came to. `uses` are (lot, amount), amounts positive, in order."""

    posted: bool
    code: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    amount: int | None = None
    uses: tuple[tuple[int, int], ...] = ()
    balance: int | None = None
    held: int | None = None
    available: int | None = None
    balance_after: int | None = None
    asset: int | None = None
    seq: int | None = None
    at: int | None = None
    replayed: bool = False
    recorded: bool = True
    members: tuple["Answer", ...] = ()
