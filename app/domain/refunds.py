"""Giving back what a spend or capture took, whole or in parts, to the lots that it came from."""

from datetime import datetime

from app.domain.books import Books, Decision, Parent
from app.domain.chain import moment
from app.domain.commands import Refund
from app.domain.errors import NotRefundable, RefundExceedsRemaining, TooManyLots
from app.domain.placement import TREASURY_ID
from app.domain.records import AssetType, LotRow, RefundPart, TransactionType
from app.domain.wallet import LOTS_MAX, Lot, Move, Wallet, later

Taken = tuple[Lot, int, datetime]
"""A lot, how much was taken from it, and when."""


def refund(books: Books, command: Refund, asset: AssetType, seq: int, now: datetime) -> Decision:
    """Give credits back, the last taken first. A lot that has expired since comes back as a new one."""
    parent = books.parent(command.parent_id, asset)
    if not parent.is_posted(TransactionType.SPEND, TransactionType.CAPTURE):
        raise NotRefundable(parent_id=str(command.parent_id))
    left = parent.row.amount - parent.refunded
    amount = left if command.amount is None else command.amount
    if amount > left or left == 0:
        raise RefundExceedsRemaining(asset_type_id=asset.id, refundable=left, amount=amount)
    wallet = books.wallet(asset)
    wallet.expect_room(amount)
    to_give_back = _last_taken(parent, amount)
    moves: list[Move] = []
    for lot, part, taken_at in to_give_back:
        moves += _given_back(books, wallet, lot, part, taken_at, seq, now)
    debt_paid = -sum(move.amount for move in moves if move.amount < 0)
    parent.refunds += 1
    parent.refunded += amount
    return Decision(
        wallet,
        amount,
        books.lines(moves, (TREASURY_ID, -amount), (TREASURY_ID, debt_paid)),
        tuple(move.lot.use(move.amount) for move in moves if move.amount > 0),
        {"debt_paid": debt_paid, "refundable": left - amount},
        lots=tuple(sorted((each.lot.row for each in moves if each.lot.row.seq == seq), key=lambda row: row.id)),
        refund=RefundPart(number=parent.refunds, parent_amount=parent.row.amount, refunded_after=parent.refunded),
    )


def _last_taken(parent: Parent, amount: int) -> list[Taken]:
    """Return what of `parent` is given back next: its lines from the last to the first, without what was before.

    Raises:
        TooManyLots: it comes from more lots than one transaction may touch; nothing was changed.
    """
    skipped, found = parent.refunded, list[Taken]()
    for lot, taken, taken_at in reversed(_taken(parent)):
        skipping = min(skipped, taken)
        skipped -= skipping
        part = min(taken - skipping, amount)
        amount -= part
        if part:
            found.append((lot, part, taken_at))
        if amount == 0:
            break
    if len(found) > LOTS_MAX:
        raise TooManyLots(lots_max=LOTS_MAX)
    return found


def _taken(parent: Parent) -> list[Taken]:
    """Return what a spend or capture took. What a capture took from its hold was taken when it was set aside."""
    held_at = [moment(each) for each in parent.facts().get("held_at", ())]
    lines, rest = list[Taken](), parent.row.amount
    for number, (lot, amount) in enumerate(parent.lines):
        if rest == 0:
            break  # what follows are debts that a capture paid with what it released
        lines.append((lot, -amount, held_at[number] if number < len(held_at) else parent.row.created_at))
        rest += amount
    return lines


def _given_back(
    books: Books, wallet: Wallet, lot: Lot, amount: int, taken_at: datetime, seq: int, now: datetime
) -> list[Move]:
    """Put `amount` back, and pay the lot's debt with it first."""
    if not lot.is_over(now):
        back = [wallet.give_back(lot, amount)]
        payment = wallet.pay_debt(lot, amount)
        wallet.relist(lot, now)
        return back if payment is None else [*back, payment]
    moves: list[Move] = []
    debt = min(lot.debt, amount)
    if debt:
        moves.append(wallet.give_back(lot, debt))
        moves += [payment for payment in (wallet.pay_debt(lot, debt),) if payment is not None]
    if amount > debt:
        moves.append(wallet.add(_living_on(books, lot, amount - debt, taken_at, seq, now)))
    return moves


def _living_on(books: Books, lot: Lot, amount: int, taken_at: datetime, seq: int, now: datetime) -> LotRow:
    """Return a new lot with the life that an expired one had left when credits were taken from it."""
    if lot.row.expires_at is None:
        raise AssertionError("a lot that never expires has not expired")
    return LotRow(
        id=books.new_id(),
        owner_id=books.owner_id,
        asset_type_id=lot.row.asset_type_id,
        seq=seq,
        kind=lot.row.kind,
        priority=lot.row.priority,
        expires_at=later(now, lot.row.expires_at - taken_at),
        granted=amount,
        remaining=amount,
        held=0,
    )
