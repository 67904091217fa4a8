"""A wallet in memory: what it holds, and what giving, taking, reserving and time do to its lots.

A wallet is loaded with what is due in it, with as many free lots, in burn order, as the commands at hand can need, and
with the lots that they name.
"""

from bisect import insort
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from app.domain.amounts import UNITS_MAX
from app.domain.burn_order import BurnKey, burn_key
from app.domain.errors import BalanceLimitExceeded, LedgerCorrupt, TooManyLots
from app.domain.record import row
from app.domain.records import LotRow, LotUse, WalletRow

LOTS_MAX = 2_000
"""From how many lots one transaction takes at most: it bounds how long it can keep others waiting."""

LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)


class Lot:
    """A lot while a unit of work changes it."""

    __slots__ = ("changed", "debt", "expired", "held", "is_new", "listed", "remaining", "reversed", "row")

    def __init__(self, row: LotRow, *, is_new: bool = False) -> None:
        self.row = row
        self.is_new = is_new
        self.changed = is_new
        self.listed = False
        """Whether it stands among its wallet's free lots."""
        self.remaining = row.remaining
        self.held = row.held
        self.debt = row.debt
        self.expired = row.expired
        self.reversed = row.reversed

    @property
    def id(self) -> UUID:
        """The lot's id."""
        return self.row.id

    @property
    def key(self) -> BurnKey:
        """What lots are burned by."""
        return burn_key(self.row)

    @property
    def free(self) -> int:
        """What is left and not reserved by a hold."""
        return self.remaining - self.held

    @property
    def is_marked(self) -> bool:
        """Whether what is rarely changed in it is other than it was stored."""
        row = self.row
        return (self.debt, self.expired, self.reversed) != (row.debt, row.expired, row.reversed)

    def is_over(self, now: datetime) -> bool:
        """Whether its expiry has come."""
        return self.row.expires_at is not None and self.row.expires_at <= now

    def use(self, amount: int) -> LotUse:
        """Return how an answer names `amount` of this lot."""
        row = self.row
        return LotUse(row.id, row.kind, amount, row.expires_at)


Part = tuple[Lot, int, datetime]
"""A lot, how much of it is set aside by a hold, and since when."""


@row
class Move:
    """A signed amount that went into or out of a lot, and the wallet's posted balance after it."""

    lot: Lot
    amount: int
    balance_after: int


