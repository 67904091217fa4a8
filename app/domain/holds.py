"""Setting credits aside and settling it later: hold, capture, release, extend."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from app.domain.amounts import UNITS_MAX
from app.domain.books import Books, Decision
from app.domain.chain import microseconds
from app.domain.commands import Capture, Extend, OnExcess, PlaceHold, Release
from app.domain.errors import AmountTooLarge, CaptureExceedsHold
from app.domain.hold import Hold
from app.domain.limits import expect_amount_within_bounds, expect_spend_within_limits
from app.domain.placement import TREASURY_ID
from app.domain.records import AssetType, HoldRow, HoldStatus, LotUse
from app.domain.wallet import LOTS_MAX, Lot, Move, Part, Wallet, later


def place_hold(books: Books, command: PlaceHold, asset: AssetType, seq: int, now: datetime) -> Decision:
    """Set credits aside in named lots, in burn order."""
    wallet, seconds = books.wallet(asset), command.expires_in_seconds
    expect_amount_within_bounds(books.limits_of(asset), asset.id, command.amount)
    books.expect_available(wallet, command.amount)
    row = HoldRow(
        command.transaction_id,
        books.owner_id,
        asset.id,
        seq,
        command.amount,
        0,
        _deadline(now, asset.hold_seconds if seconds is None else seconds),
        HoldStatus.OPEN,
        parts=(),
    )
    parts = wallet.reserve(command.amount, now)
    hold = books.holds[row.id] = Hold(row, parts, is_new=True)
    wallet.expect_at(hold.deadline)
    return _set_aside(wallet, hold, parts, command.amount)


def extend(books: Books, command: Extend, asset: AssetType, now: datetime) -> Decision:
    """Set more credits aside for a hold, or move its deadline, or both."""
    hold, wallet, amount = books.open_hold(command.hold_id, asset), books.wallet(asset), command.amount or 0
    if hold.amount + amount > UNITS_MAX:
        raise AmountTooLarge
    books.expect_available(wallet, amount, hold=hold)
    parts = wallet.reserve(amount, now, lots_max=LOTS_MAX - len(hold.parts)) if amount else []
    seconds = command.expires_in_seconds
    hold.extend(parts, hold.deadline if seconds is None else _deadline(now, seconds))
    wallet.expect_at(hold.deadline)
    return _set_aside(wallet, hold, parts, amount)


def capture(books: Books, command: Capture, asset: AssetType, now: datetime) -> Decision:
    """Take what a hold reserves and, where that is allowed, what is available beside it."""
    hold, wallet = books.open_hold(command.hold_id, asset), books.wallet(asset)
    left = hold.left
    amount = left if command.amount is None else command.amount
    excess = amount - left
    if excess > 0 and command.on_excess is OnExcess.REFUSE:
        raise CaptureExceedsHold(asset_type_id=asset.id, capturable=left, amount=amount)
    if hold.captured + amount > UNITS_MAX:
        raise AmountTooLarge
    if amount:
        expect_spend_within_limits(books.limits_of(asset), wallet, amount, now)
    picked = _picked_beside(books, wallet, hold, excess) if excess > 0 else ()
    taken, held_at = hold.capture(wallet, amount, final=command.final)
    for lot, part in picked:
        taken.append(wallet.take(lot, part))
    hold.captured += amount
    released, payments = hold.end(wallet, HoldStatus.CAPTURED, now) if command.final else ([], [])
    if amount:
        wallet.count(now.date(), spent=amount)
    return Decision(
        wallet,
        amount,
        books.lines([*taken, *payments], (TREASURY_ID, amount), (TREASURY_ID, _paid(payments))),
        tuple([move.lot.use(-move.amount) for move in taken]),
        {
            "hold_status": hold.status,
            "released": max(left - amount, 0) if command.final else 0,
            "held_at": list(map(microseconds, held_at)),
        },
        _mortal(released),
    )


def _picked_beside(books: Books, wallet: Wallet, hold: Hold, excess: int) -> list[tuple[Lot, int]]:
    books.expect_available(wallet, excess, hold=hold)
    return wallet.pick(excess)


def release(books: Books, command: Release, asset: AssetType, now: datetime) -> Decision:
    """Give all that a hold still reserves back to the wallet."""
    return end_hold(books, books.open_hold(command.hold_id, asset), HoldStatus.RELEASED, now)


def end_hold(books: Books, hold: Hold, status: HoldStatus, now: datetime) -> Decision:
    """Give what a hold reserves back to its lots, on request or because its deadline has passed."""
    wallet = books.wallets[hold.row.asset_type_id]
    released, payments = hold.close(wallet, status, now)
    uses = tuple([lot.use(amount) for lot, amount, _ in released])
    return Decision(
        wallet,
        sum([amount for _, amount, _ in released]),
        books.lines(payments, (TREASURY_ID, _paid(payments))),
        uses,
        {"hold_status": status, "lots": _named(uses)},
        _mortal(released),
    )


def _mortal(parts: list[Part]) -> tuple[Lot, ...]:
    return tuple([lot for lot, _, _ in parts if lot.row.expires_at is not None])


def _paid(payments: list[Move]) -> int:
    return -sum([each.amount for each in payments])


@lru_cache(maxsize=256)  # most holds of a unit of work end at the same moment
def _deadline(now: datetime, seconds: int) -> datetime:
    return later(now, timedelta(seconds=seconds))


def _set_aside(wallet: Wallet, hold: Hold, parts: list[Part], amount: int) -> Decision:
    uses = tuple([lot.use(part) for lot, part, _ in parts])
    facts = {"deadline": microseconds(hold.deadline), "hold_status": hold.status, "lots": _named(uses)}
    return Decision(wallet, amount, (), uses, facts)


def _named(uses: Iterable[LotUse]) -> list[list[str | int | None]]:
    """Return parts of lots as facts name them: lot, amount, kind, expiry."""
    return [
        [str(each.lot_id), each.amount, each.kind, None if each.expires_at is None else microseconds(each.expires_at)]
        for each in uses
    ]
