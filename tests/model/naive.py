"""What one user's ledger must do, said as plainly as possible: lists, loops and integers, and every sum made anew.

An independent reading of the specification, to judge the engine by. Lots are known by their number in order of
creation. Times are microseconds since 1970, amounts smallest units.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.domain import commands as ask
from app.domain.records import AccountStatus, AssetStatus, AssetType, HoldStatus, LotKind
from app.domain.records import TransactionType as Kind
from tests.model.parts import EPOCH, Answer, Hold, Lot, Refused, Take, Transaction

SECOND = 1_000_000
DAY = 86_400 * SECOND
BIGINT_MAX = 2**63 - 1
LOTS_MAX = 2_000
NOT_RECORDED = {"unknown_hold", "unknown_transaction", "expiry_invalid", "idempotency_mismatch"} | {
    "amount_below_minimum",
    "amount_above_maximum",
}
NOT_WHEN_FROZEN = {Kind.SPEND, Kind.HOLD, Kind.CAPTURE, Kind.EXTEND, Kind.BONUS}
BOUNDED = {Kind.TOP_UP, Kind.BONUS, Kind.SPEND, Kind.HOLD}
NOT_MEANT = {"transaction_id", "lot_id", "actor", "note", "idempotency_key", "external_user_id", "bucket"} | {
    "open_account"
}


class NaiveLedger:
    """The ledger of one user. `now` is the clock, to be set from outside."""

    def __init__(self, assets: Mapping[int, AssetType], now: int) -> None:
        self.assets, self.now = assets, now
        self.status = AccountStatus.ACTIVE
        self.own_limits: dict[tuple[int, str], int] = {}
        self.lots: list[Lot] = []
        self.holds: list[Hold] = []
        self.transactions: list[Transaction] = []
        self.keys: dict[str, tuple[Any, Answer]] = {}

    @property
    def moment(self) -> int:
        """The `now` of an operation: never before what was booked last."""
        return max([self.now] + [each.created_at for each in self.transactions[-1:]])

    def lots_of(self, asset: int) -> list[Lot]:
        return [each for each in self.lots if each.asset == asset]

    def posted(self, asset: int) -> int:
        return sum(each.remaining for each in self.lots_of(asset))

    def held(self, asset: int) -> int:
        return sum(each.held for each in self.lots_of(asset))

    def available(self, asset: int) -> int:
        return sum(each.free for each in self.lots_of(asset) if not each.is_gone(self.moment))

    def run(self, command: ask.Command) -> Answer:
        self.settle()
        key = command.idempotency_key
        if key in self.keys:
            meaning, first = self.keys[key]
            if meaning != _meaning(command):
                return Answer(posted=False, code="idempotency_mismatch", recorded=False)
            members = tuple(self._now_having(replace(each, replayed=True)) for each in first.members)
            return self._now_having(replace(first, replayed=True, members=members))
        before = deepcopy({**vars(self), "assets": None}) if isinstance(command, ask.Group) else {}
        try:
            answer = self._decide(command)
        except Refused as no:
            vars(self).update({**before, "assets": self.assets})
            answer = Answer(posted=False, code=no.code, facts=no.facts, recorded=False)
            if key is not None and no.code not in NOT_RECORDED:
                booked = self._book(
                    command.type,
                    command,
                    asset=getattr(command, "asset_type_id", None),
                    amount=getattr(command, "amount", None),
                    facts={"code": no.code, **no.facts},
                    posted=False,
                )
                answer = replace(answer, recorded=True, seq=booked.seq, at=booked.created_at)
        if key is not None and answer.recorded:
            self.keys[key] = (_meaning(command), answer)
        return answer

    def settle(self) -> None:
        """Book everything that is due by now, in time order."""
        while (at := self.next_due()) is not None and at <= self.moment:
            for hold in self.holds:
                if hold.status is HoldStatus.OPEN and hold.deadline == at:
                    self._release(hold, HoldStatus.EXPIRED, at)
            for asset in sorted(self.assets):
                self._expire([each for each in self.lots_of(asset) if each.expires_at == at], at)

    def next_due(self) -> int | None:
        deadlines = [each.deadline for each in self.holds if each.status is HoldStatus.OPEN]
        expiries = [each.expires_at for each in self.lots if each.expires_at is not None and each.free]
        return min(deadlines + expiries, default=None)

    def _decide(self, command: ask.Command) -> Answer:
        if isinstance(command, ask.ChangeAccount):
            return self._change(command)
        if not isinstance(command, ask.Group):
            assert isinstance(command, ask.Operation)
            return self._operate(command)
        header = self._book(Kind.GROUP, command, facts={"members": len(command.members)})
        answers = []
        for number, member in enumerate(command.members):
            try:
                answers.append(self._operate(member))
            except Refused as no:
                raise Refused(no.code, **no.facts, operation=number) from None
        return replace(self._answer(header), members=tuple(answers))

    def _operate(self, op: ask.Operation) -> Answer:
        holds = [each for each in self.holds if each.id == op.target]
        parents = [each for each in self.transactions if each.id == op.target]
        if op.target is not None and not (holds if isinstance(op, ask.OnHold) else parents):
            raise Refused("unknown_hold" if isinstance(op, ask.OnHold) else "unknown_transaction")
        self._check_state_and_bounds(op)
        match op:
            case ask.TopUp() | ask.Bonus():
                return self._answer(self._credit(op))
            case ask.Spend():
                return self._answer(self._spend(op))
            case ask.PlaceHold():
                return self._answer(self._place(op))
            case ask.Capture():
                return self._answer(self._capture(op, _open(holds[0])))
            case ask.Release():
                return self._answer(self._release(_open(holds[0]), HoldStatus.RELEASED, self.moment, op))
            case ask.Extend():
                return self._answer(self._extend(op, _open(holds[0])))
            case ask.Refund():
                return self._answer(self._refund(op, parents[0]))
            case ask.Reversal():
                return self._answer(self._reverse(op, parents[0]))
        assert isinstance(op, ask.Adjustment)
        return self._answer(self._adjust(op))

    def _check_state_and_bounds(self, op: ask.Operation) -> None:
        if isinstance(op, ask.Credit) and op.expires_at is not None and us(op.expires_at) <= self.moment:
            raise Refused("expiry_invalid")
        if self.status in {AccountStatus.QUARANTINED, AccountStatus.CLOSED} or (
            self.status is AccountStatus.FROZEN and op.type in NOT_WHEN_FROZEN
        ):
            raise Refused(f"account_{self.status.value}")
        if op.type in BOUNDED and op.amount is not None:
            if op.amount < (self._limit(op.asset_type_id, "amount_min") or 0):
                raise Refused("amount_below_minimum")
            if op.amount > (self._limit(op.asset_type_id, "amount_max") or BIGINT_MAX):
                raise Refused("amount_above_maximum")

    def _change(self, change: ask.ChangeAccount) -> Answer:
        if change.status is AccountStatus.CLOSED and any(each.remaining for each in self.lots):
            raise Refused("account_not_empty")
        self.status = change.status or self.status
        for asset, limits in change.limits.items():
            for name, value in limits.items():
                self.own_limits.pop((asset, name), None)
                if value is not None:
                    self.own_limits[asset, name] = value
        return self._answer(self._book(Kind.ACCOUNT_CHANGE, change))

    def _credit(self, op: ask.TopUp | ask.Bonus) -> Transaction:
        asset = self.assets[op.asset_type_id]
        if asset.status is AssetStatus.INACTIVE:
            raise Refused("asset_type_inactive")
        most, has = self._limit(asset.id, "balance_max"), self.posted(asset.id)
        if has + op.amount > (BIGINT_MAX if most is None else most):
            raise Refused("balance_limit_exceeded", balance=has, balance_max=most, amount=op.amount)
        self._check_day(asset.id, "daily_credit_max", op.amount, {Kind.TOP_UP, Kind.BONUS})
        days = op.expires_in_days or asset.default_expiry_days
        expires_at = None if days is None or op.never_expires else self.moment + days * DAY
        if op.expires_at is not None:
            expires_at = us(op.expires_at)
        kind = LotKind.PAID if op.type is Kind.TOP_UP else LotKind.PROMO
        return self._give(op, self._new_lot(asset.id, kind, op.priority, expires_at, op.amount))

    def _spend(self, op: ask.Spend) -> Transaction:
        asset, partial = op.asset_type_id, op.on_shortfall is ask.OnShortfall.PARTIAL
        amount = min(op.amount, self.available(asset)) if partial else op.amount
        self._check_day(asset, "daily_spend_max", amount, {Kind.SPEND, Kind.CAPTURE})
        if amount == 0:
            raise self._too_little(asset, op.amount)
        return self._take(op, amount, {"requested": op.amount} if amount < op.amount else {})

    def _adjust(self, op: ask.Adjustment) -> Transaction:
        if op.amount < 0:
            return self._take(op, -op.amount, {})
        days = self.assets[op.asset_type_id].default_expiry_days
        expires_at = None if days is None else self.moment + days * DAY
        return self._give(op, self._new_lot(op.asset_type_id, op.kind, 50, expires_at, op.amount))

    def _give(self, op: ask.Operation, lot: Lot) -> Transaction:
        takes = [Take(lot, lot.granted, self.moment)]
        return self._book(op.type, op, asset=lot.asset, amount=op.amount, own=[(lot, lot.granted)], takes=takes)

    def _take(self, op: ask.Operation, amount: int, facts: dict[str, Any]) -> Transaction:
        takes = self._burn(op.asset_type_id, amount)
        for take in takes:
            take.lot.remaining -= take.amount
        own = [(take.lot, -take.amount) for take in takes]
        signed = op.amount if op.type is Kind.ADJUSTMENT else amount
        return self._book(op.type, op, asset=op.asset_type_id, amount=signed, own=own, takes=takes, facts=facts)

    def _place(self, op: ask.PlaceHold) -> Transaction:
        seconds = op.expires_in_seconds or self.assets[op.asset_type_id].hold_seconds
        parts = self._burn(op.asset_type_id, op.amount)
        hold = Hold(op.transaction_id, op.asset_type_id, 0, self.moment + seconds * SECOND)
        self.holds.append(hold)
        return self._reserve(op, hold, parts)

    def _extend(self, op: ask.Extend, hold: Hold) -> Transaction:
        parts = self._burn(hold.asset, op.amount or 0, hold)
        if op.expires_in_seconds is not None:
            hold.deadline = self.moment + op.expires_in_seconds * SECOND
        return self._reserve(op, hold, parts)

    def _reserve(self, op: ask.Operation, hold: Hold, parts: list[Take]) -> Transaction:
        for part in parts:
            part.lot.held += part.amount
            hold.amount += part.amount
        hold.parts += [replace(part) for part in parts]
        facts = {"deadline": hold.deadline, "hold_status": "open", "lots": _told(parts)}
        return self._book(op.type, op, asset=hold.asset, amount=op.amount or 0, takes=parts, facts=facts)

    def _capture(self, op: ask.Capture, hold: Hold) -> Transaction:
        left = sum(part.amount for part in hold.parts)
        amount = left if op.amount is None else op.amount
        if amount > left and op.on_excess is ask.OnExcess.REFUSE:
            raise Refused("capture_exceeds_hold")
        self._check_day(hold.asset, "daily_spend_max", amount, {Kind.SPEND, Kind.CAPTURE})
        beyond = self._burn(hold.asset, max(0, amount - left), hold)
        takes, wanted = [], min(amount, left)
        for part in hold.parts:
            taken = min(part.amount, wanted)
            wanted -= taken
            part.amount -= taken
            part.lot.held -= taken
            takes += [replace(part, amount=taken)] if taken else []
        held_at = [take.at for take in takes]
        hold.parts = [part for part in hold.parts if part.amount]
        hold.captured += amount
        takes += beyond
        for take in takes:
            take.lot.remaining -= take.amount
        own = [(take.lot, -take.amount) for take in takes]
        returned = []
        if op.final:
            hold.status = HoldStatus.CAPTURED
            returned = self._give_back(hold, own)
        released = sum(part.amount for part in returned)
        facts = {"hold_status": hold.status.value, "released": released, "held_at": held_at}
        booked = self._book(op.type, op, asset=hold.asset, amount=amount, own=own, takes=takes, facts=facts)
        self._expire([part.lot for part in returned], self.moment)
        return booked

    def _release(self, hold: Hold, status: HoldStatus, at: int, op: ask.Release | None = None) -> Transaction:
        hold.status = status
        own: list[tuple[Lot, int]] = []
        parts = self._give_back(hold, own)
        amount = sum(part.amount for part in parts)
        facts = {"hold_status": status.value, "lots": _told(parts)}
        booked = self._book(
            Kind.RELEASE, op, asset=hold.asset, amount=amount, own=own, takes=parts, facts=facts, at=at, parent=hold.id
        )
        self._expire([part.lot for part in parts], at)
        return booked

    @staticmethod
    def _give_back(hold: Hold, own: list[tuple[Lot, int]]) -> list[Take]:
        """Give all that is still reserved back to its lots; what they owe is paid, on further lines."""
        parts, hold.parts = hold.parts, []
        for part in parts:
            debt = min(part.lot.debt, part.amount)
            part.lot.held -= part.amount
            part.lot.remaining -= debt
            part.lot.debt -= debt
            own += [(part.lot, -debt)] if debt else []
        return parts

    def _expire(self, lots: Iterable[Lot], at: int) -> None:
        """Expire what is free in those of one wallet's lots that are gone at that moment."""
        own = []
        for lot in sorted(lots, key=lambda each: each.number):
            if lot.is_gone(at) and (free := lot.free):
                own.append((lot, -free))
                lot.remaining -= free
                lot.expired += free
        if own:
            amount = -sum(each for _, each in own)
            self._book(Kind.EXPIRY, None, asset=own[0][0].asset, amount=amount, own=own, counter="breakage", at=at)

    def _refund(self, op: ask.Refund, parent: Transaction) -> Transaction:
        if not parent.posted or parent.type not in {Kind.SPEND, Kind.CAPTURE}:
            raise Refused("not_refundable")
        left = (parent.amount or 0) - parent.refunded
        amount = left if op.amount is None else op.amount
        if left == 0 or amount > left:
            raise Refused("refund_exceeds_remaining")
        skip, give, paid = parent.refunded, amount, 0
        own: list[tuple[Lot, int]] = []
        for take in reversed(parent.takes):
            skipped = min(skip, take.amount)
            back = min(take.amount - skipped, give)
            skip -= skipped
            give -= back
            lot, debt = take.lot, min(take.lot.debt, back)
            lot.debt -= debt
            paid += debt
            into = debt if lot.is_gone(self.moment) else back
            lot.remaining += into - debt
            own += [(lot, into)] if into else []
            own += [(lot, -debt)] if debt else []
            if back > into:
                assert lot.expires_at is not None
                until = self.moment + lot.expires_at - take.at
                own.append((self._new_lot(lot.asset, lot.kind, lot.priority, until, back - into), back - into))
        parent.refunded += amount
        takes = [Take(lot, plus, self.moment) for lot, plus in own if plus > 0]
        facts = {"refundable": left - amount, "debt_paid": paid}
        return self._book(op.type, op, asset=parent.asset, amount=amount, own=own, takes=takes, facts=facts)

    def _reverse(self, op: ask.Reversal, parent: Transaction) -> Transaction:
        if not parent.posted or parent.type not in {Kind.TOP_UP, Kind.BONUS}:
            raise Refused("not_reversible")
        lot = parent.takes[0].lot
        claim = lot.granted - lot.expired
        if lot.reversed or claim == 0:
            raise Refused("already_reversed")
        taken = min(claim, lot.free)
        uncollected = claim - taken
        if uncollected and op.on_shortfall is ask.OnShortfall.REFUSE:
            raise Refused("reversal_shortfall", free=taken, uncollected=uncollected)
        lot.remaining -= taken
        lot.debt, lot.reversed = uncollected, True
        takes = [Take(lot, taken, self.moment)] if taken else []
        own = [(take.lot, -take.amount) for take in takes]
        facts = {"uncollected": uncollected}
        return self._book(op.type, op, asset=lot.asset, amount=taken, own=own, takes=takes, facts=facts)

    # -- what the operations have in common --------------------------------------------------------------------------

    def _burn(self, asset: int, amount: int, hold: Hold | None = None) -> list[Take]:
        """Return what `amount` takes of which lots, in burn order."""
        if amount > self.available(asset):
            raise self._too_little(asset, amount, hold)
        lots = [each for each in self.lots_of(asset) if each.free and not each.is_gone(self.moment)]
        lots.sort(key=lambda each: each.kind is LotKind.PAID)  # sorting is stable: the last key sorted by counts most
        lots.sort(key=lambda each: (each.expires_at is None, each.expires_at))
        lots.sort(key=lambda each: each.priority)
        takes = []
        for lot in lots:
            part = min(lot.free, amount)
            amount -= part
            takes += [Take(lot, part, self.moment)] if part else []
        if len(takes) > LOTS_MAX:
            raise Refused("too_many_lots")
        return takes

    def _too_little(self, asset: int, required: int, hold: Hold | None = None) -> Refused:
        """`hold` is what it was wanted for: nothing helps that comes with its own deadline, or later."""
        has = self.available(asset)
        facts = {"available": has, "held": self.held(asset), "required": required, "shortfall": required - has}
        later = NaiveLedger(self.assets, self.moment)
        later.lots, later.holds = deepcopy((self.lots, self.holds))
        while (at := later.next_due()) is not None and (hold is None or at < hold.deadline):
            later.now = at
            later.settle()
            if later.available(asset) >= required:
                return Refused("insufficient_funds", **facts, available_at=at)
        return Refused("insufficient_funds", **facts)

    def _limit(self, asset: int, name: str) -> int | None:
        limit: int | None = getattr(self.assets[asset].limits, name)
        return self.own_limits.get((asset, name), limit)

    def _check_day(self, asset: int, name: str, amount: int, kinds: set[Kind]) -> None:
        """Refuse what would exceed the limit of this UTC day, with what was posted on it before."""
        same = [each for each in self.transactions if each.type in kinds and each.asset == asset and each.posted]
        before = sum(each.amount or 0 for each in same if each.created_at // DAY == self.moment // DAY)
        limit = self._limit(asset, name)
        if amount and limit is not None and before + amount > limit:
            raise Refused("daily_limit_exceeded")

    def _new_lot(self, asset: int, kind: LotKind, priority: int, expires_at: int | None, amount: int) -> Lot:
        self.lots.append(Lot(len(self.lots), asset, kind, priority, expires_at, amount, amount))
        return self.lots[-1]

    def _book(
        self,
        kind: Kind,
        command: ask.Command | None,
        *,
        asset: int | None = None,
        amount: int | None = None,
        own: Iterable[tuple[Lot, int]] = (),
        takes: Iterable[Take] = (),
        facts: dict[str, Any] | None = None,
        counter: str = "treasury",
        parent: UUID | None = None,
        at: int | None = None,
        posted: bool = True,
    ) -> Transaction:
        effective_before = max((each.effective_at for each in self.transactions), default=0)
        if isinstance(command, ask.Operation):
            parent = command.target
        booked = Transaction(
            seq=len(self.transactions) + 1,
            id=command.transaction_id if command else None,
            type=kind,
            posted=posted,
            asset=asset,
            amount=amount,
            created_at=self.moment,
            effective_at=max(self.moment if at is None else at, effective_before),
            parent=parent,
            facts=facts or {},
            takes=list(takes),
            own=list(own),
            counter=counter,
            balance_after=None if asset is None else self.posted(asset),
        )
        self.transactions.append(booked)
        return booked

    def _answer(self, booked: Transaction) -> Answer:
        return self._now_having(
            Answer(
                posted=True,
                facts=booked.facts,
                amount=booked.amount,
                uses=tuple((take.lot.number, take.amount) for take in booked.takes),
                balance_after=booked.balance_after,
                asset=booked.asset,
                seq=booked.seq,
                at=booked.created_at,
            )
        )

    def _now_having(self, answer: Answer) -> Answer:
        """Return the answer with what the wallet has now."""
        if answer.asset is None:
            return answer
        held, available = self.held(answer.asset), self.available(answer.asset)
        return replace(answer, balance=self.posted(answer.asset), held=held, available=available)


def us(moment: datetime) -> int:
    """Return the microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _open(hold: Hold) -> Hold:
    if hold.status is not HoldStatus.OPEN:
        raise Refused("hold_not_open")
    return hold


def _told(parts: list[Take]) -> list[list[Any]]:
    return [[each.lot.number, each.amount, each.lot.kind.value, each.lot.expires_at] for each in parts]


def _meaning(command: ask.Command) -> list[Any]:
    """Return what must be the same for a replay: all that is asked for, but no ids, names and notes."""
    asked: list[Any] = [command.type]
    for each in fields(command):
        if each.name == "members":
            asked += [_meaning(member) for member in getattr(command, "members", ())]
        elif each.name not in NOT_MEANT:
            asked.append(getattr(command, each.name))
    return asked
