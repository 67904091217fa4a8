"""What a unit of work decides on: wallets with the lots, holds and earlier transactions that its commands can need.

Most commands need one statement. More are asked only for what time has decided, for holds and transactions that are
named, and where there may be too little.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from app.database import Connection
from app.domain.commands import Command, Extend, OnHold, OnTransaction, Operation, PlaceHold, Reversal, Spend
from app.domain.placement import bucket_of_account
from app.domain.records import AccountRow, AssetType, DecidedRow, HoldRow, LotRow, ParentRow, WalletRow
from app.domain.wallet import LOTS_MAX, Wallet, later
from app.repositories import hold_repo, ledger_repo, wallet_repo
from app.repositories.hold_repo import LoadedDue, WalletAt, WalletOf
from app.repositories.ledger_repo import Loaded

DUE_ROWS_MAX = 200
"""How many due lots, and how many due holds, one unit of work books for a wallet: nobody else is served meanwhile."""

DUE_PARTS_MAX = 2_000
"""How many lots the due holds of a wallet may reserve that one unit of work ends; one hold it ends in any case."""

FUTURE_ROWS_MAX = 1_000
"""How many holds and expiring lots of a wallet are looked through for when there will be enough."""

FREE_LOTS_FIRST = 8
FREE_LOTS_GROWTH = 8

Owners = dict[str, AccountRow]
Row = TypeVar("Row", LotRow, HoldRow)


@dataclass(slots=True)
class LoadedBooks:
    """What was loaded, by owner. `now` is the ledger's clock."""

    now: datetime
    asset_types: dict[int, AssetType]
    wallets: defaultdict[int, list[Wallet]] = field(default_factory=lambda: defaultdict(list))
    holds: defaultdict[int, dict[UUID, HoldRow]] = field(default_factory=lambda: defaultdict(dict))
    parents: defaultdict[int, list[ParentRow]] = field(default_factory=lambda: defaultdict(list))
    decided: defaultdict[int, list[DecidedRow]] = field(default_factory=lambda: defaultdict(list))


