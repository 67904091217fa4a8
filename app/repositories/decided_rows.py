"""What became of earlier commands, built from the columns in which the statements name them."""

from typing import Any

from app.domain.records import DecidedRow, LotKind, LotUse, Outcome, TransactionType


def decided_row(columns: Any) -> DecidedRow:  # noqa: ANN401 - asyncpg's anonymous records are untyped
    """Build what became of a command."""
    (owner_id, key, transaction_id, seq, type_, outcome, asset_type_id, amount) = columns[:8]
    (fingerprint, terms, facts, created_at, parent_id, balance_after, lines) = columns[8:15]
    return DecidedRow(
        owner_id=owner_id,
        idempotency_key=key,
        transaction_id=transaction_id,
        seq=seq,
        type=TransactionType(type_),
        outcome=Outcome(outcome),
        asset_type_id=asset_type_id or 0,
        amount=amount or 0,
        fingerprint=fingerprint,
        terms=terms,
        facts=facts,
        created_at=created_at,
        balance_after=balance_after,
        lines=tuple(
            LotUse(lot_id=lot_id, kind=LotKind(kind), amount=used, expires_at=expires_at)
            for lot_id, kind, used, expires_at in lines
        ),
        parent_id=parent_id,
    )
