"""What an owner's history has come to so far, as its audit follows it: lots, holds, what was taken, what is due."""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from app.domain.chain import EPOCH
from app.domain.record import record
from app.domain.records import EntryRecord, HoldPart, HoldStatus, LotRow, TransactionRecord, TransactionType

Line = tuple[UUID, int]
"""A lot and what went into it or, negative, out of it."""


class AuditFailure(Exception):
    """A row is wrong. The message names it."""


def expect(holds: bool, problem: str) -> None:
    """Raise AuditFailure with `problem` unless it holds."""
    if not holds:
        raise AuditFailure(problem)


@record
class AuditedTransaction(TransactionRecord):
    """A transaction of which it is known whether any of it was given back: if none was, its lines need not be kept."""

    is_refunded: bool


class AuditLot:
    """What the history says of a lot."""

    __slots__ = ("debt", "expired", "held", "remaining", "reversed", "row")

    def __init__(self, row: LotRow) -> None:
        self.row = row
        self.remaining = self.held = self.debt = self.expired = 0
        self.reversed = False

    @property
    def free(self) -> int:
        """What is left and not reserved."""
        return self.remaining - self.held

    def is_over(self, now: datetime) -> bool:
        """Whether its expiry has come."""
        return self.row.expires_at is not None and self.row.expires_at <= now


class AuditHold:
    """What the history says of a hold."""

    __slots__ = ("amount", "asset_type_id", "captured", "deadline", "id", "parts", "seq", "status")

    def __init__(self, hold_id: UUID, seq: int, asset_type_id: int) -> None:
        self.id = hold_id
        self.seq = seq
        self.asset_type_id = asset_type_id
        self.amount = self.captured = 0
        self.deadline = EPOCH
        self.parts: list[HoldPart] = []
        self.status = HoldStatus.OPEN


class AuditTaken:
    """What a spend or capture took and refunds have not given back yet; `lines` in their order, with when."""

    __slots__ = ("amount", "lines", "refunded", "refunds")

    def __init__(self, amount: int, lines: list[tuple[AuditLot, int, datetime]]) -> None:
        self.amount = amount
        self.lines = lines
        self.refunds = self.refunded = 0


class AuditState:
    """Everything that one owner has, as its history says."""

    def __init__(self, owner_id: int) -> None:
        self.owner_id = owner_id
        self.posted: defaultdict[int, int] = defaultdict(int)
        self.held: defaultdict[int, int] = defaultdict(int)
        self.lots: dict[UUID, AuditLot] = {}
        self.given: dict[UUID, AuditLot] = {}
        """By top-up or bonus, the lot that it made."""
        self.taken: dict[UUID, AuditTaken] = {}
        self.holds: dict[UUID, AuditHold] = {}
        self.days: dict[int, tuple[date, int, int]] = {}
        """By asset type, the last day on which anything counted: what was spent, what was credited."""
        self._due: list[tuple[datetime, int, AuditLot | AuditHold]] = []
        self._pushed = 0

    def known_lot(self, lot_id: UUID | None, name: str) -> AuditLot:
        """Return a lot that was made before.

        Raises:
            AuditFailure: there is none.
        """
        lot = None if lot_id is None else self.lots.get(lot_id)
        if lot is None:
            raise AuditFailure(f"{name}: no transaction before it made lot {lot_id}")
        return lot

    def ends_hold_by_time(self, transaction: TransactionRecord) -> bool:
        """Whether a release is the doing of time: of a hold whose deadline has come."""
        hold = None if transaction.parent_id is None else self.holds.get(transaction.parent_id)
        is_due = hold is not None and hold.deadline <= transaction.created_at
        return is_due and transaction.type is TransactionType.RELEASE

    def reserve(self, lot: AuditLot, amount: int) -> None:
        """Note that a hold reserves `amount` more of a lot, or less when it is negative."""
        lot.held += amount
        self.held[lot.row.asset_type_id] += amount

    def expect_at(self, moment: datetime, subject: AuditLot | AuditHold) -> None:
        """Note that time will have to do something with a lot or hold at `moment`."""
        self._pushed += 1
        heapq.heappush(self._due, (moment, self._pushed, subject))

    def expect_settled(self, now: datetime, name: str) -> None:
        """Check that everything due up to `now` has been booked.

        Raises:
            AuditFailure: a lot has expired or a hold is past its deadline, and no transaction says so.
        """
        while self._due and self._due[0][0] <= now:
            moment, _, subject = heapq.heappop(self._due)
            if isinstance(subject, AuditLot):
                expect(subject.free <= 0, f"{name}: comes before the expiry of lot {subject.row.id}, which was due")
            elif subject.deadline == moment:
                expect(
                    subject.status is not HoldStatus.OPEN,
                    f"{name}: comes before the end of hold {subject.id}, which was due",
                )


def split_parts(parts: Sequence[HoldPart], amount: int) -> tuple[list[HoldPart], list[HoldPart]]:
    """Return the first `amount` of what a hold reserves, and the rest."""
    first, rest = list[HoldPart](), list[HoldPart]()
    for part in parts:
        taken = min(part.amount, amount)
        amount -= taken
        if taken:
            first.append(HoldPart(lot_id=part.lot_id, amount=taken, held_at=part.held_at))
        if part.amount > taken:
            rest.append(HoldPart(lot_id=part.lot_id, amount=part.amount - taken, held_at=part.held_at))
    return first, rest


def lines_taking(lines: Sequence[EntryRecord], amount: int) -> Sequence[EntryRecord]:
    """Return the first lines, that take `amount` together."""
    number = 0
    while number < len(lines) and amount > 0:
        amount += lines[number].amount
        number += 1
    return lines[:number]


def pay_debt(lot: AuditLot, amount: int) -> list[Line]:
    """Pay the lot's debt with `amount` that returns to it; return the line that says so, if there is one."""
    paid = min(lot.debt, amount)
    lot.debt -= paid
    return [(lot.row.id, -paid)] if paid else []
