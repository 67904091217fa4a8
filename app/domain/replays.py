"""What an idempotency key remembers: the answer that was given, and what differs in another request."""

import json
from uuid import UUID

from app.domain.chain import moment
from app.domain.commands import Command, OnHold, Operation
from app.domain.errors import ERRORS_BY_CODE, Fact, LedgerCorrupt, StateRefusal
from app.domain.records import (
    DecidedRow,
    FactsOf,
    LotKind,
    LotUse,
    TransactionRecord,
    TransactionType,
)


def facts_of(decided: DecidedRow) -> FactsOf:
    """Read what a transaction came to beyond the usual."""
    facts: FactsOf = json.loads(decided.facts or "{}")
    return facts


def uses_of(decided: DecidedRow) -> tuple[LotUse, ...]:
    """Return which lots a transaction made, took from, gave back to, set aside or released, and how much of each."""
    if decided.type in {TransactionType.HOLD, TransactionType.EXTEND, TransactionType.RELEASE}:
        return tuple(
            LotUse(
                lot_id=UUID(lot_id),
                kind=LotKind(kind),
                amount=amount,
                expires_at=None if expires_at is None else moment(expires_at),
            )
            for lot_id, amount, kind, expires_at in facts_of(decided).get("lots", ())
        )
    if decided.type is TransactionType.REFUND:
        return tuple(each for each in decided.lines if each.amount > 0)
    if decided.type is TransactionType.CAPTURE:
        return _captured(decided)
    return tuple(_of_size(each) for each in decided.lines)


def refusal_of(decided: DecidedRow, *, replayed: bool) -> StateRefusal:
    """Return the refusal that was recorded.

    Raises:
        LedgerCorrupt: it can't be told which it was.
    """
    facts: dict[str, Fact] = dict(facts_of(decided))
    kind = ERRORS_BY_CODE.get(str(facts.pop("code", "")))
    if kind is None or not issubclass(kind, StateRefusal):
        raise LedgerCorrupt(problem=f"transaction {decided.transaction_id} is refused and says no known reason")
    for name in kind.moment_facts & facts.keys():
        facts[name] = moment(int(str(facts[name])))
    refusal = kind(**facts)
    refusal.transaction_id, refusal.decided_at, refusal.replayed = (
        decided.transaction_id,
        decided.created_at,
        replayed,
    )
    return refusal


def differing_field(decided: DecidedRow, command: Command) -> str:
    """Name the first member in which a request differs from the one that used the key before."""
    if decided.type is not command.type:
        return "type"
    if isinstance(command, Operation):
        if decided.asset_type_id != command.asset_type_id:
            return "asset_type_id"
        if decided.parent_id != command.target:
            return "hold_id" if isinstance(command, OnHold) else "transaction_id"
        if command.amount is not None and facts_of(decided).get("requested", decided.amount) != command.amount:
            return "amount"
    before, after = json.loads(decided.terms or "{}"), json.loads(command.terms or "{}")
    return _first_difference(before, after) or "amount"


def row_of(transaction: TransactionRecord) -> DecidedRow:
    """Return what a load would return of a transaction that is not stored yet, as far as its request goes."""
    return DecidedRow(
        owner_id=transaction.owner_id,
        idempotency_key=transaction.idempotency_key,
        transaction_id=transaction.id,
        seq=transaction.seq,
        type=transaction.type,
        outcome=transaction.outcome,
        asset_type_id=transaction.asset_type_id or 0,
        amount=transaction.amount or 0,
        fingerprint=transaction.fingerprint,
        terms=transaction.terms,
        facts=transaction.facts,
        created_at=transaction.created_at,
        balance_after=None,
        lines=(),
        parent_id=transaction.parent_id,
    )


def _captured(decided: DecidedRow) -> tuple[LotUse, ...]:
    """Return what a capture took; debts that it paid with what it released come after."""
    taken, rest = list[LotUse](), decided.amount
    for each in decided.lines:
        if rest == 0:
            break
        taken.append(_of_size(each))
        rest += each.amount
    return tuple(taken)


def _of_size(use: LotUse) -> LotUse:
    if use.amount > 0:
        return use
    return LotUse(lot_id=use.lot_id, kind=use.kind, amount=-use.amount, expires_at=use.expires_at)


def _first_difference(before: FactsOf, after: FactsOf) -> str | None:
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            number = next(number for number, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
            return f"{name}/{number}/{_first_difference(one[number], other[number])}"
        return str(name)
    return None
