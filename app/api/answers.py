"""Records to answers: amounts get their scale, times their text.

The answers are written as JSON directly: their models are for the OpenAPI document, and a test holds the two together.
"""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from app.domain.amounts import format_amount
from app.domain.records import AssetType, Balance, Receipt
from app.schemas.fields import rfc3339
from app.services.account_service import AccountView


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


def transaction_members(receipt: Receipt, asset: AssetType) -> dict[str, Any]:
    """Return the members of a `TransactionResponse`."""
    scale = asset.scale
    return {
        "transaction_id": str(receipt.transaction_id),
        "type": receipt.type.value,
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
        "lots": [
            {
                "lot_id": str(each.lot_id),
                "kind": each.kind.value,
                "amount": format_amount(each.amount, scale),
                "expires_at": None if each.expires_at is None else rfc3339(each.expires_at),
            }
            for each in receipt.lots
        ],
    }


def account_members(account: AccountView, assets: Mapping[int, AssetType]) -> dict[str, Any]:
    """Return the members of an `AccountResponse`."""
    return {
        "account_id": account.id,
        "external_user_id": account.external_user_id,
        "status": account.status.value,
        "metadata": json.loads(account.metadata or "{}"),
        "wallets": [_wallet_members(each, assets[each.asset_type_id]) for each in account.wallets],
    }


def asset_type_members(asset: AssetType) -> dict[str, Any]:
    """Return the members of an `AssetTypeResponse`."""
    return {
        "asset_type_id": asset.id,
        "asset_code": asset.code,
        "name": asset.name,
        "scale": asset.scale,
        "status": asset.status.value,
        "default_expiry_days": asset.default_expiry_days,
    }
