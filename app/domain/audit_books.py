"""Checks an owner's lines, has its transactions repeated, and compares what is stored of its books with the result."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from app.domain.audit_replay import replay
from app.domain.audit_state import AuditFailure, AuditLot, AuditState, expect
from app.domain.placement import bucket_of_id
from app.domain.records import (
    AccountRow,
    EntryRecord,
    HoldRow,
    HoldStatus,
    LotRow,
    TransactionRecord,
    TransactionType,
    WalletRow,
)

_GIVES = frozenset({TransactionType.TOP_UP, TransactionType.BONUS, TransactionType.ADJUSTMENT})
_TAKES = frozenset({TransactionType.SPEND, TransactionType.EXPIRY, TransactionType.REVERSAL})
_MOVES_NOTHING = frozenset(
    {TransactionType.HOLD, TransactionType.EXTEND, TransactionType.GROUP, TransactionType.ACCOUNT_CHANGE}
)


class AuditBooks:
    """The books of one owner, as its history says they are.

    Raises:
        AuditFailure: from each method, for the first wrong row.
    """

    def __init__(self, account: AccountRow) -> None:
        self._account = account
        self._state = AuditState(account.id)

    # -- one transaction -------------------------------------------------------------------------------------------

    def expect_settled(self, transaction: TransactionRecord, name: str) -> None:
        """Check that all that was due before a transaction is booked, unless that is what it does."""
        if transaction.type is not TransactionType.EXPIRY and not self._state.ends_hold_by_time(transaction):
            self._state.expect_settled(transaction.created_at, name)

    def check_lines(self, transaction: TransactionRecord, name: str) -> None:
        """Check the lots that a posted transaction made, the owner's lines, and that the header says what they say."""
        for lot in transaction.lots:
            expect(bucket_of_id(lot.id) == self._account.bucket, f"{name}: lot {lot.id} is not in its bucket")
            self._state.lots[lot.id] = AuditLot(lot)
        total = 0
        for entry in transaction.entries:
            if entry.account_id == self._account.id:
                self._check_line(entry, f"{name} line {entry.line}")
                total += entry.amount
        if transaction.type in _GIVES:
            expect(total == transaction.amount, f"{name}: gives {total}, its header says {transaction.amount}")
        elif transaction.type in _TAKES:
            expect(-total == transaction.amount, f"{name}: takes {-total}, its header says {transaction.amount}")
        elif transaction.type in _MOVES_NOTHING:
            expect(not transaction.entries, f"{name}: moves credits, and can't")

    def follow(self, transaction: TransactionRecord, name: str, last_effective_at: datetime | None) -> None:
        """Follow what a posted transaction, whose hash is right, did; `last_effective_at` is of the one before it."""
        replay(self._state, transaction, name, last_effective_at)

    def _check_line(self, entry: EntryRecord, name: str) -> None:
        self._state.posted[entry.asset_type_id] += entry.amount
        posted = self._state.posted[entry.asset_type_id]
        expect(entry.balance_after == posted, f"{name}: balance_after is {entry.balance_after}, not {posted}")
        expect(posted >= 0, f"{name}: the balance is {posted}")
        lot = self._state.known_lot(entry.lot_id, name)
        expect(lot.row.asset_type_id == entry.asset_type_id, f"{name}: lot {lot.row.id} is of another asset type")
        lot.remaining += entry.amount
        expect(0 <= lot.remaining <= lot.row.granted, f"{name}: leaves {lot.remaining} in {lot.row.id}")

    # -- projections -----------------------------------------------------------------------------------------------

    def finish(self, wallets: Sequence[WalletRow], lots: Iterable[LotRow], holds: Iterable[HoldRow]) -> None:
        """Compare lots, holds and wallets with what the history says of them."""
        due: dict[int, datetime] = {}
        self._check_lots(lots, due)
        self._check_holds(holds, due)
        self._check_wallets(wallets, due)

    def _check_lots(self, lots: Iterable[LotRow], due: dict[int, datetime]) -> None:
        for row in lots:
            name = f"lot {row.id} (owner {row.owner_id})"
            lot = self._state.lots.get(row.id)
            if lot is None:
                raise AuditFailure(f"{name}: no transaction made it")
            expect(row.remaining == lot.remaining, f"{name}: remaining is {row.remaining}, not {lot.remaining}")
            expect(row.held == lot.held, f"{name}: held is {row.held}, not {lot.held}")
            expect(row.debt == lot.debt, f"{name}: owes {row.debt}, not {lot.debt}")
            expect(row.expired == lot.expired, f"{name}: expired is {row.expired}, not {lot.expired}")
            expect(row.reversed == lot.reversed, f"{name}: reversed is {row.reversed}, not {lot.reversed}")
            if row.expires_at is not None and row.remaining > row.held:
                due[row.asset_type_id] = min(due.get(row.asset_type_id, row.expires_at), row.expires_at)

    def _check_holds(self, holds: Iterable[HoldRow], due: dict[int, datetime]) -> None:
        missing = dict(self._state.holds)
        for row in holds:
            name = f"hold {row.id} (owner {row.owner_id})"
            hold = missing.pop(row.id, None)
            if hold is None:
                raise AuditFailure(f"{name}: no transaction placed it")
            checks = (
                ("seq", row.seq, hold.seq),
                ("asset type", row.asset_type_id, hold.asset_type_id),
                ("amount", row.amount, hold.amount),
                ("captured", row.captured, hold.captured),
                ("deadline", row.deadline, hold.deadline),
                ("status", row.status, hold.status),
                ("what it reserves", list(row.parts), hold.parts),
            )
            for what, found, meant in checks:
                expect(found == meant, f"{name}: {what} is not what its transactions say")
            if row.status is HoldStatus.OPEN:
                due[row.asset_type_id] = min(due.get(row.asset_type_id, row.deadline), row.deadline)
        for hold_id in missing:
            raise AuditFailure(f"hold {hold_id} (owner {self._account.id}): is missing")

    def _check_wallets(self, wallets: Sequence[WalletRow], due: dict[int, datetime]) -> None:
        missing = dict(self._state.posted)
        for wallet in wallets:
            asset_type_id = wallet.asset_type_id
            name = f"wallet of account {wallet.owner_id} in asset type {asset_type_id}"
            posted, held = missing.pop(asset_type_id, 0), self._state.held[asset_type_id]
            expect(wallet.posted == posted, f"{name}: posted is {wallet.posted}, not {posted}")
            expect(wallet.held == held, f"{name}: held is {wallet.held}, not {held}")
            day = self._state.days.get(asset_type_id, (None, 0, 0))
            expect(
                (wallet.day, wallet.day_spent, wallet.day_credited) == day,
                f"{name}: what it counts for {wallet.day} is not what its transactions say",
            )
            if (first := due.get(asset_type_id)) is not None:
                expect(
                    wallet.next_due_at is not None and wallet.next_due_at <= first,
                    f"{name}: next_due_at is after the expiry of one of its lots or the deadline of one of its holds",
                )
        for asset_type_id in missing:
            raise AuditFailure(f"account {self._account.id}: has entries in asset type {asset_type_id} and no wallet")
