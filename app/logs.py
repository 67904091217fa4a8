"""Logging: structlog, one JSON line an event on standard error."""

import logging
import sys

import structlog

from app.config import LogFormat, Settings


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
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format is LogFormat.JSON:
        processors.append(structlog.processors.format_exc_info)  # without local variables: they hold what users sent
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
