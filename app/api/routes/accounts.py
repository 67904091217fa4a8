"""Accounts: opening, showing, freezing, closing, limiting and erasing them."""

from typing import Any

from fastapi import APIRouter, Response

from app.api.answers import account_members, json_response, receipt_members
from app.api.command_building import Sender, build_account_change, build_erasure
from app.api.dependencies import PathUser
from app.api.documented import IDEMPOTENCY_KEY, PROBLEMS_OPEN, PROBLEMS_READ, PROBLEMS_WRITE, needs
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.writing import replay_headers, sender_of
from app.domain.api_keys import Scope
from app.schemas.requests import ChangeAccountRequest, EraseRequest, OpenAccountRequest
from app.schemas.responses import AccountResponse, ChangedAccountResponse, ErasedAccountResponse
from app.services.account_service import AccountView

router = APIRouter(prefix=f"{BASE_PATH}/wallets/users/{{external_user_id}}", tags=["accounts"], route_class=LedgerRoute)

OPENED: dict[int | str, dict[str, Any]] = {201: {"description": "Opened", "model": AccountResponse}}


@router.put(
    "",
    operation_id="open_account",
    response_model=AccountResponse,
    responses=OPENED | PROBLEMS_OPEN,
    openapi_extra=needs(Scope.ACCOUNTS_WRITE),
)
async def open_account(request: LedgerRequest, user: PathUser, body: OpenAccountRequest | None = None) -> Response:
    """Open an account for a user: 201 when it is opened, 200 when it was there. Metadata, where given, is replaced."""
    account, opened = await request.services.accounts.open(user, None if body is None else body.metadata)
    return json_response(await _shown(request, account), status=201 if opened else 200)


@router.get(
    "",
    operation_id="get_account",
    response_model=AccountResponse,
    responses=PROBLEMS_READ,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def get_account(request: LedgerRequest, user: PathUser) -> Response:
    """An account, with what all its wallets have now."""
    return json_response(await _shown(request, await request.services.accounts.show(user)))


@router.patch(
    "",
    operation_id="change_account",
    response_model=ChangedAccountResponse,
    responses=PROBLEMS_WRITE,
    openapi_extra=needs(Scope.ACCOUNTS_WRITE) | IDEMPOTENCY_KEY,
)
async def change_account(request: LedgerRequest, user: PathUser, body: ChangeAccountRequest) -> Response:
    """Freeze, unfreeze, close or reopen an account, or give it limits of its own.

    The change is a transaction in the account's history, with the reason and the operator's name. Only an empty account
    can be closed. A dry run shows the account as it is.
    """
    command = await build_account_change(request.services, body, sender_of(request, user, body))
    receipt = await request.execute(command)
    account = await _shown(request, await request.services.accounts.show(user))
    return json_response(
        account | receipt_members(receipt, {}, dry_run=command.dry_run), headers=replay_headers(receipt)
    )


@router.post(
    "/erase",
    operation_id="erase_account",
    response_model=ErasedAccountResponse,
    responses=PROBLEMS_WRITE,
    openapi_extra=needs(Scope.ACCOUNTS_WRITE),
)
async def erase_account(request: LedgerRequest, user: PathUser, body: EraseRequest | None = None) -> Response:
    """Erase the personal data of a closed account: the user's id, the metadata, and all texts of its transactions.

    What was booked stays, under the account's number, and can still be verified. After that the user is unknown here.
    """
    sender = Sender(user=user, caller=request.caller, key=None)
    command = build_erasure(sender, dry_run=body is not None and body.dry_run)
    receipt = await request.services.accounts.erase(command)
    return json_response(receipt_members(receipt, {}, dry_run=command.dry_run) | {"status": "closed"})


async def _shown(request: LedgerRequest, account: AccountView) -> dict[str, Any]:
    catalogue = request.services.catalogue
    named = {each.asset_type_id for each in account.wallets} | account.limits.keys()
    return account_members(account, {each: await catalogue.by_id(each) for each in named})
