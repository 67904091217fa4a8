"""The order in which a spend eats lots: priority, then soonest expiry, then promo before paid, then oldest."""

from datetime import UTC, datetime
from uuid import UUID

from app.domain.records import LotKind, LotRow

BurnKey = tuple[int, datetime, bool, int, UUID]

_NEVER = datetime.max.replace(tzinfo=UTC)


def burn_key(lot: LotRow) -> BurnKey:
    """Return what lots are sorted by. The index `ix_lots_burn` sorts the same way."""
    return (lot.priority, lot.expires_at or _NEVER, lot.kind is LotKind.PAID, lot.seq, lot.id)
