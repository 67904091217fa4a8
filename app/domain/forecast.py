"""What time alone will do to a wallet: when its holds' deadlines would make enough available."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from app.domain.hold import Hold
from app.domain.wallet import Part, Wallet


def available_at(wallet: Wallet, holds: Iterable[Hold], required: int) -> datetime | None:
    """Return the earliest time at which `required` is available if nobody does anything; None when it never is.

    What is released pays its lot's debt first, and is gone when the lot has expired by then. Also None when not all
    that is to come was loaded.
    """
    if not wallet.knows_holds or wallet.posted < required:
        return None
    available = wallet.available
    debts = {lot.id: lot.debt for lot in wallet.lots}
    deadlines: defaultdict[datetime, list[Part]] = defaultdict(list)
    expiries: defaultdict[datetime, dict[UUID, int]] = defaultdict(dict)
    for hold in holds:
        deadlines[hold.deadline] += hold.parts
    for lot in wallet.lots:
        if lot.row.expires_at is not None:
            expiries[lot.row.expires_at][lot.id] = lot.free
    for moment in sorted({*deadlines, *expiries}):
        for lot, amount, _ in deadlines.get(moment, ()):
            payment = min(debts[lot.id], amount)
            debts[lot.id] -= payment
            if not lot.is_over(moment):
                available += amount - payment
                if lot.row.expires_at is not None:
                    expiries[lot.row.expires_at][lot.id] += amount - payment
        available -= sum(expiries.get(moment, {}).values())
        if available >= required:
            return moment
    return None