class Wallet:
    """One account's holding of one asset type.

    Invariants: `posted` is the sum of the wallet's entries and of what is left in its lots, `held` that of what its
    lots have held; neither is ever negative. When `due_until` is set, only what is due up to then was loaded.
    """

    def __init__(
        self,
        row: WalletRow,
        due_until: datetime | None = None,
        next_due_at: datetime | None = None,
        *,
        is_new: bool = False,
    ) -> None:
        self.asset_type_id = row.asset_type_id
        self.posted = row.posted
        self.held = row.held
        self.next_due_at = row.next_due_at
        self.day = row.day
        self.day_spent = row.day_spent
        self.day_credited = row.day_credited
        self.is_new = is_new
        self.changed = False
        self.due_until = due_until
        self.due_lots: list[Lot] = []
        self.lots_changed: list[Lot] = []
        self.knows_holds = False
        """Whether all its open holds, and the free lots that expire before their deadlines, are loaded."""
        self._next_due_at = next_due_at
        self._lots: dict[UUID, Lot] = {}
        self._free_lots: list[Lot] = []

    @property
    def available(self) -> int:
        """What can be spent now, once what is due is booked."""
        return self.posted - self.held

    @property
    def lots(self) -> Iterable[Lot]:
        """Every lot that was loaded or made."""
        return self._lots.values()

    # -- loading ---------------------------------------------------------------------------------------------------

    def know(self, row: LotRow) -> Lot:
        """Return the lot of a row that was loaded; the same one each time."""
        lot = self._lots.get(row.id)
        if lot is None:
            lot = self._lots[row.id] = Lot(row)
        return lot

    def lot(self, lot_id: UUID) -> Lot:
        """Return a lot that was loaded or made."""
        return self._lots[lot_id]

    def load_free_lots(self, rows: Iterable[LotRow]) -> None:
        """Take in the first free lots in burn order: all of them, or as many as will be burned."""
        self._free_lots = [self.know(row) for row in rows]
        for lot in self._free_lots:
            lot.listed = True

    # -- giving and taking -----------------------------------------------------------------------------------------

    def add(self, row: LotRow) -> Move:
        """Put a new lot into the wallet."""
        lot = self._lots[row.id] = Lot(row, is_new=True)
        self.lots_changed.append(lot)
        self._list(lot)
        self.expect_at(row.expires_at)
        return self._move(lot, row.granted)

    def burn(self, amount: int) -> list[Move]:
        """Take `amount`, which must be available, out of the free lots in burn order.

        Raises:
            TooManyLots: it would take from more lots than one transaction may; nothing was changed.
        """
        return [self.take(lot, part) for lot, part in self.pick(amount)]

    def pick(self, amount: int, *, lots_max: int = LOTS_MAX) -> list[tuple[Lot, int]]:
        """Return the free lots that `amount`, which must be available, comes out of next, and how much of each.

        What is picked must be taken or set aside: no lot that it uses up is picked again.

        Raises:
            TooManyLots: it comes out of more than `lots_max` lots; nothing was changed.
        """
        picked: list[tuple[Lot, int]] = []
        used_up = 0
        for lot in self._free_lots:
            part = min(amount, lot.free)
            if part == lot.free:
                used_up += 1
            if part == 0:
                continue  # a reversal has emptied it
            if len(picked) == lots_max:
                raise TooManyLots(lots_max=lots_max)
            picked.append((lot, part))
            amount -= part
            if amount == 0:
                break
        if amount:
            raise LedgerCorrupt(problem=f"the lots of asset type {self.asset_type_id} hold less than its wallet")
        for lot in self._free_lots[:used_up]:
            lot.listed = False
        del self._free_lots[:used_up]
        return picked

    def reserve(self, amount: int, since: datetime, *, lots_max: int = LOTS_MAX) -> list[Part]:
        """Set `amount`, which must be available, aside in the free lots in burn order; `since` is noted with each part.

        Raises:
            TooManyLots: it would take more than `lots_max` lots; nothing was changed.
        """
        picked = self.pick(amount, lots_max=lots_max)
        for lot, part in picked:
            self._touch(lot)
            lot.held += part
        self.held += amount
        return [(lot, part, since) for lot, part in picked]

    def give_back(self, lot: Lot, amount: int) -> Move:
        """Put `amount` back into the lot that it came from."""
        self._touch(lot)
        lot.remaining += amount
        if lot.remaining > lot.row.granted:
            raise LedgerCorrupt(problem=f"lot {lot.id} would hold more than was granted")
        return self._move(lot, amount)

    def take(self, lot: Lot, amount: int) -> Move:
        """Take `amount` out of what is free in a lot."""
        if not 0 < amount <= lot.free:
            raise LedgerCorrupt(problem=f"lot {lot.id} has {lot.free} free, {amount} was to be taken")
        self._touch(lot)
        lot.remaining -= amount
        return self._move(lot, -amount)

    def unreserve(self, lot: Lot, amount: int) -> None:
        """End a reservation: what was held in the lot is free again."""
        if not 0 < amount <= lot.held:
            raise LedgerCorrupt(problem=f"lot {lot.id} has {lot.held} held, {amount} was to be released")
        self._touch(lot)
        lot.held -= amount
        self.held -= amount

    def pay_debt(self, lot: Lot, amount: int) -> Move | None:
        """Pay the lot's debt out of `amount` that has just returned to it; return the payment, if there is one."""
        payment = min(lot.debt, amount)
        if payment == 0:
            return None
        lot.debt -= payment
        return self.take(lot, payment)

    def expire(self, lots: Iterable[Lot]) -> list[Move]:
        """Take everything that is free out of these lots, for good."""
        moves = [self.take(lot, lot.free) for lot in lots]
        for move in moves:
            move.lot.expired -= move.amount
        return moves

    def relist(self, lot: Lot, now: datetime) -> None:
        """Let what has returned to a lot be burned again, unless its expiry has come."""
        if lot.free > 0 and not lot.is_over(now):
            self._list(lot)
            self.expect_at(lot.row.expires_at)

    def claim_back(self, lot: Lot, amount: int) -> list[Move]:
        """Take what is free of `amount` back from a lot for its reversal; the rest becomes the lot's debt."""
        taken = min(amount, lot.free)
        moves = [self.take(lot, taken)] if taken else []
        self._touch(lot)
        lot.reversed = True
        lot.debt = amount - taken
        return moves

    def expect_room(self, amount: int) -> None:
        """Raise BalanceLimitExceeded when the wallet can't hold `amount` more: 63 bits are the limit."""
        if self.posted + amount > UNITS_MAX:
            raise BalanceLimitExceeded(
                asset_type_id=self.asset_type_id, balance=self.posted, balance_max=UNITS_MAX, amount=amount
            )

    # -- time ------------------------------------------------------------------------------------------------------

    def expect_at(self, moment: datetime | None) -> None:
        """Note that something will be due at `moment`."""
        if moment is not None and (self.next_due_at is None or moment < self.next_due_at):
            self.next_due_at = moment
            self.changed = True

    def settled(self) -> None:
        """Note that all that was due has been booked: the next expiry or deadline is due next."""
        self.next_due_at = self._next_due_at
        self.changed = True

    def on_day(self, day: date) -> tuple[int, int]:
        """Return what was spent and credited on `day`."""
        return (self.day_spent, self.day_credited) if self.day == day else (0, 0)

    def count(self, day: date, *, spent: int = 0, credited: int = 0) -> None:
        """Add to what was spent and credited on `day`. The counters stop at the largest number they hold."""
        if self.day != day:
            self.day, self.day_spent, self.day_credited = day, 0, 0
        self.day_spent = min(self.day_spent + spent, UNITS_MAX)
        self.day_credited = min(self.day_credited + credited, UNITS_MAX)
        self.changed = True

    # -- parts -----------------------------------------------------------------------------------------------------

    def savepoint(self) -> Callable[[], None]:
        """Return what puts the wallet and its lots back to what they are now."""
        state = dict(self.__dict__)
        copies = {name: value.copy() for name, value in state.items() if isinstance(value, list | dict)}
        lots = [
            (each, (each.changed, each.listed, each.remaining, each.held, each.debt, each.expired, each.reversed))
            for each in self._lots.values()
        ]

        def restore() -> None:
            self.__dict__.update(state | copies)
            for lot, values in lots:
                lot.changed, lot.listed, lot.remaining, lot.held, lot.debt, lot.expired, lot.reversed = values

        return restore

    def _list(self, lot: Lot) -> None:
        if lot.listed:
            return
        lot.listed = True
        if self._free_lots:
            insort(self._free_lots, lot, key=_key_of)
        else:
            self._free_lots.append(lot)  # as for most captures: nothing is taken, so no others were loaded

    def _touch(self, lot: Lot) -> None:
        if not lot.changed:
            lot.changed = True
            self.lots_changed.append(lot)
        self.changed = True

    def _move(self, lot: Lot, amount: int) -> Move:
        self.posted += amount
        self.changed = True
        return Move(lot, amount, self.posted)


def later(now: datetime, life: timedelta) -> datetime:
    """Return `now` plus `life`, no later than the last moment there is."""
    return now + life if life < LAST_MOMENT - now else LAST_MOMENT


def _key_of(lot: Lot) -> BurnKey:
    return lot.key
