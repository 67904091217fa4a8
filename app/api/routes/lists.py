"""What there is: accounts, balances of many users, and the lots and holds of one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, TypeAdapter

from app.api.answers import json_response
from app.api.command_building import named_asset
from app.api.dependencies import PathHold, PathUser
from app.api.documented import PAGED, PROBLEMS_PAGE, PROBLEMS_PAGE_OF_USER, PROBLEMS_READ, PROBLEMS_READ_MANY, needs
from app.api.filters import wanted_asset
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.listing_answers import balance_result, listed_account_members, listed_hold_members, listed_lot_members
from app.api.paging import PAGE_DEFAULT, List
from app.domain.api_keys import Scope
from app.domain.records import AccountStatus, HoldStatus, LotKind
from app.domain.shown import BurnPosition
from app.schemas.fields import AssetCode, NamePrefix, PageLimit, PlainText, PositionNumber, Priority, QueryAssetTypeId
from app.schemas.lists import (
    AccountPageResponse,
    BalancesRequest,
    BalancesResponse,
    HoldPageResponse,
    ListedHoldResponse,
    LotPageResponse,
)
from app.services.turns import in_turns

router = APIRouter(prefix=BASE_PATH, tags=["lists"], route_class=LedgerRoute)

_USER = "/wallets/users/{external_user_id}"
_ACCOUNTS: List[str] = List("accounts", TypeAdapter(PlainText))
_LOTS: List[BurnPosition] = List(
    "lots", TypeAdapter(tuple[Priority, AwareDatetime | None, LotKind, PositionNumber, UUID])
)
_HOLDS: List[int] = List("holds", TypeAdapter(PositionNumber))


@router.get(
    "/wallets/users",
    operation_id="list_accounts",
    response_model=AccountPageResponse,
    responses=PAGED | PROBLEMS_PAGE,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def list_accounts(
    request: LedgerRequest,
    prefix: Annotated[NamePrefix | None, Query(description="Only users whose ids begin with this.")] = None,
    status: Annotated[AccountStatus | None, Query(description="Only accounts in this state.")] = None,
    limit: Annotated[PageLimit, Query(description="How many at most.")] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """The accounts of all users, in the order of the bytes of their ids.

    An account that was erased has lost its user's id. It is left out where a `prefix` is given.
    """
    pages = _ACCOUNTS.under(prefix=prefix, status=status)
    page = await request.services.listings.accounts(
        prefix=prefix, status=status, after=pages.after(cursor), limit=limit
    )
    return pages.response(request, page, [listed_account_members(each) for each in page.items])


@router.post(
    "/balances",
    operation_id="get_balances",
    response_model=BalancesResponse,
    responses=PROBLEMS_READ_MANY,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def get_balances(request: LedgerRequest, body: BalancesRequest) -> Response:
    """What up to 1,000 users have of one kind of credit.

    Each has its own result, in order: an unknown user is a problem of its own and keeps the others from nothing.
    """
    request.give_up_room()  # nothing will be booked
    asset = await named_asset(request.services.catalogue, body.asset_type_id, body.asset_code)
    users = body.external_user_ids
    balances = await request.services.wallets.balances(users, asset.id)
    pairs = list(zip(users, balances, strict=True))
    results = [balance_result(user, balance, asset) async for some in in_turns(pairs) for user, balance in some]
    return json_response({"data": results})


@router.get(
    f"{_USER}/lots",
    operation_id="list_lots",
    response_model=LotPageResponse,
    responses=PAGED | PROBLEMS_PAGE_OF_USER,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def list_lots(
    request: LedgerRequest,
    user: PathUser,
    asset_type_id: Annotated[QueryAssetTypeId | None, Query(description="Which credits, by number.")] = None,
    asset_code: Annotated[AssetCode | None, Query(description="Which credits, by code; instead of the number.")] = None,
    limit: Annotated[PageLimit, Query(description="How many at most.")] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """The lots that a balance consists of, in the order in which they are spent, exact at this moment.

    A lot past its expiry has only what a hold reserves of it.
    """
    asset = await named_asset(request.services.catalogue, asset_type_id, asset_code)
    pages = _LOTS.under(user=user, asset=asset.id)
    page = await request.services.listings.lots(user, asset.id, after=pages.after(cursor), limit=limit)
    return pages.response(request, page, [listed_lot_members(each, asset) for each in page.items])


@router.get(
    f"{_USER}/holds",
    operation_id="list_holds",
    response_model=HoldPageResponse,
    responses=PAGED | PROBLEMS_PAGE_OF_USER,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def list_holds(
    request: LedgerRequest,
    user: PathUser,
    status: Annotated[HoldStatus | None, Query(description="Only holds in this state.")] = None,
    asset_type_id: Annotated[QueryAssetTypeId | None, Query(description="Only these credits, by number.")] = None,
    asset_code: Annotated[AssetCode | None, Query(description="Only these credits, by code.")] = None,
    limit: Annotated[PageLimit, Query(description="How many at most.")] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """A user's holds, the newest first, exact at this moment: past its deadline an open hold has expired."""
    catalogue = request.services.catalogue
    asset = await wanted_asset(catalogue, asset_type_id, asset_code)
    wanted = None if asset is None else asset.id
    pages = _HOLDS.under(user=user, status=status, asset=wanted)
    page = await request.services.listings.holds(
        user, status=status, asset_type_id=wanted, after=pages.after(cursor), limit=limit
    )
    data = [listed_hold_members(each, await catalogue.by_id(each.hold.asset_type_id)) for each in page.items]
    return pages.response(request, page, data)


@router.get(
    f"{_USER}/holds/{{hold_id}}",
    operation_id="get_hold",
    response_model=ListedHoldResponse,
    responses=PROBLEMS_READ,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def get_hold(request: LedgerRequest, user: PathUser, hold_id: PathHold) -> Response:
    """A hold as it is at this moment."""
    found = await request.services.listings.hold(user, hold_id)
    asset = await request.services.catalogue.by_id(found.hold.asset_type_id)
    return json_response(listed_hold_members(found, asset))
