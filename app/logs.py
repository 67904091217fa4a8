"""Logging: structlog, one JSON line an event on standard error."""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog

from app.config import LogFormat, Settings

_request: ContextVar[dict[str, str]] = ContextVar("request")
"""What is known of the request that is being answered. One for all: structlog's, one each, cost a write a thirtieth."""

_processors: list[structlog.typing.Processor] = []
"""One list for good: loggers that are put together already have it."""


def begin_request(request_id: str) -> None:
    """Have every line from here on say which request it is about."""
    _request.set({"request_id": request_id})


def note_of_request(**members: str) -> None:
    """Have every further line of this request say this too."""
    _request.get().update(members)


def _merge_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {**_request.get({}), **event}


def configure_logs(settings: Settings) -> None:
    """Set structlog up, and silence uvicorn's own line for each request: it shows paths, and paths name users."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    processors: list[structlog.typing.Processor] = [
        _merge_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format is LogFormat.JSON:
        processors.append(structlog.processors.format_exc_info)  # without local variables: they hold what users sent
    _processors[:] = [*processors, renderer]
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
