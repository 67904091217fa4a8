"""Arrays that are sent as one text arrive as they were meant."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from asyncpg.pgproto import pgproto

from app.domain.amounts import UNITS_MAX
from app.domain.chain import EPOCH
from app.domain.records import HoldStatus
from app.domain.wallet import LAST_MOMENT
from app.repositories.literals import digests, literal, texts, times
from tests.repositories.rows import Connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

ID = UUID("0198c0de-0000-7000-8000-0000000003ff")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
IN_TOKYO = NOON.astimezone(timezone(timedelta(hours=9)))

HOSTILE = ['"', "\\", '\\"', "{}", "a,b", "NULL", "", " ", "'; DROP TABLE lots", "\\x00", "é🪙", "{1,2}", "%s", "$1"]
ALL_BYTES = bytes(range(256))

CASES = [
    pytest.param("text", texts([]), [], id="no text"),
    pytest.param("text", texts(HOSTILE), HOSTILE, id="hostile texts"),
    pytest.param("text", texts([HoldStatus.OPEN]), ["open"], id="name of a state"),
    pytest.param(
        "bytea", digests([bytes(range(256)), b"", bytes(32)]), [bytes(range(256)), b"", bytes(32)], id="bytes"
    ),
    pytest.param("bigint", literal([]), [], id="none"),
    pytest.param("bigint", literal([UNITS_MAX, 0, -UNITS_MAX - 1]), [UNITS_MAX, 0, -UNITS_MAX - 1], id="bigint"),
    pytest.param("uuid", literal([ID, pgproto.UUID(ID.bytes)]), [ID, ID], id="uuid"),
    pytest.param("boolean", literal([True, False]), [True, False], id="boolean"),
    pytest.param("timestamptz", times([NOON, None, IN_TOKYO]), [NOON, None, NOON], id="moment"),
    pytest.param("timestamptz", times([EPOCH, LAST_MOMENT]), [EPOCH, LAST_MOMENT], id="first and last moment"),
    pytest.param(
        "timestamptz", times([NOON + timedelta(microseconds=1)]), [NOON + timedelta(microseconds=1)], id="microsecond"
    ),
    pytest.param("date", times([date(2026, 1, 31), None]), [date(2026, 1, 31), None], id="day"),
]


@pytest.mark.parametrize(("type_", "sent", "meant"), CASES)
async def test_an_array_arrives_as_it_was_meant(
    connection: Connection, type_: str, sent: str, meant: list[Any]
) -> None:
    assert await connection.fetchval(f"SELECT $1::text::{type_}[]", sent) == meant
