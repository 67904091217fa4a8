"""One PostgreSQL for the whole run, one database for each test, and the ledger verified after each.

The server starts in the controller. A database is cloned from a migrated template, 25 ms in memory.
POSTGRES_BINARIES runs the suite on another installation's binaries, as in
POSTGRES_BINARIES=/usr/lib/postgresql/15/bin. DATABASE_POOLER, a setting of the
service, holds here too: with `transaction` every test reaches its database through a pgbouncer.

All tests are connected as the application, which may do what `app.roles` declares and no more. What only the owner of
the tables may do, such as changing them behind the service's back, is done by `as_owner` or `owner_connection`.
"""

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from app.config import Pooler, Settings
from app.database import Database, create_database
from app.database_url import APPLICATION
from app.embedded_postgres import OWNER, EmbeddedPostgres
from app.logs import configure_logs
from app.main import GC_ALLOCATIONS, GC_GENERATION_1, GC_GENERATION_2, create_app
from app.migration import migrate
from app.roles import apply_roles
from app.services.seed_service import seed
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.pooler.pgbouncer import PgBouncer, pgbouncer_program
from tests.sizes import SEED

MEMORY = Path("/dev/shm")  # noqa: S108 - for folders with names of their own
MEMORY_BYTES = 4 * 2**30
"""How much must be free there; containers often have 64 MB."""

TEMPLATE = "template_wallet"
SEEDED_TEMPLATE = "template_wallet_seeded"
SANDBOX_TEMPLATE = "template_wallet_sandbox"
NO_PGBOUNCER = "pgbouncer is not installed: apt-get install pgbouncer"

own_sessions = pytest.mark.skipif(
    Settings().database_pooler is Pooler.TRANSACTION, reason="behind a pooler the sessions are not the test's own"
)
"""For tests of what a new session gets, or of the sessions themselves."""

_numbers = count(1)
_server = pytest.StashKey[EmbeddedPostgres]()
_pooler = pytest.StashKey[PgBouncer]()
SERVER_URL = pytest.StashKey[str]()
"""The way to the server that every test takes."""

DIRECT_URL = pytest.StashKey[str]()
"""The way past the pooler, if there is one."""


def pytest_configure(config: pytest.Config) -> None:
    _keep_temporary_files_in_memory()
    settings = Settings()
    configure_logs(settings)
    _make_databases_for(settings.database_pooler)
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        config.stash[SERVER_URL], config.stash[DIRECT_URL] = workerinput["postgres_urls"]
        return
    if config.option.collectonly:
        return
    if settings.database_pooler is Pooler.TRANSACTION and pgbouncer_program() is None:
        raise pytest.UsageError(NO_PGBOUNCER)
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
    config.stash[SERVER_URL] = config.stash[DIRECT_URL] = url = server.url("postgres", APPLICATION)
    asyncio.run(_make_templates(server))
    if settings.database_pooler is Pooler.TRANSACTION:
        config.stash[_pooler] = pooler = PgBouncer(url)
        pooler.start()
        config.stash[SERVER_URL] = pooler.url(url)


def _keep_temporary_files_in_memory() -> None:
    """Do so where the system has a folder for it: a database is copied in a tenth of the time that a disk takes."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    folder = os.statvfs(MEMORY)
    if folder.f_bavail * folder.f_frsize >= MEMORY_BYTES and not folder.f_flag & os.ST_NOEXEC:
        tempfile.tempdir = str(MEMORY)


def _make_databases_for(pooler: Pooler) -> None:
    """Let every Database be made for the pooler that all tests go through, as Settings are, without naming it."""
    defaults = Database.__init__.__kwdefaults__
    assert defaults is not None
    defaults["pooler"] = pooler


def pytest_collection_finish() -> None:
    """Look for garbage rarely, as the service does, and never again among the modules and the list of tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, GC_GENERATION_1, GC_GENERATION_2)


