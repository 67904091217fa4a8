"""Errors as problem+json (RFC 9457): the only place that knows status codes."""

import http
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from app.domain.amounts import format_amount
from app.domain.errors import (
    BadRequest,
    Conflict,
    ContentTooLarge,
    Fact,
    Failed,
    FieldInvalid,
    Forbidden,
    HeadersTooLarge,
    InsufficientFunds,
    InternalError,
    Malformed,
    NotFound,
    RateLimited,
    StateRefusal,
    TooSlow,
    Unauthenticated,
    Unavailable,
    ValidationFailed,
    WalletError,
)
from app.logs import note_of_request
from app.schemas.fields import rfc3339
from app.services.catalogue import Catalogue

MEDIA_TYPE = "application/problem+json"
ERRORS_SHOWN_MAX = 100
TYPE_PREFIX = "urn:wallet:problem:"
RETRY_AFTER_SECONDS = "1"

STATUS_OF: dict[type[WalletError], int] = {
    BadRequest: 400,
    ContentTooLarge: 413,
    HeadersTooLarge: 431,
    TooSlow: 408,
    Unauthenticated: 401,
    InsufficientFunds: 402,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Malformed: 422,
    RateLimited: 429,
    Failed: 500,
    Unavailable: 503,
}

_REPLAYED_ADVICE = " This is the answer that was given at decided_at: a new attempt needs a new idempotency key."


def status_of(error: WalletError) -> int:
    """Return the HTTP status of an error's category."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def problem_of(error: WalletError, *, scale: int | None = None) -> dict[str, Any]:
    """Return the body for `error`, without the members that belong to the request.

    `scale` is that of the asset type that the error's amounts are in.
    """
    status = status_of(error)
    facts = {name: _shown(error, name, fact, scale) for name, fact in error.facts.items()}
    body: dict[str, Any] = {
        "type": f"{TYPE_PREFIX}{error.code}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": type(error).message(facts),
        "code": error.code,
        **facts,
    }
    if isinstance(error, Malformed):
        pointer = f"/{facts['field']}" if isinstance(error, FieldInvalid) else error.pointer
        if "operation" in facts:
            pointer = f"/operations/{facts['operation']}{pointer}"
        body["errors"] = [{"pointer": pointer, "code": error.code, "detail": body["detail"]}]
    if isinstance(error, StateRefusal) and error.transaction_id is not None:
        body["transaction_id"] = str(error.transaction_id)
        if error.replayed and error.decided_at is not None:
            body["detail"] += _REPLAYED_ADVICE
            body |= {"replayed": True, "decided_at": rfc3339(error.decided_at)}
    return body


def _shown(error: WalletError, name: str, fact: Fact, scale: int | None) -> Fact:
    if scale is not None and name in error.amount_facts and isinstance(fact, int):
        return format_amount(fact, scale)
    return rfc3339(fact) if isinstance(fact, datetime) else fact


def validation_problem(errors: Sequence[Mapping[str, Any]], *, is_body: bool = True) -> dict[str, Any]:
    """Return the body for what Pydantic found wrong. The values themselves are never shown."""
    shown = []
    for each in errors[:ERRORS_SHOWN_MAX]:
        where, *path = each["loc"] if not is_body else ("body", *each["loc"])
        path = _in_operation(path, each)
        name = "pointer" if where == "body" else "parameter"
        place = "".join(f"/{_escaped(part)}" for part in path) if where == "body" else ".".join(map(str, path))
        shown.append({name: place, "code": str(each["type"]), "detail": _detail(each)})
    return problem_of(ValidationFailed()) | {"errors": shown}


def _in_operation(path: list[Any], error: Mapping[str, Any]) -> list[Any]:
    """Return a place in an operation of a group as the body has it: Pydantic puts the operation's type between."""
    if path[:1] != ["operations"]:
        return path
    if error["type"].startswith("union_tag") and isinstance(error["input"], dict):
        return [*path, "type"]
    _, *place = path
    return ["operations", *place[:1], *place[2:]]


def _detail(error: Mapping[str, Any]) -> str:
    """Say what was wanted, without what was sent."""
    match error["type"]:
        case "model_attributes_type" | "model_type":
            return "must be a JSON object, sent with Content-Type: application/json"
        case "union_tag_invalid" | "union_tag_not_found":
            return f"must be one of {error['ctx'].get('expected_tags', 'the known types')}"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


def _escaped(part: object) -> str:
    """Write one step of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def problem_response(request: Request, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Send a problem, with the members that belong to the request."""
    body = body | {
        "instance": quote(request.scope["path"], safe="/:@!$&'()*+,;=~"),
        "request_id": request.scope.get("state", {}).get("request_id", ""),
    }
    headers = dict(headers or {})
    if body["status"] == STATUS_OF[Unavailable]:
        headers.setdefault("Retry-After", RETRY_AFTER_SECONDS)
    if body["status"] == STATUS_OF[RateLimited]:
        headers.setdefault("Retry-After", str(body["retry_after_seconds"]))
    if body["status"] == STATUS_OF[Unauthenticated]:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if body["status"] == STATUS_OF[Forbidden]:
        headers.setdefault("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{body["scope"]}"')
    if body["status"] == STATUS_OF[TooSlow]:
        headers["Connection"] = "close"
    if body.get("replayed"):
        headers["Idempotent-Replayed"] = "true"
    note_of_request(code=body["code"])
    return Response(
        json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        status_code=body["status"],
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def internal_problem(request: Request) -> Response:
    """Send the answer to a crash."""
    return problem_response(request, problem_of(InternalError()))


async def refusal(request: Request, error: WalletError | RequestValidationError) -> Response:
    """Send the answer to a request that is wrong or was refused."""
    if isinstance(error, RequestValidationError):
        return problem_response(request, validation_problem(error.errors(), is_body=False))
    return problem_response(request, problem_of(error, scale=await _scale_of(request, error)))


def add_problem_handlers(app: FastAPI) -> None:
    """Answer with a problem what is asked of a path or with a method that there is not."""

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        status = http.HTTPStatus(error.status_code)
        body = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": error.detail,
            "code": status.name.lower(),
        }
        headers = dict(error.headers or {})
        if status is http.HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_methods_at(request)))
        return problem_response(request, body, headers)


def _methods_at(request: Request) -> set[str]:
    """Return the methods that there are at a path: the route that refused one knows only its own."""
    routes = (each for each in request.app.router.routes if isinstance(each, Route))
    return {
        method for each in routes if each.matches(request.scope)[0] is not Match.NONE for method in each.methods or ()
    }


async def _scale_of(request: Request, error: WalletError) -> int | None:
    """Return the scale that the error's amounts are in, when it has any."""
    asset_type_id = error.facts.get("asset_type_id")
    if not error.amount_facts or not isinstance(asset_type_id, int):
        return None
    catalogue: Catalogue = request.app.state.services.catalogue
    return (await catalogue.by_id(asset_type_id)).scale
