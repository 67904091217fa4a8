"""The seed, in SQL and in Python: any number of times, in any order and at once, it is there once."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from app.database import Database
from app.domain.commands import Spend
from app.domain.placement import bucket_of
from app.services.ids import new_id
from app.services.seed_service import CREDITS, Seeded, _credit, seed
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.conftest import as_owner, cloned_database
from tests.migrations.programs import run_program

ROOT = Path(__file__).parents[2]

ASSET_TYPES = [(1, "GOLD", "Gold Coins", 2), (2, "DMND", "Diamonds", 2), (3, "PTS", "Loyalty Points", 2)]
SYSTEM_ACCOUNTS = [(1, 0, "Treasury"), (2, 0, "Breakage")]
USERS = [("user_alice", 92, 92), ("user_bob", 869, 869)]
"""External id, bucket, and account id modulo 1,024."""

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
WAITING_SECONDS_MAX = 20

BALANCES: Counter[tuple[str, int]] = Counter()
for _user, _, _asset_type_id, _amount in CREDITS:
    BALANCES[_user, _asset_type_id] += _amount


@dataclass(frozen=True)
class Seeds:
    """A database without the seed, and the ways to put it in, each on connections of its own."""

    url: str
    database: Database

    async def in_python(self) -> None:
        database = Database(self.url, pool_size=4)
        try:
            await seed(database)
        finally:
            await database.close()

    async def in_sql(self) -> None:
        await asyncio.to_thread(self.run_sql)

    def run_sql(self) -> str:
        return run_program("psql", self.url, "-X", "-v", "ON_ERROR_STOP=1", "-f", str(ROOT / "seed.sql"))

    async def rows(self, sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self.database.read(lambda connection: connection.fetch(sql))]

    async def everything(self) -> list[list[tuple[object, ...]]]:
        tables = ("asset_types", "accounts", "transactions", "ledger_entries", "wallets", "lots")
        return [await self.rows(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4") for table in tables]

    async def expect_once(self) -> None:
        """Compare what is there with the seed put in once, balances included."""
        await self.expect_reference()
        posted = await self.rows(
            "SELECT a.external_user_id, w.asset_type_id, w.posted "
            "FROM wallets AS w JOIN accounts AS a ON a.id = w.owner_id"
        )
        assert {(user, asset_type_id): amount for user, asset_type_id, amount in posted} == BALANCES
        assert await self.rows("SELECT count(*) FROM transactions") == [(len(CREDITS),)]
        assert (await verify(self.database)).problem is None

    async def expect_reference(self) -> None:
        """Compare asset types and accounts with the seed's."""
        assert await self.rows("SELECT id, code, name, scale FROM asset_types ORDER BY id") == ASSET_TYPES
        systems = await self.rows("SELECT id, bucket, system_name FROM accounts WHERE id < 1000 ORDER BY id")
        assert systems == SYSTEM_ACCOUNTS
        users = await self.rows(
            "SELECT external_user_id, bucket::integer, (id % 1024)::integer FROM accounts WHERE id >= 1000 ORDER BY 1"
        )
        assert users == USERS


@pytest.fixture
async def seeds(empty_url: str) -> AsyncIterator[Seeds]:
    database = Database(empty_url, pool_size=4)
    yield Seeds(empty_url, database)
    await database.close()


@pytest.fixture
async def blank_seeds(server_url: str) -> AsyncIterator[Seeds]:
    """The same without tables, reached as the owner."""
    async with cloned_database(as_owner(server_url), "template1") as url:
        database = Database(url, pool_size=1)
        yield Seeds(url, database)
        await database.close()


async def _in_python(seeds: Seeds) -> None:
    await seeds.in_python()


async def _in_sql(seeds: Seeds) -> None:
    await seeds.in_sql()


Seeding = Callable[[Seeds], Coroutine[object, object, None]]
IN_ORDER = [
    pytest.param((_in_python, _in_python, _in_python), id="python three times"),
    pytest.param((_in_sql, _in_python), id="sql, python"),
    pytest.param((_in_python, _in_sql), id="python, sql"),
    pytest.param((_in_sql, _in_sql, _in_python, _in_sql, _in_python), id="sql, sql, python, sql, python"),
]
AT_ONCE = [
    pytest.param((_in_python,) * 4, id="python"),
    pytest.param((_in_sql,) * 4, id="sql"),
    pytest.param((_in_python, _in_sql) * 2, id="both"),
]


