"""What one user's ledger must do, an independent reading of the specification: lists, loops, and sums made anew.

A take is (lot, amount, at): so much of a lot was taken, given or reserved, and since when. A line is (lot, amount); its
other side stands on `counter`. Times are microseconds since 1970, inf for never; amounts are smallest units.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from math import inf
from types import SimpleNamespace
from typing import Any

from app.domain import commands as ask
from app.domain.records import AssetType
from tests.model.driver import DAY, SECOND, us

BIGINT_MAX, LOTS_MAX = 2**63 - 1, 2_000
GIVES, TAKES = {"top_up", "bonus"}, {"spend", "capture"}
NOT_WHEN_FROZEN = {"spend", "hold", "capture", "extend", "bonus"}
NOT_RECORDED = ("unknown_", "expiry_", "amount_", "idempotency_")
NOT_MEANT = {each.name for each in fields(ask.Command)} | {"lot_id", "open_account", "members"}
POSTED = {"posted": True, "recorded": True, "replayed": False, "code": None, "key": None, "counter": "treasury"}
NEW_HOLD = {"amount": 0, "captured": 0, "deadline": inf, "status": "open"}
NEW_LOT = {"remaining": 0, "held": 0, "free": 0, "debt": 0, "expired": 0, "reversed": False}
Thing = SimpleNamespace  # a lot (its number says which one it was), a hold or a transaction
Takes = list[tuple[Thing, int, int]]


class Refused(Exception):
    """Its arguments are a code and facts."""


class NaiveLedger:
    """The ledger of one user. `now` is the clock, to be set from outside."""

    def __init__(self, assets: Mapping[int, AssetType], now: int) -> None:
        self.assets, self.now, self.status = assets, now, "active"
        self.lots: list[Thing] = []
        self.holds: list[Thing] = []
        self.transactions: list[Thing] = []
        self.own_limits: dict[tuple[int, str], int | None] = {}

    def has(self, asset: int | None) -> tuple[int, int, int]:
        """Return the balance, what is held of it, and what is available."""
        lots = [each for each in self.lots if each.asset == asset]
        free = [each.free for each in lots if each.expires_at > self.now]
        return sum(each.remaining for each in lots), sum(each.held for each in lots), sum(free)

    def run(self, command: ask.Command) -> Thing:
        """Return what was booked, or the refusal, with what the wallet has now."""
        self.settle()
        key, meaning = command.idempotency_key, _meaning(command)
        try:
            for first in [each for each in self.transactions if key is not None and each.key == key]:
                refuse_if(first.meaning != meaning, "idempotency_mismatch")
                members = [self._answer(each, replayed=True) for each in first.members]
                return self._answer(first, replayed=True, members=members)
            booked = self._decide(command)
        except Refused as no:
            code, facts = no.args
            booked = self._book(command, getattr(command, "amount", None), [], facts)
            booked.posted, booked.code = False, code
            booked.recorded = key is not None and not code.startswith(NOT_RECORDED)
            self.transactions = [each for each in self.transactions if each.recorded]
        booked.key, booked.meaning = key, meaning
        return self._answer(booked)

    def settle(self) -> None:
        """Book everything that is due by now, in time order. Now is never before what was booked last."""
        self.now = max([self.now] + [each.created_at for each in self.transactions[-1:]])
        while (at := self.next_due()) <= self.now:
            for hold in self.holds:
                if hold.status == "open" and hold.deadline == at:
                    due = Thing(type="release", asset_type_id=hold.asset, target=hold.id, at=at)
                    self._release(due, hold, "expired")
            for asset in sorted(self.assets):
                self._expire([each for each in self.lots if each.asset == asset], at)

    def next_due(self) -> Any:
        deadlines = [each.deadline for each in self.holds if each.status == "open"]
        return min(deadlines + [each.expires_at for each in self.lots if each.free], default=inf)

    def _decide(self, op: Any) -> Any:
        """What a command of a type does, the method of its name says."""
        does = getattr(self, f"_{op.type}")
        if not isinstance(op, ask.Operation):
            return does(op)
        on_hold = isinstance(op, ask.OnHold)
        about = [each for each in (self.holds if on_hold else self.transactions) if op.target and each.id == op.target]
        refuse_if(op.target and not about, "unknown_hold" if on_hold else "unknown_transaction")
        refuse_if(isinstance(op, ask.Credit) and op.expires_at and us(op.expires_at) <= self.now, "expiry_invalid")
        frozen = self.status == "frozen" and op.type in NOT_WHEN_FROZEN
        refuse_if(frozen or self.status in {"quarantined", "closed"}, f"account_{self.status}")
        if isinstance(op, ask.Credit | ask.Spend | ask.PlaceHold):
            refuse_if(op.amount < self._limit(op, "amount_min", 0), "amount_below_minimum")
            refuse_if(op.amount > self._limit(op, "amount_max"), "amount_above_maximum")
        refuse_if(on_hold and about[0].status != "open", "hold_not_open")
        return does(op, *about)

    def _group(self, group: ask.Group) -> Thing:
        before = deepcopy(vars(self))
        header = self._book(group, None, [], {"members": len(group.members)})
        for number, member in enumerate(group.members):
            try:
                header.members.append(self._answer(self._decide(member)))
            except Refused as no:
                vars(self).update(before)
                raise Refused(no.args[0], no.args[1] | {"operation": number}) from None
        return header

    def _account_change(self, change: ask.ChangeAccount) -> Thing:
        refuse_if(change.status == "closed" and any(each.remaining for each in self.lots), "account_not_empty")
        self.status = change.status or self.status
        self.own_limits |= {(asset, name): each for asset, own in change.limits.items() for name, each in own.items()}
        return self._book(change, None, [], {})

    def _top_up(self, op: ask.TopUp | ask.Bonus) -> Thing:
        asset, top = self.assets[op.asset_type_id], self._limit(op, "balance_max")
        refuse_if(asset.status == "inactive", "asset_type_inactive")
        has, _, _ = self.has(asset.id)
        refuse_if(has + op.amount > top, "balance_limit_exceeded", balance=has, balance_max=top, amount=op.amount)
        self._check_day(op, op.amount, "daily_credit_max", GIVES)
        days = inf if op.never_expires else op.expires_in_days or asset.default_expiry_days or inf
        expires_at = us(op.expires_at) if op.expires_at else self.now + days * DAY
        return self._give(op, "paid" if op.type == "top_up" else "promo", op.priority, expires_at)

    _bonus = _top_up

    def _adjustment(self, op: ask.Adjustment) -> Thing:
        if op.amount > 0:
            days = self.assets[op.asset_type_id].default_expiry_days or inf
            return self._give(op, op.kind, 50, self.now + days * DAY)
        return self._book(op, op.amount, self._burn(op.asset_type_id, -op.amount), {})

    def _give(self, op: ask.Credit | ask.Adjustment, kind: str, priority: int, end: float) -> Thing:
        lot = self._new_lot(asset=op.asset_type_id, kind=kind, priority=priority, expires_at=end, granted=op.amount)
        return self._book(op, op.amount, [(lot, op.amount, self.now)], {}, [(lot, op.amount)])

    def _spend(self, op: ask.Spend) -> Thing:
        amount = min(op.amount, self.has(op.asset_type_id)[2]) if op.on_shortfall == "partial" else op.amount
        self._check_day(op, amount, "daily_spend_max", TAKES)
        takes = self._burn(op.asset_type_id, amount or op.amount)
        return self._book(op, amount, takes, {"requested": op.amount} if amount < op.amount else {})

    def _hold(self, op: ask.PlaceHold) -> Thing:
        hold = Thing(id=op.transaction_id, asset=op.asset_type_id, parts=[], **NEW_HOLD)
        return self._extend(op, hold, self.assets[hold.asset].hold_seconds)

    def _extend(self, op: ask.PlaceHold | ask.Extend, hold: Thing, seconds: int | None = None) -> Thing:
        """A hold that is placed is a new one extended."""
        """A hold that is placed is a new one extended."""
        parts = self._burn(hold.asset, op.amount or 0, hold.deadline)
        if seconds := op.expires_in_seconds or seconds:
            hold.deadline = self.now + seconds * SECOND
        if op.type == "hold":
            self.holds.append(hold)
        hold.parts += parts
        hold.amount += _sum(parts)
        return self._book(op, _sum(parts), parts, {"deadline": hold.deadline, "hold_status": "open"}, [])

    def _capture(self, op: ask.Capture, hold: Thing) -> Thing:
        left = _sum(hold.parts)
        amount = left if op.amount is None else op.amount
        refuse_if(amount > left and op.on_excess == "refuse", "capture_exceeds_hold")
        self._check_day(op, amount, "daily_spend_max", TAKES)
        held, rest = _slice(hold.parts, 0, amount), _slice(hold.parts, amount, left)
        takes = held + self._burn(hold.asset, max(0, amount - left), hold.deadline)
        hold.captured += amount
        hold.parts, hold.status, back = ([], "captured", rest) if op.final else (rest, "open", [])
        facts = {"hold_status": hold.status, "released": _sum(back), "held_at": [at for _, _, at in held]}
        return self._book(op, amount, takes, facts, back=back)

    def _release(self, op: ask.Release | Thing, hold: Thing, status: str = "released") -> Thing:
        back, hold.parts, hold.status = hold.parts, [], status
        return self._book(op, _sum(back), back, {"hold_status": status}, [], back)

    def _refund(self, op: ask.Refund, parent: Thing) -> Thing:
        refuse_if(not parent.posted or parent.type not in TAKES, "not_refundable")
        refunded = sum(each.amount for each in self.transactions if each.parent == parent.id and each.posted)
        left = parent.amount - refunded
        amount = left if op.amount is None else op.amount
        refuse_if(left == 0 or amount > left, "refund_exceeds_remaining")
        lines: list[tuple[Thing, int]] = []
        for lot, back, at in _slice(parent.takes[::-1], refunded, amount):
            debt = min(lot.debt, back)
            lot.debt -= debt
            into = back if lot.expires_at > self.now else debt
            lines += [(lot, into), (lot, -debt)]
            if back > into:
                end, rest = self.now + lot.expires_at - at, back - into
                new = self._new_lot(asset=lot.asset, kind=lot.kind, priority=lot.priority, expires_at=end, granted=rest)
                lines.append((new, rest))
        takes = [(lot, plus, self.now) for lot, plus in lines if plus > 0]
        facts = {"refundable": left - amount, "debt_paid": -sum(minus for _, minus in lines if minus < 0)}
        return self._book(op, amount, takes, facts, lines)

    def _reversal(self, op: ask.Reversal, parent: Thing) -> Thing:
        refuse_if(not parent.posted or parent.type not in GIVES, "not_reversible")
        lot = parent.takes[0][0]
        claim = lot.granted - lot.expired
        refuse_if(lot.reversed or claim == 0, "already_reversed")
        taken = min(claim, lot.free)
        facts = {"uncollected": claim - taken}
        refuse_if(claim > taken and op.on_shortfall == "refuse", "reversal_shortfall", free=taken, **facts)
        lot.debt, lot.reversed = claim - taken, True
        return self._book(op, taken, [(lot, taken, self.now)] if taken else [], facts)

    def _expire(self, lots: list[Thing], at: int) -> None:
        """Expire what is free in those of one wallet's lots that are gone at that moment."""
        takes = [(each, each.free, at) for each in self.lots if each in lots and each.expires_at <= at and each.free]
        for lot, free, _ in takes:
            lot.expired += free
        if takes:
            due = Thing(type="expiry", asset_type_id=lots[0].asset, at=at)
            self._book(due, _sum(takes), takes, {}).counter = "breakage"

    def _burn(self, asset: int, amount: int, until: float = inf) -> Takes:
        """Return what `amount` takes of which lots, in burn order. Nothing helps that comes at `until` or later."""
        _, held, available = self.has(asset)
        if amount > available:
            facts = {"available": available, "held": held, "required": amount, "shortfall": amount - available}
            later = NaiveLedger(self.assets, self.now)
            later.lots, later.holds = deepcopy((self.lots, self.holds))
            while later.has(asset)[2] < amount and later.next_due() < until:
                later.now = later.next_due()
                later.settle()
            helps = {"available_at": later.now} if later.has(asset)[2] >= amount else {}
            raise Refused("insufficient_funds", facts | helps)
        lots = [each for each in self.lots if each.asset == asset and each.expires_at > self.now]
        lots.sort(key=lambda each: (each.priority, each.expires_at, each.kind == "paid"))
        takes = _slice([(each, each.free, self.now) for each in lots], 0, amount)
        refuse_if(len(takes) > LOTS_MAX, "too_many_lots")
        return takes

    def _limit(self, op: ask.Operation, name: str, default: float = BIGINT_MAX) -> Any:
        own, types = self.own_limits.get((op.asset_type_id, name)), self.assets[op.asset_type_id].limits
        return next(each for each in (own, getattr(types, name), default) if each is not None)

    def _check_day(self, op: ask.Operation, amount: int, name: str, kinds: set[str]) -> None:
        """Refuse what would exceed the limit of this UTC day, with what was posted on it before."""
        today = [each for each in self.transactions if each.type in kinds and each.created_at // DAY == self.now // DAY]
        before = sum(each.amount for each in today if each.posted and each.asset == op.asset_type_id)
        refuse_if(amount and before + amount > self._limit(op, name, inf), "daily_limit_exceeded")

    def _new_lot(self, **lot: Any) -> Thing:
        self.lots.append(Thing(number=len(self.lots), **lot, **NEW_LOT))
        return self.lots[-1]

    def _book(self, op: Any, amount: Any, takes: Takes, facts: Any, lines: Any = None, back: Any = ()) -> Thing:
        """Write it down, and bring the lots to it. What comes `back` from a hold pays debts first, and may expire."""
        at = getattr(op, "at", self.now)
        lines = [(lot, -each) for lot, each, _ in takes] if lines is None else lines
        for lot, each, _ in back:
            lines = [*lines, (lot, -min(lot.debt, each))]
            lot.debt = max(0, lot.debt - each)
        booked = Thing(type=op.type, amount=amount, takes=takes, facts=facts, created_at=self.now, members=[], **POSTED)
        booked.seq, booked.id = len(self.transactions) + 1, getattr(op, "transaction_id", None)
        booked.asset, booked.parent = getattr(op, "asset_type_id", None), getattr(op, "target", None)
        booked.effective_at = max([at] + [each.effective_at for each in self.transactions])
        booked.lines = [each for each in lines if each[1]]
        self.transactions.append(booked)
        for lot, change in booked.lines:
            lot.remaining += change
        for lot in self.lots:
            lot.held = _sum([part for hold in self.holds for part in hold.parts if part[0] is lot])
            lot.free = lot.remaining - lot.held
        booked.balance_after, _, _ = self.has(booked.asset)
        self._expire([lot for lot, _, _ in back], at)
        return booked

    def _answer(self, booked: Thing, **more: Any) -> Thing:
        balance, held, available = self.has(booked.asset)
        return Thing(**vars(booked) | {"balance": balance, "held": held, "available": available} | more)


def refuse_if(wrong: Any, code: str, **facts: Any) -> None:
    if wrong:
        raise Refused(code, facts)


def _slice(takes: Takes, start: int, amount: int) -> Takes:
    """Return the next `amount` after the first `start` of all that is in them, in order."""
    found, position = [], 0
    for lot, size, at in takes:
        part = min(position + size, start + amount) - max(position, start)
        found += [(lot, part, at)] if part > 0 else []
        position += size
    return found


def _sum(takes: Takes) -> int:
    return sum(amount for _, amount, _ in takes)


def _meaning(command: ask.Command) -> list[Any]:
    """Return what must be the same for a replay: all that is asked for, but no ids, names and notes."""
    asked = [getattr(command, each.name) for each in fields(command) if each.name not in NOT_MEANT]
    return [command.type, asked, [_meaning(each) for each in getattr(command, "members", ())]]
