"""Requests to commands: amounts get smallest units, ids are made up, notes are salted."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast
from uuid import UUID

from app.api.access import SCOPE_OF, Caller
from app.api.dependencies import Services
from app.api.limits import given_limits
from app.domain.amounts import parse_amount, parse_signed_amount
from app.domain.commands import (
    Adjustment,
    Bonus,
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
from app.domain.errors import (
    AssetAmbiguous,
    FieldInvalid,
    NotRefundable,
    NotReversible,
    UnknownHold,
    UnknownTransaction,
    WalletError,
)
from app.domain.placement import bucket_of
from app.domain.record import record
from app.domain.records import AccountStatus, AssetType, LotKind, TransactionType
from app.schemas.requests import (
    AdjustmentRequest,
    AssetRequest,
    CaptureRequest,
    ChangeAccountRequest,
    CreditRequest,
    ExtendRequest,
    GroupRequest,
    HoldRequest,
    RefundRequest,
    ReleaseRequest,
    ReversalRequest,
    SpendRequest,
    WriteRequest,
)
from app.services.catalogue import Catalogue
from app.services.ids import new_id
from app.services.notes import new_note

TYPES = {each.value: each for each in TransactionType}
_ON_SHORTFALL = {each.value: each for each in OnShortfall}
"""Enum(value) takes twenty times as long, and a batch has a thousand."""


@record
class Sender:
    """Whom a write concerns, who sends it, and under which key."""

    user: str
    caller: Caller
    key: str | None


async def named_asset(catalogue: Catalogue, asset_type_id: int | None, asset_code: str | None) -> AssetType:
    """Return the asset type that a request names.

    Raises:
        AssetAmbiguous: it names none, or one in two ways.
        UnknownAssetType: there is no such asset type.
    """
    if asset_type_id is not None and asset_code is None:
        return await catalogue.by_id(asset_type_id)
    if asset_code is not None and asset_type_id is None:
        return await catalogue.by_code(asset_code)
    raise AssetAmbiguous


async def build_operation(
    services: Services,
    type_: TransactionType,
    body: WriteRequest,
    sender: Sender,
    target: UUID | None = None,
) -> tuple[Operation, AssetType]:
    """Build the command that a request asks for, and return it with the asset type that its amounts are in.

    Raises:
        WalletError: the sender may not ask for it, or it can't be built; the error says what is wrong.
    """
    sender.caller.expect(SCOPE_OF[type_])
    if target is not None:
        asset = await _asset_of_target(services, type_, target, bucket_of(sender.user))
        return _BUILDERS_ABOUT[type_](body, asset, sender, target), asset
    named = cast("AssetRequest", body)
    asset = await named_asset(services.catalogue, named.asset_type_id, named.asset_code)
    return _BUILDERS[type_](body, asset, sender), asset


async def build_group(services: Services, body: GroupRequest, sender: Sender) -> tuple[Group, dict[int, AssetType]]:
    """Build a group, and return it with the asset types that its amounts are in.

    Raises:
        WalletError: one of its operations can't be built; `operation` says which, counted from 0.
    """
    members: list[Operation] = []
    assets: dict[int, AssetType] = {}
    within = Sender(user=sender.user, caller=sender.caller, key=None)
    for number, each in enumerate(body.operations):
        try:
            if each.idempotency_key is not None or each.dry_run:
                name = "dry_run" if each.dry_run else "idempotency_key"
                raise FieldInvalid(field=name, reason="it is the group's, not an operation's")
            member, asset = await build_operation(services, TYPES[each.type], each, within, each.target)
        except WalletError as error:
            error.facts["operation"] = number
            raise
        members.append(member)
        assets[asset.id] = asset
    return Group(**_common(body, sender), members=tuple(members)), assets


async def build_account_change(services: Services, body: ChangeAccountRequest, sender: Sender) -> ChangeAccount:
    """Build a change of an account.

    Raises:
        UnknownAssetType: a limit names one.
        RequestValidationError: a limit can't be read.
    """
    limits: dict[int, dict[str, int | None]] = {}
    for code, changes in (body.limits or {}).items():
        asset = await services.catalogue.by_code(code)
        limits[asset.id] = given_limits(changes, asset.scale, place=("limits", code))
    return ChangeAccount(
        **_common(body, sender, operator=body.operator, reason=body.reason),
        status=None if body.status is None else AccountStatus(body.status),
        limits=limits,
    )


def build_erasure(sender: Sender, *, dry_run: bool) -> EraseAccount:
    """Build the command that erases an account's name. It has no key: after it nobody has an account of this name."""
    bucket = bucket_of(sender.user)
    return EraseAccount(
        transaction_id=new_id(bucket),
        external_user_id=sender.user,
        bucket=bucket,
        actor=sender.caller.actor,
        dry_run=dry_run,
    )


