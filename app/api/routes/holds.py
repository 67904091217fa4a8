"""Holds: credits set aside until their real cost is known; and giving back or taking back what was booked."""

from fastapi import APIRouter, Response

from app.api.dependencies import PathHold, PathTransaction, PathUser
from app.api.documented import IDEMPOTENCY_KEY, PROBLEMS_SPEND, PROBLEMS_WRITE, needs
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.writing import operate
from app.domain.api_keys import Scope
from app.domain.records import TransactionType
from app.schemas.requests import (
    CaptureRequest,
    ExtendRequest,
    HoldRequest,
    RefundRequest,
    ReleaseRequest,
    ReversalRequest,
)
from app.schemas.responses import CaptureResponse, HoldResponse, RefundResponse, ReleaseResponse, ReversalResponse

router = APIRouter(prefix=f"{BASE_PATH}/wallets/users/{{external_user_id}}", route_class=LedgerRoute)


@router.post(
    "/holds",
    operation_id="place_hold",
    tags=["holds"],
    status_code=201,
    response_model=HoldResponse,
    responses=PROBLEMS_SPEND,
    openapi_extra=needs(Scope.HOLDS_WRITE) | IDEMPOTENCY_KEY,
)
async def place_hold(request: LedgerRequest, user: PathUser, body: HoldRequest) -> Response:
    """Set credits aside: they are no longer available, but still the user's.

    The lots are chosen in burn order and named; what is held does not expire. At `expires_at` the hold ends by itself.
    """
    return await operate(request, TransactionType.HOLD, user, body)


@router.post(
    "/holds/{hold_id}/capture",
    operation_id="capture_hold",
    tags=["holds"],
    response_model=CaptureResponse,
    responses=PROBLEMS_SPEND,
    openapi_extra=needs(Scope.HOLDS_WRITE) | IDEMPOTENCY_KEY,
)
async def capture_hold(
    request: LedgerRequest, user: PathUser, hold_id: PathHold, body: CaptureRequest | None = None
) -> Response:
    """Take what a hold has set aside: all of it or a part, at once or in several captures."""
    return await operate(request, TransactionType.CAPTURE, user, body or CaptureRequest(), hold_id)


@router.post(
    "/holds/{hold_id}/release",
    operation_id="release_hold",
    tags=["holds"],
    response_model=ReleaseResponse,
    responses=PROBLEMS_WRITE,
    openapi_extra=needs(Scope.HOLDS_WRITE) | IDEMPOTENCY_KEY,
)
async def release_hold(
    request: LedgerRequest, user: PathUser, hold_id: PathHold, body: ReleaseRequest | None = None
) -> Response:
    """End a hold and make what it has left available again; credits that have expired meanwhile expire then."""
    return await operate(request, TransactionType.RELEASE, user, body or ReleaseRequest(), hold_id)


@router.post(
    "/holds/{hold_id}/extend",
    operation_id="extend_hold",
    tags=["holds"],
    response_model=HoldResponse,
    responses=PROBLEMS_SPEND,
    openapi_extra=needs(Scope.HOLDS_WRITE) | IDEMPOTENCY_KEY,
)
async def extend_hold(request: LedgerRequest, user: PathUser, hold_id: PathHold, body: ExtendRequest) -> Response:
    """Set more aside for a hold, or move its end, or both."""
    return await operate(request, TransactionType.EXTEND, user, body, hold_id)


@router.post(
    "/transactions/{transaction_id}/refund",
    operation_id="refund",
    tags=["transactions"],
    response_model=RefundResponse,
    responses=PROBLEMS_WRITE,
    openapi_extra=needs(Scope.REFUNDS_WRITE) | IDEMPOTENCY_KEY,
)
async def refund(
    request: LedgerRequest, user: PathUser, transaction_id: PathTransaction, body: RefundRequest | None = None
) -> Response:
    """Give back a spend or capture, whole or in parts, to the lots that it was taken from, the last taken first.

    A lot that has expired since comes back as a new one, with the life it had left when the credits were taken.
    """
    return await operate(request, TransactionType.REFUND, user, body or RefundRequest(), transaction_id)


@router.post(
    "/transactions/{transaction_id}/reverse",
    operation_id="reverse",
    tags=["transactions"],
    response_model=ReversalResponse,
    responses=PROBLEMS_WRITE,
    openapi_extra=needs(Scope.REFUNDS_WRITE) | IDEMPOTENCY_KEY,
)
async def reverse(
    request: LedgerRequest, user: PathUser, transaction_id: PathTransaction, body: ReversalRequest | None = None
) -> Response:
    """Take back a top-up or bonus (a chargeback, a mistake) from the lot that it made.

    What is spent or held can't be taken: 409, unless `on_shortfall` is `partial`. Then the rest is owed, and whatever
    returns to the lot pays it first.
    """
    return await operate(request, TransactionType.REVERSAL, user, body or ReversalRequest(), transaction_id)
