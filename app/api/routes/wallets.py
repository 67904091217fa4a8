"""The four calls the service started from, and opening an account."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from app.api.answers import account_members, balance_members, json_response, transaction_members
from app.api.command_building import build_credit, build_spend, named_asset
from app.api.dependencies import PathUser
from app.api.documented import IDEMPOTENCY_KEY, PROBLEMS_OPEN, PROBLEMS_READ, PROBLEMS_SPEND, PROBLEMS_WRITE
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.domain.commands import Bonus, Command, TopUp
from app.domain.records import AssetType
from app.schemas.fields import AssetCode, QueryAssetTypeId
from app.schemas.requests import CreditRequest, OpenAccountRequest, SpendRequest
from app.schemas.responses import AccountResponse, BalanceResponse, TransactionResponse
from app.services.account_service import AccountView

router = APIRouter(prefix=f"{BASE_PATH}/wallets/users/{{external_user_id}}", tags=["wallets"], route_class=LedgerRoute)


@router.get("/balance", operation_id="get_balance", response_model=BalanceResponse, responses=PROBLEMS_READ)
async def get_balance(
    request: LedgerRequest,
    user: PathUser,
    asset_type_id: Annotated[QueryAssetTypeId | None, Query(description="Which credits, by number.")] = None,
    asset_code: Annotated[AssetCode | None, Query(description="Which credits, by code; instead of the number.")] = None,
) -> Response:
    """What a user has of one kind of credit.

    Every write that was answered before this call was sent is in it. A user without a wallet in this asset type has
    zero.
    """
    asset = await named_asset(request.services.catalogue, asset_type_id, asset_code)
    balance = await request.services.wallets.balance(user, asset.id)
    return json_response(balance_members(balance, asset))


@router.post(
    "/top-up",
    operation_id="top_up",
    response_model=TransactionResponse,
    responses=PROBLEMS_WRITE,
    openapi_extra=IDEMPOTENCY_KEY,
)
async def top_up(request: LedgerRequest, user: PathUser, body: CreditRequest) -> Response:
    """Give a user credits that were bought."""
    return await _credit(TopUp, request, user, body)


@router.post(
    "/bonus",
    operation_id="bonus",
    response_model=TransactionResponse,
    responses=PROBLEMS_WRITE,
    openapi_extra=IDEMPOTENCY_KEY,
)
async def bonus(request: LedgerRequest, user: PathUser, body: CreditRequest) -> Response:
    """Give a user credits for free."""
    return await _credit(Bonus, request, user, body)


@router.post(
    "/spend",
    operation_id="spend",
    response_model=TransactionResponse,
    responses=PROBLEMS_SPEND,
    openapi_extra=IDEMPOTENCY_KEY,
)
async def spend(request: LedgerRequest, user: PathUser, body: SpendRequest) -> Response:
    """Take credits, all or nothing: by priority, then the soonest to expire, then promo before paid, then the oldest.

    When the credits do not suffice the answer is 402 and nothing is taken.
    """
    key = request.idempotency_key(body.idempotency_key)
    asset = await named_asset(request.services.catalogue, body.asset_type_id, body.asset_code)
    command = build_spend(body, user=user, asset=asset, key=key, actor=request.actor)
    return await _executed(request, command, asset)


OPENED: dict[int | str, dict[str, Any]] = {201: {"description": "Opened", "model": AccountResponse}}


@router.put("", operation_id="open_account", response_model=AccountResponse, responses=OPENED | PROBLEMS_OPEN)
async def open_account(request: LedgerRequest, user: PathUser, body: OpenAccountRequest | None = None) -> Response:
    """Open an account for a user: 201 when it is opened, 200 when it was there. Metadata, where given, is replaced."""
    account, opened = await request.services.accounts.open(user, None if body is None else body.metadata)
    return await _account_response(request, account, status=201 if opened else 200)


@router.get("", operation_id="get_account", response_model=AccountResponse, responses=PROBLEMS_READ)
async def get_account(request: LedgerRequest, user: PathUser) -> Response:
    """An account, with what all its wallets have now."""
    return await _account_response(request, await request.services.accounts.show(user))


async def _account_response(request: LedgerRequest, account: AccountView, *, status: int = 200) -> Response:
    catalogue = request.services.catalogue
    assets = {each.asset_type_id: await catalogue.by_id(each.asset_type_id) for each in account.wallets}
    return json_response(account_members(account, assets), status=status)


async def _credit(kind: type[TopUp | Bonus], request: LedgerRequest, user: str, body: CreditRequest) -> Response:
    key = request.idempotency_key(body.idempotency_key)
    asset = await named_asset(request.services.catalogue, body.asset_type_id, body.asset_code)
    command = build_credit(kind, body, user=user, asset=asset, key=key, actor=request.actor)
    return await _executed(request, command, asset)


async def _executed(request: LedgerRequest, command: Command, asset: AssetType) -> Response:
    receipt = await request.execute(command)
    headers = {"Idempotent-Replayed": "true"} if receipt.replayed else None
    return json_response(transaction_members(receipt, asset), headers=headers)
