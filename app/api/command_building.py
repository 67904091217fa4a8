"""Requests to commands: amounts get smallest units, ids are made up, notes are salted."""

from typing import Any
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
    if isinstance(body, AssetRequest):
        asset = await named_asset(services.catalogue, body.asset_type_id, body.asset_code)
    else:
        asset = await _asset_of_target(services, type_, target, bucket_of(sender.user))
    return _operation(type_, body, asset, sender, target), asset


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
            member, asset = await build_operation(services, TransactionType(each.type), each, within, each.target)
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


async def _asset_of_target(services: Services, type_: TransactionType, target: UUID | None, bucket: int) -> AssetType:
    """Return the asset type of the transaction that a command is about."""
    if target is None:
        raise AssertionError(f"a {type_.value} is about another transaction")
    found = await services.transactions.find([(target, bucket)])
    asset_type_id = found.get(target)
    if asset_type_id is not None:
        return await services.catalogue.by_id(asset_type_id)
    if type_ not in {TransactionType.REFUND, TransactionType.REVERSAL}:
        raise UnknownHold(hold_id=str(target))
    if target not in found:
        raise UnknownTransaction(transaction_id=str(target))
    raise (NotRefundable if type_ is TransactionType.REFUND else NotReversible)(parent_id=str(target))


def _operation(
    type_: TransactionType, body: WriteRequest, asset: AssetType, sender: Sender, target: UUID | None
) -> Operation:
    scale = asset.scale
    match body:
        case CreditRequest():
            common = _common(body, sender)
            return (TopUp if type_ is TransactionType.TOP_UP else Bonus)(
                **common,
                asset_type_id=asset.id,
                amount=parse_amount(body.amount, scale),
                lot_id=new_id(common["bucket"]),
                expires_at=body.expires_at,
                expires_in_days=body.expires_in_days,
                never_expires=body.never_expires,
                priority=body.priority,
                open_account=body.open_account,
            )
        case SpendRequest():
            return Spend(
                **_common(body, sender),
                asset_type_id=asset.id,
                amount=parse_amount(body.amount, scale),
                on_shortfall=OnShortfall(body.on_shortfall),
            )
        case HoldRequest():
            return PlaceHold(
                **_common(body, sender),
                asset_type_id=asset.id,
                amount=parse_amount(body.amount, scale),
                expires_in_seconds=body.expires_in_seconds,
            )
        case AdjustmentRequest():
            common = _common(body, sender, operator=body.operator, reason=body.reason)
            return Adjustment(
                **common,
                asset_type_id=asset.id,
                amount=parse_signed_amount(body.amount, scale),
                lot_id=new_id(common["bucket"]),
                kind=LotKind(body.kind),
            )
    if target is None:
        raise AssertionError(f"a {type_.value} is about another transaction")
    return _about(body, asset, sender, target)


def _about(body: WriteRequest, asset: AssetType, sender: Sender, target: UUID) -> Operation:
    """Build a command that is about an earlier transaction."""
    common = _common(body, sender)
    match body:
        case CaptureRequest():
            return Capture(
                **common,
                asset_type_id=asset.id,
                hold_id=target,
                amount=_amount(body.amount, asset),
                final=body.final,
                on_excess=OnExcess(body.on_excess),
            )
        case ReleaseRequest():
            return Release(**common, asset_type_id=asset.id, hold_id=target)
        case ExtendRequest():
            return Extend(
                **common,
                asset_type_id=asset.id,
                hold_id=target,
                amount=_amount(body.amount, asset),
                expires_in_seconds=body.expires_in_seconds,
            )
        case RefundRequest():
            return Refund(**common, asset_type_id=asset.id, parent_id=target, amount=_amount(body.amount, asset))
        case ReversalRequest():
            return Reversal(
                **common, asset_type_id=asset.id, parent_id=target, on_shortfall=OnShortfall(body.on_shortfall)
            )
        case _:
            raise AssertionError(f"no command for {type(body).__name__}")


def _amount(text: str | None, asset: AssetType) -> int | None:
    return None if text is None else parse_amount(text, asset.scale)


def _common(
    body: WriteRequest, sender: Sender, *, operator: str | None = None, reason: str | None = None
) -> dict[str, Any]:
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
