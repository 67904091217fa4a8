"""What only a sandbox has: a clock that its users advance."""

from fastapi import APIRouter, Response

from app.api.answers import json_response
from app.api.documented import PROBLEMS_SANDBOX, needs
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.domain.api_keys import Scope
from app.schemas.fields import rfc3339
from app.schemas.sandbox import AdvanceClockRequest, ClockResponse

router = APIRouter(prefix=f"{BASE_PATH}/sandbox", tags=["sandbox"], route_class=LedgerRoute)


@router.post(
    "/clock",
    operation_id="advance_clock",
    response_model=ClockResponse,
    responses=PROBLEMS_SANDBOX,
    openapi_extra=needs(Scope.SANDBOX_WRITE),
)
async def advance_clock(request: LedgerRequest, body: AdvanceClockRequest) -> Response:
    """Advance the clock of a sandbox, so that expiries and deadlines can be tried without waiting for them.

    Everything obeys it from then on, in every process. It never goes back, and after it was advanced it goes on as
    clocks do. In a database that was not created as a sandbox the answer is 404 `not_a_sandbox`.
    """
    now = await request.services.sandbox.advance_clock(body.advance_seconds)
    return json_response({"now": rfc3339(now)})
