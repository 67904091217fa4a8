"""Lots, built from the columns in which the statements name them."""

from typing import Any

from app.domain.records import LotKind, LotRow


def lot_row(columns: Any) -> LotRow:  # noqa: ANN401 - asyncpg's anonymous records are untyped
    """Build a lot from its columns."""
    (lot_id, owner_id, asset_type_id, seq, kind, priority, expires_at, granted) = columns[:8]
    (remaining, held, debt, expired, reversed_) = columns[8:]
    return LotRow(
        id=lot_id,
        owner_id=owner_id,
        asset_type_id=asset_type_id,
        seq=seq,
        kind=LotKind(kind),
        priority=priority,
        expires_at=expires_at,
        granted=granted,
        remaining=remaining,
        held=held,
        debt=debt,
        expired=expired,
        reversed=reversed_,
    )
