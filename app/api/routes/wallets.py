"""The four calls the service started from, and opening an account."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from app.api.answers import account_answer, balance_answer, transaction_answer
from app.api.command_building import build_credit, build_spend, named_asset
from app.api.dependencies import Actor, GivenServices, HeaderKey, PathUser, Services, one_key
from app.api.documented import PROBLEMS_READ, PROBLEMS_SPEND, PROBLEMS_WRITE
from app.api.exact_json import BASE_PATH, LedgerRoute
from app.domain.commands import Bonus, Command, TopUp
from app.domain.records import AssetType
from app.schemas.fields import AssetCode, AssetTypeId
from app.schemas.requests import CreditRequest, OpenAccountRequest, SpendRequest
from app.schemas.responses import AccountResponse, BalanceResponse, TransactionResponse

router = APIRouter(prefix=f"{BASE_PATH}/wallets/users/{{external_user_id}}", tags=["wallets"], route_class=LedgerRoute)


@router.get("/balance", operation_id="get_balance", responses=PROBLEMS_READ)
async def get_balance(
    services: GivenServices,
    user: PathUser,
    response: Response,
    asset_type_id: Annotated[AssetTypeId | None, Query(description="Which credits, by number.")] = None,
    asset_code: Annotated[AssetCode | None, Query(description="Which credits, by code; instead of the number.")] = None,
) -> BalanceResponse:
    """What a user has of one kind of credit.

    Every write that was answered before this call was sent is in it. A user without a wallet in this asset type has
    zero.
    """
    asset = await named_asset(services.catalogue, asset_type_id, asset_code)
    balance = await services.wallets.balance(user, asset.id)
    response.headers["Cache-Control"] = "no-store"
    return balance_answer(balance, asset)


@router.post("/top-up", operation_id="top_up", responses=PROBLEMS_WRITE)
async def top_up(
    services: GivenServices, user: PathUser, actor: Actor, key: HeaderKey, body: CreditRequest, response: Response
) -> TransactionResponse:
    """Give a user credits that were bought."""
    asset = await named_asset(services.catalogue, body.asset_type_id, body.asset_code)
    key = one_key(key, body.idempotency_key)
    command = build_credit(TopUp, body, user=user, asset=asset, key=key, actor=actor)
    return await _executed(services, command, asset, response)


@router.post("/bonus", operation_id="bonus", responses=PROBLEMS_WRITE)
async def bonus(
    services: GivenServices, user: PathUser, actor: Actor, key: HeaderKey, body: CreditRequest, response: Response
) -> TransactionResponse:
    """Give a user credits for free."""
    asset = await named_asset(services.catalogue, body.asset_type_id, body.asset_code)
    key = one_key(key, body.idempotency_key)
    command = build_credit(Bonus, body, user=user, asset=asset, key=key, actor=actor)
    return await _executed(services, command, asset, response)


@router.post("/spend", operation_id="spend", responses=PROBLEMS_SPEND)
async def spend(
    services: GivenServices, user: PathUser, actor: Actor, key: HeaderKey, body: SpendRequest, response: Response
) -> TransactionResponse:
    """Take credits, all or nothing: by priority, then the soonest to expire, then promo before paid, then the oldest.

    When the credits do not suffice the answer is 402 and nothing is taken.
    """
    asset = await named_asset(services.catalogue, body.asset_type_id, body.asset_code)
    key = one_key(key, body.idempotency_key)
    return await _executed(services, build_spend(body, user=user, asset=asset, key=key, actor=actor), asset, response)


OPENED: dict[int | str, dict[str, Any]] = {201: {"description": "Opened", "model": AccountResponse}}


@router.put("", operation_id="open_account", tags=["accounts"], responses=OPENED | PROBLEMS_WRITE)
async def open_account(
    services: GivenServices,
    user: PathUser,
    response: Response,
    body: OpenAccountRequest | None = None,
) -> AccountResponse:
    """Open an account for a user: 201 when it is opened, 200 when it was there. Metadata, where given, is replaced."""
    account = await services.accounts.open(user, None if body is None else body.metadata)
    assets = {each.asset_type_id: await services.catalogue.by_id(each.asset_type_id) for each in account.wallets}
    response.status_code = 201 if account.opened else 200
    return account_answer(account, assets)


async def _executed(services: Services, command: Command, asset: AssetType, response: Response) -> TransactionResponse:
    receipt = await services.wallets.execute(command)
    if receipt.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return transaction_answer(receipt, asset)
