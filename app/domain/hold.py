"""A hold in memory: credits that are set aside in named lots until they are captured or released."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from app.domain.records import HoldPart, HoldRow, HoldStatus
from app.domain.wallet import Move, Part, Wallet


class Hold:
    """A hold while a unit of work changes it. What it reserves stays usable: the lots are named."""

    __slots__ = ("amount", "captured", "changed", "deadline", "is_extended", "is_new", "parts", "row", "status")

    def __init__(self, row: HoldRow, parts: list[Part], *, is_new: bool = False) -> None:
        self.row = row
        self.is_new = is_new
        self.changed = is_new
        self.is_extended = False
        self.amount = row.amount
        self.captured = row.captured
        self.deadline = row.deadline
        self.status = row.status
        self.parts = parts

    @property
    def id(self) -> UUID:
        """The id of the transaction that placed it."""
        return self.row.id

    @property
    def is_open(self) -> bool:
        """Whether it still reserves anything, or could."""
        return self.status is HoldStatus.OPEN

    @property
    def is_only_ended(self) -> bool:
        """Whether all that has changed in it, which was there before, is that it has ended, and what was captured."""
        return not (self.is_extended or self.is_open)

    @property
    def left(self) -> int:
        """How much can still be captured."""
        return sum([amount for _, amount, _ in self.parts])

    def extend(self, parts: list[Part], deadline: datetime) -> None:
        """Add to what is set aside, and move the deadline."""
        self.parts = self.parts + parts
        self.amount += sum(amount for _, amount, _ in parts)
        self.deadline = deadline
        self.changed = self.is_extended = True

    def capture(self, wallet: Wallet, amount: int, *, final: bool) -> tuple[list[Move], list[datetime]]:
        """Take up to `amount` out of what is set aside, in the order in which it was; and for each move, since when.

        A `final` capture reserves nothing any more; the hold must be ended then.
        """
        taken: list[Move] = []
        moments: list[datetime] = []
        rest: list[Part] = []
        for lot, held, since in self.parts:
            part = min(held, amount)
            if part or final:
                wallet.unreserve(lot, held if final else part)
            if part:
                taken.append(wallet.take(lot, part))
                moments.append(since)
                amount -= part
            if held > part:
                rest.append((lot, held - part, since))
        self.parts = rest
        self.changed = True
        return taken, moments

    def close(self, wallet: Wallet, status: HoldStatus, now: datetime) -> tuple[list[Part], list[Move]]:
        """Give what is left back to its lots; return it, and what of it paid their debts at once."""
        for lot, amount, _ in self.parts:
            wallet.unreserve(lot, amount)
        return self.end(wallet, status, now)

    def end(self, wallet: Wallet, status: HoldStatus, now: datetime) -> tuple[list[Part], list[Move]]:
        """Be over, with what is left, which is not reserved any more: as `close`."""
        released = self.parts
        payments: list[Move] = []
        for lot, amount, _ in released:
            if (payment := wallet.pay_debt(lot, amount)) is not None:
                payments.append(payment)
            wallet.relist(lot, now)
        self.parts = []
        self.status = status
        self.changed = True
        return released, payments

    def stored(self) -> HoldRow:
        """Return the hold as it is to be stored."""
        return HoldRow(
            id=self.row.id,
            owner_id=self.row.owner_id,
            asset_type_id=self.row.asset_type_id,
            seq=self.row.seq,
            amount=self.amount,
            captured=self.captured,
            deadline=self.deadline,
            status=self.status,
            parts=tuple(HoldPart(lot_id=lot.id, amount=amount, held_at=held_at) for lot, amount, held_at in self.parts),
        )

    def savepoint(self) -> Callable[[], None]:
        """Return what puts the hold back to what it is now."""
        state = (self.amount, self.captured, self.changed, self.deadline, self.is_extended, self.status, self.parts)

        def restore() -> None:
            self.amount, self.captured, self.changed, self.deadline, self.is_extended, self.status, self.parts = state

        return restore
