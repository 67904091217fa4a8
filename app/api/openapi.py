"""The OpenAPI document: what it says about the service as a whole, and the schemas that no route names by itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.links import add_links
from app.schemas.requests import BATCH_OPERATIONS
from app.schemas.responses import Problem

TITLE = "Wallet"
DESCRIPTION = """Application credits: balance, top-up, bonus and spend on a double-entry ledger.

Amounts are exact decimal strings. Send an `Idempotency-Key` with every write, and a retry is answered instead of
repeated. Every error is `application/problem+json` with a stable `code`.
"""

_REFERENCED = "#/components/schemas/{model}"


def add_openapi(app: FastAPI) -> None:
    """Complete the document: security, problems, and the operations of a batch."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = schema["components"]
    for model in (Problem, *BATCH_OPERATIONS):
        own = model.model_json_schema(ref_template=_REFERENCED)
        components["schemas"] |= own.pop("$defs", {})
        components["schemas"][model.__name__] = own
    components["schemas"].pop("HTTPValidationError", None)
    components["schemas"].pop("ValidationError", None)
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, which begins with `wk_`, or the bootstrap key. An operation names the scope "
            "that it needs; of several, any one.",
        }
    }
    add_links(schema)
    return schema
