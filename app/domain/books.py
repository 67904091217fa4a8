"""What an owner has, as one unit of work sees it: wallets, holds, limits, and the earlier transactions it names."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from uuid import UUID

from app.domain.errors import Fact, HoldNotOpen, InsufficientFunds, UnknownHold, UnknownTransaction
from app.domain.forecast import available_at
from app.domain.hold import Hold
from app.domain.record import row
from app.domain.records import (
    AssetType,
    EntryRecord,
    FactsOf,
    HoldRow,
    HoldStatus,
    Limits,
    LotRow,
    LotUse,
    Outcome,
    ParentRow,
    RefundPart,
    TransactionType,
    WalletRow,
)
from app.domain.wallet import Lot, Move, Wallet

LIMIT_NAMES = tuple(each.name for each in fields(Limits))


class Parent:
    """An earlier transaction that a command is about. `lines` are the owner's: the lot, and what went in or out."""

    __slots__ = ("lines", "refunded", "refunds", "row")

    def __init__(self, row: ParentRow, wallets: Mapping[int, Wallet]) -> None:
        self.row = row
        self.lines = [(wallets[row.asset_type_id].know(lot), amount) for lot, amount in row.lines]
        self.refunds = row.refunds
        self.refunded = row.refunded

    def is_posted(self, *types: TransactionType) -> bool:
        """Whether it is in force and of one of `types`."""
        return self.row.outcome is Outcome.POSTED and self.row.type in types

    def facts(self) -> FactsOf:
        """What it came to, beyond the usual."""
        facts: FactsOf = json.loads(self.row.facts or "{}")
        return facts


@row
class Decision:
    """What an operation comes to: done to the books, and still to be written into the history."""

    wallet: Wallet
    amount: int
    entries: tuple[EntryRecord, ...]
    uses: tuple[LotUse, ...]
    facts: FactsOf | None = None
    freed: tuple[Lot, ...] = ()
    """Lots that can expire, to which credits were released: those of them that are over expire right after."""
    lots: tuple[LotRow, ...] = ()
    """What it made."""
    refund: RefundPart | None = None


class Books:
    """The wallets, holds and limits of one owner."""

    def __init__(
        self,
        owner_id: int,
        wallets: Iterable[Wallet],
        new_id: Callable[[], UUID],
        *,
        holds: Iterable[HoldRow] = (),
        parents: Iterable[ParentRow] = (),
        limits: str | None = None,
    ) -> None:
        self.owner_id = owner_id
        self.wallets = {wallet.asset_type_id: wallet for wallet in wallets}
        self.new_id = new_id
        self.holds = {row.id: self._known_hold(row) for row in holds}
        self.limits = limits
        self._parents = {row.id: Parent(row, self.wallets) for row in parents}

    def wallet(self, asset: AssetType) -> Wallet:
        """Return the wallet in `asset`, which comes into being when it is first asked for."""
        if asset.id not in self.wallets:
            row = WalletRow(owner_id=self.owner_id, asset_type_id=asset.id, posted=0, held=0, next_due_at=None)
            self.wallets[asset.id] = Wallet(row, is_new=True)
        return self.wallets[asset.id]

    def hold(self, hold_id: UUID, asset: AssetType) -> Hold:
        """Return one of the owner's holds.

        Raises:
            UnknownHold: there is none with this id.
        """
        hold = self.holds.get(hold_id)
        if hold is None or hold.row.asset_type_id != asset.id:
            raise UnknownHold(hold_id=str(hold_id))
        return hold

    def open_hold(self, hold_id: UUID, asset: AssetType) -> Hold:
        """Return one of the owner's holds that is open.

        Raises:
            UnknownHold: there is none with this id.
            HoldNotOpen: it was captured or released, or its deadline has passed.
        """
        hold = self.hold(hold_id, asset)
        if hold.status is not HoldStatus.OPEN:
            raise HoldNotOpen(hold_id=str(hold_id), hold_status=hold.status.value)
        return hold

    def parent(self, parent_id: UUID, asset: AssetType) -> Parent:
        """Return an earlier transaction of the owner.

        Raises:
            UnknownTransaction: there is none with this id.
        """
        parent = self._parents.get(parent_id)
        if parent is None or parent.row.asset_type_id != asset.id:
            raise UnknownTransaction(transaction_id=str(parent_id))
        return parent

    def limits_of(self, asset: AssetType) -> Limits:
        """Return the limits that hold for the owner: the account's own, else the asset type's."""
        if self.limits is None:
            return asset.limits
        own: dict[str, int] = json.loads(self.limits).get(str(asset.id), {})
        return Limits(**{name: own.get(name, getattr(asset.limits, name)) for name in LIMIT_NAMES})

    def expect_available(self, wallet: Wallet, required: int, *, hold: Hold | None = None) -> None:
        """Raise InsufficientFunds unless `required` is available; it says when it will be, if holds end in time.

        What comes with the end of `hold`, for which it is wanted, or later, is no help.
        """
        if wallet.available >= required:
            return
        facts: dict[str, Fact] = {
            "asset_type_id": wallet.asset_type_id,
            "available": wallet.available,
            "held": wallet.held,
            "required": required,
            "shortfall": required - wallet.available,
        }
        moment = available_at(wallet, self.open_holds(wallet), required)
        if moment is not None and (hold is None or moment < hold.deadline):
            facts["available_at"] = moment
        raise InsufficientFunds(**facts)

    def open_holds(self, wallet: Wallet) -> list[Hold]:
        """Return the open holds in a wallet, as far as they were loaded."""
        return [each for each in self.holds.values() if each.is_open and each.row.asset_type_id == wallet.asset_type_id]

    def lines(self, moves: Iterable[Move], *counters: tuple[int, int]) -> tuple[EntryRecord, ...]:
        """Return the lines of a transaction: the owner's for `moves`, then one for each (account, amount) not zero."""
        asset_type_id = 0
        lines: list[EntryRecord] = []
        for move in moves:
            asset_type_id = move.lot.row.asset_type_id
            lines.append(
                EntryRecord(
                    len(lines) + 1, self.owner_id, asset_type_id, move.lot.row.id, move.amount, move.balance_after
                )
            )
        for account_id, amount in counters:
            if amount:
                lines.append(EntryRecord(len(lines) + 1, account_id, asset_type_id, None, amount, None))
        return tuple(lines)

    def savepoint(self) -> Callable[[], None]:
        """Return what puts everything back to what it is now."""
        wallets, holds, limits = dict(self.wallets), dict(self.holds), self.limits
        restores = [wallet.savepoint() for wallet in wallets.values()] + [hold.savepoint() for hold in holds.values()]
        refunds = [(each, each.refunds, each.refunded) for each in self._parents.values()]

        def restore() -> None:
            self.wallets, self.holds, self.limits = wallets, holds, limits
            for each in restores:
                each()
            for parent, number, refunded in refunds:
                parent.refunds, parent.refunded = number, refunded

        return restore

    def _known_hold(self, row: HoldRow) -> Hold:
        lot = self.wallets[row.asset_type_id].lot
        return Hold(row, [(lot(each.lot_id), each.amount, each.held_at) for each in row.parts])
