"""Records to answers: amounts get their scale, times their text."""

import json
from typing import Any

from app.domain.amounts import format_amount
from app.domain.records import AssetType, Balance, Receipt
from app.schemas.fields import rfc3339
from app.schemas.responses import (
    AccountResponse,
    AssetTypeResponse,
    BalanceResponse,
    TransactionResponse,
    WalletResponse,
)
from app.services.account_service import OpenedAccount


def balance_answer(balance: Balance, asset: AssetType) -> BalanceResponse:
    return BalanceResponse(
        account_id=balance.account_id,
        asset_type_id=asset.id,
        asset_code=asset.code,
        balance=format_amount(balance.posted, asset.scale),
        held=format_amount(balance.held, asset.scale),
        available=format_amount(balance.available, asset.scale),
    )


def transaction_answer(receipt: Receipt, asset: AssetType) -> TransactionResponse:
    return TransactionResponse(**transaction_members(receipt, asset))


def transaction_members(receipt: Receipt, asset: AssetType) -> dict[str, Any]:
    """Return the members of a `TransactionResponse`: a batch has a thousand, and spares itself the models."""
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


def account_answer(account: OpenedAccount, assets: dict[int, AssetType]) -> AccountResponse:
    return AccountResponse(
        account_id=account.id,
        external_user_id=account.external_user_id,
        status=account.status.value,
        metadata=json.loads(account.metadata or "{}"),
        wallets=[
            WalletResponse(
                asset_type_id=each.asset_type_id,
                asset_code=assets[each.asset_type_id].code,
                balance=format_amount(each.posted, assets[each.asset_type_id].scale),
                held=format_amount(each.held, assets[each.asset_type_id].scale),
                available=format_amount(each.available, assets[each.asset_type_id].scale),
            )
            for each in account.wallets
        ],
    )


def asset_type_answer(asset: AssetType) -> AssetTypeResponse:
    return AssetTypeResponse(
        asset_type_id=asset.id,
        asset_code=asset.code,
        name=asset.name,
        scale=asset.scale,
        status=asset.status.value,
        default_expiry_days=asset.default_expiry_days,
    )
