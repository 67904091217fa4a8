"""`wallet serve`: uvicorn, and, when no database is named, the PostgreSQL that comes along.

Only this command owns that server. It starts before the first worker and stops after the last; if this process is
killed outright, the kernel tells server and workers to end.
"""

import asyncio
import ctypes
import http.client
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from app.config import ConfigurationError, Settings, load_settings
from app.database import Database, create_database
from app.database_url import APPLICATION, EMBEDDED_DATABASE, database_url, unreachable
from app.domain.errors import DatabaseUnavailable
from app.http_bounds import BoundedHttp
from app.main import create_served_app, prepare_database
from app.migration import migrate
from app.roles import apply_roles
from app.services.seed_service import seed

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from app.embedded_postgres import EmbeddedPostgres

FILES_MAX = 2_048
"""How many files a process may have open: what the most callers and connections to PostgreSQL need, and some more."""

DRAIN_SECONDS = 25
"""How long requests that were accepted may take after SIGTERM; hosts kill after 30 s."""

PR_SET_PDEATHSIG = 1  # from Linux's <sys/prctl.h>


def serve(settings: Settings) -> None:
    """Serve until told to stop.

    Raises:
        ConfigurationError: a setting is wrong, the port is taken, or the database can't be used.
    """
    _allow_files()
    listening = _listen(settings)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _exit)  # uvicorn sends itself the signal again when it has drained
    if settings.database_url is not None:
        asyncio.run(_check(settings))
        _run(settings, listening, data="DATABASE_URL")
        return
    with _own_postgres(settings) as postgres:
        asyncio.run(_prepare(settings, postgres))
        _run(settings, listening, data=str(settings.wallet_home.resolve()))


def worker_app() -> ASGIApp:
    """Make the application of a worker process, which ends when its parent does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    return create_served_app(load_settings())


def _allow_files() -> None:
    """Raise the limit of open files, where it is lower than that and may be: many systems start programs with 1,024."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < FILES_MAX and soft != resource.RLIM_INFINITY:
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard), hard)
            )


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything is started."""
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"PORT: can't listen on {settings.host} port {settings.port} ({error.strerror}): set another PORT or HOST, "
            "or stop what listens there"
        ) from error
    listening.set_inheritable(True)
    return listening


@contextmanager
def _own_postgres(settings: Settings) -> "Iterator[EmbeddedPostgres]":
    try:
        from app.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError  # noqa: PLC0415 - POSIX only
    except ImportError as error:
        raise ConfigurationError("DATABASE_URL: needed on this system, which has no PostgreSQL of its own") from error
    try:
        postgres = EmbeddedPostgres(settings.wallet_home)
        postgres.start()
    except EmbeddedPostgresError as error:
        raise ConfigurationError(f"WALLET_HOME: {error}") from error
    try:
        yield postgres
    finally:
        postgres.stop()


async def _check(settings: Settings) -> None:
    """Prepare the database once, so that one that can't be used is one line, however many workers there are."""
    database = Database(database_url(settings), pooler=settings.database_pooler)
    try:
        await prepare_database(settings, database)
    except DatabaseUnavailable as error:
        raise ConfigurationError(unreachable(settings)) from error
    finally:
        await database.close()


async def _prepare(settings: Settings, postgres: "EmbeddedPostgres") -> None:
    """Make the database in the server that has just started, its tables and roles, and the seed."""
    await create_database(postgres.url("postgres"), EMBEDDED_DATABASE)
    owner = Database(postgres.url(EMBEDDED_DATABASE))
    try:
        await migrate(owner, sandbox=settings.sandbox)
        await apply_roles(owner, password=postgres.password)
    finally:
        await owner.close()
    application = Database(postgres.url(EMBEDDED_DATABASE, APPLICATION))
    try:
        await seed(application)
    finally:
        await application.close()


def _run(settings: Settings, listening: socket.socket, *, data: str) -> None:
    config = uvicorn.Config(
        "app.cli.serve:worker_app" if settings.workers > 1 else create_served_app(settings),
        factory=settings.workers > 1,
        workers=settings.workers,
        http=BoundedHttp,
        loop="app.shared_port:TurnTakingLoop" if settings.workers > 1 and sys.platform != "win32" else "auto",
        ws="none",
        access_log=False,
        proxy_headers=False,  # nobody asks for what they would change
        lifespan="on",
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_announce, args=(settings, data), daemon=True).start()
    if settings.workers > 1:
        Multiprocess(config, sockets=[listening]).run()
    else:
        server.run(sockets=[listening])
    if not server.started and settings.workers == 1:
        raise SystemExit(3)


def _announce(settings: Settings, data: str) -> None:
    """Say where everything is, once the service answers."""
    host = "localhost" if settings.host in {"0.0.0.0", "127.0.0.1", "::", "::1"} else settings.host  # noqa: S104
    url = f"http://{host}:{settings.port}"
    while True:
        connection = http.client.HTTPConnection(host, settings.port, timeout=1)  # not urllib: it would ask a proxy
        try:
            connection.request("GET", "/health/live")
            connection.getresponse()
            break
        except (http.client.HTTPException, OSError):
            time.sleep(0.02)
        finally:
            connection.close()
    sys.stdout.write(
        f"\n  Wallet is up.\n\n    API    {url}/api/v1\n    Docs   {url}/docs\n    Data   {data}\n    Stop   Ctrl-C\n\n"
    )
    sys.stdout.flush()


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
