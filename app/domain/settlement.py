"""What time alone does: lots expire, holds end. Exact, in the order of time, and booked when somebody comes by.

At the same moment holds end before lots expire, so that what they give back expires with the rest.
"""

import heapq
from collections.abc import Iterable
from datetime import datetime

from app.domain.books import Books, Decision
from app.domain.chain import canonical
from app.domain.history import History
from app.domain.hold import Hold
from app.domain.holds import end_hold
from app.domain.placement import BREAKAGE_ID
from app.domain.records import HoldStatus, TransactionType
from app.domain.wallet import Lot, Wallet

SYSTEM = "system"
"""Who acts when nobody does."""

HOLD_ENDS, LOTS_EXPIRE = 0, 1
Event = tuple[datetime, int, int]
"""When, what, and of which hold (its seq) or wallet (its asset type)."""


def settle(books: Books, history: History, now: datetime) -> bool:
    """Book everything that is due up to `now`, or up to where it was loaded; return whether anything may have been."""
    due = [wallet for wallet in books.wallets.values() if wallet.next_due_at is not None and wallet.next_due_at <= now]
    if not due:
        return False
    loaded_until = [wallet.due_until for wallet in due if wallet.due_until is not None]
    _Settlement(books, history, now, min([now, *loaded_until])).run(due)
    if not loaded_until:
        for wallet in due:
            wallet.settled()
    return True


def book_expiry(books: Books, history: History, decision: Decision, now: datetime, effective_at: datetime) -> None:
    """Expire at once what was released into lots that are over."""
    over = [lot for lot in dict.fromkeys(decision.freed) if lot.free > 0 and lot.is_over(effective_at)]
    if over:
        _expire(books, history, decision.wallet, over, now, effective_at)


class _Settlement:
    def __init__(self, books: Books, history: History, now: datetime, until: datetime) -> None:
        self._books = books
        self._history = history
        self._now = now
        self._until = until
        self._events: list[Event] = []
        self._lots: dict[tuple[datetime, int], dict[Lot, None]] = {}
        self._holds: dict[int, Hold] = {}

    def run(self, wallets: Iterable[Wallet]) -> None:
        """Book one event after the other; the end of a hold may bring about more of them."""
        for wallet in wallets:
            for lot in wallet.due_lots:
                self._expect_expiry(lot)
            for hold in self._books.open_holds(wallet):
                if hold.deadline <= self._until:
                    self._holds[hold.row.seq] = hold
                    heapq.heappush(self._events, (hold.deadline, HOLD_ENDS, hold.row.seq))
        while self._events:
            moment, kind, number = heapq.heappop(self._events)
            if kind == HOLD_ENDS:
                self._end_hold(self._holds[number], moment)
            else:
                lots = [each for each in self._lots[moment, number] if each.free > 0]
                if lots:
                    _expire(self._books, self._history, self._books.wallets[number], lots, self._now, moment)

    def _expect_expiry(self, lot: Lot) -> None:
        moment, asset_type_id = lot.row.expires_at, lot.row.asset_type_id
        if moment is None or moment > self._until:
            return
        if (moment, asset_type_id) not in self._lots:
            self._lots[moment, asset_type_id] = {}
            heapq.heappush(self._events, (moment, LOTS_EXPIRE, asset_type_id))
        self._lots[moment, asset_type_id][lot] = None

    def _end_hold(self, hold: Hold, moment: datetime) -> None:
        decision = end_hold(self._books, hold, HoldStatus.EXPIRED, self._now)
        transaction = self._history.append(
            transaction_id=self._books.new_id(),
            type=TransactionType.RELEASE,
            asset_type_id=decision.wallet.asset_type_id,
            amount=decision.amount,
            actor=SYSTEM,
            now=self._now,
            effective_at=moment,
            facts=canonical(decision.facts or {}),
            parent_id=hold.id,
            entries=decision.entries,
        )
        book_expiry(self._books, self._history, decision, self._now, transaction.effective_at)
        for lot in decision.freed:
            if lot.free > 0:
                self._expect_expiry(lot)


def _expire(
    books: Books, history: History, wallet: Wallet, lots: list[Lot], now: datetime, effective_at: datetime
) -> None:
    moves = wallet.expire(sorted(lots, key=lambda lot: lot.key))
    total = -sum(move.amount for move in moves)
    history.append(
        transaction_id=books.new_id(),
        type=TransactionType.EXPIRY,
        asset_type_id=wallet.asset_type_id,
        amount=total,
        actor=SYSTEM,
        now=now,
        effective_at=effective_at,
        entries=books.lines(moves, (BREAKAGE_ID, total)),
    )
