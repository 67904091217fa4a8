"""Commands as short as they are in tests, in smallest units."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domain.chain import note_digest
from app.domain.commands import (
    Adjustment,
    Bonus,
    BookDue,
    Capture,
    ChangeAccount,
    EraseAccount,
    Extend,
    Group,
    OnExcess,
    OnShortfall,
    Operation,
    PlaceHold,
    Refund,
    Release,
    Reversal,
    Spend,
    TopUp,
)
from app.domain.placement import bucket_of
from app.domain.records import AccountStatus, LotKind, Note
from app.services.ids import new_id

SALT = bytes(range(16))


def top_up(
    user: str,
    amount: int,
    *,
    asset: int = 1,
    key: str | None = None,
    days: int | None = None,
    priority: int = 50,
    note: Note | None = None,
    open_account: bool = False,
) -> TopUp:
    return TopUp(
        **_common(user, key, note),
        lot_id=new_id(bucket_of(user)),
        asset_type_id=asset,
        amount=amount,
        expires_in_days=days,
        priority=priority,
        open_account=open_account,
    )


def bonus(
    user: str, amount: int, *, asset: int = 1, key: str | None = None, days: int | None = None, priority: int = 50
) -> Bonus:
    return Bonus(
        **_common(user, key),
        lot_id=new_id(bucket_of(user)),
        asset_type_id=asset,
        amount=amount,
        expires_in_days=days,
        priority=priority,
    )


def spend(user: str, amount: int, *, asset: int = 1, key: str | None = None, partial: bool = False) -> Spend:
    return Spend(**_common(user, key), asset_type_id=asset, amount=amount, on_shortfall=_on_shortfall(partial=partial))


def hold(user: str, amount: int, *, asset: int = 1, key: str | None = None, seconds: int | None = None) -> PlaceHold:
    return PlaceHold(**_common(user, key), asset_type_id=asset, amount=amount, expires_in_seconds=seconds)


def capture(
    user: str,
    hold_id: UUID,
    amount: int | None = None,
    *,
    asset: int = 1,
    key: str | None = None,
    final: bool = True,
    from_available: bool = False,
) -> Capture:
    return Capture(
        **_common(user, key),
        asset_type_id=asset,
        amount=amount,
        hold_id=hold_id,
        final=final,
        on_excess=OnExcess.FROM_AVAILABLE if from_available else OnExcess.REFUSE,
    )


def release(user: str, hold_id: UUID, *, asset: int = 1, key: str | None = None) -> Release:
    return Release(**_common(user, key), asset_type_id=asset, hold_id=hold_id)


def extend(
    user: str,
    hold_id: UUID,
    amount: int | None = None,
    *,
    asset: int = 1,
    key: str | None = None,
    seconds: int | None = None,
) -> Extend:
    return Extend(**_common(user, key), asset_type_id=asset, amount=amount, hold_id=hold_id, expires_in_seconds=seconds)


def refund(user: str, parent_id: UUID, amount: int | None = None, *, asset: int = 1, key: str | None = None) -> Refund:
    return Refund(**_common(user, key), asset_type_id=asset, amount=amount, parent_id=parent_id)


def reversal(user: str, parent_id: UUID, *, asset: int = 1, key: str | None = None, partial: bool = False) -> Reversal:
    return Reversal(
        **_common(user, key), asset_type_id=asset, parent_id=parent_id, on_shortfall=_on_shortfall(partial=partial)
    )


def adjustment(
    user: str,
    amount: int,
    *,
    asset: int = 1,
    key: str | None = None,
    kind: LotKind = LotKind.PROMO,
    note: Note | None = None,
) -> Adjustment:
    return Adjustment(
        **_common(user, key, note), lot_id=new_id(bucket_of(user)), asset_type_id=asset, amount=amount, kind=kind
    )


def group(user: str, *members: Operation, key: str | None = None) -> Group:
    return Group(**_common(user, key), members=members)


def change_account(
    user: str,
    *,
    status: AccountStatus | None = None,
    limits: Mapping[int, Mapping[str, int | None]] | None = None,
    key: str | None = None,
    note: Note | None = None,
) -> ChangeAccount:
    return ChangeAccount(**_common(user, key, note), status=status, limits=limits or {})


def erase_account(user: str, *, key: str | None = None, note: Note | None = None) -> EraseAccount:
    return EraseAccount(**_common(user, key, note))


def book_due(user: str) -> BookDue:
    return BookDue(**_common(user, None))


def note(
    *, reference: str | None = None, metadata: str | None = None, operator: str | None = None, reason: str | None = None
) -> Note:
    texts: dict[str, Any] = {"reference": reference, "metadata": metadata, "operator": operator, "reason": reason}
    return Note(**texts, salt=SALT, digest=note_digest(salt=SALT, **texts))


def _common(user: str, key: str | None, note: Note | None = None) -> dict[str, Any]:
    bucket = bucket_of(user)
    return {
        "transaction_id": new_id(bucket),
        "external_user_id": user,
        "bucket": bucket,
        "actor": "test",
        "idempotency_key": key,
        "note": note,
    }


def _on_shortfall(*, partial: bool) -> OnShortfall:
    return OnShortfall.PARTIAL if partial else OnShortfall.REFUSE
