"""One database and one connection for each module here: what a test does in its transaction is rolled back."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import SEEDED_TEMPLATE, SERVER_URL, as_owner, cloned_database, owner_connection
from tests.repositories.rows import Connection


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _connection(pytestconfig: pytest.Config) -> AsyncIterator[Connection]:
    server_url = as_owner(pytestconfig.stash[SERVER_URL])
    async with cloned_database(server_url, SEEDED_TEMPLATE) as url, owner_connection(url) as connection:
        yield connection


@pytest_asyncio.fixture(loop_scope="module")
async def connection(_connection: Connection) -> AsyncIterator[Connection]:
    """A connection to the seeded tables as their owner, in a transaction that is rolled back."""
    await _connection.execute("BEGIN")
    yield _connection
    await _connection.execute("ROLLBACK")
