"""Routes under /api/v1. The caller is checked before the body is read, and an answer is one function call away.

A route that does not say which scope it needs can't be made: `openapi_extra=needs(Scope.…)`.

FastAPI's own way to an endpoint (its dependency solver, its stacks of contexts) costs more than deciding and booking a
spend does. Here an endpoint takes the request and parameters from the path, the query and the body, each a Pydantic
type, and nothing else; what FastAPI makes of the same signature is the OpenAPI document.
"""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, get_type_hints

from fastapi.exceptions import RequestValidationError
from fastapi.params import Path, Query
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access import caller_of, still_good
from app.api.documented import scopes_of
from app.api.ledger_request import LedgerRequest
from app.api.problems import refusal
from app.domain.errors import WalletError
from app.logs import note_of_request

_NO_STORE = (b"cache-control", b"no-store")


class LedgerRoute(APIRoute):
    """A route whose endpoint is `async def endpoint(request: LedgerRequest, …) -> Response`."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:  # noqa: ANN401 - FastAPI's signature
        super().__init__(path, endpoint, **options)
        self._scopes = scopes_of(path, self.openapi_extra)
        self._parameters = _parameters_of(endpoint)
        self._in_query = frozenset(each.place[1] for each in self._parameters if each.place[0] == "query")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)  # which answers 405
            return
        request = LedgerRequest(scope, receive)
        request.services = scope["app"].state.services
        try:
            response = await self._answer(request)
        except (WalletError, RequestValidationError) as error:
            response = await refusal(request, error)
        finally:
            request.give_up_room()
        await response(scope, receive, send)

    async def _answer(self, request: LedgerRequest) -> Response:
        request.caller = await caller_of(request, request.services)
        note_of_request(actor=request.caller.actor)
        request.caller.expect(*self._scopes)
        if request.method != "GET":
            await request.read_body()
            await still_good(request.caller, request.services)
        response: Response = await self.endpoint(request, **self._arguments(request))
        response.raw_headers.append(_NO_STORE)
        return response

    def _arguments(self, request: LedgerRequest) -> dict[str, Any]:
        """Read the endpoint's parameters.

        Raises:
            BodyNotJson: the body can't be read at all.
            RequestValidationError: any of them is wrong; all that is wrong is named.
        """
        arguments: dict[str, Any] = {}
        errors: list[Any] = self._unexpected_in_query(request)
        for each in self._parameters:
            given = each.given_in(request)
            if given is None:
                if each.default is inspect.Parameter.empty:
                    errors.append({"type": "missing", "loc": each.place, "msg": "Field required"})
                else:
                    arguments[each.name] = each.default
                continue
            try:
                arguments[each.name] = each.type.validate_python(given)
            except ValidationError as error:
                errors += [{**one, "loc": (*each.place, *one["loc"])} for one in error.errors(include_url=False)]
        if errors:
            raise RequestValidationError(errors)
        return arguments

    def _unexpected_in_query(self, request: LedgerRequest) -> list[Any]:
        """Refuse by name what is not known or given twice: a typo must not go unnoticed."""
        if not request.scope["query_string"]:
            return []
        names, known = [name for name, _ in request.query_params.multi_items()], self._in_query
        unknown = [(name, "extra_forbidden", "is not a known parameter") for name in names if name not in known]
        twice = [(name, "given_twice", "is given twice") for name in known if names.count(name) > 1]
        return [{"type": type_, "loc": ("query", name), "msg": what} for name, type_, what in (*unknown, *twice)]


class LedgerRoutes:
    """The way to routes under /api/v1, past FastAPI's stacks and contexts for what these routes do not do.

    Everything else goes `otherwise`: other routes, and requests that are for none.
    """

    def __init__(self, routes: Iterable[BaseRoute], *, otherwise: ASGIApp) -> None:
        self._otherwise = otherwise
        self._by_end: defaultdict[str, list[LedgerRoute]] = defaultdict(list)
        """By the last part of their paths, which one look at a path tells; those that end with a parameter under ""."""
        for each in routes:
            if isinstance(each, LedgerRoute):
                end = each.path_format.rpartition("/")[2]
                self._by_end["" if end.startswith("{") else end].append(each)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        for route in self._candidates(scope["path"]) if scope["type"] == "http" else ():
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                await route.handle(scope, receive, send)
                return
        await self._otherwise(scope, receive, send)

    def _candidates(self, path: str) -> Iterable[LedgerRoute]:
        """Return the routes that may be for a path, those that name its end before those that take any."""
        return chain(self._by_end.get(path.rpartition("/")[2], ()), self._by_end[""])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parameter:
    """A parameter of an endpoint, and its place in the request: path or query and the name there, or body."""

    name: str
    place: tuple[str, ...]
    type: TypeAdapter[Any]
    default: Any

    def given_in(self, request: LedgerRequest) -> Any:  # noqa: ANN401 - whatever was sent
        match self.place:
            case ("path", alias):
                return request.path_params[alias]
            case ("query", alias):
                return request.query_params.get(alias)
            case _:
                return request.json_body()


def _parameters_of(endpoint: Any) -> list[_Parameter]:  # noqa: ANN401
    hints = get_type_hints(endpoint, include_extras=True)
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(endpoint).parameters
    return [
        _Parameter(name=name, place=_place(name, hints[name]), type=TypeAdapter(hints[name]), default=each.default)
        for name, each in parameters.items()
        if hints[name] is not LedgerRequest
    ]


def _place(name: str, hint: Any) -> tuple[str, ...]:  # noqa: ANN401
    for each in getattr(hint, "__metadata__", ()):
        if isinstance(each, Path | Query):
            return ("path" if isinstance(each, Path) else "query", each.alias or name)
    return ("body",)
