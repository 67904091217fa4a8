"""Records to answers: amounts get their scale, times their text.

The answers are written as JSON directly: their models are for the OpenAPI document, and a test holds the two together.
"""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from app.domain.amounts import format_amount
from app.domain.chain import moment
from app.domain.placement import is_system_account
from app.domain.records import (
    AnyReceipt,
    AssetType,
    Balance,
    ChangeReceipt,
    GroupReceipt,
    Receipt,
    TransactionType,
)
from app.schemas.fields import rfc3339
from app.services.account_service import AccountView

GIVING_TYPES = frozenset({TransactionType.TOP_UP, TransactionType.BONUS, TransactionType.ADJUSTMENT})


def json_response(body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Send `body` as compact JSON."""
    return Response(
        to_json(body),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )


def balance_members(balance: Balance, asset: AssetType) -> dict[str, Any]:
    """Return the members of a `BalanceResponse`."""
    return {"account_id": balance.account_id, **_wallet_members(balance, asset)}


def _wallet_members(balance: Balance, asset: AssetType) -> dict[str, Any]:
    return {
        "asset_type_id": asset.id,
        "asset_code": asset.code,
        "balance": format_amount(balance.posted, asset.scale),
        "held": format_amount(balance.held, asset.scale),
        "available": format_amount(balance.available, asset.scale),
    }


def receipt_members(receipt: AnyReceipt, assets: Mapping[int, AssetType], *, dry_run: bool) -> dict[str, Any]:
    """Return the members of the answer to a write: those that its kind of operation has beside the usual."""
    match receipt:
        case Receipt():
            members = transaction_members(receipt, assets[receipt.balance.asset_type_id])
            return members | _of_no_transaction(members) if dry_run else members
        case GroupReceipt():
            members = _decided_members(receipt, "group", receipt.account_id, dry_run=dry_run)
            results = [
                {"status": success_status(each), **receipt_members(each, assets, dry_run=dry_run)}
                for each in receipt.members
            ]
            return members | {"group_id": members["transaction_id"], "results": results}
        case ChangeReceipt():
            return _decided_members(receipt, "account_change", receipt.account_id, dry_run=dry_run)


def success_status(receipt: AnyReceipt) -> int:
    """Return the HTTP status of an answer: a hold is something new, with an address of its own."""
    return 201 if isinstance(receipt, Receipt) and receipt.type is TransactionType.HOLD else 200


def transaction_members(receipt: Receipt, asset: AssetType) -> dict[str, Any]:
    """Return the members of a `TransactionResponse`, and those that its kind of operation has beside them."""
    scale = asset.scale
    members: dict[str, Any] = {
        "transaction_id": str(receipt.transaction_id),
        "type": str(receipt.type),
        "account_id": receipt.balance.account_id,
        "asset_type_id": asset.id,
        "asset_code": asset.code,
        "amount": format_amount(receipt.amount, scale),
        "new_balance": format_amount(receipt.balance.posted, scale),
        "balance_after": format_amount(receipt.balance_after, scale),
        "available": format_amount(receipt.balance.available, scale),
        "held": format_amount(receipt.balance.held, scale),
        "seq": receipt.seq,
        "created_at": rfc3339(receipt.created_at),
        "replayed": receipt.replayed,
        "dry_run": False,
        "lots": [
            {
                "lot_id": str(each.lot_id),
                "kind": str(each.kind),
                "amount": format_amount(each.amount, scale),
                "expires_at": None if each.expires_at is None else rfc3339(each.expires_at),
            }
            for each in receipt.lots
        ],
    }
    members.update(_own_members(receipt, members["amount"], scale))
    return members


def _own_members(receipt: Receipt, amount: str, scale: int) -> dict[str, Any]:
    """Return what a kind of operation answers beside the usual."""
    facts = receipt.facts
    match receipt.type:
        case TransactionType.SPEND:
            return {"requested": format_amount(facts["requested"], scale) if facts else amount}
        case TransactionType.HOLD | TransactionType.EXTEND:
            return {
                "hold_id": str(receipt.parent_id or receipt.transaction_id),
                "hold_status": str(facts["hold_status"]),
                "expires_at": rfc3339(moment(facts["deadline"])),
            }
        case TransactionType.CAPTURE:
            return {
                "hold_id": str(receipt.parent_id),
                "hold_status": str(facts["hold_status"]),
                "captured": amount,
                "released": format_amount(facts["released"], scale),
            }
        case TransactionType.RELEASE:
            return {"hold_id": str(receipt.parent_id), "hold_status": str(facts["hold_status"]), "released": amount}
        case TransactionType.REFUND:
            return {
                "parent_id": str(receipt.parent_id),
                "refunded": amount,
                "refundable": format_amount(facts["refundable"], scale),
                "debt_paid": format_amount(facts["debt_paid"], scale),
            }
        case TransactionType.REVERSAL:
            return {
                "parent_id": str(receipt.parent_id),
                "reversed": amount,
                "uncollected": format_amount(facts["uncollected"], scale),
            }
        case _:
            return {}


def _decided_members(
    receipt: GroupReceipt | ChangeReceipt, type_: str, account_id: int, *, dry_run: bool
) -> dict[str, Any]:
    members: dict[str, Any] = {
        "transaction_id": str(receipt.transaction_id),
        "type": type_,
        "account_id": account_id,
        "seq": receipt.seq,
        "created_at": rfc3339(receipt.created_at),
        "replayed": receipt.replayed,
        "dry_run": False,
    }
    return members | _of_no_transaction(members) if dry_run else members


def _of_no_transaction(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is otherwise in the answer to a dry run: ids and numbers that were made up are not shown."""
    if members["replayed"]:
        return {"dry_run": True}
    made_up: dict[str, Any] = {"dry_run": True, "transaction_id": None, "seq": None}
    if members.get("hold_id") == members["transaction_id"]:
        made_up["hold_id"] = None
    if members["type"] in GIVING_TYPES and not members.get("amount", "").startswith("-"):
        made_up["lots"] = [{**each, "lot_id": None} for each in members["lots"]]
    if is_system_account(members["account_id"]):  # an account that would be opened has no number yet
        made_up["account_id"] = None
    return made_up


def account_members(account: AccountView, assets: Mapping[int, AssetType]) -> dict[str, Any]:
    """Return the members of an `AccountResponse`."""
    return {
        "account_id": account.id,
        "external_user_id": account.external_user_id,
        "status": account.status.value,
        "metadata": json.loads(account.metadata or "{}"),
        "limits": _limit_members(account.limits, assets),
        "wallets": [_wallet_members(each, assets[each.asset_type_id]) for each in account.wallets],
    }


def _limit_members(limits: Mapping[int, Mapping[str, int]], assets: Mapping[int, AssetType]) -> dict[str, Any]:
    return {
        assets[asset_type_id].code: {
            name: format_amount(limit, assets[asset_type_id].scale) for name, limit in own.items()
        }
        for asset_type_id, own in limits.items()
    }
