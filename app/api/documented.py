"""The errors that routes declare in the OpenAPI document."""

from typing import Any

from app.api.problems import MEDIA_TYPE
from app.schemas.responses import Problem

Declared = dict[int | str, dict[str, Any]]

_MEANINGS = {
    400: "The request can't be read: broken JSON, or two different idempotency keys",
    401: "No key, or an unknown one",
    402: "`insufficient_funds`: the credits do not suffice; nothing was taken",
    404: "Unknown user or asset type",
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
PROBLEMS_OPEN = _declare(400, 401, 413, 422, 500, 503)
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
