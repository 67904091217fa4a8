"""The errors that routes declare in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from app.api.problems import MEDIA_TYPE
from app.domain.api_keys import Scope
from app.schemas.responses import Problem

Declared = dict[int | str, dict[str, Any]]

_MEANINGS = {
    400: "The request can't be read: broken JSON, two different idempotency keys, or a cursor that is none",
    401: "No key, or none that is good (any more)",
    402: "`insufficient_funds`: the credits do not suffice; nothing was taken",
    403: "The key has not the scope that this needs",
    404: "Unknown user, asset type, transaction or hold",
    408: "The body took too long to arrive",
    409: "The state forbids it",
    413: "The body is too large",
    422: "The request is wrong: see `errors`",
    429: "The key is used more often than it may be: see `Retry-After`",
    500: "The service failed; nothing was changed",
    503: "Not now: `busy`, `database_unavailable`, `outcome_unknown`; see `Retry-After`",
}


ALWAYS = (401, 403, 429, 500, 503)
OF_A_BODY = (400, 408, 413, 422)


def _declare(*own: int) -> Declared:
    """Return what a route declares: the statuses of its own, and those that every route has."""
    statuses = sorted({*own, *ALWAYS})
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


PROBLEMS_LIST = _declare()
PROBLEMS_READ = _declare(404, 422)
PROBLEMS_PAGE = _declare(400, 422)
PROBLEMS_PAGE_OF_USER = _declare(400, 404, 422)
PROBLEMS_READ_MANY = _declare(404, *OF_A_BODY)
PROBLEMS_OPEN = _declare(*OF_A_BODY)
PROBLEMS_CREATE = _declare(409, *OF_A_BODY)
PROBLEMS_CHANGE = _declare(404, *OF_A_BODY)
PROBLEMS_SANDBOX = PROBLEMS_CHANGE | {404: {**PROBLEMS_CHANGE[404], "description": "`not_a_sandbox`"}}
PROBLEMS_BATCH = _declare(*OF_A_BODY)
PROBLEMS_WRITE = _declare(404, 409, *OF_A_BODY)
PROBLEMS_SPEND = _declare(402, 404, 409, *OF_A_BODY)


def needs(*scopes: Scope) -> dict[str, Any]:
    """For `openapi_extra`: which scope the route needs; of several, any one."""
    return {"security": [{"key": [each.value]} for each in scopes]}


def scopes_of(path: str, openapi_extra: Mapping[str, Any] | None) -> tuple[Scope, ...]:
    """Return the scopes that a route declares.

    Raises:
        TypeError: it declares none; nobody must be able to forget that.
    """
    declared = (openapi_extra or {}).get("security", ())
    if not declared:
        raise TypeError(f"the route {path} does not say which scope it needs")
    return tuple(Scope(scope) for each in declared for scope in each["key"])


IDEMPOTENCY_KEY: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same as the member idempotency_key, as a header; bare or in double quotes.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 257},
        }
    ]
}
"""For `openapi_extra`: the header is read by the request itself."""

PAGED: Declared = {
    200: {
        "headers": {
            "Link": {
                "description": 'The next page, where there is one, with `rel="next"`; relative to this one.',
                "schema": {"type": "string"},
            }
        }
    }
}
"""For `responses`: what the first answer of a list has beside its body."""