def pytest_report_header() -> str:
    return f"SEED={SEED}"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell an xdist worker where the server is."""
    stash = node.config.stash  # type: ignore[attr-defined]  # xdist is untyped
    node.workerinput["postgres_urls"] = stash[SERVER_URL], stash[DIRECT_URL]  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    pooler = config.stash.get(_pooler, None)
    if pooler is not None:
        pooler.stop()
    server = config.stash.get(_server, None)
    if server is not None:
        server.stop()
        shutil.rmtree(server.home.parent, ignore_errors=True)


async def _make_templates(server: EmbeddedPostgres) -> None:
    """Make the tables as their owner, the roles once for the whole server, and put the seed in as the application."""
    for name in (TEMPLATE, SEEDED_TEMPLATE, SANDBOX_TEMPLATE):
        await create_database(server.url("postgres"), name)
        owner = Database(server.url(name))
        await migrate(owner, sandbox=name == SANDBOX_TEMPLATE)
        await apply_roles(owner, password=server.password)
        await owner.close()
        if name != TEMPLATE:
            database = Database(server.url(name, APPLICATION))
            await seed(database)
            await database.close()


def in_database(server_url: str, name: str) -> str:
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def as_owner(url: str) -> str:
    """Return the way to the same database as the owner of its tables, a superuser, whose password is the same."""
    return make_url(url).set(username=OWNER).render_as_string(hide_password=False)


@asynccontextmanager
async def owner_connection(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Lend a connection to the database of `url` as the owner of its tables."""
    connection = await asyncpg.connect(as_owner(url).replace("+asyncpg", ""), statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close()


async def run_as_owner(url: str, sql: str) -> None:
    """Run what the application may not, on the database of `url`."""
    async with owner_connection(url) as connection:
        await connection.execute(sql)


def past_pooler(config: pytest.Config, url: str) -> str:
    """Return the way to the database of `url` for what needs a session of its own."""
    return make_url(config.stash[DIRECT_URL]).set(database=make_url(url).database).render_as_string(hide_password=False)


@asynccontextmanager
async def cloned_database(server_url: str, template: str) -> AsyncIterator[str]:
    """Lend a copy of a template, reached as whoever reaches the server."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    async with owner_connection(server_url) as connection:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        await connection.execute(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC')  # what a copy does not inherit
        yield in_database(server_url, name)
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def _verified_database(server_url: str, template: str) -> AsyncIterator[str]:
    async with cloned_database(server_url, template) as url:
        yield url
        database = Database(url, pool_size=8)
        try:
            assert (await verify(database)).problem is None
        finally:
            await database.close()


@pytest.fixture
def server_url(pytestconfig: pytest.Config) -> str:
    """The URL of the test server's own database."""
    return pytestconfig.stash[SERVER_URL]


@pytest.fixture(scope="session")
def pooler(pytestconfig: pytest.Config) -> Iterator[PgBouncer]:
    """A pgbouncer before the test server; where it is not installed tests are skipped, or fail with REQUIRE_POOLER."""
    if pgbouncer_program() is None:
        refuse = pytest.fail if os.environ.get("REQUIRE_POOLER") else pytest.skip
        refuse(NO_PGBOUNCER)
    pooler = PgBouncer(pytestconfig.stash[DIRECT_URL])
    pooler.start()
    yield pooler
    pooler.stop()


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    """A migrated database without the seed."""
    async with cloned_database(server_url, TEMPLATE) as url:
        yield url


@pytest.fixture
async def seeded_url(server_url: str) -> AsyncIterator[str]:
    """A migrated database with the seed, verified when the test is over."""
    async with _verified_database(server_url, SEEDED_TEMPLATE) as url:
        yield url


@pytest.fixture
async def sandbox_url(server_url: str) -> AsyncIterator[str]:
    """The same, created as a sandbox, whose clock can be advanced."""
    async with _verified_database(server_url, SANDBOX_TEMPLATE) as url:
        yield url


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
    """Start the application in this process and lend a client to it. Nothing is booked behind a test's back."""
    app = create_app(settings.model_copy(update={"due_job": "due_job" in settings.model_fields_set}))
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
async def sandbox_client(sandbox_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The service over HTTP on a sandbox, called from this machine."""
    async with serving(Settings(database_url=SecretStr(sandbox_url))) as client:
        yield client


@pytest.fixture
def set_clock(database: Database) -> Callable[[str], Awaitable[None]]:
    """Lend what makes the ledger's clock stand still at a moment, given as an RFC 3339 text."""

    async def set_to(moment: str) -> None:
        await set_ledger_now(url_of(database), f"'{moment}'::timestamptz")

    return set_to


async def set_ledger_now(url: str, now: str) -> None:
    """Let the ledger's clock show what an SQL expression says."""
    await run_as_owner(
        url, f"CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE RETURN {now}"
    )
