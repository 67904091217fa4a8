"""The door of `wallet serve`: uvicorn's own HTTP protocol, with bounds on what that one lets grow or last at will.

It takes part in how that one works inside, so uvicorn is pinned to the version that it was written for.

What is refused is answered with a problem, where an answer is possible, and logged by its code alone; then the
connection is closed.

A connection has one timer, which is set anew when it rings. The one that uvicorn sets and stops with every request, for
the time between two, costs more than all that is done here, and is not used.
"""

import asyncio
import json
from contextvars import Context
from secrets import token_hex
from typing import Any

import httptools
import structlog
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api import bodies
from app.api.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, STATUS_OF, problem_of
from app.domain.errors import (
    BodyTooSlow,
    Busy,
    HeadersTooLarge,
    HeadersTooSlow,
    RequestUnreadable,
    Unavailable,
    WalletError,
)

CONNECTIONS_MAX = 1_000
"""How many callers a process takes; the next ones are told that it is busy."""

TURNED_AWAY_MAX = 100
"""How many are being told so at a time; the next ones are just cut off."""

AHEAD_MAX = 16
"""How many requests may be sent ahead, while one is being answered."""

HEAD_BYTES_MAX = 2**14
"""How much the request line and the headers of a request may have together."""

FRAMING_BYTES_MAX = 2**20
"""How much of a request may be neither its body nor before it: what tells chunks apart, and headers behind them."""

HEAD_SECONDS = 10
"""How long the request line and the headers may take, from their first byte or the beginning of the connection."""

ANSWER_SECONDS = 20
"""How long an answer may wait for the caller to take more of it."""

IDLE_SECONDS = 20
"""How long a connection stays open for the next request: longer than most callers keep one, who would else send into a
connection that is just being closed."""

LOOK_SECONDS = 5
"""How often a connection is looked at, at least."""

FAREWELL_SECONDS = 1
"""How long a caller who was refused has to take the answer: one that is cut off while it sends may never see it."""

