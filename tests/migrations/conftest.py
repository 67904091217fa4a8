"""A database without tables, and the migrated one as its owner sees it."""

from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest
import pytest_asyncio

from tests.conftest import SERVER_URL, TEMPLATE, as_owner, cloned_database, owner_connection

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def blank_url(server_url: str) -> AsyncIterator[str]:
    """A database that nothing was ever done in, reached as its owner."""
    async with cloned_database(as_owner(server_url), "template1") as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def migrated_url(pytestconfig: pytest.Config) -> AsyncIterator[str]:
    """A migrated database for the tests of a module, who only look at it or roll back."""
    async with cloned_database(as_owner(pytestconfig.stash[SERVER_URL]), TEMPLATE) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _connection(migrated_url: str) -> AsyncIterator[Connection]:
    async with owner_connection(migrated_url) as connection:
        yield connection


@pytest_asyncio.fixture(loop_scope="module")
async def connection(_connection: Connection) -> AsyncIterator[Connection]:
    """A connection to the migrated tables as their owner, in a transaction that is rolled back."""
    await _connection.execute("BEGIN")
    yield _connection
    await _connection.execute("ROLLBACK")
