"""The seeded database and the service on it, reached through a pgbouncer in transaction mode."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import SecretStr

from app.config import Pooler, Settings
from app.database import Database
from tests.conftest import serving
from tests.pooler.pgbouncer import PgBouncer


@pytest.fixture
def pooled_url(pooler: PgBouncer, seeded_url: str) -> str:
    """A migrated database with the seed, verified past this pooler when the test is over."""
    return pooler.url(seeded_url)


@pytest.fixture
async def pooled(pooled_url: str) -> AsyncIterator[Database]:
    database = Database(pooled_url, pooler=Pooler.TRANSACTION)
    yield database
    await database.close()


@pytest.fixture
async def client(pooled_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The service over HTTP, set up for the pooler."""
    settings = Settings(database_url=SecretStr(pooled_url), database_pooler=Pooler.TRANSACTION)
    async with serving(settings) as client:
        yield client
