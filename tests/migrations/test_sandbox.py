"""A database is a sandbox from its first table on or never, and its clock only goes forward."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.config import ConfigurationError
from app.database import Database
from app.migration import migrate
from tests.conftest import SANDBOX_TEMPLATE, TEMPLATE, as_owner, cloned_database, owner_connection
from tests.migrations.conftest import Connection
from tests.migrations.test_catalogue import GUARD_SWITCHED_OFF, MISNAMED, WITHOUT_KEY
from tests.repositories.rows import CHECK, RESTRICT, UNIQUE, refused

CLOCK = "SELECT to_regclass('sandbox_clock') IS NOT NULL"
DAY = timedelta(days=1)


@pytest.fixture
async def connection(server_url: str) -> AsyncIterator[Connection]:
    """A connection to a sandbox as its owner."""
    async with cloned_database(server_url, SANDBOX_TEMPLATE) as url, owner_connection(url) as connection:
        yield connection


async def _is_sandbox(database: Database) -> bool:
    return bool(await database.read(lambda connection: connection.fetchval(CLOCK)))


@pytest.mark.parametrize("sandbox", [True, False])
async def test_an_empty_database_becomes_what_it_is_to_be(blank_url: str, sandbox: bool) -> None:
    database = Database(blank_url)
    await migrate(database, sandbox=sandbox)
    assert await _is_sandbox(database) is sandbox
    await database.close()


async def test_sandboxes_that_are_made_at_once_come_out_as_one(blank_url: str) -> None:
    databases = [Database(blank_url) for _ in range(4)]
    await asyncio.gather(*(migrate(each, sandbox=True) for each in databases))
    assert await _is_sandbox(databases[0])
    for each in databases:
        await each.close()


async def test_a_database_in_use_can_not_become_a_sandbox(server_url: str) -> None:
    async with cloned_database(as_owner(server_url), TEMPLATE) as url:
        database = Database(url)
        for revision in ("0002", "0001"):  # also when it would have to be brought up to date first
            async with database.engine.begin() as connection:
                await connection.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": revision})
            with pytest.raises(ConfigurationError, match=r"^SANDBOX: [^\n]+$"):
                await migrate(database, sandbox=True)
            found = await database.read(lambda c: c.fetchval("SELECT version_num FROM alembic_version"))
            assert (found, await _is_sandbox(database)) == (revision, False)
        await database.close()


@pytest.mark.parametrize("sandbox", [True, False])
async def test_a_sandbox_stays_one_with_its_time_however_it_is_started(server_url: str, sandbox: bool) -> None:
    async with cloned_database(server_url, SANDBOX_TEMPLATE) as url:
        database = Database(url)
        await database.read(lambda connection: connection.execute("UPDATE sandbox_clock SET offset_seconds = 86400"))
        await migrate(database, sandbox=sandbox)
        now = await database.read(lambda connection: connection.fetchval("SELECT ledger_now()"))
        assert now > datetime.now(UTC) + DAY - timedelta(hours=1)
        await database.close()


async def test_the_clock_is_the_worlds_until_it_is_advanced(connection: Connection) -> None:
    for seconds in (0, 86_400):
        await connection.execute("UPDATE sandbox_clock SET offset_seconds = $1", seconds)
        row = await connection.fetchrow("SELECT clock_timestamp() AS a, ledger_now() AS now, clock_timestamp() AS b")
        assert row is not None
        assert row["a"] <= row["now"] - timedelta(seconds=seconds) <= row["b"]


async def test_the_clock_is_exact_at_the_end_of_time(connection: Connection) -> None:
    seconds = 250_000_000_001
    await connection.execute("UPDATE sandbox_clock SET offset_seconds = $1", seconds)
    ahead = await connection.fetchval("SELECT ledger_now() - $1::bigint * interval '1 second'", seconds)
    assert abs(ahead - await connection.fetchval("SELECT clock_timestamp()")) < timedelta(seconds=5)
    await connection.execute("UPDATE sandbox_clock SET offset_seconds = offset_seconds + 1")
    later = await connection.fetchval("SELECT ledger_now() - $1::bigint * interval '1 second'", seconds)
    assert later - ahead >= timedelta(seconds=1)


async def test_a_temporary_table_can_not_stand_in_for_the_clock(connection: Connection) -> None:
    """Everybody may make temporary tables, and their names are found before all others."""
    await connection.execute("CREATE TEMPORARY TABLE sandbox_clock (id smallint, offset_seconds bigint)")
    await connection.execute("INSERT INTO pg_temp.sandbox_clock VALUES (1, 86400)")
    assert await connection.fetchval("SELECT ledger_now() < clock_timestamp() + interval '1 hour'")


GOING_BACK = [
    pytest.param("UPDATE sandbox_clock SET offset_seconds = 9", id="update"),
    pytest.param("DELETE FROM sandbox_clock", id="delete"),
    pytest.param("TRUNCATE sandbox_clock", id="truncate"),
    pytest.param(
        "INSERT INTO sandbox_clock VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET offset_seconds = 0", id="upsert"
    ),
]


@pytest.mark.parametrize("change", GOING_BACK)
async def test_the_clock_never_goes_back(connection: Connection, change: str) -> None:
    await connection.execute("UPDATE sandbox_clock SET offset_seconds = 10")
    with refused(RESTRICT):
        await connection.execute(change)
    assert await connection.fetchval("SELECT offset_seconds FROM sandbox_clock") == 10


async def test_there_is_one_clock_and_it_is_not_behind_the_worlds(connection: Connection) -> None:
    with refused(UNIQUE, "pk_sandbox_clock"):
        await connection.execute("INSERT INTO sandbox_clock DEFAULT VALUES")
    with refused(CHECK, "ck_sandbox_clock_one_row"):
        await connection.execute("INSERT INTO sandbox_clock VALUES (2, 0)")
    await connection.execute("ALTER TABLE sandbox_clock DISABLE TRIGGER sandbox_clock_forward")
    with refused(CHECK, "ck_sandbox_clock_offset_floor"):
        await connection.execute("UPDATE sandbox_clock SET offset_seconds = -1")


@pytest.mark.parametrize("rule", [WITHOUT_KEY, MISNAMED, GUARD_SWITCHED_OFF])
async def test_the_clock_keeps_to_the_rules_of_all_tables(connection: Connection, rule: str) -> None:
    assert [row["name"] for row in await connection.fetch(rule)] == []
