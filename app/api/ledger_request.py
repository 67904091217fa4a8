"""A request under /api/v1: its body read no further than it may go, its JSON numbers as text, never floats."""

import json
import re
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.api.access import Caller
from app.api.bodies import SMALL_BYTES, Reading
from app.api.dependencies import Services
from app.api.headers import first_headers
from app.domain.commands import Command
from app.domain.errors import BodyNotJson, Busy, ContentTooLarge, FieldInvalid, IdempotencyKeysDiffer, WalletError
from app.domain.records import AnyReceipt
from app.schemas.fields import NumberText, check_key
from app.schemas.requests import BATCH_MAX

BASE_PATH = "/api/v1"
INTEGER_DIGITS_MAX = 20
BODY_BYTES_MAX = 8 * 2**20
DIGITS_OF_LENGTH_MAX = 20
COMMAND_BYTES = 100
"""About how long an operation of a batch is."""

_WHOLE = re.compile(r"(-?[0-9]+)\.0+", re.ASCII)
_JSON_TYPE = re.compile(rb"application/([^;]+\+)?json\s*(;.*)?", re.IGNORECASE)


class LedgerRequest(Request):
    """A request under /api/v1: who sends it, its body read exactly, and the services to answer it with."""

    caller: Caller
    services: Services
    _announced = 0

    def idempotency_key(self, in_body: str | None) -> str | None:
        """Return the key, from the header or from the body.

        Raises:
            IdempotencyKeysDiffer: it is given twice, differently.
            FieldInvalid: the header's can't be a key.
        """
        given = {_header_key(value) for name, value in self.scope["headers"] if name == b"idempotency-key"}
        if in_body is not None:
            given.add(in_body)
        if len(given) > 1:
            raise IdempotencyKeysDiffer
        return next(iter(given), None)

    async def read_body(self) -> None:
        """Read the body, as far as it may go, and keep room for its commands: as many as its length suggests.

        When there is no room it is read to its end nevertheless, and dropped: an answer to what is still being sent may
        never arrive.

        Raises:
            BodyTooSlow: it takes too long to come.
            Busy: there is no room for more commands, or for what is being read.
            ClientDisconnect: the caller has gone.
            ContentTooLarge: it is longer than any may be, or says so.
        """
        was_full = self.services.wallets.full
        declared = first_headers(self.scope).get(b"content-length", b"0").strip()
        if not declared.isdigit() or int(declared[:DIGITS_OF_LENGTH_MAX]) > BODY_BYTES_MAX:
            raise _too_large(was_full=was_full)
        body, size, more = bytearray(), 0, True
        with Reading(self.services.bodies) as reading:
            while more:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    raise _too_large(was_full=was_full)
                if was_full:
                    continue
                body += chunk
                if size > SMALL_BYTES:
                    reading.keep(size)
        if was_full or self.services.wallets.full:
            raise Busy
        self._announced = min(size // COMMAND_BYTES, BATCH_MAX)
        self.services.wallets.announce(self._announced)
        self._body = bytes(body)  # where Starlette's own body() keeps it

    def give_up_room(self) -> None:
        """Keep no more room for what may still come of this request."""
        self.services.wallets.announce(-self._announced)
        self._announced = 0

    async def execute(self, command: Command) -> AnyReceipt:
        """Run the request's command and return its receipt, after the commit.

        Raises:
            WalletError: it was refused, or could not be run.
        """
        self.give_up_room()  # from here on it takes up room itself
        return await self.services.wallets.execute(command)

    async def execute_all(self, commands: Sequence[Command]) -> list[AnyReceipt | WalletError]:
        """Run the request's commands, each decided on its own, and return their answers in order, after the commit."""
        self.give_up_room()  # from here on they take up room themselves
        return await self.services.wallets.execute_all(commands)

    def json_body(self) -> Any:  # noqa: ANN401 - it is any JSON
        """Return the body that was read; numbers that are no integers stay text. None when there is none.

        What is not sent as JSON is returned as it is: bytes, which no member of a request can be.

        Raises:
            BodyNotJson: it can't be read as JSON, or a member is given twice.
        """
        if not self._body or not _JSON_TYPE.fullmatch(first_headers(self.scope).get(b"content-type", b"")):
            return self._body or None
        try:
            return _JSON.decode(self._body.decode())
        except json.JSONDecodeError as error:
            raise BodyNotJson(reason=error.msg) from None
        except UnicodeDecodeError:
            raise BodyNotJson(reason="it is not valid UTF-8") from None
        except RecursionError:
            raise BodyNotJson(reason="it is nested too deeply") from None
        except ValueError as error:
            raise BodyNotJson(reason=str(error)) from None


def _too_large(*, was_full: bool) -> WalletError:
    return Busy() if was_full else ContentTooLarge(bytes_max=BODY_BYTES_MAX)


def _header_key(value: bytes) -> str:
    """Return the key in a header, which is bare or quoted."""
    try:
        key = value.decode().strip()
        return check_key(key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key)
    except ValueError as error:
        reason = "must be UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise FieldInvalid(field="idempotency_key", reason=reason) from None


def _integer(text: str) -> int | NumberText:
    """Read an integer, unless it is longer than any that a member may be, or would lose its sign."""
    return NumberText(text) if len(text) > INTEGER_DIGITS_MAX or text == "-0" else int(text)


def _number(text: str) -> int | NumberText:
    """Read a number with a fraction or exponent: to JSON Schema, and to some languages' writers, 5.0 is an integer."""
    whole = _WHOLE.fullmatch(text)
    return NumberText(text) if whole is None else _integer(whole[1])


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


_JSON = json.JSONDecoder(
    parse_int=_integer, parse_float=_number, parse_constant=NumberText, object_pairs_hook=_no_duplicates
)
