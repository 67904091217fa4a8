"""Corrections by an operator. No limits hold but those of the ledger itself."""

from dataclasses import replace
from datetime import datetime

from app.domain.books import Books, Decision
from app.domain.commands import PRIORITY_DEFAULT, Adjustment
from app.domain.credits import default_expiry, given
from app.domain.records import AssetType, LotRow
from app.domain.spends import burned


def adjust(books: Books, command: Adjustment, asset: AssetType, seq: int, now: datetime) -> Decision:
    """Give credits as a new lot, or take them like a spend."""
    wallet, amount = books.wallet(asset), command.amount
    if amount < 0:
        books.expect_available(wallet, -amount)
        return replace(burned(books, wallet, -amount), amount=amount)
    wallet.expect_room(amount)
    lot = LotRow(
        id=command.lot_id,
        owner_id=books.owner_id,
        asset_type_id=asset.id,
        seq=seq,
        kind=command.kind,
        priority=PRIORITY_DEFAULT,
        expires_at=default_expiry(asset, now),
        granted=amount,
        remaining=amount,
        held=0,
    )
    return given(books, wallet, lot)
