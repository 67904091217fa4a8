"""Many operations in one call."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from app.api.answers import json_response, transaction_members
from app.api.command_building import build_credit, build_spend, named_asset
from app.api.documented import PROBLEMS_BATCH
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.problems import problem_of, validation_problem
from app.domain.commands import Bonus, Command, TopUp
from app.domain.errors import FieldInvalid, WalletError
from app.domain.records import AssetType, Receipt
from app.schemas.requests import BatchOperation, BatchRequest, BatchSpend, BatchTopUp
from app.schemas.responses import BatchResponse
from app.services.turns import in_turns

router = APIRouter(prefix=f"{BASE_PATH}/batch", tags=["batch"], route_class=LedgerRoute)

_OPERATION: TypeAdapter[BatchOperation] = TypeAdapter(BatchOperation)


@router.post("", operation_id="execute_batch", response_model=BatchResponse, responses=PROBLEMS_BATCH)
async def execute_batch(request: LedgerRequest, body: BatchRequest) -> Response:
    """Run up to 1,000 operations of any users.

    Each is decided on its own and has its own result, in order; those of one user are decided in the order given. A
    wrong or refused operation does not keep the others from being carried out.
    """
    if request.idempotency_key(None) is not None:
        raise FieldInvalid(field="idempotency_key", reason="each operation of a batch has its own, as a member of it")
    read = [await _read(request, each) async for each in in_turns(body.operations)]
    commands = [each for each in read if not isinstance(each, dict)]
    answers = iter(await request.execute_all([command for command, _ in commands]))
    results = [each if isinstance(each, dict) else _result(next(answers), each[1]) async for each in in_turns(read)]
    return json_response({"results": results})


async def _read(request: LedgerRequest, operation: Any) -> tuple[Command, AssetType] | dict[str, Any]:  # noqa: ANN401
    """Return the command that an operation asks for, or the problem with it."""
    try:
        body = _OPERATION.validate_python(operation)
        asset = await named_asset(request.services.catalogue, body.asset_type_id, body.asset_code)
        user, key = body.external_user_id, body.idempotency_key
        if isinstance(body, BatchSpend):
            return build_spend(body, user=user, asset=asset, key=key, actor=request.actor), asset
        kind = TopUp if isinstance(body, BatchTopUp) else Bonus
        return build_credit(kind, body, user=user, asset=asset, key=key, actor=request.actor), asset
    except ValidationError as error:
        return validation_problem([_untagged(each) for each in error.errors(include_url=False)])
    except WalletError as error:
        return problem_of(error)


def _untagged(error: ErrorDetails) -> dict[str, Any]:
    """Return an error with its place in the operation: Pydantic puts the operation's type before it."""
    in_type = error["type"].startswith("union_tag") and isinstance(error["input"], dict)
    return {**error, "loc": ("type",) if in_type else error["loc"][1:]}


def _result(answer: Receipt | WalletError, asset: AssetType) -> dict[str, Any]:
    if isinstance(answer, WalletError):
        return problem_of(answer, scale=asset.scale)
    return {"status": 200, **transaction_members(answer, asset)}
