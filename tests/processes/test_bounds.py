"""Callers who send too much, too slowly or nothing, or who do not read: each is told, if it can be, and let go.

They come over sockets of their own to one process of the service, whose bounds are low, and most of them at once.
"""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app import http_bounds
from app.api import bodies
from app.api.ledger_request import BODY_BYTES_MAX
from app.cli.serve import FILES_MAX
from app.database import Database
from app.services.verify_service import verify
from tests.api.programs import served
from tests.conftest import SEEDED_TEMPLATE, SERVER_URL, cloned_database
from tests.processes.callers import booked
from tests.processes.service import Service, connections_of, give, resident_bytes, wallet

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "tests.processes.short_bounds", "serve")
HEAD_SECONDS, BODY_SECONDS, ANSWER_SECONDS, IDLE_SECONDS = 2, 1, 1, 1
CONNECTIONS_MAX, TURNED_AWAY_MAX = 80, 10
"""As in that program."""

LATE_SECONDS = 5
"""How much later than it should a loaded machine may do something."""

WAIT_SECONDS = 15
GROWTH_MAX = 48 * 2**20

POOL_SIZE_MAX = 200
"""The most that DATABASE_POOL_SIZE may be."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

USER = "bounded"
HOST = b"Host: localhost\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\n" + HOST
NOWHERE = b"POST /nowhere HTTP/1.1\r\n" + HOST
SPEND = f"POST {wallet(USER)}/spend HTTP/1.1\r\nContent-Type: application/json\r\n".encode() + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"\r\n"
BLANK = b"1\r\n \r\n"
BUNDLE_BYTES = 1_684_244
BUNDLE = b"GET /docs/files/swagger-ui-bundle.js HTTP/1.1\r\n" + HOST + END


@dataclass(frozen=True)
class Heard:
    """What a caller was told until the connection was closed, and when that was."""

    content: bytes
    seconds: float
    closed: bool

    def statuses(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1\.1 ([2-5]\d\d) ", self.content)]

    def answer(self) -> dict[str, Any]:
        """Return the body of the last answer; a problem is checked."""
        head, _, body = self.content[self.content.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
        answer: dict[str, Any] = json.loads(body)
        if headers["content-type"] == "application/problem+json":
            assert int(headers["content-length"]) == len(body)
            assert headers["x-request-id"] == answer["request_id"]
            assert head.startswith(f"HTTP/1.1 {answer['status']} {answer['title']}".encode())
            assert ("retry-after" in headers) == (answer["status"] == 503)
            assert headers.get("connection") == "close" or answer["status"] != 408
            assert answer["instance"]
        return answer


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a caller sends: first `parts`, as fast as they are taken, then `drip` again and again; and what it hears."""

    parts: tuple[bytes, ...] = ()
    drip: bytes = b""
    pause: float = 0.1
    statuses: tuple[int, ...]
    code: str | None = None
    after: float = 0.0
    """When the connection is closed, in seconds; what is not waited for is closed at once."""


def spend(key: str, headers: bytes = b"") -> bytes:
    body = json.dumps({"amount": "0.01", "asset_type_id": 1, "idempotency_key": key}).encode()
    return SPEND + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n"
LARGE_HEADER = b"X-Large: " + b"a" * 20_000 + END
TRAILING_KEY = b"0\r\nIdempotency-Key: behind\r\n\r\n"
CHUNKED_SPEND = SPEND + CHUNKED + END + chunk(b'{"amount": "0.01", "asset_type_id": 1}')

