"""The seeded tables as each role sees them, and names for roles that only one test has."""

import os
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import TypeAlias

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from app.database_url import APPLICATION, READER
from tests.conftest import DIRECT_URL, SANDBOX_TEMPLATE, TEMPLATE, as_owner, cloned_database, owner_connection

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(pytestconfig: pytest.Config) -> AsyncIterator[str]:
    """A database with all tables that there can be, for the tests of a module, who change nothing."""
    async with cloned_database(pytestconfig.stash[DIRECT_URL], SANDBOX_TEMPLATE) as url:
        yield url


async def _connected(url: str, role: str) -> AsyncIterator[Connection]:
    address = make_url(url).set(drivername="postgresql", username=role).render_as_string(hide_password=False)
    connection = await asyncpg.connect(address)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(sandbox: str) -> AsyncIterator[Connection]:
    async with owner_connection(sandbox) as connection:
        yield connection


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(sandbox: str) -> AsyncIterator[Connection]:
    async for connection in _connected(sandbox, APPLICATION):
        yield connection


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader(sandbox: str) -> AsyncIterator[Connection]:
    async for connection in _connected(sandbox, READER):
        yield connection


@pytest.fixture
def migrated_url(sandbox: str) -> str:
    """The same database, reached as the owner of its tables, for tests that leave no more in it than roles."""
    return as_owner(sandbox)


@pytest.fixture
async def names(sandbox: str) -> AsyncIterator[Iterator[str]]:
    """Names for roles of a test's own, which are gone after it."""
    given: list[str] = []

    def another() -> Iterator[str]:
        while True:
            given.append(f"role_{os.getpid()}_{next(_numbers)}")
            yield given[-1]

    yield another()
    async with owner_connection(sandbox) as connection:
        for row in await connection.fetch("SELECT rolname AS name FROM pg_roles WHERE rolname = ANY ($1)", given):
            await connection.execute(f"DROP OWNED BY {row['name']}; DROP ROLE {row['name']}")


@pytest.fixture
async def owner_url(
    names: Iterator[str],  # noqa: ARG001 - a role goes after the database in which it may do something
    pytestconfig: pytest.Config,
) -> AsyncIterator[str]:
    """A migrated database of a test's own, reached as the owner of its tables."""
    async with cloned_database(as_owner(pytestconfig.stash[DIRECT_URL]), TEMPLATE) as url:
        yield url
