"""Requests under /api/v1 go straight to their routes, whichever they are; everything else goes FastAPI's way."""

import re

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.api.ledger_route import LedgerRoute, LedgerRoutes
from app.config import Settings
from app.main import create_app
from tests.api.conftest import post_scope

APPLICATION: FastAPI = create_app(Settings()).application  # type: ignore[attr-defined]  # the FastAPI inside
ROUTES = [each for each in APPLICATION.routes if isinstance(each, LedgerRoute)]
PARAMETER = re.compile(r"\{\w+\}")


async def _nothing_comes() -> dict[str, object]:
    raise AssertionError("nobody reads")


async def _nothing_goes(_: object) -> None:
    raise AssertionError("nobody answers")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[LedgerRoute | str]:
    """Return by whom requests were served, or which paths went FastAPI's way."""
    served: list[LedgerRoute | str] = []

    async def handle(self: LedgerRoute, _: Scope, __: Receive, ___: Send) -> None:
        served.append(self)

    monkeypatch.setattr(LedgerRoute, "handle", handle)
    return served


async def _send(path: str, method: str, served: list[LedgerRoute | str]) -> Scope:
    async def otherwise(scope: Scope, _: Receive, __: Send) -> None:
        served.append(scope["path"])

    scope = {**post_scope(path), "method": method}
    await LedgerRoutes(APPLICATION.routes, otherwise=otherwise)(scope, _nothing_comes, _nothing_goes)
    return scope


def test_there_are_routes() -> None:
    assert ROUTES


@pytest.mark.parametrize("route", ROUTES, ids=lambda each: f"{','.join(each.methods)} {each.path}")
@pytest.mark.parametrize("value", ["capture", "transactions", "42", "a b"])
async def test_a_request_goes_straight_to_its_route(
    route: LedgerRoute, value: str, served: list[LedgerRoute | str]
) -> None:
    methods = route.methods or set()
    for method in methods:
        scope = await _send(PARAMETER.sub(value, route.path_format), method, served)
    assert served == [route] * len(methods)
    assert set(scope["path_params"].values()) <= {value}


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/health/live", "/api/v1/batch/", "/api/v1//batch", "/api/v2/batch", "/api/v1/a/capture"]
)
async def test_what_is_for_no_route_goes_the_other_way(path: str, served: list[LedgerRoute | str]) -> None:
    await _send(path, "POST", served)
    assert served == [path]


async def test_so_does_a_method_that_a_path_does_not_have(served: list[LedgerRoute | str]) -> None:
    await _send("/api/v1/batch", "DELETE", served)
    assert served == ["/api/v1/batch"]