SLOW = {
    "nothing": Case(statuses=(), after=HEAD_SECONDS),
    "half-a-head": Case(parts=(LIVE,), statuses=(408,), code="headers_too_slow", after=HEAD_SECONDS),
    "dripping-url": Case(parts=(b"GET /",), drip=b"a", statuses=(408,), code="headers_too_slow", after=HEAD_SECONDS),
    "dripping-headers": Case(
        parts=(LIVE,), drip=b"A: b\r\n", statuses=(408,), code="headers_too_slow", after=HEAD_SECONDS
    ),
    "dripping-second-head": Case(
        parts=(LIVE + END, LIVE), drip=b"A: b\r\n", statuses=(200, 408), code="headers_too_slow", after=HEAD_SECONDS
    ),
    "no-body": Case(
        parts=(SPEND + b"Content-Length: 9\r\n\r\n",), statuses=(408,), code="body_too_slow", after=BODY_SECONDS
    ),
    "no-body-though-asked-for-it": Case(
        parts=(SPEND + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",),
        statuses=(408,),
        code="body_too_slow",
        after=BODY_SECONDS,
    ),
    "dripping-body": Case(
        parts=(SPEND + b"Content-Length: 999\r\n\r\n",),
        drip=b" ",
        statuses=(408,),
        code="body_too_slow",
        after=BODY_SECONDS,
    ),
    "dripping-chunks": Case(
        parts=(SPEND + CHUNKED + END,), drip=BLANK, statuses=(408,), code="body_too_slow", after=BODY_SECONDS
    ),
    "body-that-nobody-reads": Case(
        parts=(NOWHERE + CHUNKED + END,),
        drip=BLANK,
        statuses=(404,),
        code="not_found",
        after=HEAD_SECONDS + BODY_SECONDS,
    ),
    "idle": Case(parts=(LIVE + END,), statuses=(200,), after=IDLE_SECONDS),
}
LARGE = {
    "header": Case(parts=(LIVE + b"A: " + b"a" * 2**20 + END + END,), statuses=(431,), code="headers_too_large"),
    "header-just-too-large": Case(parts=(LIVE + LARGE_HEADER + END,), statuses=(431,), code="headers_too_large"),
    "10000-headers": Case(
        parts=(LIVE + b"".join(b"X-%d: a\r\n" % each for each in range(10_000)) + END,),
        statuses=(431,),
        code="headers_too_large",
    ),
    "url": Case(
        parts=(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + END,), statuses=(431,), code="headers_too_large"
    ),
    "endless-url": Case(parts=(b"GET /",), drip=b"a" * 2**14, pause=0, statuses=(431,), code="headers_too_large"),
    "endless-header": Case(
        parts=(LIVE + b"A: ",), drip=b"a" * 2**14, pause=0, statuses=(431,), code="headers_too_large"
    ),
    "endless-blank-lines": Case(drip=END * 2**13, pause=0, statuses=(431,), code="headers_too_large"),
    "header-of-a-second-request": Case(
        parts=(LIVE + END + LIVE + LARGE_HEADER + END,), statuses=(200, 431), code="headers_too_large"
    ),
    "declared-body": Case(
        parts=(SPEND + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1),),
        statuses=(413,),
        code="content_too_large",
    ),
    "chunked-body": Case(
        parts=(SPEND + CHUNKED + b"Connection: close\r\n\r\n", *[chunk(b" " * 2**20)] * 8, BLANK),
        statuses=(413,),
        code="content_too_large",
    ),
    "endless-chunk-extension": Case(
        parts=(SPEND + CHUNKED + END + b"1;",), drip=b"a" * 2**16, pause=0, statuses=(400,), code="request_unreadable"
    ),
    "endless-trailers": Case(
        parts=(SPEND + CHUNKED + END + b"0\r\n",),
        drip=b"A: " + b"a" * 2**16 + END,
        pause=0,
        statuses=(400,),
        code="request_unreadable",
    ),
    "body-in-single-bytes": Case(
        parts=(SPEND + CHUNKED + END,), drip=BLANK * 2**12, pause=0, statuses=(400,), code="request_unreadable"
    ),
}
WRONG = {
    "no-http": Case(parts=(b"hello\r\n\r\n",), statuses=(400,), code="request_unreadable"),
    "tls": Case(
        parts=(bytes.fromhex("16030100c8010000c40303") + b"a" * 64,), statuses=(400,), code="request_unreadable"
    ),
    "connect": Case(
        parts=(b"CONNECT localhost:5432 HTTP/1.1\r\n" + HOST + END,), statuses=(400,), code="request_unreadable"
    ),
    "two-lengths": Case(
        parts=(SPEND + CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n",), statuses=(400,), code="request_unreadable"
    ),
    "chunked-twice": Case(parts=(SPEND + CHUNKED * 2 + END + BLANK,), statuses=(400,), code="request_unreadable"),
    "broken-chunk": Case(parts=(CHUNKED_SPEND + b"zz\r\n",), statuses=(400,), code="request_unreadable"),
    "garbage-behind-a-request": Case(
        parts=(spend("before-garbage") + b"garbage\r\n\r\n",), statuses=(200, 400), code="request_unreadable"
    ),
    "broken-chunk-behind-requests": Case(
        parts=(spend("before-a-broken-chunk") + LIVE + END + CHUNKED_SPEND + b"zz\r\n",),
        statuses=(200, 200, 400),
        code="request_unreadable",
    ),
    "far-ahead": Case(parts=((LIVE + END) * 1_000,), statuses=(200,) * 17 + (503,), code="busy"),
}
RIGHT = {
    "largest-head": Case(parts=(LIVE + b"A: " + b"a" * 16_000 + END + END,), statuses=(200,), after=IDLE_SECONDS),
    "three-at-once": Case(
        parts=(LIVE + END + NOWHERE + b"Content-Length: 0\r\n\r\n" + spend("third"),),
        statuses=(200, 404, 200),
        after=IDLE_SECONDS,
    ),
    "as-far-ahead-as-may-be": Case(parts=((LIVE + END) * 17,), statuses=(200,) * 17, after=IDLE_SECONDS),
    "http-1.0": Case(parts=(b"GET /health/live HTTP/1.0\r\n\r\n",), statuses=(200,)),
    "blank-after-the-length": Case(
        parts=(spend("blank").replace(b"\r\n\r\n", b" \r\n\r\n"),), statuses=(200,), after=IDLE_SECONDS
    ),
    "upgrade-with-a-body": Case(parts=(spend("upgrade", UPGRADE),), statuses=(200,), after=IDLE_SECONDS),
    "websocket": Case(parts=(LIVE + WEBSOCKET + END,), statuses=(200,), after=IDLE_SECONDS),
    "key-behind-the-body": Case(
        parts=(CHUNKED_SPEND + TRAILING_KEY, CHUNKED_SPEND + TRAILING_KEY), statuses=(200, 200), after=IDLE_SECONDS
    ),
}
CASES = SLOW | LARGE | WRONG | RIGHT
KEYS = {"before-garbage", "before-a-broken-chunk", "third", "blank", "upgrade"}
"""Those of the spends that are answered with 200."""


async def caller(port: int, case: Case) -> Heard:
    """Send what the case says, and listen until the connection is closed."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def speak() -> None:
        with suppress(ConnectionError):
            for part in case.parts:
                writer.write(part)
                await writer.drain()
            while case.drip:
                writer.write(case.drip)
                await writer.drain()
                await asyncio.sleep(case.pause)

    speaking = asyncio.create_task(speak())
    heard, closed = bytearray(), False
    with suppress(TimeoutError):
        async with asyncio.timeout(WAIT_SECONDS):
            with suppress(ConnectionError):
                while received := await reader.read(2**16):
                    heard += received
            closed = True
    ended = time.monotonic()
    speaking.cancel()
    writer.close()
    return Heard(bytes(heard), ended - began, closed)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Door:
    """The service, and what it said on standard error."""

    service: Service
    database: Database
    log: bytearray

    @property
    def pid(self) -> int:
        return self.service.process.pid

    def files_max(self) -> int:
        """Return how many files the service may have open."""
        (soft,) = re.findall(r"Max open files +(\d+)", Path(f"/proc/{self.pid}/limits").read_text())
        return int(soft)

    def sockets(self) -> int:
        """Return how many callers the service has."""
        return len(connections_of(self.pid, self.service.port))

    async def send(self, *parts: bytes, statuses: tuple[int, ...] = ()) -> Heard:
        return await caller(self.service.port, Case(parts=parts, statuses=statuses))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(pytestconfig: pytest.Config) -> AsyncIterator[Door]:
    async with (
        cloned_database(pytestconfig.stash[SERVER_URL], SEEDED_TEMPLATE) as url,
        served(*PROGRAM, DATABASE_URL=url, DUE_JOB="false", LOG_LEVEL="info") as (at, process),
    ):
        log = bytearray()

        async def listen() -> None:
            assert process.stderr is not None
            while said := await process.stderr.read(2**16):
                log.extend(said)

        listening = asyncio.create_task(listen())
        service, database = Service(process, at), Database(url, pool_size=2)
        async with service.client() as client:
            await give(client, USER, "1000")
        yield Door(service, database, log)
        assert await service.stop() == 0
        await listening
        assert (await verify(database)).problem is None
        await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard(door: Door) -> dict[str, Heard]:
    """What the callers of all cases heard, who came at once."""
    before = resident_bytes(door.pid)
    told = await asyncio.gather(*(caller(door.service.port, case) for case in CASES.values()))
    assert resident_bytes(door.pid) - before < GROWTH_MAX
    return dict(zip(CASES, told, strict=True))


def check(name: str, heard: dict[str, Heard]) -> None:
    case, told = CASES[name], heard[name]
    assert told.closed, f"still open after {told.seconds:.1f} s; heard {told.content[-200:]!r}"
    assert told.statuses() == list(case.statuses), told.content[-600:]
    assert case.after - 0.1 < told.seconds < case.after + LATE_SECONDS
    if case.statuses:
        assert told.answer().get("code") == case.code
    if case.code == "body_too_slow":
        assert told.answer()["instance"] == f"{wallet(USER)}/spend", (
            "the door is there for those whom nobody listens to"
        )


@pytest.mark.parametrize("name", SLOW)
async def test_who_is_too_slow_is_let_go_in_time(heard: dict[str, Heard], name: str) -> None:
    check(name, heard)


@pytest.mark.parametrize("name", LARGE)
async def test_what_is_too_large_is_refused_and_not_read_to_its_end(heard: dict[str, Heard], name: str) -> None:
    check(name, heard)


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_refused_after_the_answers_to_what_was_right(heard: dict[str, Heard], name: str) -> None:
    check(name, heard)


@pytest.mark.parametrize("name", RIGHT)
async def test_what_is_within_bounds_is_answered(heard: dict[str, Heard], name: str) -> None:
    check(name, heard)


async def test_exactly_what_came_whole_is_booked(heard: dict[str, Heard], door: Door) -> None:
    assert heard["upgrade-with-a-body"].answer()["amount"] == "0.01"
    assert not heard["key-behind-the-body"].answer()["replayed"]
    assert {key for key in await booked(door.database, USER) if key} == KEYS


async def test_of_more_connections_than_there_may_be_the_first_are_answered_and_the_rest_told(door: Door) -> None:
    async def opened() -> Connection:
        return await asyncio.open_connection("127.0.0.1", door.service.port)

    await until(lambda: door.sockets() == 0)
    first = [await opened() for _ in range(CONNECTIONS_MAX)]
    more = [await opened() for _ in range(TURNED_AWAY_MAX)]
    cut_off = [await opened() for _ in range(5)]
    async with asyncio.timeout(WAIT_SECONDS):
        told = [await reader.read() for reader, _ in more]
    assert [Heard(each, 0, closed=True).answer()["code"] for each in told] == ["busy"] * TURNED_AWAY_MAX
    for reader, _ in cut_off:
        with suppress(ConnectionError):
            assert await reader.read() == b""
    for reader, writer in first:
        writer.write(LIVE + END)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    for _, writer in (*first, *more, *cut_off):
        writer.close()
    await until(lambda: door.sockets() == 0)
    assert (await door.send(LIVE + b"Connection: close\r\n\r\n")).statuses() == [200]


async def test_more_files_may_be_open_than_the_service_was_started_with(door: Door) -> None:
    assert door.files_max() == FILES_MAX
    assert FILES_MAX > http_bounds.CONNECTIONS_MAX + http_bounds.TURNED_AWAY_MAX + POOL_SIZE_MAX


async def test_who_reads_no_answer_is_cut_off(door: Door) -> None:
    await until(lambda: door.sockets() == 0)
    loop = asyncio.get_running_loop()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.settimeout(0)
        await loop.sock_connect(deaf, ("127.0.0.1", door.service.port))
        await loop.sock_sendall(deaf, BUNDLE * 5)
        began = time.monotonic()
        await until(lambda: door.sockets() == 1)
        await until(lambda: door.sockets() == 0)
        assert ANSWER_SECONDS - 0.1 < time.monotonic() - began < ANSWER_SECONDS + IDLE_SECONDS + LATE_SECONDS
        size = 0
        with suppress(ConnectionError):
            while received := await loop.sock_recv(deaf, 2**20):
                size += len(received)
    assert size < BUNDLE_BYTES * 5


async def test_who_was_slow_and_stays_after_a_refusal_is_told_once_and_cut_off(door: Door) -> None:
    await until(lambda: door.sockets() == 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.service.port)
    writer.write(LIVE)
    await asyncio.sleep(HEAD_SECONDS * 0.75)  # so that its time is up between the refusal and the end
    writer.write(b"garbage" + END + END)
    told = Heard(await reader.read(), 0, closed=True)
    await until(lambda: door.sockets() == 0)
    writer.close()
    assert told.statuses() == [400]


async def test_bodies_may_have_only_so_much_together(door: Door) -> None:
    part = SPEND + b"Content-Length: %d\r\n\r\n" % (6 * 2**20) + b" " * 5 * 2**20
    told = await asyncio.gather(door.send(part), door.send(part))
    assert sorted(each.answer()["code"] for each in told) == ["body_too_slow", "busy"]
    alone = SPEND + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (6 * 2**20) + b" " * 6 * 2**20
    assert (await door.send(alone)).answer()["code"] == "body_not_json"


async def test_who_leaves_with_requests_unanswered_disturbs_nobody(door: Door) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", door.service.port)
        writer.write(spend("left") * 10)
        await writer.drain()
        writer.transport.abort()
    assert (await door.send(spend("left", b"Connection: close\r\n"))).answer()["replayed"]


async def test_what_is_refused_is_logged_by_its_code_alone(heard: dict[str, Heard], door: Door) -> None:
    lines = [json.loads(line) for line in door.log.decode().splitlines()]
    assert {line["event"] for line in lines} == {"request", "refused"}
    assert "crash" not in door.log.decode()
    refused = [line for line in lines if line["event"] == "refused"]
    assert all(line.keys() == {"event", "level", "timestamp", "request_id", "status", "code"} for line in refused)
    logged = {(line["request_id"], line["code"]) for line in lines if "code" in line}
    for name, told in heard.items():
        if CASES[name].code is not None:
            assert (told.answer()["request_id"], CASES[name].code) in logged


async def test_the_operating_guide_has_the_bounds() -> None:
    text = (ROOT / "docs/operating.md").read_text()
    rows = dict(re.findall(r"^\| ([a-z][^|`]+?) \| ([0-9][0-9,]* ?\w*)[^|]* \|", text, re.MULTILINE))
    assert rows == {
        "request line and headers together": f"{http_bounds.HEAD_BYTES_MAX // 2**10} KiB",
        "time for them": f"{http_bounds.HEAD_SECONDS} s",
        "body": f"{BODY_BYTES_MAX // 2**20} MiB",
        "time for it": f"{bodies.BODY_SECONDS} s",
        "bodies being read together": f"{bodies.LARGE_BYTES_MAX // 2**20} MiB",
        "time to take an answer": f"{http_bounds.ANSWER_SECONDS} s",
        "time between two requests": f"{http_bounds.IDLE_SECONDS} s",
        "requests sent ahead of their answers": f"{http_bounds.AHEAD_MAX}",
        "connections": f"{http_bounds.CONNECTIONS_MAX:,}",
    }
