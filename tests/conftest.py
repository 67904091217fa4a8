"""One PostgreSQL for the whole run, one database for each test, and the ledger verified after each.

The server starts in the controller. A database is cloned from a migrated template, about 15 ms. POSTGRES_BINARIES runs
the suite on another installation's binaries, as in POSTGRES_BINARIES=/usr/lib/postgresql/15/bin.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import Settings
from app.database import Database, create_database
from app.embedded_postgres import EmbeddedPostgres
from app.logs import configure_logs
from app.main import create_app
from app.migration import migrate
from app.services.seed_service import seed
from app.services.verify_service import verify
from app.services.wallet_service import WalletService

TEMPLATE = "template_wallet"
SEEDED_TEMPLATE = "template_wallet_seeded"

_numbers = count(1)
_server = pytest.StashKey[EmbeddedPostgres]()
_server_url = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    configure_logs(Settings())
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        config.stash[_server_url] = workerinput["postgres_url"]
        return
    if config.option.collectonly:
        return
    binaries = os.environ.get("POSTGRES_BINARIES")
    home = Path(tempfile.mkdtemp(prefix="wallet-tests-"))
    home.chmod(0o755)  # as root the server is another user, who must be able to enter
    server = EmbeddedPostgres(
        home / "postgres",
        durable=False,
        # A standby that is not there: only a database that sets synchronous_commit = on waits for it.
        settings={"max_connections": "300", "synchronous_standby_names": "nobody"},
        binaries=Path(binaries) if binaries else None,
    )
    server.start()
    config.stash[_server] = server
    config.stash[_server_url] = server.url("postgres")
    asyncio.run(_make_templates(server.url("postgres")))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell an xdist worker where the server is."""
    node.workerinput["postgres_url"] = node.config.stash[_server_url]  # type: ignore[attr-defined]  # xdist is untyped


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_server, None)
    if server is not None:
        server.stop()
        shutil.rmtree(server.home.parent, ignore_errors=True)


async def _make_templates(server_url: str) -> None:
    for name in (TEMPLATE, SEEDED_TEMPLATE):
        await create_database(server_url, name)
        database = Database(_in_database(server_url, name))
        await migrate(database)
        if name == SEEDED_TEMPLATE:
            await seed(database)
        await database.close()


def _in_database(server_url: str, name: str) -> str:
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


@asynccontextmanager
async def _clone(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    engine = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        yield _in_database(server_url, name)
        async with engine.connect() as connection:
            await connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    finally:
        await engine.dispose()


@pytest.fixture
def server_url(pytestconfig: pytest.Config) -> str:
    """The URL of the test server's own database."""
    return pytestconfig.stash[_server_url]


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    """A migrated database without the seed."""
    async with _clone(server_url, TEMPLATE) as url:
        yield url


@pytest.fixture
async def seeded_url(server_url: str) -> AsyncIterator[str]:
    """A migrated database with the seed, verified when the test is over."""
    async with _clone(server_url, SEEDED_TEMPLATE) as url:
        yield url
        database = Database(url, pool_size=8)
        try:
            assert (await verify(database)).problem is None
        finally:
            await database.close()


@pytest.fixture
async def database(seeded_url: str) -> AsyncIterator[Database]:
    database = Database(seeded_url)
    yield database
    await database.close()


@pytest.fixture
async def wallets(database: Database) -> AsyncIterator[WalletService]:
    service = WalletService(database)
    yield service
    await service.close()


@asynccontextmanager
async def serving(settings: Settings, *, caller: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    """Start the application in this process and lend a client to it."""
    app = create_app(settings)
    application = app.application  # type: ignore[attr-defined]  # the FastAPI inside
    async with (
        application.router.lifespan_context(application),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, client=(caller, 50_000)), base_url="http://localhost"
        ) as client,
    ):
        yield client


@pytest.fixture
async def client(seeded_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The service over HTTP, called from this machine."""
    async with serving(Settings(database_url=SecretStr(seeded_url))) as client:
        yield client


@pytest.fixture
def set_clock(database: Database) -> Callable[[str], Awaitable[None]]:
    """Lend what makes the ledger's clock stand still at a moment, given as an RFC 3339 text."""

    async def set_to(moment: str) -> None:
        async with database.engine.begin() as connection:
            await connection.execute(
                text(
                    "CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
                    f"RETURN '{moment}'::timestamptz"
                )
            )

    return set_to
