"""Finds what differs between the naive model and what a driver tells, and what contradicts itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from app.domain.records import TransactionType as Kind
from tests.model.driver import FACTS, HOLD, LOT, POSTED, POSTED_ON_WALLET, REFUSED, ROW, Seen, State
from tests.model.naive import NaiveLedger, Thing

_NEVER_LEFT_OUT = ("available_at", "operation")
"""Facts of refusals that must not be there when the model has none."""


def answers(expected: Thing, seen: Seen, kind: Kind, *, exact: bool) -> Iterator[str]:
    """Say what is wrong with an answer."""
    if seen["posted"] != expected.posted:
        yield f"answered {dict(seen)}, not {expected}"
        return
    needed = REFUSED if not expected.posted else POSTED if expected.asset is None else POSTED_ON_WALLET
    yield from _missing(needed, seen)
    left_out = {"facts", "members", "type"} | (set() if exact else {"at"})
    if not expected.posted:
        left_out |= seen.keys() - REFUSED
    has = vars(expected) | {"at": expected.created_at, "uses": uses(expected)}
    yield from _different(has, {name: each for name, each in seen.items() if name not in left_out})
    yield from _facts(expected.facts, seen["facts"], posted=expected.posted, needed=FACTS.get(kind.value, set()))
    members = seen.get("members", ())
    if len(members) != len(expected.members):
        yield f"{len(members)} members, not {len(expected.members)}"
        return
    for number, (one, other) in enumerate(zip(expected.members, members, strict=True)):
        kind_of = Kind(other["type"]) if "type" in other else Kind.GROUP
        yield from (f"member {number}: {each}" for each in answers(one, other, kind_of, exact=exact))


def rows(model: NaiveLedger, seen: Sequence[Seen], *, exact: bool) -> Iterator[str]:
    """Say what is wrong with transactions, and the lines of each."""
    for row in seen:
        name = f"seq {row['seq']} ({row['type']})"
        if row["seq"] > len(model.transactions):
            yield f"{name} is one too many: {dict(row)}"
            return
        expected = model.transactions[row["seq"] - 1]
        yield from (f"{name}: {each}" for each in _missing(ROW, row))
        left_out = {"lines", "facts", "parent"} | (set() if exact else {"created_at"})
        if not expected.posted and expected.amount is None:
            left_out.add("amount")
        told = {each: value for each, value in row.items() if each not in left_out}
        if expected.posted and "parent" in row:
            told["parent"] = row["parent"]
        told |= _lines_of(row)
        yield from (f"{name}: {each}" for each in _different(_row(model, expected), told))
        if "facts" in row:
            facts = written_facts(expected)
            found = _facts(facts, row["facts"], posted=expected.posted, needed=set(facts))
            yield from (f"{name}: {each}" for each in found)


def states(model: NaiveLedger, state: State) -> Iterator[str]:
    """Say what is wrong with balances, lots and holds."""
    yield from _different({"status": model.status}, {"status": state.status})
    for asset in model.assets:
        has = balances(model, asset)
        told = state.balances.get(asset, dict.fromkeys(has, 0))
        yield from (f"asset {asset}: {each}" for each in _different(has, told))
    for lot in model.lots:
        if (told := state.lots.get(lot.number, {})) or lot.remaining:
            of_lot = vars(lot) | {"expires_at": moment(lot.expires_at)}
            yield from (f"lot {lot.number}: {each}" for each in [*_missing(LOT, told), *_different(of_lot, told)])
    if extra := state.lots.keys() - {each.number for each in model.lots}:
        yield f"lots {extra} are too many"
    if len(state.holds) != len(model.holds):
        yield f"{len(state.holds)} holds, not {len(model.holds)}"
        return
    for number, (hold, told) in enumerate(zip(model.holds, state.holds, strict=True)):
        of_hold = vars(hold) | {"parts": [(lot.number, amount, at) for lot, amount, at in hold.parts]}
        yield from (f"hold {number}: {each}" for each in [*_missing(HOLD, told), *_different(of_hold, told)])


def sums(seen: Sequence[Seen], state: State) -> Iterator[str]:
    """Say where what is told contradicts itself: whatever the model says."""
    posted: Counter[int] = Counter()
    of_lots: Counter[int] = Counter()
    for row in seen:
        yield from _sums_of_lines(row, posted, of_lots)
    yield from _order(seen)
    yield from _sums_of_refunds(seen)
    yield from _sums_of_holds(seen, state)
    for asset, balance in state.balances.items():
        lots = [each for each in state.lots.values() if each["asset"] == asset]
        parts = [part for hold in state.holds if hold["asset"] == asset for part in hold["parts"]]
        own, left = posted[asset], sum(each["remaining"] for each in lots)
        held, reserved = sum(each["held"] for each in lots), sum(amount for _, amount, _ in parts)
        if not balance["balance"] == own == left or not balance["held"] == held == reserved:
            yield f"asset {asset}: {dict(balance)}; entries {own}, lots {left} and {held}, holds {reserved}"
        if balance["available"] != left - held or min(left, held, left - held) < 0:
            yield f"asset {asset}: {dict(balance)}, and {left} less {held} in lots"
    for number, lot in state.lots.items():
        if lot["remaining"] != of_lots[number] or not 0 <= lot["held"] <= lot["remaining"]:
            yield f"lot {number}: {dict(lot)}, and its lines come to {of_lots[number]}"


def balances(model: NaiveLedger, asset: int) -> dict[str, int]:
    """Return what a wallet of the model has, by name."""
    return dict(zip(("balance", "held", "available"), model.has(asset), strict=True))


def uses(booked: Thing) -> tuple[tuple[int, int], ...]:
    """Return which lots the model used, and how much of each."""
    return tuple((lot.number, amount) for lot, amount, _ in booked.takes)


def written_facts(booked: Thing) -> dict[str, Any]:
    """Return what a transaction of the model has to have written down."""
    facts: dict[str, Any] = booked.facts
    if not booked.posted:
        return facts | {"code": booked.code}
    if booked.type not in {"hold", "extend", "release"}:
        return facts
    return facts | {"lots": [[lot.number, amount, lot.kind, moment(lot.expires_at)] for lot, amount, _ in booked.takes]}


def moment(of_model: float) -> float | None:
    """Return a moment of the model as it is told: never is None."""
    return None if of_model == inf else of_model


def _order(seen: Sequence[Seen]) -> Iterator[str]:
    created, effective = 0, 0
    for number, row in enumerate(seen, start=1):
        if row["seq"] != number:
            yield f"seq {row['seq']} stands where {number} should"
        if row["created_at"] < created or not effective <= row["effective_at"] <= row["created_at"]:
            yield f"seq {number} ({row['type']}): its times run backwards"
        created, effective = row["created_at"], row["effective_at"]


def _sums_of_lines(row: Seen, posted: Counter[int], of_lots: Counter[int]) -> Iterator[str]:
    name = f"seq {row['seq']} ({row['type']})"
    if sum(amount for _, _, amount, _ in row["lines"]) or (row["lines"] and not row["posted"]):
        yield f"{name}: its lines do not sum to zero, or it was refused: {row['lines']}"
    for account, lot, amount, balance_after in row["lines"]:
        if account == "own":
            posted[row["asset"]] += amount
            of_lots[lot] += amount
            if balance_after != posted[row["asset"]] or balance_after < 0 or of_lots[lot] < 0:
                yield f"{name}: leaves {balance_after} and {of_lots[lot]} in lot {lot}: {posted[row['asset']]}"


def _sums_of_refunds(seen: Sequence[Seen]) -> Iterator[str]:
    given_back: Counter[int] = Counter()
    for row in seen:
        if row["type"] == "refund" and row["posted"]:
            given_back[row["parent"]] += row["amount"]
    for seq, amount in given_back.items():
        if amount > seen[seq - 1]["amount"]:
            yield f"{amount} of seq {seq} was given back"


def _sums_of_holds(seen: Sequence[Seen], state: State) -> Iterator[str]:
    """What a hold was placed and extended for is captured, released, or reserved still."""
    placed = [each["seq"] for each in seen if each["type"] == "hold" and each["posted"]]
    for seq, hold in zip(placed, state.holds, strict=True):
        about = [each for each in seen if each["posted"] and (each["seq"] == seq or each["parent"] == seq)]
        put = sum(each["amount"] for each in about if each["type"] in {"hold", "extend"})
        captures = [each for each in about if each["type"] == "capture"]
        from_hold = 0
        for each in captures:
            own = [-amount for account, _, amount, _ in each["lines"] if account == "own"]
            from_hold += sum(own[: len(each["facts"]["held_at"])])
        out = from_hold + sum(each["facts"]["released"] for each in captures)
        out += sum(each["amount"] for each in about if each["type"] == "release")
        left = sum(amount for _, amount, _ in hold["parts"])
        if put != hold["amount"] or put != out + left or hold["captured"] != sum(each["amount"] for each in captures):
            yield f"the hold of seq {seq}: {put} put in, {out} out, {left} left: {dict(hold)}"


def _row(model: NaiveLedger, transaction: Thing) -> dict[str, Any]:
    parents = [each.seq for each in model.transactions if each.id is not None and each.id == transaction.parent]
    own = [(lot.number, amount) for lot, amount in transaction.lines]
    total = sum(amount for _, amount in own)
    return vars(transaction) | {
        "parent": parents[0] if parents else None,
        "own": own,
        "others": {transaction.counter: -total} if total else {},
    }


def _lines_of(row: Seen) -> dict[str, Any]:
    """Return the user's lines, and what the system accounts' come to; what expired together has no order."""
    own = [(lot, amount) for account, lot, amount, _ in row["lines"] if account == "own"]
    others: Counter[str] = Counter()
    for account, _, amount, _ in row["lines"]:
        if account != "own":
            others[account] += amount
    return {
        "own": sorted(own) if row["type"] == "expiry" else own,
        "others": {account: amount for account, amount in others.items() if amount},
    }


def _facts(expected: Mapping[str, Any], seen: Seen, *, posted: bool, needed: set[str]) -> Iterator[str]:
    """What was posted says nothing that the model does not; a refusal may say more than the model knows."""
    if posted:
        yield from _missing(needed, seen)
        yield from _different(expected, seen)
        return
    for name in [*expected, *_NEVER_LEFT_OUT]:
        if expected.get(name) != seen.get(name):
            yield f"{name} is {seen.get(name)}, not {expected.get(name)}"


def _missing(needed: set[str], seen: Seen) -> Iterator[str]:
    if absent := needed - seen.keys():
        yield f"{sorted(absent)} is not told"


def _different(expected: Mapping[str, Any], seen: Seen) -> Iterator[str]:
    for name, value in seen.items():
        if name not in expected or expected[name] != value:
            yield f"{name} is {value}, not {expected.get(name)}"
