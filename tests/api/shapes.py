"""What every answer of the service looks like, whatever was asked: checked ambiently, on each answer a test gets."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httpx2
from jsonschema import Draft202012Validator

from app.config import Settings
from app.main import create_app

PROBLEM = "application/problem+json"
_REQUIRED = {"type", "title", "status", "detail", "instance", "code", "request_id"}
_URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})+")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_OF_THE_MACHINERY = re.compile(r"Traceback|\.py\b|sys\.|asyncpg|sqlalchemy|pydantic")


class Like:
    """Equals every text of a form."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self._pattern.fullmatch(other) is not None

    __hash__ = None  # type: ignore[assignment]  # equality by form has no hash

    def __repr__(self) -> str:
        return f"Like({self._pattern.pattern!r})"


UUID = Like(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MOMENT = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ANY_TEXT = Like(r"(?s).+")


def assert_problem(
    response: httpx2.Response, status: int | None = None, code: str | None = None, **facts: Any
) -> dict[str, Any]:
    """Check that an answer is a problem in the one canonical shape, and return it."""
    assert response.headers["content-type"] == PROBLEM, (response.status_code, response.text)
    body: dict[str, Any] = response.json()
    assert body.keys() >= _REQUIRED
    assert all(isinstance(body[name], str) and body[name] for name in _REQUIRED - {"status"})
    assert body["status"] == response.status_code >= HTTPStatus.BAD_REQUEST
    assert _SNAKE.fullmatch(body["code"])
    assert body["type"] in {f"urn:wallet:problem:{body['code']}", "about:blank"}
    assert _URI_REFERENCE.fullmatch(body["instance"]), f"no URI reference: {body['instance']!r}"
    assert body["request_id"] == response.headers["x-request-id"]
    assert not _OF_THE_MACHINERY.search(response.text), response.text
    assert ("errors" in body) == (body["status"] == HTTPStatus.UNPROCESSABLE_ENTITY)
    for each in body.get("errors", ()):
        assert each.keys() in ({"pointer", "code", "detail"}, {"parameter", "code", "detail"})
        assert all(isinstance(value, str) for value in each.values())
        assert _SNAKE.fullmatch(each["code"])
        assert _POINTER.fullmatch(each.get("pointer", ""))
        assert each["detail"]
    if body["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        assert response.headers["retry-after"].isdecimal()
    if body["status"] == HTTPStatus.UNAUTHORIZED:
        assert response.headers["www-authenticate"].startswith("Bearer")
    if status is not None:
        assert (body["status"], body["code"]) == (status, code if code is not None else body["code"]), body
    assert {name: body.get(name) for name in facts} == facts
    return body


async def check_answer(response: httpx2.Response) -> None:
    """Check what must hold of any answer; a hook for the clients of these tests."""
    await response.aread()
    assert response.headers.get("x-request-id"), response
    if response.request.method == "HEAD":
        return
    path = response.request.url.raw_path.decode().partition("?")[0]
    is_failure = response.status_code >= HTTPStatus.BAD_REQUEST
    if is_failure and not path.startswith("/health/"):
        body = assert_problem(response)
        assert unquote(body["instance"]) == unquote(path)
    operation = _operation_at(response.request.method, path)
    if operation is not None:
        _assert_declared(response, operation)


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    app = create_app(Settings())
    openapi: dict[str, Any] = app.application.openapi()  # type: ignore[attr-defined]  # the FastAPI inside
    return openapi


@cache
def _operations() -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    return [
        (method.upper(), re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operation)
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    ]


@cache
def _operation_at(method: str, path: str) -> str | None:
    """Return the id of the operation that a request is for."""
    found = (each for each_method, pattern, each in _operations() if each_method == method and pattern.fullmatch(path))
    return next((str(each["operationId"]) for each in found), None)


def _assert_declared(response: httpx2.Response, operation_id: str) -> None:
    """Check that the document declares this status, this media type and this body for the operation."""
    key = (operation_id, str(response.status_code))
    if response.headers["content-type"] == PROBLEM and response.json()["code"] in {"not_found", "method_not_allowed"}:
        return  # no route was found, so it was not the operation that answered
    declared = validators()
    assert key in declared, f"{operation_id} declares no {response.status_code}: {response.text}"
    media_type, validator = declared[key]
    assert response.headers["content-type"] == media_type
    validator.validate(response.json())


@cache
def validators() -> dict[tuple[str, str], tuple[str, Draft202012Validator]]:
    """Return, for each operation and status, the media type and what checks the body."""
    found = {}
    for _, _, operation in _operations():
        for status, answer in operation["responses"].items():
            ((media_type, content),) = answer["content"].items()
            schema = {**content["schema"], "components": _closed_components()}
            found[operation["operationId"], status] = (media_type, Draft202012Validator(schema))
    return found


@cache
def _closed_components() -> dict[str, Any]:
    """Return the components with answers that may have no member but the declared ones."""
    schemas = {
        name: schema
        if schema.get("additionalProperties")
        else {**schema, "additionalProperties": False}
        if schema.get("type") == "object"
        else schema
        for name, schema in document()["components"]["schemas"].items()
    }
    return {"schemas": schemas}
