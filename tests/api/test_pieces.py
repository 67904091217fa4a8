"""How an answer leaves the process: in one piece, and nothing of it stays behind."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from app.http_bounds import BoundedHttp

HEADERS = [(b"content-length", b"5")]


class Recorder(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        pass

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/body":
        await receive()
    headers = [] if scope["path"] == "/stream" else HEADERS
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/crash":
        raise RuntimeError
    await send({"type": "http.response.body", "body": b"he", "more_body": True})
    await send({"type": "http.response.body", "body": b"llo"})


def connected(transport: Recorder) -> BoundedHttp:
    """Return the door, with a caller whose answers go to `transport`."""
    config = Config(application, http=BoundedHttp, lifespan="off", log_level="critical")
    config.load()
    protocol = BoundedHttp(config, ServerState(), {})
    protocol.connection_made(transport)
    return protocol


async def pieces(sent: bytes) -> Recorder:
    """Return the transport after everything that is sent has been answered."""
    transport = Recorder()
    protocol = connected(transport)
    protocol.data_received(sent)
    while protocol.tasks:
        await asyncio.wait(protocol.tasks)
    protocol.connection_lost(None)
    return transport


def request(path: str, method: str = "GET", *headers: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", "")).encode()


async def test_the_head_goes_with_the_first_of_the_body() -> None:
    first, second = (await pieces(request("/"))).pieces
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"\r\n\r\nhe")
    assert second == b"llo"


async def test_a_stream_too() -> None:
    first, *rest = (await pieces(request("/stream"))).pieces
    assert first.endswith(b"\r\n\r\n2\r\nhe\r\n")
    assert b"".join(rest) == b"3\r\nllo\r\n0\r\n\r\n"


async def test_a_head_alone_is_sent() -> None:
    (head,) = (await pieces(request("/", "HEAD"))).pieces
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/", "/crash"])
async def test_a_head_is_sent_before_the_connection_is_closed(path: str) -> None:
    transport = await pieces(request(path, "HEAD", "Connection: close"))
    assert transport.closed
    assert len(transport.pieces) == 1


async def test_requests_sent_ahead_are_answered_one_after_the_other() -> None:
    sent = request("/", "HEAD") + request("/") + request("/", "HEAD") + b"what is this\r\n\r\n"
    written = b"".join((await pieces(sent)).pieces)
    assert [each[:3] for each in written.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"200", b"400"]


async def test_the_leave_to_send_a_body_does_not_wait() -> None:
    sent = request("/body", "POST", "Content-Length: 1", "Expect: 100-continue")
    transport = Recorder()
    protocol = connected(transport)
    protocol.data_received(sent)
    await asyncio.sleep(0)
    assert transport.pieces == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    protocol.data_received(b"x")
    await asyncio.wait(protocol.tasks)
    assert transport.pieces[1].startswith(b"HTTP/1.1 200 OK\r\n")
    assert transport.pieces[1].endswith(b"\r\n\r\nhe")
    protocol.connection_lost(None)
