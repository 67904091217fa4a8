"""Balances, lots and holds as settling would leave them now, without booking anything."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.domain.record import record
from app.domain.records import HoldRow, HoldStatus, LotRow


def lots_reserved_by(holds: Iterable[HoldRow]) -> set[UUID]:
    """Return the ids of the lots that any of `holds` reserves something of."""
    return {part.lot_id for hold in holds for part in hold.parts}


def settled_lots(lots: Sequence[LotRow], due_holds: Iterable[HoldRow], now: datetime) -> list[LotRow]:
    """Return those of `lots` that hold anything at `now`, in their order and as they are then.

    `due_holds` are all holds on them whose deadline has come. What they release pays its lot's debt first, and is gone
    when the lot has expired, whichever of the two came first. An expired lot has only what is still held of it.
    """
    released: Counter[UUID] = Counter()
    for hold in due_holds:
        for part in hold.parts:
            released[part.lot_id] += part.amount
    settled = (_settled(lot, released[lot.id], now) for lot in lots)
    return [lot for lot in settled if lot.remaining > 0]


@record
class ReleasedPart:
    """What a hold past its deadline gives back to a lot, before anybody has booked it."""

    lot_id: UUID
    amount: int
    debt: int
    """What the lot owes."""
    expired: bool
    """Whether the lot has expired by now."""


def settled_balance(*, posted: int, held: int, released: Iterable[ReleasedPart]) -> tuple[int, int]:
    """Return what is posted and held once `released` is booked: it pays debts first, and is gone in an expired lot."""
    debts: dict[UUID, int] = {}
    for part in released:
        debt = debts.setdefault(part.lot_id, part.debt)
        gone = part.amount if part.expired else min(debt, part.amount)
        debts[part.lot_id] -= min(debt, part.amount)
        posted -= gone
        held -= part.amount
    return posted, held


def settled_hold(hold: HoldRow, now: datetime) -> HoldRow:
    """Return `hold` as it is at `now`: past its deadline it reserves nothing."""
    if hold.status is not HoldStatus.OPEN or hold.deadline > now:
        return hold
    return replace(hold, status=HoldStatus.EXPIRED, parts=())


def _settled(lot: LotRow, released: int, now: datetime) -> LotRow:
    held = lot.held - released
    payment = min(lot.debt, released)
    expired = lot.expires_at is not None and lot.expires_at <= now
    remaining = held if expired else lot.remaining - payment
    return replace(lot, held=held, debt=lot.debt - payment, remaining=remaining)
