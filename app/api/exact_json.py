"""Routes whose callers are checked before their body is read, and whose JSON numbers are read as text, never floats."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.api.access import actor_of
from app.api.dependencies import Services
from app.domain.errors import ContentTooLarge, FieldInvalid, IdempotencyKeysDiffer
from app.schemas.fields import NumberText, check_key

BASE_PATH = "/api/v1"
INTEGER_DIGITS_MAX = 20
BODY_BYTES_MAX = 8 * 2**20
DIGITS_OF_LENGTH_MAX = 20

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class LedgerRequest(Request):
    """A request under /api/v1: who sends it, its body read exactly, and the services to answer it with."""

    actor: str

    @property
    def services(self) -> Services:
        """What the application is made of."""
        services: Services = self.app.state.services
        return services

    def idempotency_key(self, in_body: str | None) -> str | None:
        """Return the key, from the header or from the body.

        Raises:
            IdempotencyKeysDiffer: it is given twice, differently.
            FieldInvalid: the header's can't be a key.
        """
        given = {_header_key(each) for each in self.headers.getlist("idempotency-key")}
        if in_body is not None:
            given.add(in_body)
        if len(given) > 1:
            raise IdempotencyKeysDiffer
        return next(iter(given), None)

    async def read_body(self) -> None:
        """Read the body, as far as it may go.

        Raises:
            ContentTooLarge: it is longer, or says so.
        """
        declared = self.headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared[:DIGITS_OF_LENGTH_MAX]) > BODY_BYTES_MAX:
            raise ContentTooLarge(bytes_max=BODY_BYTES_MAX)
        body = bytearray()
        async for chunk in self.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise ContentTooLarge(bytes_max=BODY_BYTES_MAX)
        self._body = bytes(body)  # where Starlette's own body() keeps it

    async def json(self) -> Any:  # noqa: ANN401 - it is any JSON
        """Read the body; numbers that are no integers stay text, a member given twice is an error.

        Raises:
            JSONDecodeError: it is no JSON.
        """
        body = await self.body()
        try:
            return json.loads(
                body.decode(),
                parse_int=_integer,
                parse_float=NumberText,
                parse_constant=NumberText,
                object_pairs_hook=_no_duplicates,
            )
        except json.JSONDecodeError:
            raise
        except UnicodeDecodeError:
            raise json.JSONDecodeError("it is not valid UTF-8", "", 0) from None
        except RecursionError:
            raise json.JSONDecodeError("it is nested too deeply", "", 0) from None
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from None


class LedgerRoute(APIRoute):
    """A route under /api/v1."""

    def get_route_handler(self) -> Handler:
        """Return the handler, with the access check in front."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def checked(request: Request) -> Response:
            exact = LedgerRequest(request.scope, request.receive)
            exact.actor = actor_of(request, request.app.state.settings)
            if request.method != "GET":
                exact.services.wallets.refuse_when_full()
                await exact.read_body()
            response = await handle(exact)
            response.headers["Cache-Control"] = "no-store"
            return response

        return checked


def _header_key(text: str) -> str:
    """Return the key in a header, which is bare or quoted."""
    try:
        key = text.encode("latin-1").decode().strip()
        return check_key(key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key)
    except ValueError as error:
        reason = "must be UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise FieldInvalid(field="idempotency_key", reason=reason) from None


def _integer(text: str) -> int | NumberText:
    """Read an integer, unless it is longer than any that a member may be, or would lose its sign."""
    return NumberText(text) if len(text) > INTEGER_DIGITS_MAX or text == "-0" else int(text)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members
