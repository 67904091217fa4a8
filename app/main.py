"""Builds the HTTP process, and nothing else. `app.main:app` is made when a server asks for it."""

import gc
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import __version__
from app.api.bodies import Bodies
from app.api.dependencies import Services
from app.api.docs import add_docs
from app.api.ledger_route import LedgerRoutes
from app.api.middleware import RequestContext
from app.api.openapi import DESCRIPTION, TITLE, add_openapi
from app.api.problems import add_problem_handlers
from app.api.routes import accounts, asset_types, batch, health, history, holds, keys, lists, sandbox, wallets
from app.config import ConfigurationError, Settings, load_settings
from app.database import Database
from app.database_url import database_url, unreachable
from app.domain.errors import DatabaseUnavailable
from app.logs import configure_logs
from app.migration import SchemaTooNew, check_sandbox, migrate
from app.roles import check_role, warn_if_degraded
from app.services.account_service import AccountService
from app.services.asset_service import AssetService
from app.services.catalogue import Catalogue
from app.services.due_job import DueJob
from app.services.history_service import HistoryService
from app.services.key_service import KeyService
from app.services.listing_service import ListingService
from app.services.rate_limits import RateLimits
from app.services.readiness import Readiness
from app.services.sandbox_service import SandboxService
from app.services.seed_service import seed
from app.services.wallet_service import WalletService

GC_ALLOCATIONS, GC_GENERATION_1, GC_GENERATION_2 = 250_000, 20, 50

if TYPE_CHECKING:
    app: ASGIApp


class _Application(FastAPI):
    """FastAPI with only those layers around its routes that do something here.

    `RequestContext` answers crashes, `LedgerRoute` what is refused, `LedgerRequest` bounds bodies, and nothing listens
    to FastAPI's telemetry: its own layers for these would only cost time.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """See `Starlette.build_middleware_stack`."""
        others = ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)
        return RequestContext(LedgerRoutes(self.router.routes, otherwise=others))


def create_app(settings: Settings) -> ASGIApp:
    """Build the application. It opens nothing before its lifespan starts."""
    application = _Application(
        title=TITLE,
        version=__version__,
        description=DESCRIPTION,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        lifespan=_lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    application.state.settings = settings
    for resource in (wallets, accounts, holds, batch, lists, history, asset_types, keys, sandbox, health):
        application.router.routes += resource.router.routes  # flat: including nests the routers, and matches twice
    add_docs(application)
    add_problem_handlers(application)
    add_openapi(application)
    return _OneLineStartupErrors(application)


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    settings: Settings = application.state.settings
    configure_logs(settings)
    database = Database(database_url(settings), pooler=settings.database_pooler, pool_size=settings.database_pool_size)
    try:
        try:
            services = await _start(settings, database)
        except DatabaseUnavailable as error:
            raise ConfigurationError(f"{unreachable(settings)}") from error
        except SchemaTooNew as error:
            raise ConfigurationError(str(error)) from error
        application.state.services = services
        services.keys.start()
        due_job = DueJob(database, services.wallets)
        if settings.due_job:
            due_job.start()
        with _noticing_stop(services.readiness):
            yield
        services.readiness.draining = True
        await due_job.stop()
        await services.wallets.close()
        await services.rates.close()
        await services.keys.stop()
    finally:
        await database.close()


async def prepare_database(settings: Settings, database: Database) -> None:
    """Bring the tables up to date if that is wanted, and see to it that the service can work with them.

    Raises:
        ConfigurationError: it can't; one line says what to do.
        SchemaTooNew: the database is ahead of this code.
        DatabaseUnavailable: it can't be reached.
    """
    if settings.migrate_on_start:
        await migrate(database, sandbox=settings.sandbox)
    elif settings.sandbox:
        async with database.connect() as connection:
            await check_sandbox(connection)
    await check_role(database)


async def _start(settings: Settings, database: Database) -> Services:
    await prepare_database(settings, database)
    await warn_if_degraded(database)
    if settings.seed_on_start:
        await seed(database)
    wallet_service = WalletService(database)
    services = Services(
        settings=settings,
        bodies=Bodies(),
        catalogue=Catalogue(database),
        wallets=wallet_service,
        transactions=wallet_service.transactions,
        accounts=AccountService(database, wallet_service),
        listings=ListingService(database),
        history=HistoryService(database),
        assets=AssetService(database),
        sandbox=SandboxService(database),
        keys=KeyService(database),
        rates=RateLimits(database),
        readiness=Readiness(database),
    )
    await services.catalogue.load()
    return services


def create_served_app(settings: Settings) -> ASGIApp:
    """Build the application of a process that does nothing but serve it."""
    collect_garbage_rarely()
    return create_app(settings)


def collect_garbage_rarely() -> None:
    """Never look at what is there now again, and at the rest rarely: that had cost an eighth of a batch."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, GC_GENERATION_1, GC_GENERATION_2)


@contextmanager
def _noticing_stop(readiness: Readiness) -> Iterator[None]:
    """Let /health/ready say "draining" from the moment of the signal, while the server still finishes requests."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def handler(number: int, frame: FrameType | None) -> None:
        readiness.draining = True
        previous = before[signal.Signals(number)]
        if callable(previous):
            previous(number, frame)

    for each in before:
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each, previous in before.items():
            signal.signal(each, previous)


class _OneLineStartupErrors:
    """Says in one line why the service can't start, where the server would print a traceback."""

    def __init__(self, application: FastAPI) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through but a failed start."""
        if scope["type"] != "lifespan":
            await self.application(scope, receive, send)
            return

        failed: list[Message] = []

        async def send_unless_failed(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failed.append(message)
            else:
                await send(message)

        try:
            await self.application(scope, receive, send_unless_failed)
        except ConfigurationError as error:
            await send({"type": "lifespan.startup.failed", "message": f"wallet: {error}"})
        except BaseException:
            for message in failed:
                await send(message)
            raise


def __getattr__(name: str) -> ASGIApp:
    """Make `app` when a server asks for it, so that importing this module reads no setting."""
    if name != "app":
        raise AttributeError(name)
    try:
        return create_served_app(load_settings())
    except ConfigurationError as error:
        sys.stderr.write(f"wallet: {error}\n")
        raise SystemExit(2) from None
