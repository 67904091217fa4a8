"""Bringing the tables up to date: from nothing, again, by many at once, and never backwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.database import Database
from app.migration import ADVISORY_LOCK, HEAD, SchemaTooNew, current_revision, migrate
from app.models import metadata

ROOT = Path(__file__).parents[2]
DUPLICATE_TABLE = "42P07"
STARTED_AT_ONCE = 4
WAITING_SECONDS_MAX = 20


@pytest.fixture
async def blank(blank_url: str) -> AsyncIterator[Callable[[], Database]]:
    """Make databases, each with connections of its own as in another process, of one without tables."""
    async with AsyncExitStack() as stack:

        def another() -> Database:
            database = Database(blank_url, pool_size=2)
            stack.push_async_callback(database.close)
            return database

        yield another


async def _fetch(database: Database, sql: str) -> list[asyncpg.Record]:
    return await database.read(lambda connection: connection.fetch(sql))


async def _tables(database: Database) -> set[str]:
    return {
        row["tablename"]
        for row in await _fetch(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }


async def _revisions(database: Database) -> list[str]:
    return [row["version_num"] for row in await _fetch(database, "SELECT version_num FROM alembic_version")]


async def test_an_empty_database_gets_every_table_and_the_system_accounts(blank: Callable[[], Database]) -> None:
    database = blank()
    async with database.connect() as connection:
        assert await current_revision(connection) is None
    await migrate(database)
    assert await _tables(database) == {*metadata.tables, "alembic_version"}
    assert await _revisions(database) == [HEAD]
    systems = await _fetch(database, "SELECT id, bucket, system_name FROM accounts ORDER BY id")
    assert [tuple(row) for row in systems] == [(1, 0, "Treasury"), (2, 0, "Breakage")]


async def test_migrating_again_changes_nothing(blank: Callable[[], Database]) -> None:
    database = blank()
    await migrate(database)
    before = await _fetch(database, "SELECT oid, relname, relfilenode, xmin::text FROM pg_class ORDER BY oid")
    await migrate(database)
    assert await _fetch(database, "SELECT oid, relname, relfilenode, xmin::text FROM pg_class ORDER BY oid") == before
    assert await _revisions(database) == [HEAD]


async def test_migrations_that_start_at_once_come_out_as_one(blank: Callable[[], Database]) -> None:
    """Each has found no tables and waits for its turn, before the first one gets it."""
    observer = blank()
    async with observer.connect() as holder:
        await holder.execute(text(f"SELECT pg_advisory_lock({ADVISORY_LOCK})"))
        starts = [asyncio.create_task(migrate(blank())) for _ in range(STARTED_AT_ONCE)]
        async with asyncio.timeout(WAITING_SECONDS_MAX):
            while await _waiting(observer) < STARTED_AT_ONCE and not any(each.done() for each in starts):
                pass
        await holder.execute(text(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})"))
    await asyncio.gather(*starts)
    assert await _revisions(observer) == [HEAD]
    assert await _tables(observer) == {*metadata.tables, "alembic_version"}


async def _waiting(database: Database) -> int:
    (row,) = await _fetch(
        database,
        "SELECT count(*) AS waiting FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    return int(row["waiting"])


async def test_a_migration_that_fails_leaves_the_database_as_it_was(blank: Callable[[], Database]) -> None:
    database = blank()
    await _fetch(database, "CREATE TABLE lots (in_the_way integer)")
    with pytest.raises(ProgrammingError) as caught:
        await migrate(database)
    assert getattr(caught.value.orig, "sqlstate", None) == DUPLICATE_TABLE
    assert await _tables(database) == {"lots"}
    await _fetch(database, "DROP TABLE lots")
    await migrate(database)
    assert await _revisions(database) == [HEAD]


async def test_tables_of_a_newer_version_are_left_alone(blank: Callable[[], Database]) -> None:
    database = blank()
    await migrate(database)
    await _fetch(database, "UPDATE alembic_version SET version_num = '9999'")
    await _fetch(database, "ALTER TABLE lots ADD COLUMN newer integer")
    for _ in range(2):
        with pytest.raises(SchemaTooNew):
            await migrate(database)
    assert await _revisions(database) == ["9999"]


def test_the_code_needs_the_newest_revision_there_is() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]
