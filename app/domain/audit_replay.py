"""Repeats what a posted transaction did, from what was before it, and compares that with what it says.

This is the engine's arithmetic over again, on purpose in other words: what only the two of them agree on is right.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from app.domain.amounts import UNITS_MAX
from app.domain.audit_state import (
    AuditedTransaction,
    AuditFailure,
    AuditHold,
    AuditLot,
    AuditState,
    AuditTaken,
    Line,
    expect,
    lines_taking,
    pay_debt,
    split_parts,
)
from app.domain.chain import canonical, microseconds, moment
from app.domain.commands import PRIORITY_DEFAULT
from app.domain.placement import BREAKAGE_ID, TREASURY_ID
from app.domain.records import (
    EntryRecord,
    FactsOf,
    HoldPart,
    HoldStatus,
    LotKind,
    LotRow,
    TransactionRecord,
    TransactionType,
)
from app.domain.wallet import later

_WITH_PARENT = frozenset(
    {
        *(TransactionType.CAPTURE, TransactionType.RELEASE, TransactionType.EXTEND),
        *(TransactionType.REFUND, TransactionType.REVERSAL),
    }
)
_WITHOUT_ASSET = frozenset({TransactionType.GROUP, TransactionType.ACCOUNT_CHANGE})
_SPENDS = frozenset({TransactionType.SPEND, TransactionType.CAPTURE})
_CREDITS = frozenset({TransactionType.TOP_UP, TransactionType.BONUS})
_KINDS = {TransactionType.TOP_UP: LotKind.PAID, TransactionType.BONUS: LotKind.PROMO}


def replay(state: AuditState, transaction: TransactionRecord, name: str, last_effective_at: datetime | None) -> None:
    """Do to `state` what a posted transaction, whose hash and lines were checked, did.

    Raises:
        AuditFailure: it did something else than it says, or could not have been done.
    """
    try:
        _Replay(state, transaction, name).run(last_effective_at)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise AuditFailure(f"{name}: its terms or facts can't be read") from error


class _Replay:
    def __init__(self, state: AuditState, transaction: TransactionRecord, name: str) -> None:
        self._state = state
        self._transaction = transaction
        self._name = name
        self._now = transaction.created_at
        self._amount = transaction.amount or 0
        self._terms = {} if transaction.terms is None else json.loads(transaction.terms)
        self._own = [each for each in transaction.entries if each.account_id == state.owner_id]
        self._made = 0
        """How many of the lots that it made were accounted for."""
        self._moment = self._now
        """When it took effect, unless something later had before."""

    def run(self, last_effective_at: datetime | None) -> None:
        transaction, name = self._transaction, self._name
        self._check_header()
        facts = self._follow()
        expect(
            transaction.facts == (None if facts is None else canonical(facts)), f"{name}: its facts are not what it did"
        )
        expect(len(transaction.lots) == self._made, f"{name}: made a lot that it can't make")
        moment = self._moment if last_effective_at is None else max(self._moment, last_effective_at)
        expect(transaction.effective_at == moment, f"{name}: did not take effect when it says")
        for entry in self._own:
            lot = self._state.known_lot(entry.lot_id, name)
            expect(lot.free >= 0, f"{name}: takes what is held in lot {lot.row.id}")
        if transaction.type in _SPENDS | _CREDITS and self._amount:
            self._count()

    def _check_header(self) -> None:
        transaction, name = self._transaction, self._name
        has_asset = transaction.type not in _WITHOUT_ASSET
        expect(
            (transaction.asset_type_id is not None) == (transaction.amount is not None) == has_asset,
            f"{name}: has an asset type or amount that it can't have",
        )
        expect(
            (transaction.parent_id is not None) == (transaction.type in _WITH_PARENT),
            f"{name}: has a parent that it can't have",
        )
        expect(
            (transaction.refund is not None) == (transaction.type is TransactionType.REFUND),
            f"{name}: is no refund, or no refund of its parent",
        )
        if any(each.asset_type_id != transaction.asset_type_id for each in transaction.entries):
            raise AuditFailure(f"{name}: moves another asset type than its header says")

    def _follow(self) -> FactsOf | None:
        """Do what the transaction did; return what its facts must be then."""
        rule = _RULES.get(self._transaction.type)
        return None if rule is None else rule(self)

    # -- giving and taking -----------------------------------------------------------------------------------------

    def credit(self) -> FactsOf | None:
        """One lot, as stated; when nothing is stated of its expiry, the asset type's policy of that day held."""
        transaction, terms, now = self._transaction, self._terms, self._now
        expect(len(transaction.lots) == 1, f"{self._name}: made {len(transaction.lots)} lots")
        (lot,) = transaction.lots
        self._made = 1
        self._expect_lines([(lot.id, lot.granted)], (TREASURY_ID, -self._amount))
        expires_at = lot.expires_at
        if terms.get("never_expires"):
            expires_at = None
        elif "expires_at" in terms:
            expires_at = moment(terms["expires_at"])
        elif "expires_in_days" in terms:
            expires_at = later(now, timedelta(days=terms["expires_in_days"]))
        kind = _KINDS.get(transaction.type, terms.get("kind", LotKind.PROMO))
        self._expect_lot(lot, kind=kind, priority=terms.get("priority", PRIORITY_DEFAULT), expires_at=expires_at)
        if transaction.type in _CREDITS:
            self._state.given[transaction.id] = self._state.lots[lot.id]
        return None

    def adjust(self) -> FactsOf | None:
        """Credits that an operator gives or takes away."""
        if self._amount > 0:
            return self.credit()
        self._take(self._amount)
        return None

    def spend(self) -> FactsOf | None:
        """All that was asked for, or all that there was."""
        self._take(-self._amount)
        self._remember([(lot, amount, self._now) for lot, amount in self._taken(self._own)])
        if self._transaction.facts is None:
            return None
        requested, asset = json.loads(self._transaction.facts)["requested"], self._transaction.asset_type_id or 0
        expect(
            requested > self._amount
            and self._terms.get("on_shortfall") == "partial"
            and self._state.posted[asset] == self._state.held[asset],
            f"{self._name}: takes less than it was to, and could have taken more",
        )
        return {"requested": requested}

    def _take(self, total: int) -> None:
        """Credits that were free, for good. `total` is negative."""
        self._expect_burned(self._own)
        self._expect_counters((TREASURY_ID, -total))

    def expire(self) -> FactsOf | None:
        """Everything that was free in lots that were over."""
        self._expect_counters((BREAKAGE_ID, self._amount))
        moments = []
        for entry in self._own:
            lot = self._state.known_lot(entry.lot_id, self._name)
            expires_at = lot.row.expires_at
            if expires_at is None or expires_at > self._transaction.effective_at:
                raise AuditFailure(f"{self._name} line {entry.line}: lot {lot.row.id} has not expired")
            expect(lot.free == 0, f"{self._name} line {entry.line}: leaves {lot.free} free in lot {lot.row.id}")
            lot.expired -= entry.amount
            moments.append(expires_at)
        self._moment = max(moments)
        return None

    # -- holds -----------------------------------------------------------------------------------------------------

    def set_aside(self) -> FactsOf:
        """Credits for a hold, and its deadline."""
        transaction, state = self._transaction, self._state
        said = json.loads(transaction.facts or "{}")
        if transaction.type is TransactionType.HOLD:
            hold = state.holds[transaction.id] = AuditHold(
                transaction.id, transaction.seq, transaction.asset_type_id or 0
            )
            expect(self._amount > 0, f"{self._name}: sets nothing aside")
        else:
            hold = self._open_hold()
        self._expect_lines([])
        parts = [
            HoldPart(lot_id=UUID(lot_id), amount=amount, held_at=self._now) for lot_id, amount, _, _ in said["lots"]
        ]
        for part in parts:
            lot = state.known_lot(part.lot_id, self._name)
            expect(
                lot.row.asset_type_id == hold.asset_type_id
                and 0 < part.amount <= lot.free
                and not lot.is_over(self._now),
                f"{self._name}: sets {part.amount} aside in lot {part.lot_id}, which are not there",
            )
            state.reserve(lot, part.amount)
        total = sum(part.amount for part in parts)
        expect(total == self._amount, f"{self._name}: sets {total} aside, its header says {self._amount}")
        hold.amount += total
        hold.parts = hold.parts + parts
        hold.deadline = self._deadline(hold, said["deadline"])
        state.expect_at(hold.deadline, hold)
        return {"deadline": microseconds(hold.deadline), "hold_status": hold.status, "lots": self._named(parts)}

    def _deadline(self, hold: AuditHold, said: int) -> datetime:
        """Return the hold's deadline. Where nothing is stated of it, the asset type's policy of that day held."""
        seconds = self._terms.get("expires_in_seconds")
        if seconds is not None:
            return later(self._now, timedelta(seconds=seconds))
        if self._transaction.type is TransactionType.EXTEND:
            return hold.deadline
        deadline = moment(said)
        expect(deadline > self._now, f"{self._name}: its deadline is before it")
        return deadline

    def capture(self) -> FactsOf:
        """What a hold reserves and, where that was allowed, what is available beside it."""
        hold, own = self._open_hold(), self._own
        taken, hold.parts = split_parts(hold.parts, self._amount)
        hold.captured += self._amount
        for part in taken:
            self._state.reserve(self._state.lots[part.lot_id], -part.amount)
        excess = self._amount - sum(part.amount for part in taken)
        burned = lines_taking(own[len(taken) :], excess)
        expect(
            not excess or self._terms.get("on_excess") == "from_available", f"{self._name}: takes more than was held"
        )
        self._expect_burned(burned)
        is_final = self._terms.get("final", True)
        released, hold.parts = (hold.parts, []) if is_final else ([], hold.parts)
        hold.status = HoldStatus.CAPTURED if is_final else HoldStatus.OPEN
        debts = self._give_free(released)
        self._expect_lines(
            [
                *((part.lot_id, -part.amount) for part in taken),
                *((each.lot_id, each.amount) for each in burned if each.lot_id is not None),
                *debts,
            ],
            (TREASURY_ID, self._amount),
            (TREASURY_ID, -sum(amount for _, amount in debts)),
        )
        self._remember(
            [(self._state.lots[part.lot_id], part.amount, part.held_at) for part in taken]
            + [(lot, amount, self._now) for lot, amount in self._taken(burned)]
        )
        return {
            "hold_status": hold.status,
            "released": sum(part.amount for part in released),
            "held_at": [microseconds(part.held_at) for part in taken],
        }

    def release(self) -> FactsOf:
        """All that a hold still reserves."""
        hold = self._hold()
        released, hold.parts = hold.parts, []
        if self._state.ends_hold_by_time(self._transaction):
            hold.status, self._moment = HoldStatus.EXPIRED, hold.deadline
        else:
            hold.status = HoldStatus.RELEASED
        total = sum(part.amount for part in released)
        expect(total == self._amount, f"{self._name}: releases {total}, its header says {self._amount}")
        debts = self._give_free(released)
        self._expect_lines(debts, (TREASURY_ID, -sum(amount for _, amount in debts)))
        return {"hold_status": hold.status, "lots": self._named(released)}

    def _give_free(self, parts: Iterable[HoldPart]) -> list[Line]:
        """End reservations; return the lines by which what was released must have paid debts."""
        payments = list[Line]()
        for part in parts:
            lot = self._state.lots[part.lot_id]
            self._state.reserve(lot, -part.amount)
            payments += pay_debt(lot, part.amount)
            if lot.row.expires_at is not None and lot.is_over(self._now):
                self._state.expect_at(lot.row.expires_at, lot)
        return payments

    def _open_hold(self) -> AuditHold:
        hold = self._hold()
        expect(hold.deadline > self._now, f"{self._name}: its hold was past its deadline")
        return hold

    def _hold(self) -> AuditHold:
        transaction = self._transaction
        hold = None if transaction.parent_id is None else self._state.holds.get(transaction.parent_id)
        if hold is None or hold.asset_type_id != transaction.asset_type_id:
            raise AuditFailure(f"{self._name}: no hold of this owner was placed by {transaction.parent_id}")
        expect(hold.status is HoldStatus.OPEN, f"{self._name}: its hold was {hold.status} before")
        return hold

    def _named(self, parts: Iterable[HoldPart]) -> list[list[str | int | None]]:
        rows = [(self._state.lots[part.lot_id].row, part.amount) for part in parts]
        return [
            [str(row.id), amount, row.kind, None if row.expires_at is None else microseconds(row.expires_at)]
            for row, amount in rows
        ]

    # -- giving and taking back ------------------------------------------------------------------------------------

    def refund(self) -> FactsOf:
        """What was taken last, to the lots that it came from."""
        transaction, state = self._transaction, self._state
        taken = None if transaction.parent_id is None else state.taken.get(transaction.parent_id)
        if taken is None or transaction.refund is None or not 0 < self._amount <= taken.amount - taken.refunded:
            raise AuditFailure(f"{self._name}: gives back what {transaction.parent_id} has not taken")
        taken.refunds, taken.refunded = taken.refunds + 1, taken.refunded + self._amount
        part = transaction.refund
        expect(
            (part.number, part.parent_amount, part.refunded_after) == (taken.refunds, taken.amount, taken.refunded),
            f"{self._name}: is refund {taken.refunds} of {taken.amount}, {taken.refunded} given back; it says "
            f"{part.number} of {part.parent_amount}, {part.refunded_after}",
        )
        lines, left = list[Line](), self._amount
        while left:
            lot, amount, taken_at = taken.lines.pop()
            back = min(amount, left)
            left -= back
            if amount > back:
                taken.lines.append((lot, amount - back, taken_at))
            lines += self._given_back(lot, back, taken_at, len(lines))
        debt_paid = -sum(amount for _, amount in lines if amount < 0)
        self._expect_lines(lines, (TREASURY_ID, -self._amount), (TREASURY_ID, debt_paid))
        return {"debt_paid": debt_paid, "refundable": taken.amount - taken.refunded}

    def _given_back(self, lot: AuditLot, amount: int, taken_at: datetime, number: int) -> list[Line]:
        """Return the lines, of which `number` come before, by which `amount` must have gone back to a lot."""
        if not lot.is_over(self._now):
            return [(lot.row.id, amount), *pay_debt(lot, amount)]
        payment = pay_debt(lot, amount)
        debt = -sum(paid for _, paid in payment)
        lines = [(lot.row.id, debt), *payment] if debt else []
        if amount == debt or lot.row.expires_at is None:
            return lines
        found = self._own[number + len(lines)].lot_id if number + len(lines) < len(self._own) else None
        new = next((each for each in self._transaction.lots if each.id == found), None)
        if new is None:
            raise AuditFailure(f"{self._name}: no new lot has what lot {lot.row.id} can't take back")
        self._made += 1
        expires_at = later(self._now, lot.row.expires_at - taken_at)
        self._expect_lot(new, kind=lot.row.kind, priority=lot.row.priority, expires_at=expires_at)
        expect(new.granted == amount - debt, f"{self._name}: lot {new.id} has another amount than was given back")
        return [*lines, (new.id, new.granted)]

    def reverse(self) -> FactsOf:
        """What is free of what was given; the rest becomes a debt."""
        parent_id = self._transaction.parent_id
        lot = None if parent_id is None else self._state.given.get(parent_id)
        if lot is None:
            raise AuditFailure(f"{self._name}: reverses nothing that gave credits")
        expect(not lot.reversed, f"{self._name}: lot {lot.row.id} was reversed before")
        claim = lot.row.granted - lot.expired
        taken = min(claim, lot.free + self._amount)
        expect(
            self._amount == taken,
            f"{self._name}: takes {self._amount} of the {claim} that {parent_id} gave, and could take {taken}",
        )
        expect(
            taken == claim or self._terms.get("on_shortfall") == "partial",
            f"{self._name}: takes {taken}, and may take {claim} or nothing",
        )
        self._expect_lines([(lot.row.id, -taken)] if taken else [], (TREASURY_ID, taken))
        lot.reversed, lot.debt = True, claim - taken
        return {"uncollected": claim - taken}

    def group(self) -> FactsOf | None:
        """Nothing by itself: its members follow."""
        return {"members": len(self._terms["operations"])}

    # -- parts -----------------------------------------------------------------------------------------------------

    def _taken(self, lines: Iterable[EntryRecord]) -> list[tuple[AuditLot, int]]:
        return [(self._state.known_lot(each.lot_id, self._name), -each.amount) for each in lines]

    def _remember(self, lines: list[tuple[AuditLot, int, datetime]]) -> None:
        """Keep what was taken, for the refunds of it."""
        transaction = self._transaction
        if not isinstance(transaction, AuditedTransaction) or transaction.is_refunded:
            self._state.taken[transaction.id] = AuditTaken(self._amount, lines)

    def _expect_lines(self, lines: Sequence[Line], *counters: tuple[int, int]) -> None:
        """The owner's lines are these, and then come the others'."""
        for entry, (lot_id, amount) in zip(self._own, lines, strict=False):
            if (entry.lot_id, entry.amount) != (lot_id, amount):
                raise AuditFailure(f"{self._name} line {entry.line}: should be {amount} of lot {lot_id}")
        expect(len(self._own) == len(lines), f"{self._name}: has {len(self._own)} lines of its own, not {len(lines)}")
        self._expect_counters(*counters)

    def _expect_counters(self, *counters: tuple[int, int]) -> None:
        others = [(each.account_id, each.amount) for each in self._transaction.entries[len(self._own) :]]
        if others != [each for each in counters if each[1]]:
            raise AuditFailure(f"{self._name}: Treasury or Breakage have other lines than they should")

    def _expect_burned(self, lines: Iterable[EntryRecord]) -> None:
        """These lines take what is available."""
        for entry in lines:
            lot = self._state.known_lot(entry.lot_id, self._name)
            if entry.amount > 0 or lot.is_over(self._now):
                raise AuditFailure(f"{self._name} line {entry.line}: takes nothing that was available")

    def _expect_lot(self, lot: LotRow, *, kind: LotKind, priority: int, expires_at: datetime | None) -> None:
        expect(
            (lot.kind, lot.priority, lot.expires_at) == (kind, priority, expires_at)
            and (expires_at is None or expires_at > self._now),
            f"{self._name}: lot {lot.id} is not as it should have been made",
        )
        if expires_at is not None:
            self._state.expect_at(expires_at, self._state.lots[lot.id])

    def _count(self) -> None:
        """Count what was spent and credited on the day."""
        asset_type_id, today = self._transaction.asset_type_id or 0, self._now.date()
        day, spent, credited = self._state.days.get(asset_type_id, (today, 0, 0))
        if day != today:
            spent = credited = 0
        if self._transaction.type in _SPENDS:
            spent = min(spent + self._amount, UNITS_MAX)
        else:
            credited = min(credited + self._amount, UNITS_MAX)
        self._state.days[asset_type_id] = today, spent, credited


_RULES: dict[TransactionType, Callable[[_Replay], FactsOf | None]] = {
    TransactionType.TOP_UP: _Replay.credit,
    TransactionType.BONUS: _Replay.credit,
    TransactionType.ADJUSTMENT: _Replay.adjust,
    TransactionType.SPEND: _Replay.spend,
    TransactionType.EXPIRY: _Replay.expire,
    TransactionType.HOLD: _Replay.set_aside,
    TransactionType.EXTEND: _Replay.set_aside,
    TransactionType.CAPTURE: _Replay.capture,
    TransactionType.RELEASE: _Replay.release,
    TransactionType.REFUND: _Replay.refund,
    TransactionType.REVERSAL: _Replay.reverse,
    TransactionType.GROUP: _Replay.group,
}
