"""Giving credits, and taking back what was given: top-up, bonus, reversal."""

from datetime import datetime, timedelta

from app.domain.books import Books, Decision
from app.domain.commands import Credit, OnShortfall, Reversal
from app.domain.errors import AlreadyReversed, AssetTypeInactive, ExpiryInvalid, NotReversible, ReversalShortfall
from app.domain.limits import expect_amount_within_bounds, expect_credit_within_limits
from app.domain.placement import TREASURY_ID
from app.domain.records import AssetStatus, AssetType, LotRow, TransactionType
from app.domain.wallet import Wallet, later


def expect_expiry_to_come(command: Credit, now: datetime) -> None:
    """Raise ExpiryInvalid when the credits would be gone at once."""
    if command.expires_at is not None and command.expires_at <= now:
        raise ExpiryInvalid(now=now)


def credit(books: Books, command: Credit, asset: AssetType, seq: int, now: datetime) -> Decision:
    """Make a lot of credits that were bought or are a present."""
    wallet, limits = books.wallet(asset), books.limits_of(asset)
    expect_amount_within_bounds(limits, asset.id, command.amount)
    if asset.status is AssetStatus.INACTIVE:
        raise AssetTypeInactive(asset_type_id=asset.id, asset_code=asset.code)
    expect_credit_within_limits(limits, wallet, command.amount, now)
    wallet.count(now.date(), credited=command.amount)
    return given(
        books,
        wallet,
        LotRow(
            id=command.lot_id,
            owner_id=books.owner_id,
            asset_type_id=asset.id,
            seq=seq,
            kind=command.lot_kind,
            priority=command.priority,
            expires_at=_expiry(command, asset, now),
            granted=command.amount,
            remaining=command.amount,
            held=0,
        ),
    )


def reverse(books: Books, command: Reversal, asset: AssetType) -> Decision:
    """Take a top-up or bonus back from the lot that it made; what is spent or held becomes the lot's debt."""
    parent = books.parent(command.parent_id, asset)
    if not parent.is_posted(TransactionType.TOP_UP, TransactionType.BONUS):
        raise NotReversible(parent_id=str(command.parent_id))
    lot, _ = parent.lines[0]
    claim = 0 if lot.reversed else lot.row.granted - lot.expired
    if claim == 0:
        raise AlreadyReversed(parent_id=str(command.parent_id))
    uncollected = max(0, claim - lot.free)
    if uncollected and command.on_shortfall is OnShortfall.REFUSE:
        raise ReversalShortfall(asset_type_id=asset.id, free=lot.free, uncollected=uncollected)
    wallet = books.wallet(asset)
    moves = wallet.claim_back(lot, claim)
    taken = claim - uncollected
    return Decision(
        wallet,
        taken,
        books.lines(moves, (TREASURY_ID, taken)),
        tuple(move.lot.use(-move.amount) for move in moves),
        {"uncollected": uncollected},
    )


def given(books: Books, wallet: Wallet, lot: LotRow) -> Decision:
    """Put a new lot into a wallet, out of the Treasury."""
    move = wallet.add(lot)
    return Decision(
        wallet,
        lot.granted,
        books.lines((move,), (TREASURY_ID, -lot.granted)),
        (move.lot.use(lot.granted),),
        lots=(lot,),
    )


def _expiry(command: Credit, asset: AssetType, now: datetime) -> datetime | None:
    """Return when the new lot expires: as stated, else by the asset type's default, else never."""
    if command.never_expires:
        return None
    if command.expires_at is not None:
        return command.expires_at
    if command.expires_in_days is not None:
        return later(now, timedelta(days=command.expires_in_days))
    return default_expiry(asset, now)


def default_expiry(asset: AssetType, now: datetime) -> datetime | None:
    """Return when credits of an asset type expire of which nobody says it."""
    days = asset.default_expiry_days
    return None if days is None else later(now, timedelta(days=days))
