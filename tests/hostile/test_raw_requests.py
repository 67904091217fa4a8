"""Requests that no client library would send, byte by byte, with and without the key."""

import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

import tests.conftest as root
from app.config import Settings
from app.database import Database
from app.services.verify_service import verify
from tests.hostile.serving import served
from tests.sizes import size

KEY = b"the-key-of-raw-requests"
CALLS = [
    "GET /api/v1/asset-types",
    "GET /api/v1/wallets/users/user_alice",
    "POST /api/v1/wallets/users/user_alice/spend",
]
tried = settings(max_examples=size(100, 2_000), deadline=None)

VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=300).map(
    lambda each: each.encode("latin-1")
)
BYTES = VALUES | st.binary(max_size=300).filter(lambda value: not re.search(rb"[\r\n]", value))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database_url(pytestconfig: pytest.Config) -> AsyncIterator[str]:
    async with root.cloned_database(pytestconfig.stash[root.SERVER_URL], root.SEEDED_TEMPLATE) as url:
        yield url
        database = Database(url, pool_size=8)
        try:
            assert (await verify(database)).problem is None
        finally:
            await database.close()


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[tuple[str, int]]:
    settings = Settings(
        database_url=SecretStr(database_url),
        wallet_api_key=SecretStr(KEY.decode()),
        due_job=False,
        log_level="error",
    )
    with served(settings) as url:
        yield "localhost", urlsplit(url).port or 0


def sent(address: tuple[str, int], call: str | bytes, *headers: bytes, body: bytes = b"") -> tuple[int, Any]:
    """Send these bytes, and return the status and the body of the answer."""
    line = call.encode() if isinstance(call, str) else call
    lines = [line + b" HTTP/1.1", b"Host: localhost", b"Connection: close", b"Content-Length: %d" % len(body), *headers]
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(b"\r\n".join([*lines, b"", body]))
        answer = HTTPResponse(connection)
        answer.begin()
        content = answer.read()
    is_ours = answer.headers["x-request-id"] is not None  # what is no HTTP at all the server answers by itself
    assert answer.status < 500, content
    assert is_ours or answer.status == 400
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", answer.headers.get("x-request-id", "-"))
    return answer.status, json.loads(content) if is_ours else None


NEARLY_KEYS = st.sampled_from(
    [KEY[:-1], KEY + b"x", KEY.swapcase(), KEY * 2, KEY[::-1], b"wk_" + b"a" * 49, b"", b"\xe9"]
)
SCHEMES = st.sampled_from([b"Bearer ", b"bearer\t", b"Bearer", b"Basic ", b"Token ", b"", b"Bearer Bearer "])


@tried
@given(value=BYTES | st.tuples(SCHEMES, NEARLY_KEYS).map(b"".join), call=st.sampled_from(CALLS))
@example(value=KEY, call=CALLS[0])
@example(value=b"Bearer " + KEY[:-1] + b"\xe9", call=CALLS[0])
@example(value=b"Bearer wk_" + b"0" * 49, call=CALLS[0])
def test_nothing_but_the_key_opens(address: tuple[str, int], value: bytes, call: str) -> None:
    status, problem = sent(address, call, b"Authorization: " + value)
    assert status in {400, 401}
    assert status == 400 or problem["code"] == "unauthorized"


@tried
@given(
    name=st.sampled_from(
        [b"Idempotency-Key", b"traceparent", b"X-Request-Id", b"Content-Type", b"Forwarded", b"Cookie"]
    ),
    values=st.lists(BYTES, min_size=1, max_size=3),
)
def test_no_header_makes_it_fall_over(address: tuple[str, int], name: bytes, values: list[bytes]) -> None:
    body = b'{"amount": "0.01", "asset_type_id": 1, "dry_run": true}'
    headers = [b"Authorization: Bearer " + KEY, *(name + b": " + value for value in values)]
    if name != b"Content-Type":
        headers.append(b"Content-Type: application/json")
    status, _ = sent(address, CALLS[2], *headers, body=body)
    assert status in {200, 400, 422}


ESCAPES = st.binary(min_size=1, max_size=4).map(lambda some: b"".join(b"%%%02X" % each for each in some))
PIECES = ESCAPES | st.sampled_from(
    [b"user_alice", b"%", b"%2F", b"..", b";", b"\\", b"%C0%AF", b"%ED%A0%80", b"+", b"\xff"]
)
PATHS = st.lists(PIECES, max_size=6).map(b"".join)
QUERIES = st.lists(
    st.tuples(st.sampled_from([b"asset_type_id", b"limit", b"cursor", b"reference", b"from", b"x", b""]), PATHS),
    max_size=4,
).map(lambda pairs: b"&".join(name + b"=" + value for name, value in pairs))


@tried
@given(path=PATHS, rest=st.sampled_from([b"", b"/balance", b"/transactions", b"/holds/%00", b"//"]), query=QUERIES)
@example(path=b"%ED%A0%80", rest=b"", query=b"")
@example(path=b"..%2f..%2f", rest=b"/balance", query=b"asset_type_id=%FF")
def test_no_path_or_query_makes_it_fall_over(address: tuple[str, int], path: bytes, rest: bytes, query: bytes) -> None:
    call = b"GET /api/v1/wallets/users/" + path + rest + b"?" + query
    status, _ = sent(address, call, b"Authorization: Bearer " + KEY)
    assert status in {200, 400, 404, 422}
