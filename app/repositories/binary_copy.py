"""Rows as PostgreSQL's binary COPY reads them: the cheapest way in, for the server and for us.

A row is the number of its columns, and each column its length and its bytes, or the length -1 for NULL. See
"Binary Format" in PostgreSQL's documentation of COPY.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from app.database import Connection
from app.domain.chain import microseconds

NULL_LENGTH = -1
NULL = struct.pack(">i", NULL_LENGTH)

_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = struct.pack(">h", -1)
_LENGTH = struct.Struct(">i")
_INT4 = struct.Struct(">ii")
_INT8 = struct.Struct(">iq")
_EPOCH = microseconds(datetime(2000, 1, 1, tzinfo=UTC))


async def copy_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> str:
    """Append `rows` to `table` and return the server's status."""
    source = memoryview(b"".join((_START, *rows, _END)))  # plain bytes would be taken for a file's name
    return await connection.copy_to_table(table, columns=columns, source=source, format="binary")  # type: ignore[arg-type]  # the stubs know no buffers


def timestamp(moment: datetime) -> int:
    """Return the microseconds since 2000-01-01, which is what a timestamptz is."""
    return microseconds(moment) - _EPOCH


def int4(value: int | None) -> bytes:
    return NULL if value is None else _INT4.pack(4, value)


def int8(value: int | None) -> bytes:
    return NULL if value is None else _INT8.pack(8, value)


def uuid(value: UUID | None) -> bytes:
    return NULL if value is None else b"\0\0\0\x10" + value.bytes


def data(value: bytes | None) -> bytes:
    return NULL if value is None else _LENGTH.pack(len(value)) + value


def text(value: str | None) -> bytes:
    if value is None:
        return NULL
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded


@lru_cache(maxsize=256)
def word(value: str) -> bytes:
    """Return a text that many rows have."""
    return text(value)
