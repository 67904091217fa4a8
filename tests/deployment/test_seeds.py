"""Both seeds, in any order and number: what the one puts in the other leaves as it is."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import Database
from app.domain.placement import account_id_of, bucket_of
from app.services.seed_service import ASSET_TYPES, CREDITS, seed
from app.services.verify_service import verify
from scripts.seed import EXIT_FAILED, EXIT_MISCONFIGURED, main
from tests.conftest import as_owner, cloned_database, run_as_owner

SEED_SQL = (Path(__file__).parents[2] / "seed.sql").read_text()
USERS = sorted({user for user, *_ in CREDITS})
TABLES = ("asset_types", "accounts", "wallets", "transactions", "ledger_entries", "lots")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


async def run_seed_sql(url: str) -> None:
    """Run seed.sql on a connection of its own, as psql would."""
    connection = await connect(url)
    try:
        await connection.execute(SEED_SQL)
    finally:
        await connection.close()


async def run_seed(url: str) -> None:
    database = Database(url, pool_size=4)
    try:
        await seed(database)
    finally:
        await database.close()


async def contents(url: str) -> dict[str, list[str]]:
    """Return every row of every table, and the last number that was taken for an account."""
    engine = create_async_engine(as_owner(url))  # the application takes numbers, and sees none
    try:
        async with engine.connect() as connection:
            found = {
                table: sorted((await connection.execute(text(f"SELECT t::text FROM {table} AS t"))).scalars())
                for table in TABLES
            }
            number = await connection.scalar(text("SELECT last_value FROM account_numbers WHERE is_called"))
            return found | {"account_numbers": [str(number)]}
    finally:
        await engine.dispose()


@pytest.fixture
async def blank_url(server_url: str) -> AsyncIterator[str]:
    """A database without tables, reached as its owner."""
    async with cloned_database(as_owner(server_url), "template1") as url:
        yield url


async def test_seed_sql_puts_in_what_the_seed_of_the_service_names(empty_url: str) -> None:
    await run_seed_sql(empty_url)
    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        asset_types = await connection.execute(text("SELECT id, code, name, scale FROM asset_types ORDER BY id"))
        accounts = await connection.execute(
            text(
                "SELECT id, bucket, external_user_id, system_name FROM accounts ORDER BY id < 1000 DESC, id / 1024, id"
            )
        )
    await engine.dispose()
    assert tuple(tuple(row) for row in asset_types) == ASSET_TYPES
    assert [tuple(row) for row in accounts] == [
        (1, 0, None, "Treasury"),
        (2, 0, None, "Breakage"),
        *((account_id_of(n, bucket_of(user)), bucket_of(user), user, None) for n, user in enumerate(USERS, start=1)),
    ]


async def test_seed_sql_again_changes_nothing_and_takes_no_number(empty_url: str) -> None:
    await run_seed_sql(empty_url)
    before = await contents(empty_url)
    await run_seed_sql(empty_url)
    assert await contents(empty_url) == before


async def test_seed_sql_after_the_seed_of_the_service_changes_nothing(seeded_url: str) -> None:
    before = await contents(seeded_url)
    await run_seed_sql(seeded_url)
    assert await contents(seeded_url) == before


async def test_the_seed_of_the_service_after_seed_sql_adds_the_credits_alone(empty_url: str) -> None:
    await run_seed_sql(empty_url)
    before = await contents(empty_url)
    await run_seed(empty_url)
    after = await contents(empty_url)
    assert after["asset_types"] == before["asset_types"]
    assert after["account_numbers"] == before["account_numbers"]
    assert len(after["accounts"]) == len(before["accounts"])
    assert len(after["transactions"]) == len(CREDITS)
    database = Database(empty_url, pool_size=4)
    assert (await verify(database)).problem is None
    await database.close()


async def test_both_seeds_many_times_at_once_put_everything_in_once(empty_url: str) -> None:
    await asyncio.gather(*(run_seed_sql(empty_url) for _ in range(8)), *(run_seed(empty_url) for _ in range(4)))
    after = await contents(empty_url)
    assert [len(after[table]) for table in ("asset_types", "accounts", "transactions")] == [3, 4, len(CREDITS)]


async def test_a_second_seed_sql_waits_for_the_first_and_takes_no_number(empty_url: str) -> None:
    await run_seed_sql(empty_url)
    first, watcher = await connect(empty_url), await connect(empty_url)
    await run_as_owner(empty_url, "DELETE FROM accounts WHERE external_user_id IS NOT NULL")
    await first.execute(SEED_SQL.replace("COMMIT;", ""))
    second = asyncio.create_task(run_seed_sql(empty_url))
    while not await watcher.fetchval(WAITING):
        assert not second.done()
    await first.execute("COMMIT")
    await first.close()
    await watcher.close()
    await second
    assert (await contents(empty_url))["account_numbers"] == [str(2 * len(USERS))]


async def test_seed_sql_leaves_what_somebody_changed(empty_url: str) -> None:
    await run_seed_sql(empty_url)
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE asset_types SET name = 'Coins', status = 'inactive' WHERE id = 1"))
        await connection.execute(text("UPDATE accounts SET status = 'frozen' WHERE external_user_id = 'user_bob'"))
    await engine.dispose()
    before = await contents(empty_url)
    await run_seed_sql(empty_url)
    assert await contents(empty_url) == before


async def test_seed_sql_without_tables_says_what_to_run(blank_url: str) -> None:
    with pytest.raises(asyncpg.UndefinedTableError, match="the tables are not there yet") as raised:
        await run_seed_sql(blank_url)
    assert "make migrate" in str(raised.value.hint)


def test_the_seed_script_works_before_the_service_ever_ran(
    blank_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", blank_url)
    assert main() == 0
    assert capsys.readouterr().out == f"Put in: 3 asset types, {len(USERS)} accounts, {len(CREDITS)} credits.\n"
    assert main() == 0
    assert capsys.readouterr().out == "The seed was there already; nothing was changed.\n"


@pytest.mark.parametrize(
    ("url", "code", "line"),
    [
        pytest.param("mysql://host/x", EXIT_MISCONFIGURED, "seed: DATABASE_URL: must be", id="not-postgresql"),
        pytest.param("postgresql://a:b@127.0.0.1:1/x", EXIT_FAILED, "seed: DATABASE_URL: the data", id="unreachable"),
    ],
)
def test_the_seed_script_says_in_one_line_what_is_wrong(
    url: str, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert main() == code
    error = capsys.readouterr().err
    assert error.startswith(line)
    assert re.fullmatch(r"[^\n]+\n", error)