@pytest.mark.parametrize("seedings", IN_ORDER)
async def test_the_seed_put_in_again_is_there_once(seeds: Seeds, seedings: tuple[Seeding, ...]) -> None:
    for put_in in seedings:
        await put_in(seeds)
    await seeds.expect_once()


@pytest.mark.parametrize("seedings", AT_ONCE)
async def test_the_seed_put_in_by_four_at_once_is_there_once(seeds: Seeds, seedings: tuple[Seeding, ...]) -> None:
    await asyncio.gather(*(put_in(seeds) for put_in in seedings))
    await seeds.expect_reference()
    await seeds.in_python()
    await seeds.expect_once()


@pytest.mark.parametrize("put_in", [_in_python, _in_sql])
async def test_an_account_that_is_being_opened_meanwhile_is_waited_for(seeds: Seeds, put_in: Seeding) -> None:
    opener = await asyncpg.connect(seeds.url.replace("+asyncpg", ""))
    await opener.execute("BEGIN; INSERT INTO accounts (id, bucket, external_user_id) VALUES (5212, 92, 'user_alice')")
    seeding = asyncio.create_task(put_in(seeds))
    async with asyncio.timeout(WAITING_SECONDS_MAX):
        while await seeds.rows(WAITING) == [] and not seeding.done():
            pass
    assert not seeding.done()
    await opener.execute("COMMIT")
    await opener.close()
    await seeding
    await seeds.in_python()
    await seeds.expect_once()


@pytest.mark.parametrize("again", [_in_python, _in_sql])
async def test_putting_the_seed_in_again_changes_no_row(seeds: Seeds, again: Seeding) -> None:
    await seeds.in_python()
    before = await seeds.everything()
    await again(seeds)
    assert await seeds.everything() == before


async def test_what_the_users_did_with_their_credits_stays(seeds: Seeds) -> None:
    await seeds.in_python()
    wallets = WalletService(seeds.database)
    bucket = bucket_of("user_alice")
    await wallets.execute(
        Spend(
            transaction_id=new_id(bucket),
            external_user_id="user_alice",
            bucket=bucket,
            asset_type_id=1,
            amount=BALANCES["user_alice", 1],
            actor="a test",
        )
    )
    await wallets.close()
    await seeds.rows("UPDATE asset_types SET name = 'Golden Coins', status = 'inactive' WHERE id = 1 RETURNING id")
    before = await seeds.everything()
    await seeds.in_python()
    await seeds.in_sql()
    assert await seeds.everything() == before


async def test_a_seeding_that_was_cut_off_is_completed_by_the_next(seeds: Seeds) -> None:
    await seeds.in_sql()
    wallets = WalletService(seeds.database)
    await wallets.execute_all([_credit(*each) for each in CREDITS[:4]])
    await wallets.close()
    assert await seed(seeds.database) == Seeded(asset_types=0, accounts=0, credits=len(CREDITS) - 4)
    await seeds.expect_once()


async def test_the_seed_says_what_was_missing(seeds: Seeds) -> None:
    assert await seed(seeds.database) == Seeded(asset_types=3, accounts=2, credits=len(CREDITS))
    assert await seed(seeds.database) == Seeded(asset_types=0, accounts=0, credits=0)


async def test_the_seed_in_sql_puts_nothing_in_where_the_tables_are_missing(blank_seeds: Seeds) -> None:
    with pytest.raises(AssertionError, match="make migrate"):
        await blank_seeds.in_sql()
    assert await blank_seeds.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


async def test_the_script_makes_the_tables_and_puts_the_seed_in_once(blank_seeds: Seeds) -> None:
    first = await asyncio.to_thread(_run_script, blank_seeds.url)
    assert first == f"Put in: 3 asset types, 2 accounts, {len(CREDITS)} credits.\n"
    await blank_seeds.in_sql()
    again = await asyncio.to_thread(_run_script, blank_seeds.url)
    assert again == "The seed was there already; nothing was changed.\n"
    await blank_seeds.expect_once()


def _run_script(url: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "scripts.seed"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