async def _asset_of_target(services: Services, type_: TransactionType, target: UUID, bucket: int) -> AssetType:
    """Return the asset type of the transaction that a command is about."""
    found = await services.transactions.find([(target, bucket)])
    asset_type_id = found.get(target)
    if asset_type_id is not None:
        return await services.catalogue.by_id(asset_type_id)
    if type_ not in {TransactionType.REFUND, TransactionType.REVERSAL}:
        raise UnknownHold(hold_id=str(target))
    if target not in found:
        raise UnknownTransaction(transaction_id=str(target))
    raise (NotRefundable if type_ is TransactionType.REFUND else NotReversible)(parent_id=str(target))


# -- one builder a kind of operation -----------------------------------------------------------------------------------


def _credit(kind: type[TopUp | Bonus], body: CreditRequest, asset: AssetType, sender: Sender) -> Operation:
    return kind(
        **_common(body, sender),
        asset_type_id=asset.id,
        amount=parse_amount(body.amount, asset.scale),
        lot_id=new_id(bucket_of(sender.user)),
        expires_at=body.expires_at,
        expires_in_days=body.expires_in_days,
        never_expires=body.never_expires,
        priority=body.priority,
        open_account=body.open_account,
    )


def _spend(body: SpendRequest, asset: AssetType, sender: Sender) -> Operation:
    return Spend(
        **_common(body, sender),
        asset_type_id=asset.id,
        amount=parse_amount(body.amount, asset.scale),
        on_shortfall=_ON_SHORTFALL[body.on_shortfall],
    )


def _hold(body: HoldRequest, asset: AssetType, sender: Sender) -> Operation:
    return PlaceHold(
        **_common(body, sender),
        asset_type_id=asset.id,
        amount=parse_amount(body.amount, asset.scale),
        expires_in_seconds=body.expires_in_seconds,
    )


def _adjustment(body: AdjustmentRequest, asset: AssetType, sender: Sender) -> Operation:
    return Adjustment(
        **_common(body, sender, operator=body.operator, reason=body.reason),
        asset_type_id=asset.id,
        amount=parse_signed_amount(body.amount, asset.scale),
        lot_id=new_id(bucket_of(sender.user)),
        kind=LotKind(body.kind),
    )


def _capture(body: CaptureRequest, asset: AssetType, sender: Sender, hold_id: UUID) -> Operation:
    return Capture(
        **_common(body, sender),
        asset_type_id=asset.id,
        hold_id=hold_id,
        amount=_amount(body.amount, asset),
        final=body.final,
        on_excess=OnExcess(body.on_excess),
    )


def _release(body: ReleaseRequest, asset: AssetType, sender: Sender, hold_id: UUID) -> Operation:
    return Release(**_common(body, sender), asset_type_id=asset.id, hold_id=hold_id)


def _extend(body: ExtendRequest, asset: AssetType, sender: Sender, hold_id: UUID) -> Operation:
    return Extend(
        **_common(body, sender),
        asset_type_id=asset.id,
        hold_id=hold_id,
        amount=_amount(body.amount, asset),
        expires_in_seconds=body.expires_in_seconds,
    )


def _refund(body: RefundRequest, asset: AssetType, sender: Sender, parent_id: UUID) -> Operation:
    return Refund(
        **_common(body, sender), asset_type_id=asset.id, parent_id=parent_id, amount=_amount(body.amount, asset)
    )


def _reversal(body: ReversalRequest, asset: AssetType, sender: Sender, parent_id: UUID) -> Operation:
    return Reversal(
        **_common(body, sender),
        asset_type_id=asset.id,
        parent_id=parent_id,
        on_shortfall=_ON_SHORTFALL[body.on_shortfall],
    )


_BUILDERS: Mapping[TransactionType, Callable[[Any, AssetType, Sender], Operation]] = {
    TransactionType.TOP_UP: partial(_credit, TopUp),
    TransactionType.BONUS: partial(_credit, Bonus),
    TransactionType.SPEND: _spend,
    TransactionType.HOLD: _hold,
    TransactionType.ADJUSTMENT: _adjustment,
}
_BUILDERS_ABOUT: Mapping[TransactionType, Callable[[Any, AssetType, Sender, UUID], Operation]] = {
    TransactionType.CAPTURE: _capture,
    TransactionType.RELEASE: _release,
    TransactionType.EXTEND: _extend,
    TransactionType.REFUND: _refund,
    TransactionType.REVERSAL: _reversal,
}
"""Those of commands about an earlier transaction."""


def _amount(text: str | None, asset: AssetType) -> int | None:
    return None if text is None else parse_amount(text, asset.scale)


def _common(
    body: WriteRequest, sender: Sender, *, operator: str | None = None, reason: str | None = None
) -> dict[str, Any]:
    """Return the members that every command has."""
    bucket = bucket_of(sender.user)
    return {
        "transaction_id": new_id(bucket),
        "external_user_id": sender.user,
        "bucket": bucket,
        "actor": sender.caller.actor,
        "idempotency_key": sender.key,
        "note": new_note(reference=body.reference, metadata=body.metadata, operator=operator, reason=reason),
        "dry_run": body.dry_run,
    }
