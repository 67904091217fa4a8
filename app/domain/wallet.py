"""A wallet in memory: what it holds, and what giving, taking and time do to its lots.

A wallet is loaded with its due lots and with as many free lots, in burn order, as the commands at hand can need.
"""

from bisect import insort
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from app.domain.burn_order import burn_key
from app.domain.errors import LedgerCorrupt
from app.domain.record import record
from app.domain.records import LotKind, LotRow, WalletRow


class Lot:
    """A lot while a unit of work changes it."""

    __slots__ = ("changed", "held", "is_new", "key", "remaining", "row")

    def __init__(self, row: LotRow, *, is_new: bool) -> None:
        self.row = row
        self.is_new = is_new
        self.changed = is_new
        self.remaining = row.remaining
        self.held = row.held
        self.key = burn_key(row)

    @property
    def id(self) -> UUID:
        """The lot's id."""
        return self.row.id

    @property
    def kind(self) -> LotKind:
        """Paid or promo."""
        return self.row.kind

    @property
    def expires_at(self) -> datetime | None:
        """From this moment on the lot's free credits are not available."""
        return self.row.expires_at

    @property
    def free(self) -> int:
        """What is left and not reserved by a hold."""
        return self.remaining - self.held

    def take(self, amount: int) -> None:
        """Take `amount` out of what is free."""
        if not 0 < amount <= self.free:
            raise LedgerCorrupt(problem=f"lot {self.id} has {self.free} free, {amount} was to be taken")
        self.remaining -= amount
        self.changed = True


@record
class Taken:
    """How much was taken from which lot, and the wallet's posted balance after that."""

    lot: Lot
    amount: int
    balance_after: int


class Wallet:
    """One account's holding of one asset type.

    `due_lots` are those whose expiry has come, `free_lots` the others in burn order. Invariant: `posted` is the sum of
    the wallet's entries, and never negative.
    """

    def __init__(
        self,
        row: WalletRow,
        *,
        is_new: bool = False,
        due_lots: list[Lot] | None = None,
        all_due_loaded: bool = True,
        next_expiry_at: datetime | None = None,
    ) -> None:
        self.asset_type_id = row.asset_type_id
        self.posted = row.posted
        self.held = row.held
        self.next_due_at = row.next_due_at
        self.is_new = is_new
        self.changed = False
        self.due_lots = due_lots or []
        self.all_due_loaded = all_due_loaded
        self._free_lots: list[Lot] = []
        self._next_expiry_at = next_expiry_at
        self.lots_changed: list[Lot] = []

    @property
    def due(self) -> int:
        """What has expired and is not booked yet."""
        return sum(lot.free for lot in self.due_lots) if self.due_lots else 0

    @property
    def available(self) -> int:
        """What can be spent now."""
        return self.posted - self.due - self.held

    def load_free_lots(self, rows: Iterable[LotRow]) -> None:
        """Take in the first free lots in burn order: all of them, or as many as will be burned."""
        self._free_lots = [Lot(row, is_new=False) for row in rows]

    def add(self, row: LotRow) -> Lot:
        """Put a new lot into the wallet."""
        lot = Lot(row, is_new=True)
        insort(self._free_lots, lot, key=lambda each: each.key)
        self.lots_changed.append(lot)
        self.posted += row.granted
        self.changed = True
        if row.expires_at is not None and (self.next_due_at is None or row.expires_at < self.next_due_at):
            self.next_due_at = row.expires_at
        return lot

    def burn(self, amount: int) -> list[Taken]:
        """Take `amount`, which must be available, out of the free lots in burn order."""
        taken: list[Taken] = []
        while amount > 0:
            if not self._free_lots:
                raise LedgerCorrupt(problem=f"the lots of asset type {self.asset_type_id} hold less than its wallet")
            lot = self._free_lots[0]
            taken.append(self._take(lot, min(amount, lot.free)))
            amount -= taken[-1].amount
            if lot.free == 0:
                self._free_lots.pop(0)
        return taken

    def expire(self, lots: list[Lot]) -> list[Taken]:
        """Take everything that is free out of these due lots."""
        expired = [self._take(lot, lot.free) for lot in lots]
        gone = set(map(id, lots))
        self.due_lots = [lot for lot in self.due_lots if id(lot) not in gone]
        return expired

    def settled(self) -> None:
        """Note that what was loaded as due has been booked; when that was all, the next expiry is due next."""
        if self.all_due_loaded:
            self.next_due_at = self._next_expiry_at
            self.changed = True

    def _take(self, lot: Lot, amount: int) -> Taken:
        if not lot.changed:
            self.lots_changed.append(lot)
        lot.take(amount)
        self.posted -= amount
        self.changed = True
        return Taken(lot=lot, amount=amount, balance_after=self.posted)
