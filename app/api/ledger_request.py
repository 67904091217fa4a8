"""A request under /api/v1: its body read no further than it may go, its JSON numbers as text, never floats."""

import json
import re
from typing import Any

from fastapi import Request

from app.api.dependencies import Services
from app.domain.errors import BodyNotJson, ContentTooLarge, FieldInvalid, IdempotencyKeysDiffer
from app.schemas.fields import NumberText, check_key

BASE_PATH = "/api/v1"
INTEGER_DIGITS_MAX = 20
BODY_BYTES_MAX = 8 * 2**20
DIGITS_OF_LENGTH_MAX = 20
_JSON_TYPE = re.compile(r"application/([^;]+\+)?json\s*(;.*)?", re.IGNORECASE)


class LedgerRequest(Request):
    """A request under /api/v1: who sends it, its body read exactly, and the services to answer it with."""

    actor: str
    services: Services

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

    def json_body(self) -> Any:  # noqa: ANN401 - it is any JSON
        """Return the body that was read; numbers that are no integers stay text. None when there is none.

        What is not sent as JSON is returned as it is: bytes, which no member of a request can be.

        Raises:
            BodyNotJson: it can't be read as JSON, or a member is given twice.
        """
        if not self._body or not _JSON_TYPE.fullmatch(self.headers.get("content-type", "")):
            return self._body or None
        try:
            return json.loads(
                self._body.decode(),
                parse_int=_integer,
                parse_float=NumberText,
                parse_constant=NumberText,
                object_pairs_hook=_no_duplicates,
            )
        except json.JSONDecodeError as error:
            raise BodyNotJson(reason=error.msg) from None
        except UnicodeDecodeError:
            raise BodyNotJson(reason="it is not valid UTF-8") from None
        except RecursionError:
            raise BodyNotJson(reason="it is nested too deeply") from None
        except ValueError as error:
            raise BodyNotJson(reason=str(error)) from None


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