@dataclass(slots=True)
class _Demand:
    """What the commands of a unit want of one wallet: `takes` at most, of what is free."""

    owner: AccountRow
    operations: list[Operation] = field(default_factory=list)
    takes: int = 0
    only_takes: bool = True
    """Whether nothing may come into the wallet in between."""
    places_holds: bool = False
    names_parents: bool = False
    """Whether any of them is about a transaction that was there before."""

    def add(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.takes += operation.takes
        if isinstance(operation, PlaceHold):
            self.places_holds = True
        elif not isinstance(operation, Spend):
            self.only_takes = False
            self.names_parents = self.names_parents or isinstance(operation, OnTransaction)

    def wanted(self, row: WalletRow, *, is_due: bool) -> int:
        """Return how much may be taken out of free lots together: no less than will be."""
        if not self.only_takes:
            return self.takes
        at_most = row.posted if is_due else row.posted - row.held
        return min(at_most, sum(each.takes for each in self.operations if each.takes <= at_most or each.takes_part))

    def may_fall_short(self, row: WalletRow, *, is_due: bool) -> bool:
        """Whether a command may find too little while a hold keeps something back."""
        return (row.held > 0 or self.places_holds) and (is_due or self.takes > row.posted - row.held)

    def last_deadline(self, asset: AssetType | None, now: datetime) -> datetime | None:
        """Return the last deadline that the commands may set."""
        seconds = [
            each.expires_in_seconds or (0 if asset is None else asset.hold_seconds)
            for each in self.operations
            if isinstance(each, PlaceHold | Extend)
        ]
        return later(now, timedelta(seconds=max(seconds))) if seconds else None


async def load_books(
    connection: Connection, owners: Owners, commands: Sequence[Command], *, look_up_ids: bool
) -> LoadedBooks:
    """Load what deciding `commands` for `owners` (by user) needs."""
    operations = [(each, operation) for each in commands for operation in each.operations]
    demands = _demands(owners, operations)
    takers = [(each.owner, asset_type_id) for (_, asset_type_id), each in demands.items() if each.takes]
    loaded = await ledger_repo.load(
        connection,
        list(owners.values()),
        _keys(owners, commands),
        [(each.transaction_id, each.bucket) for each in commands] if look_up_ids else [],
        list({operation.asset_type_id for _, operation in operations}),
        takers,
        FREE_LOTS_FIRST,
        list({(each.hold_id, command.bucket) for command, each in operations if isinstance(each, OnHold)}),
    )
    books = LoadedBooks(now=loaded.now, asset_types=loaded.asset_types)
    for decided in loaded.decided:
        books.decided[decided.owner_id].append(decided)
    await _Loading(connection, owners, demands, books, loaded.wallets).run(loaded)
    return books


def _demands(owners: Owners, operations: Iterable[tuple[Command, Operation]]) -> dict[WalletOf, _Demand]:
    demands: dict[WalletOf, _Demand] = {}
    for command, operation in operations:
        owner = owners.get(command.external_user_id)
        if owner is not None:
            wallet_of = (owner.id, operation.asset_type_id)
            demand = demands.get(wallet_of)
            if demand is None:
                demand = demands[wallet_of] = _Demand(owner)
            demand.add(operation)
    return demands


def _keys(owners: Owners, commands: Iterable[Command]) -> list[tuple[int, int, str]]:
    keys = {
        (owners[each.external_user_id].id, each.bucket, each.idempotency_key)
        for each in commands
        if each.idempotency_key is not None and each.external_user_id in owners
    }
    return list(keys)


class _Loading:
    """Fills `books`, statement by statement, as far as the demands and the wallets' state ask for it."""

    def __init__(
        self,
        connection: Connection,
        owners: Owners,
        demands: dict[WalletOf, _Demand],
        books: LoadedBooks,
        rows: Iterable[WalletRow],
    ) -> None:
        self._connection = connection
        self._demands = demands
        self._books = books
        self._rows = {(row.owner_id, row.asset_type_id): row for row in rows}
        self._moments = {owner.id: max(books.now, owner.last_at) for owner in owners.values()}
        self._due = {
            wallet_of
            for wallet_of, row in self._rows.items()
            if row.next_due_at is not None and row.next_due_at <= self._moments[row.owner_id]
        }
        self._wallets: dict[WalletOf, Wallet] = {}

    async def run(self, loaded: Loaded) -> None:
        due = None
        if self._due:
            due = await hold_repo.load_due(
                self._connection,
                [self._at(each, self._moments[each[0]]) for each in self._due],
                DUE_ROWS_MAX,
                DUE_PARTS_MAX,
            )
        until = {} if due is None else _loaded_until(due)
        for wallet_of, row in self._rows.items():
            next_due_at = None if due is None else due.next_due_at.get(wallet_of)
            wallet = self._wallets[wallet_of] = Wallet(row, until.get(wallet_of), next_due_at)
            self._books.wallets[row.owner_id].append(wallet)
        if due is not None:
            self._know(due.hold_lots, due.holds)
            for lot in due.lots:
                wallet = self._wallets[lot.owner_id, lot.asset_type_id]
                wallet.due_lots.append(wallet.know(lot))
        self._know(loaded.hold_lots, loaded.holds)
        await self._load_parents()
        await self._load_future()
        await self._give_free_lots(loaded.free_lots)

    async def _load_parents(self) -> None:
        naming = [each for each in self._demands.values() if each.names_parents]
        if not naming:
            return
        operations = [(operation, each.owner.bucket) for each in naming for operation in each.operations]
        ids = {(each.parent_id, bucket) for each, bucket in operations if isinstance(each, OnTransaction)}
        parents = await hold_repo.load_parents(self._connection, list(ids))
        reversed_ids = {each.parent_id for each, _ in operations if isinstance(each, Reversal)}
        for parent in parents:
            self._books.parents[parent.owner_id].append(parent)
            demand = self._demands.get((parent.owner_id, parent.asset_type_id))
            if parent.id in reversed_ids and demand is not None and demand.takes:
                # What is taken back may empty lots that others would have been taken from.
                demand.takes += sum(lot.remaining - lot.held for lot, _ in parent.lines)

    async def _load_future(self) -> None:
        """Load what is to come in wallets where a command may have to be told when there will be enough."""
        short = [
            self._at(each, demand.last_deadline(self._books.asset_types.get(each[1]), self._moments[each[0]]))
            for each, demand in self._demands.items()
            if each in self._rows and demand.may_fall_short(self._rows[each], is_due=each in self._due)
        ]
        if not short:
            return
        future = await hold_repo.load_future(self._connection, short, FUTURE_ROWS_MAX)
        self._know(future.hold_lots, future.holds)
        self._know(future.lots, ())
        cut = _cut_off(future.holds, FUTURE_ROWS_MAX).keys() | _cut_off(future.lots, FUTURE_ROWS_MAX).keys()
        for at in short:
            wallet_of = (at.owner_id, at.asset_type_id)
            self._wallets[wallet_of].knows_holds = wallet_of not in cut

    def _know(self, lots: Iterable[LotRow], holds: Iterable[HoldRow]) -> None:
        for lot in lots:
            if (wallet := self._wallets.get((lot.owner_id, lot.asset_type_id))) is not None:
                wallet.know(lot)
        for hold in holds:
            if (hold.owner_id, hold.asset_type_id) in self._wallets:
                self._books.holds[hold.owner_id][hold.id] = hold

    async def _give_free_lots(self, rows: list[LotRow]) -> None:
        """Give every wallet that is taken from as many lots, in burn order, as its commands can need together."""
        wanted = {each: demand for each, demand in self._demands.items() if demand.takes and each in self._rows}
        lots_max = FREE_LOTS_FIRST
        while wanted:
            found: defaultdict[WalletOf, list[LotRow]] = defaultdict(list)
            for row in rows:
                found[row.owner_id, row.asset_type_id].append(row)
            for wallet_of, demand in list(wanted.items()):
                lots = found.get(wallet_of, [])
                if len(lots) < lots_max or self._suffice(lots, wallet_of, demand):
                    self._wallets[wallet_of].load_free_lots(lots)
                    del wanted[wallet_of]
            if wanted:
                lots_max *= FREE_LOTS_GROWTH
                spent_from = [(demand.owner, asset_type_id) for (_, asset_type_id), demand in wanted.items()]
                rows = await wallet_repo.load_free_lots(self._connection, spent_from, self._books.now, lots_max)

    def _suffice(self, lots: list[LotRow], wallet_of: WalletOf, demand: _Demand) -> bool:
        """Tell whether a wallet's commands need no more lots than these, or may not touch so many."""
        if len(lots) > LOTS_MAX * len(demand.operations):
            return True
        free = sum(lot.remaining - lot.held for lot in lots)
        return free >= demand.takes or free >= demand.wanted(self._rows[wallet_of], is_due=wallet_of in self._due)

    @staticmethod
    def _at(wallet_of: WalletOf, moment: datetime | None) -> WalletAt:
        owner_id, asset_type_id = wallet_of
        return WalletAt(
            owner_id=owner_id, bucket=bucket_of_account(owner_id), asset_type_id=asset_type_id, moment=moment
        )


def _loaded_until(due: LoadedDue) -> dict[WalletOf, datetime]:
    """Return up to when all that is due was loaded, for those wallets of which not all was."""
    until: dict[WalletOf, datetime] = {}
    for wallet_of, lot in _cut_off(due.lots, DUE_ROWS_MAX).items():
        if lot.expires_at is not None:
            until[wallet_of] = lot.expires_at
    parts = Counter[WalletOf]()
    for hold in due.holds:
        parts[hold.owner_id, hold.asset_type_id] += len(hold.parts)
    cut_off = _cut_off(due.holds, DUE_ROWS_MAX)
    for wallet_of, hold in _cut_off(due.holds, 1).items():
        if wallet_of in cut_off or parts[wallet_of] >= DUE_PARTS_MAX:
            until[wallet_of] = min(hold.deadline, until.get(wallet_of, hold.deadline))
    return until


def _cut_off(rows: Sequence[Row], rows_max: int) -> dict[WalletOf, Row]:
    """Return the last row of those wallets of which there may be more than were loaded."""
    last = {(row.owner_id, row.asset_type_id): row for row in rows}
    counts = Counter((row.owner_id, row.asset_type_id) for row in rows)
    return {wallet_of: row for wallet_of, row in last.items() if counts[wallet_of] >= rows_max}
