"""What was done: the transactions of a user, and single ones."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import TypeAdapter

from app.api.answers import json_response
from app.api.dependencies import PathTransaction, PathUser
from app.api.documented import PAGED, PROBLEMS_PAGE, PROBLEMS_PAGE_OF_USER, PROBLEMS_READ, needs
from app.api.filters import wanted_asset
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.listing_answers import (
    found_transaction_members,
    listed_transaction_members,
    whole_transaction_members,
)
from app.api.paging import PAGE_DEFAULT, List
from app.domain.api_keys import Scope
from app.domain.records import Outcome, TransactionType
from app.domain.shown import HistoryFilter, OwnerPosition
from app.schemas.fields import (
    AssetCode,
    IdempotencyKey,
    Identifier,
    Moment,
    PageLimit,
    PositionNumber,
    QueryAssetTypeId,
    Reference,
)
from app.schemas.lists import (
    FoundTransactionPageResponse,
    ListedTransactionResponse,
    TransactionPageResponse,
    WholeTransactionResponse,
)

router = APIRouter(prefix=BASE_PATH, tags=["history"], route_class=LedgerRoute)

_USER = "/wallets/users/{external_user_id}"
_TRANSACTIONS: List[int] = List("transactions", TypeAdapter(PositionNumber))
_FOUND: List[OwnerPosition] = List("found", TypeAdapter(tuple[PositionNumber, PositionNumber]))

OutcomeWanted = Literal["posted", "refused", "any"]


@router.get(
    f"{_USER}/transactions",
    operation_id="list_transactions",
    response_model=TransactionPageResponse,
    responses=PAGED | PROBLEMS_PAGE_OF_USER,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def list_transactions(
    request: LedgerRequest,
    user: PathUser,
    type_: Annotated[TransactionType | None, Query(alias="type", description="Only those of this type.")] = None,
    outcome: Annotated[OutcomeWanted, Query(description="Only posted ones, only refused ones, or both.")] = "posted",
    asset_type_id: Annotated[QueryAssetTypeId | None, Query(description="Only these credits, by number.")] = None,
    asset_code: Annotated[AssetCode | None, Query(description="Only these credits, by code.")] = None,
    since: Annotated[Moment | None, Query(alias="from", description="Only those booked at this time or later.")] = None,
    before: Annotated[Moment | None, Query(alias="to", description="Only those booked before this time.")] = None,
    reference: Annotated[Reference | None, Query(description="Only those with this reference.")] = None,
    group_id: Annotated[Identifier | None, Query(description="Only this group: its header and its members.")] = None,
    limit: Annotated[PageLimit, Query(description="How many at most.")] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """What was booked for a user, the newest first.

    The header of a group stands only where it is asked for, by `type`, `group_id` or `reference`, or was refused.
    """
    catalogue = request.services.catalogue
    asset = await wanted_asset(catalogue, asset_type_id, asset_code)
    wanted = HistoryFilter(
        type=type_,
        outcome=None if outcome == "any" else Outcome(outcome),
        asset_type_id=None if asset is None else asset.id,
        since=since,
        before=before,
        reference=reference,
        group_id=group_id,
    )
    pages = _TRANSACTIONS.under(user=user, wanted=wanted)
    page = await request.services.history.transactions(user, wanted, after=pages.after(cursor), limit=limit)
    return pages.response(request, page, [await listed_transaction_members(each, catalogue) for each in page.items])


@router.get(
    f"{_USER}/transactions/by-key/{{idempotency_key:path}}",
    operation_id="get_transaction_by_key",
    response_model=ListedTransactionResponse,
    responses=PROBLEMS_READ,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def get_transaction_by_key(
    request: LedgerRequest, user: PathUser, key: Annotated[IdempotencyKey, Path(alias="idempotency_key")]
) -> Response:
    """What became of an idempotency key: what was booked, or refused, under it.

    A 404 says that nothing was: a retry with this key would be a first attempt.
    """
    found = await request.services.history.by_key(user, key)
    return json_response(await listed_transaction_members(found, request.services.catalogue))


@router.get(
    "/transactions",
    operation_id="find_transactions",
    response_model=FoundTransactionPageResponse,
    responses=PAGED | PROBLEMS_PAGE,
    openapi_extra=needs(Scope.LEDGER_READ),
)
async def find_transactions(
    request: LedgerRequest,
    reference: Annotated[Reference, Query(description="Your own reference, as on a receipt.")],
    limit: Annotated[PageLimit, Query(description="How many at most.")] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """The transactions of all users that have a reference, posted or refused: by user, of each the newest first."""
    catalogue = request.services.catalogue
    pages = _FOUND.under(reference=reference)
    page = await request.services.history.by_reference(reference, after=pages.after(cursor), limit=limit)
    return pages.response(request, page, [await found_transaction_members(each, catalogue) for each in page.items])


@router.get(
    "/transactions/{transaction_id}",
    operation_id="get_transaction",
    response_model=WholeTransactionResponse,
    responses=PROBLEMS_READ,
    openapi_extra=needs(Scope.LEDGER_READ),
)
async def get_transaction(request: LedgerRequest, transaction_id: PathTransaction) -> Response:
    """A transaction with its lines, the lots it made, and its notes."""
    whole = await request.services.history.transaction(transaction_id)
    return json_response(await whole_transaction_members(whole, request.services.catalogue))
