"""Taking credits for good."""

from datetime import datetime

from app.domain.books import Books, Decision
from app.domain.commands import OnShortfall, Spend
from app.domain.limits import expect_amount_within_bounds, expect_spend_within_limits
from app.domain.placement import TREASURY_ID
from app.domain.records import AssetType, FactsOf
from app.domain.wallet import Wallet


def spend(books: Books, command: Spend, asset: AssetType, now: datetime) -> Decision:
    """Take credits in burn order: all that is asked for, or, where part of it will do, all that there is."""
    wallet, limits, amount = books.wallet(asset), books.limits_of(asset), command.amount
    expect_amount_within_bounds(limits, asset.id, amount)
    if command.on_shortfall is OnShortfall.PARTIAL:
        if wallet.available == 0:
            books.expect_available(wallet, amount)
        amount = min(amount, wallet.available)
    expect_spend_within_limits(limits, wallet, amount, now)
    books.expect_available(wallet, amount)
    decision = burned(books, wallet, amount, None if amount == command.amount else {"requested": command.amount})
    wallet.count(now.date(), spent=amount)
    return decision


def burned(books: Books, wallet: Wallet, amount: int, facts: FactsOf | None = None) -> Decision:
    """Take `amount`, which must be available, out of a wallet in burn order, into the Treasury."""
    moves = wallet.burn(amount)
    uses = tuple([move.lot.use(-move.amount) for move in moves])
    return Decision(wallet, amount, books.lines(moves, (TREASURY_ID, amount)), uses, facts)
