"""API keys: who may call, and what for."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import TypeAdapter

from app.api.answers import json_response
from app.api.documented import PAGED, PROBLEMS_CHANGE, PROBLEMS_OPEN, PROBLEMS_PAGE, needs
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.paging import PAGE_DEFAULT, List
from app.domain.api_keys import ApiKey, KeyTerms, Rate, Scope
from app.domain.errors import FieldInvalid, ScopeNotHeld
from app.schemas.fields import KeyNumber, PageLimit, PositionNumber, rfc3339
from app.schemas.keys import CreatedKeyResponse, CreateKeyRequest, KeyPageResponse, KeyResponse, RevokeKeyRequest

router = APIRouter(prefix=f"{BASE_PATH}/keys", tags=["keys"], route_class=LedgerRoute)

_KEYS: List[int] = List("keys", TypeAdapter(PositionNumber))

PathKey = Annotated[KeyNumber, Path(alias="key_id", description="The number of a key.")]


@router.post(
    "",
    operation_id="create_key",
    status_code=201,
    response_model=CreatedKeyResponse,
    responses=PROBLEMS_OPEN,
    openapi_extra=needs(Scope.KEYS_ADMIN),
)
async def create_key(request: LedgerRequest, body: CreateKeyRequest) -> Response:
    """Make an API key. The answer shows it once; only its SHA-256 is kept.

    It can be given no scope that the key which makes it has not. To replace one, make another, use that everywhere, and
    revoke the first. There is no idempotency key: what is made twice can be revoked.
    """
    if beyond := body.scopes - request.caller.scopes:
        raise ScopeNotHeld(scope=" ".join(sorted(beyond)))
    key, text = await request.services.keys.create(_terms(body), created_by=request.caller.actor)
    return json_response(_members(key) | {"key": text}, status=201)


@router.get(
    "",
    operation_id="list_keys",
    response_model=KeyPageResponse,
    responses=PAGED | PROBLEMS_PAGE,
    openapi_extra=needs(Scope.KEYS_ADMIN),
)
async def list_keys(
    request: LedgerRequest,
    limit: Annotated[PageLimit, Query(description="How many at most.")] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> Response:
    """All API keys, the oldest first, also those that are good no more: transactions name them as `key:<key_id>`."""
    pages = _KEYS.under()
    page = await request.services.keys.page(after=pages.after(cursor), limit=limit)
    return pages.response(request, page, [_members(each) for each in page.items])


@router.post(
    "/{key_id}/revoke",
    operation_id="revoke_key",
    response_model=KeyResponse,
    responses=PROBLEMS_CHANGE,
    openapi_extra=needs(Scope.KEYS_ADMIN),
)
async def revoke_key(request: LedgerRequest, key_id: PathKey, body: RevokeKeyRequest | None = None) -> Response:  # noqa: ARG001 - it must be empty
    """Revoke an API key for good: within a second no process answers it. One that is revoked stays as it is."""
    return json_response(_members(await request.services.keys.revoke(key_id, revoked_by=request.caller.actor)))


def _terms(body: CreateKeyRequest) -> KeyTerms:
    if body.requests_per_second is None and body.burst is not None:
        raise FieldInvalid(field="burst", reason="it needs requests_per_second")
    per_second = body.requests_per_second
    return KeyTerms(
        name=body.name,
        scopes=body.scopes,
        rate=None if per_second is None else Rate.of(per_second, body.burst),
        expires_in_days=body.expires_in_days,
    )


def _members(key: ApiKey) -> dict[str, Any]:
    """Return the members of a `KeyResponse`."""
    times = {
        name: None if (moment := getattr(key, name)) is None else rfc3339(moment)
        for name in ("created_at", "expires_at", "revoked_at", "last_used_at")
    }
    return {
        "key_id": key.id,
        "name": key.name,
        "ending": key.ending,
        "scopes": sorted(key.scopes),
        "status": key.status,
        "requests_per_second": None if key.rate is None else key.rate.requests_per_second,
        "burst": None if key.rate is None else key.rate.burst,
        "created_by": key.created_by,
        "revoked_by": key.revoked_by,
        **times,
    }
