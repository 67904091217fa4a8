"""Records to answers: amounts get their scale, times their text."""

import json

from app.domain.amounts import format_amount
from app.domain.records import AssetType, Balance, LotUse, Receipt
from app.schemas.fields import rfc3339
from app.schemas.responses import (
    AccountResponse,
    AssetTypeResponse,
    BalanceResponse,
    LotResponse,
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
    scale = asset.scale
    return TransactionResponse(
        transaction_id=str(receipt.transaction_id),
        type=receipt.type.value,
        account_id=receipt.balance.account_id,
        asset_type_id=asset.id,
        asset_code=asset.code,
        amount=format_amount(receipt.amount, scale),
        new_balance=format_amount(receipt.balance.posted, scale),
        balance_after=format_amount(receipt.balance_after, scale),
        available=format_amount(receipt.balance.available, scale),
        held=format_amount(receipt.balance.held, scale),
        seq=receipt.seq,
        created_at=rfc3339(receipt.created_at),
        replayed=receipt.replayed,
        lots=[_lot_answer(each, scale) for each in receipt.lots],
    )


def _lot_answer(use: LotUse, scale: int) -> LotResponse:
    return LotResponse(
        lot_id=str(use.lot_id),
        kind=use.kind.value,
        amount=format_amount(use.amount, scale),
        expires_at=None if use.expires_at is None else rfc3339(use.expires_at),
    )


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
