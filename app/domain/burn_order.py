"""The order in which a spend eats lots: priority, then soonest expiry, then promo before paid, then oldest."""

from datetime import UTC, datetime
from uuid import UUID

from app.domain.records import LotKind, LotRow

BurnKey = tuple[int, bool, datetime, bool, int, UUID]

_NO_MATTER = datetime.min.replace(tzinfo=UTC)


def burn_key(lot: LotRow) -> BurnKey:
    """Return what lots are sorted by. The index `ix_lots_burn` sorts the same way."""
    never = lot.expires_at is None
    return (lot.priority, never, lot.expires_at or _NO_MATTER, lot.kind is LotKind.PAID, lot.seq, lot.id)
