"""Pages over HTTP: cursors, which say where the next page begins, and links to it.

A cursor is opaque to callers: a position in one list under one set of filters, with a digest over all three, so that
one which was cut, changed or made for another list is told from a good one. It is no secret, and grants nothing.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Response
from pydantic import TypeAdapter, ValidationError

from app.api.answers import json_response
from app.api.ledger_request import LedgerRequest
from app.domain.errors import BadCursor
from app.services.pages import Page

PAGE_DEFAULT = 50
DIGEST_BYTES = 9
"""A multiple of three, as base64 has it."""

Position = TypeVar("Position")


@dataclass(frozen=True)
class List(Generic[Position]):
    """A list that is given out in pages: its name, and what its positions are made of."""

    name: str
    positions: TypeAdapter[Position]

    def under(self, **filters: object) -> "Pages[Position]":
        """Return the list's pages under these filters."""
        scope = json.dumps([self.name, filters], sort_keys=True, separators=(",", ":"), default=str)
        return Pages(scope=scope.encode(), positions=self.positions)


@dataclass(frozen=True, kw_only=True)
class Pages(Generic[Position]):
    """The pages of a list under its filters."""

    scope: bytes
    positions: TypeAdapter[Position]

    def after(self, cursor: str | None) -> Position | None:
        """Return where the page begins; None for the first one.

        Raises:
            BadCursor: it is none of this list under these filters.
        """
        if cursor is None:
            return None
        try:
            read = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            position = self.positions.validate_json(read[DIGEST_BYTES:])
        except (ValueError, ValidationError):
            raise BadCursor from None
        if self.cursor(position) != cursor:
            raise BadCursor
        return position

    def cursor(self, position: Position) -> str:
        """Return the cursor of the page after `position`."""
        text = self.positions.dump_json(position)
        digest = hashlib.sha256(self.scope + b"\n" + text).digest()[:DIGEST_BYTES]
        return urlsafe_b64encode(digest + text).decode().rstrip("=")

    def response(
        self, request: LedgerRequest, page: Page[Any, Position], data: Sequence[Mapping[str, Any]]
    ) -> Response:
        """Send a page, with a link to the next one where there is one."""
        cursor = None if page.next_after is None else self.cursor(page.next_after)
        body = {"data": data, "next_cursor": cursor, "has_more": cursor is not None}
        return json_response(body, headers=None if cursor is None else {"Link": _link(request, cursor)})


def _link(request: LedgerRequest, cursor: str) -> str:
    """Return a link to the same call, wherever it was made to, with the next cursor."""
    query = dict(request.query_params) | {"cursor": cursor}
    return f'<?{urlencode(query)}>; rel="next"'
