"""What a user has, and the four calls the service started from."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.access import OPERATION_SCOPES
from app.api.answers import balance_members, json_response
from app.api.command_building import build_group, named_asset
from app.api.dependencies import PathUser
from app.api.documented import IDEMPOTENCY_KEY, PROBLEMS_READ, PROBLEMS_SPEND, PROBLEMS_WRITE, needs
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.writing import execute, operate, sender_of
from app.domain.api_keys import Scope
from app.domain.records import TransactionType
from app.schemas.fields import AssetCode, QueryAssetTypeId
from app.schemas.requests import AdjustmentRequest, CreditRequest, GroupRequest, SpendRequest
from app.schemas.responses import BalanceResponse, GroupResponse, SpendResponse, TransactionResponse

router = APIRouter(prefix=f"{BASE_PATH}/wallets/users/{{external_user_id}}", tags=["wallets"], route_class=LedgerRoute)


@router.get(
    "/balance",
    operation_id="get_balance",
    response_model=BalanceResponse,
    responses=PROBLEMS_READ,
    openapi_extra=needs(Scope.WALLETS_READ),
)
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
    openapi_extra=needs(Scope.CREDITS_WRITE) | IDEMPOTENCY_KEY,
)
async def top_up(request: LedgerRequest, user: PathUser, body: CreditRequest) -> Response:
    """Give a user credits that were bought."""
    return await operate(request, TransactionType.TOP_UP, user, body)


@router.post(
    "/bonus",
    operation_id="bonus",
    response_model=TransactionResponse,
    responses=PROBLEMS_WRITE,
    openapi_extra=needs(Scope.CREDITS_WRITE) | IDEMPOTENCY_KEY,
)
async def bonus(request: LedgerRequest, user: PathUser, body: CreditRequest) -> Response:
    """Give a user credits for free."""
    return await operate(request, TransactionType.BONUS, user, body)


@router.post(
    "/spend",
    operation_id="spend",
    response_model=SpendResponse,
    responses=PROBLEMS_SPEND,
    openapi_extra=needs(Scope.SPEND_WRITE) | IDEMPOTENCY_KEY,
)
async def spend(request: LedgerRequest, user: PathUser, body: SpendRequest) -> Response:
    """Take credits: by priority, then the soonest to expire, then promo before paid, then the oldest.

    When the credits do not suffice the answer is 402 and nothing is taken, unless `on_shortfall` is `partial`: then
    what there is is taken, and `amount` says how much that was.
    """
    return await operate(request, TransactionType.SPEND, user, body)


@router.post(
    "/adjustments",
    operation_id="adjust",
    response_model=TransactionResponse,
    responses=PROBLEMS_SPEND,
    openapi_extra=needs(Scope.ADJUSTMENTS_WRITE) | IDEMPOTENCY_KEY,
)
async def adjust(request: LedgerRequest, user: PathUser, body: AdjustmentRequest) -> Response:
    """Correct a balance by hand: a positive amount gives credits, a negative one takes them like a spend.

    The reason and the operator's name are kept with it. No limits hold.
    """
    return await operate(request, TransactionType.ADJUSTMENT, user, body)


@router.post(
    "/groups",
    operation_id="execute_group",
    response_model=GroupResponse,
    responses=PROBLEMS_SPEND,
    openapi_extra=needs(*OPERATION_SCOPES) | IDEMPOTENCY_KEY,
)
async def execute_group(request: LedgerRequest, user: PathUser, body: GroupRequest) -> Response:
    """Carry out several operations of this user, all or nothing.

    They are decided in the order given, each on what the ones before have left. When one is refused, all are: the
    answer is its problem, and `operation` says which it was, counted from 0.
    """
    command, assets = await build_group(request.services, body, sender_of(request, user, body))
    return await execute(request, command, assets)
