"""Many operations in one call."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from app.api.access import OPERATION_SCOPES
from app.api.answers import json_response, receipt_members, success_status
from app.api.command_building import TYPES, Sender, build_group, build_operation
from app.api.documented import PROBLEMS_BATCH, needs
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.problems import problem_of, validation_problem
from app.domain.commands import Command
from app.domain.errors import FieldInvalid, WalletError
from app.domain.placement import bucket_of
from app.domain.record import record
from app.domain.records import AnyReceipt, AssetType
from app.schemas.requests import BatchOperation, BatchRequest
from app.schemas.responses import BatchResponse
from app.services.turns import in_turns

router = APIRouter(prefix=f"{BASE_PATH}/batch", tags=["batch"], route_class=LedgerRoute)

_OPERATION = TypeAdapter[BatchOperation](BatchOperation).validator

Problem = dict[str, Any]


@record
class _Built:
    """A command, and the asset types that its amounts are in."""

    command: Command
    assets: Mapping[int, AssetType]


@router.post(
    "",
    operation_id="execute_batch",
    response_model=BatchResponse,
    responses=PROBLEMS_BATCH,
    openapi_extra=needs(*OPERATION_SCOPES),
)
async def execute_batch(request: LedgerRequest, body: BatchRequest) -> Response:
    """Run up to 1,000 operations of any users, groups among them.

    Each is decided on its own and has its own result, in order; those of one user are decided in the order given. A
    wrong or refused operation does not keep the others from being carried out.
    """
    if request.idempotency_key(None) is not None:
        raise FieldInvalid(field="idempotency_key", reason="each operation of a batch has its own, as a member of it")
    read = [_read(each) async for some in in_turns(body.operations) for each in some]
    await _look_up_targets(request, read)
    built = [
        each if isinstance(each, dict) else await _build(request, each)
        async for some in in_turns(read)
        for each in some
    ]
    commands = [each.command for each in built if isinstance(each, _Built)]
    answers = iter(await request.execute_all(commands))
    results = [
        _result(next(answers), each) if isinstance(each, _Built) else each
        async for some in in_turns(built)
        for each in some
    ]
    return json_response({"results": results})


def _read(operation: Any) -> BatchOperation | Problem:  # noqa: ANN401
    """Return an operation, or the problem with its form."""
    try:
        read: BatchOperation = _OPERATION.validate_python(operation)
    except ValidationError as error:
        return validation_problem([_untagged(each) for each in error.errors(include_url=False)])
    return read


async def _look_up_targets(request: LedgerRequest, read: list[BatchOperation | Problem]) -> None:
    """Find all transactions that the operations are about in one question."""
    targets = [
        (target, bucket_of(each.external_user_id))
        for each in read
        if not isinstance(each, dict)
        for operation in (each.operations if each.type == "group" else (each,))
        if (target := operation.target) is not None
    ]
    if targets:
        await request.services.transactions.find(targets)


async def _build(request: LedgerRequest, body: BatchOperation) -> _Built | Problem:
    """Return the command that an operation asks for, or the problem with it."""
    sender = Sender(user=body.external_user_id, caller=request.caller, key=body.idempotency_key)
    try:
        if body.type == "group":
            group, assets = await build_group(request.services, body, sender)
            return _Built(command=group, assets=assets)
        command, asset = await build_operation(request.services, TYPES[body.type], body, sender, body.target)
        return _Built(command=command, assets={asset.id: asset})
    except WalletError as error:
        return problem_of(error)


def _untagged(error: ErrorDetails) -> dict[str, Any]:
    """Return an error with its place in the operation: Pydantic puts the operation's type before it."""
    in_type = error["type"].startswith("union_tag") and isinstance(error["input"], dict) and not error["loc"]
    return {**error, "loc": ("type",) if in_type else error["loc"][1:]}


def _result(answer: AnyReceipt | WalletError, built: _Built) -> dict[str, Any]:
    if isinstance(answer, WalletError):
        asset = built.assets.get(int(str(answer.facts.get("asset_type_id") or 0)))
        return problem_of(answer, scale=None if asset is None else asset.scale)
    members = receipt_members(answer, built.assets, dry_run=built.command.dry_run)
    members["status"] = success_status(answer)
    return members
