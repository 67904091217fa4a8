"""From a write's request to its answer: build the command, execute it, show what it came to."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import Response

from app.api.answers import json_response, receipt_members, success_status
from app.api.command_building import Sender, build_operation
from app.api.ledger_request import LedgerRequest
from app.domain.commands import Command
from app.domain.records import AnyReceipt, AssetType, TransactionType
from app.schemas.requests import WriteRequest


async def operate(
    request: LedgerRequest, type_: TransactionType, user: str, body: WriteRequest, target: UUID | None = None
) -> Response:
    """Carry out one operation and answer it.

    Raises:
        WalletError: it was refused, or could not be carried out.
    """
    sender = sender_of(request, user, body)
    command, asset = await build_operation(request.services, type_, body, sender, target)
    return await execute(request, command, {asset.id: asset})


async def execute(request: LedgerRequest, command: Command, assets: Mapping[int, AssetType]) -> Response:
    """Execute a command and answer it.

    Raises:
        WalletError: it was refused, or could not be carried out.
    """
    receipt = await request.execute(command)
    return json_response(
        receipt_members(receipt, assets, dry_run=command.dry_run),
        status=success_status(receipt),
        headers=replay_headers(receipt),
    )


def sender_of(request: LedgerRequest, user: str, body: WriteRequest) -> Sender:
    """Return whom a request concerns, who sends it, and under which key."""
    return Sender(user=user, caller=request.caller, key=request.idempotency_key(body.idempotency_key))


def replay_headers(receipt: AnyReceipt) -> dict[str, str] | None:
    """Return the header that says that an answer was given before."""
    return {"Idempotent-Replayed": "true"} if receipt.replayed else None
