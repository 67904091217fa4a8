"""What surrounds every request: its id, one line in the log, and a problem instead of a crash.

Pure ASGI, and outermost, so that the answer to a crash has the request's id too.
"""

import re
import time
from functools import cached_property
from secrets import token_hex

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.headers import first_headers
from app.api.problems import internal_problem
from app.logs import begin_request, note_of_request

REQUEST_ID_NAME = b"x-request-id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*", re.ASCII)
_NO_TRACE = "0" * 32


class RequestContext:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @cached_property
    def _log(self) -> structlog.typing.FilteringBoundLogger:
        """The logger, put together once: to do it for every line would cost a write a thirtieth."""
        log: structlog.typing.FilteringBoundLogger = structlog.get_logger("app.request").bind()
        return log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; everything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = first_headers(scope)
        request_id = headers.get(REQUEST_ID_NAME, b"").decode("latin-1")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        begin_request(request_id)
        if trace_id := _trace_id(headers.get(b"traceparent", b"").decode("latin-1")):
            note_of_request(trace_id=trace_id)
        await self._serve(scope, receive, send, request_id)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((REQUEST_ID_NAME, request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            pass  # nobody is there to be answered; the line below says status 0
        except Exception:
            self._log.exception("request_crashed")
            if status:
                raise  # the answer has begun: all that is left is to cut the connection
            await internal_problem(Request(scope))(scope, receive, send_with_id)
        finally:
            # The route's template, never the path itself: user ids and keys stand in paths.
            self._log.info(
                "request",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=status,
                milliseconds=round((time.perf_counter() - started) * 1000, 2),
            )


def _trace_id(traceparent: str) -> str | None:
    """Return the trace id of a W3C `traceparent` header."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match and match[1] != _NO_TRACE else None
