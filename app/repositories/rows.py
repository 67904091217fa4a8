"""Rows as records, built from their columns in the one order in which all statements name them."""

from typing import Any

from app.domain.records import (
    AccountRow,
    AccountStatus,
    AssetStatus,
    AssetType,
    DecidedRow,
    HoldPart,
    HoldRow,
    HoldStatus,
    Limits,
    LotKind,
    LotRow,
    LotUse,
    Outcome,
    TransactionType,
)

# Enum(value) takes twenty times as long, and a unit of work reads thousands of rows.
_LOT_KINDS = {each.value: each for each in LotKind}
_ACCOUNT_STATUSES = {each.value: each for each in AccountStatus}
_HOLD_STATUSES = {each.value: each for each in HoldStatus}


def account_row(columns: Any) -> AccountRow:  # noqa: ANN401 - asyncpg's records are untyped
    """Build an account."""
    account_id, bucket, external_user_id, status, *others = columns
    return AccountRow(account_id, bucket, external_user_id, _ACCOUNT_STATUSES[status], *others)


def lot_row(columns: Any) -> LotRow:  # noqa: ANN401
    """Build a lot."""
    lot_id, owner_id, asset_type_id, seq, kind, *others = columns
    return LotRow(lot_id, owner_id, asset_type_id, seq, _LOT_KINDS[kind], *others)


def hold_row(columns: Any) -> HoldRow:  # noqa: ANN401
    """Build a hold."""
    hold_id, owner_id, asset_type_id, seq, amount, captured, deadline, status, *arrays = columns
    known, parts = _HOLD_STATUSES[status], tuple(map(HoldPart, *arrays))
    return HoldRow(hold_id, owner_id, asset_type_id, seq, amount, captured, deadline, known, parts)


def shared_lot(row: Any) -> LotRow:  # noqa: ANN401
    """Build a lot from the columns that all kinds of things share, see load_owners.sql."""
    return lot_row(row[1:14])


def shared_hold(row: Any) -> HoldRow:  # noqa: ANN401
    """Build a hold from the columns that all kinds of things share, see load_owners.sql."""
    hold_id, owner_id, asset_type_id, seq, status, _, deadline, amount, captured = row[1:10]
    known, parts = _HOLD_STATUSES[status], tuple(map(HoldPart, *row[14:17]))
    return HoldRow(hold_id, owner_id, asset_type_id, seq, amount, captured, deadline, known, parts)


def decided_row(columns: Any) -> DecidedRow:  # noqa: ANN401
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
        lines=tuple(LotUse(lot_id, _LOT_KINDS[kind], used, expires_at) for lot_id, kind, used, expires_at in lines),
        parent_id=parent_id,
    )


def asset_type(columns: Any) -> AssetType:  # noqa: ANN401
    """Build an asset type with its policy."""
    asset_type_id, code, name, scale, status, default_expiry_days, hold_seconds, *limits = columns
    amount_min, amount_max, balance_max, daily_spend_max, daily_credit_max = limits
    return AssetType(
        id=asset_type_id,
        code=code,
        name=name,
        scale=scale,
        status=AssetStatus(status),
        default_expiry_days=default_expiry_days,
        hold_seconds=hold_seconds,
        limits=Limits(
            amount_min=amount_min,
            amount_max=amount_max,
            balance_max=balance_max,
            daily_spend_max=daily_spend_max,
            daily_credit_max=daily_credit_max,
        ),
    )
