"""The errors that routes declare in the OpenAPI document."""

from typing import Any

from app.api.problems import MEDIA_TYPE
from app.schemas.responses import Problem

Declared = dict[int | str, dict[str, Any]]

_MEANINGS = {
    400: "The request can't be read: broken JSON, two different idempotency keys, or a cursor that is none",
    401: "No key, or an unknown one",
    402: "`insufficient_funds`: the credits do not suffice; nothing was taken",
    404: "Unknown user, asset type, transaction or hold",
    409: "The state forbids it",
    413: "The body is too large",
    422: "The request is wrong: see `errors`",
    500: "The service failed; nothing was changed",
    503: "Not now: `busy`, `database_unavailable`, `outcome_unknown`; see `Retry-After`",
}


def _declare(*statuses: int) -> Declared:
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


PROBLEMS_LIST = _declare(401, 500, 503)
PROBLEMS_READ = _declare(401, 404, 422, 500, 503)
PROBLEMS_PAGE = _declare(400, 401, 422, 500, 503)
PROBLEMS_PAGE_OF_USER = _declare(400, 401, 404, 422, 500, 503)
PROBLEMS_READ_MANY = _declare(400, 401, 404, 413, 422, 500, 503)
PROBLEMS_OPEN = _declare(400, 401, 413, 422, 500, 503)
PROBLEMS_CREATE = _declare(400, 401, 409, 413, 422, 500, 503)
PROBLEMS_CHANGE = _declare(400, 401, 404, 413, 422, 500, 503)
PROBLEMS_SANDBOX = PROBLEMS_CHANGE | {404: {**PROBLEMS_CHANGE[404], "description": "`not_a_sandbox`"}}
PROBLEMS_BATCH = _declare(400, 401, 413, 422, 500, 503)
PROBLEMS_WRITE = _declare(400, 401, 404, 409, 413, 422, 500, 503)
PROBLEMS_SPEND = _declare(400, 401, 402, 404, 409, 413, 422, 500, 503)


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
