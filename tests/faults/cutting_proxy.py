"""A TCP proxy that speaks enough of PostgreSQL's protocol to cut or stall a connection at a chosen message."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from sqlalchemy.engine import make_url

COMMIT = b"COMMIT\0"
"""The message itself, not the words of an isolation level."""


class Fault(StrEnum):
    """What happens to a connection when a client's message has `trigger` in it."""

    CUT_BEFORE = "the message does not reach the server"
    CUT_AFTER = "the message reaches the server, then both sides are cut"
    CUT_REPLY = "the server acts on the message, its reply is dropped and the client cut"
    STALL_REPLY = "the server acts on the message, its reply is never sent"


class CuttingProxy:
    """Between a client and the server's unix socket. Armed, it does its fault to the next `times` triggers."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: Fault | None = None
        self._trigger = b""
        self._times = 0
        self.done = 0
        self.port = 0

    def arm(self, fault: Fault, *, trigger: bytes = COMMIT, times: int = 1) -> None:
        self._fault, self._trigger, self._times = fault, trigger, times

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._socket_path)
        dropped = asyncio.Event()
        try:
            await asyncio.gather(
                self._to_server(reader, upstream_writer, writer, dropped),
                self._to_client(upstream_reader, writer, dropped),
            )
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            for each in (writer, upstream_writer):
                with contextlib.suppress(OSError):
                    each.close()
            self._tasks.discard(task)

    async def _to_server(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        dropped: asyncio.Event,
    ) -> None:
        while data := await reader.read(65_536):
            fault = self._take_fault(data)
            if fault is Fault.CUT_BEFORE:
                raise asyncio.IncompleteReadError(b"", None)
            if fault is not None:
                dropped.set()  # nothing more reaches the client
            server.write(data)
            await server.drain()
            if fault is Fault.CUT_AFTER:
                raise asyncio.IncompleteReadError(b"", None)
            if fault is Fault.CUT_REPLY:
                client.close()
        server.close()

    async def _to_client(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, dropped: asyncio.Event
    ) -> None:
        while data := await server.read(65_536):
            if not dropped.is_set():
                client.write(data)
                await client.drain()
        if not dropped.is_set():
            client.close()

    def _take_fault(self, data: bytes) -> Fault | None:
        if self._fault is None or self._times == 0 or self._trigger not in data:
            return None
        self._times -= 1
        self.done += 1
        return self._fault


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[CuttingProxy, str]]:
    """Lend a proxy to the server of `url` (which names a unix socket) and the URL that goes through it."""
    host = parse_qs(urlsplit(url).query)["host"][0]
    proxy = CuttingProxy(f"{host}/.s.PGSQL.5432")
    await proxy.start()
    through = make_url(url).set(host="127.0.0.1", port=proxy.port, query={})
    try:
        yield proxy, through.render_as_string(hide_password=False)
    finally:
        await proxy.stop()