log = structlog.get_logger("app.request")


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._in_head = True
        """Whether what comes next belongs to a request line or headers."""
        self._reading_since: float | None = self.loop.time()
        """When the first byte of the request came that is being read."""
        self._answered_at = 0.0
        self._unread_since: float | None = None
        """Since when the caller takes no answers."""
        self._came_last = 0
        self._not_body = 0
        """How many bytes of the request that is being read are not its body."""
        self._at_work: RequestResponseCycle | None = None
        self._refusal: WalletError | None = None
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)

    # -- what the transport says ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the caller, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX + TURNED_AWAY_MAX:
            transport.abort()
        elif len(self.connections) > CONNECTIONS_MAX:
            self._refuse(Busy())

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the caller, and have nothing more sent to it."""
        self._timer.cancel()
        self.pipeline.clear()
        if self._at_work is not None:
            self._at_work.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless something was refused."""
        if self._refusal is not None:
            return
        if self._reading_since is None:
            self._reading_since = self.loop.time()
        self._came_last = len(data)
        self._not_body += self._came_last
        upgrade_at: int | None = None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            upgrade_at = stopped.args[0]
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, WalletError) else RequestUnreadable())
        else:
            if self._not_body > HEAD_BYTES_MAX:
                self._check_size()
        if upgrade_at is not None:  # outside of the handler, which would be the cause of whatever is refused next
            self._decline_upgrade(data[upgrade_at:])

    def pause_writing(self) -> None:
        """Note that the caller takes its answers no longer, or too slowly."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it does again."""
        self._unread_since = None
        super().resume_writing()

    # -- what the parser finds -----------------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        """Have the request answered, or put it behind those that came before.

        Raises:
            Busy: too many were sent ahead.
            HeadersTooLarge: that they are.
        """
        may_be_too_large = self._came_last > HEAD_BYTES_MAX or self._not_body > HEAD_BYTES_MAX
        if may_be_too_large and self._head_bytes() > HEAD_BYTES_MAX:
            raise HeadersTooLarge(bytes_max=HEAD_BYTES_MAX)
        if self.parser.should_upgrade():
            return  # this request is read once more
        if len(self.pipeline) >= AHEAD_MAX:
            raise Busy
        super().on_headers_complete()
        self.cycle.transport = _InOnePiece(self.transport, self.cycle)  # type: ignore[assignment]  # all that it uses
        if not self.pipeline:
            self._at_work = self.cycle
        self._in_head = False
        self.headers = []  # what is behind the body is no header of the request

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._not_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Be ready for the next request."""
        if self._in_head:
            return  # as above
        super().on_message_complete()
        self._in_head = True
        self._reading_since = None
        self._not_body = 0

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it."""
        self.server_state.total_requests += 1
        self._send_what_waits()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._at_work, app = self.pipeline.pop()
            self._start_asgi_task(self._at_work, app)
        else:
            self._answered_at = self.loop.time()

    def _send_what_waits(self) -> None:
        """Send the head of an answer that has no body."""
        if self._at_work is not None:
            self._at_work.transport.flush()  # type: ignore[attr-defined]  # it is an _InOnePiece

    def _head_bytes(self) -> int:
        """Return the size of the head that was read, written as short as can be."""
        return len(self.url) + sum(len(name) + len(value) + len(b":\r\n") for name, value in self.headers)

    def _check_size(self) -> None:
        if self._in_head:
            self._refuse(HeadersTooLarge(bytes_max=HEAD_BYTES_MAX))
        elif self._not_body > FRAMING_BYTES_MAX:
            self._refuse(RequestUnreadable())

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read a request that would change the protocol again, without its wish, as RFC 9110 (7.8) lets servers do.

        The parser takes what follows such a head for the other protocol's: the body would be lost, and a capture of a
        part, say, be one of everything.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(RequestUnreadable())
            return
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._not_body = 0
        self.data_received(b"\r\n".join((*lines, b"", rest)))

    # -- the end -------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """End what takes too long, and look again when the next thing could."""
        now = self.loop.time()
        if self.transport.is_closing() and self._unread_since is None:
            self._unread_since = now
        if self._reading_since is not None and self.flow.read_paused:
            self._reading_since = now  # it is not the caller who is slow
        if self._unread_since is not None and self._unread_since + ANSWER_SECONDS <= now:
            self.transport.abort()
            return
        if (deadline := self._deadline()) is not None and deadline <= now:
            self._give_up()
            deadline = None
        seconds = LOOK_SECONDS if deadline is None else min(deadline - now, LOOK_SECONDS)
        self._timer = self.loop.call_later(seconds, self._look)

    def _deadline(self) -> float | None:
        """Return until when what is awaited of the caller must have come."""
        if self._refusal is not None:
            return None
        if self._reading_since is not None:
            return self._reading_since + (HEAD_SECONDS if self._in_head else HEAD_SECONDS + bodies.BODY_SECONDS)
        if self._at_work is None or self._at_work.response_complete:
            return self._answered_at + IDLE_SECONDS
        return None

    def _give_up(self) -> None:
        """Refuse what does not come."""
        self._reading_since = None
        if not self._in_head:
            self._refuse(BodyTooSlow(seconds_max=bodies.BODY_SECONDS))
        elif self._not_body:
            self._refuse(HeadersTooSlow(seconds_max=HEAD_SECONDS))
        else:
            self.transport.close()

    def _refuse(self, error: WalletError) -> None:
        """Read nothing more. Have what came whole answered, then answer `error`, and close."""
        self._refusal = error
        unfinished = None if self._in_head else self.cycle
        if unfinished is not None and unfinished is self._at_work:
            unfinished.disconnected = True
            unfinished.message_event.set()
            if unfinished.response_started:
                self.transport.close()
            else:
                self._say_farewell(error)
            return
        if unfinished is not None:
            self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._at_work
        if last is None or last.response_complete:
            self._say_farewell(error)
        else:
            last.on_response = lambda: Context().run(self._say_farewell, error)

    def _say_farewell(self, error: WalletError) -> None:
        """Answer, and close once the caller had a moment to read it."""
        self._send_what_waits()
        if self.transport.is_closing():
            return
        request_id = token_hex(16)
        problem = problem_of(error)
        log.info("refused", request_id=request_id, status=problem["status"], code=error.code)
        members = {"instance": f"urn:wallet:request:{request_id}", "request_id": request_id}
        body = json.dumps(problem | members).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        if problem["status"] == STATUS_OF[Unavailable]:
            headers.append((b"retry-after", RETRY_AFTER_SECONDS.encode()))
        lines = b"".join(b"%b: %b\r\n" % each for each in headers)
        self.transport.write(STATUS_LINE[problem["status"]] + lines + b"\r\n" + body)
        self.transport.write_eof()
        self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)


class _InOnePiece:
    """The transport for one answer. Its head waits for what comes next, and is sent with it.

    Each by itself would be a call of the system and a packet of its own.
    """

    __slots__ = ("_began", "_cycle", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport, cycle: RequestResponseCycle) -> None:
        self._transport = transport
        self._cycle = cycle
        self._began = False
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send `data`, unless it is a head."""
        if self._cycle.response_started and not self._began:  # before an answer there may be "100 Continue"
            self._began, self._head = True, data
            return
        self._transport.write(self._head + data)
        self._head = b""

    def flush(self) -> None:
        """Send a head that waits."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Send a head that waits, and close."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether nothing can be sent any more."""
        return self._transport.is_closing()
