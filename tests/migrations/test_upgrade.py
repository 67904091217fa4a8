"""Bringing a ledger up to date that an earlier version of the service has written."""

import json
from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.database import Database
from app.domain.commands import Spend
from app.domain.placement import bucket_of
from app.migration import migrate
from app.services.ids import new_id
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.migrations.programs import run_program

ROOT = Path(__file__).parents[2]
LEDGER = Path(__file__).with_name("ledger_0001.sql")
TABLES = (
    *("asset_types", "accounts", "transactions", "ledger_entries", "wallets", "lots", "holds", "transaction_notes"),
)
NEW: dict[str, dict[str, Any]] = {
    "lots": {"expired": 0, "reversed": False},
    "transaction_notes": {"reason": None},
}
"""What rows have that were there before the column was."""

EXPIRED = {5: 500, 6: 300}
"""By the number of the transaction that made the lot, what expired of it: of the first, 200 had been spent before."""

LAST_DAYS = {
    (1116, 1): {"day": "2026-03-01", "day_spent": 5, "day_credited": 0},
    (1116, 2): {"day": "2026-01-01", "day_spent": 0, "day_credited": 20_900},
    (1116, 3): {"day": "2026-01-01", "day_spent": 0, "day_credited": 250_000},
    (2917, 1): {"day": "2026-03-01", "day_spent": 0, "day_credited": 100},
    (2917, 2): {"day": "2026-01-01", "day_spent": 0, "day_credited": 1_000},
    (2917, 3): {"day": "2026-01-01", "day_spent": 0, "day_credited": 75_000},
}
"""By owner and asset type, what was moved on the last day on which anything was."""

Rows: TypeAlias = dict[str, list[dict[str, Any]]]


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@pytest.fixture
async def old(blank_url: str) -> AsyncIterator[Database]:
    """A database as the first version left it."""
    database = Database(blank_url, pool_size=8)
    async with database.engine.begin() as connection:
        await connection.run_sync(_upgrade, "0001")
    run_program("psql", blank_url, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(LEDGER))
    yield database
    await database.close()


async def _rows(database: Database) -> Rows:
    async with database.engine.connect() as connection:
        return {
            table: _sorted(await connection.scalars(text(f"SELECT to_jsonb(t) FROM {table} AS t"))) for table in TABLES
        }


def _sorted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=partial(json.dumps, sort_keys=True))


async def test_every_row_is_kept_as_it_was_and_what_nobody_counted_is_counted(old: Database) -> None:
    before = await _rows(old)
    assert all(before[table] for table in TABLES if table != "holds")
    await migrate(old)
    after = await _rows(old)
    for table, rows in before.items():
        expected = [row | NEW.get(table, {}) for row in rows]
        if table == "lots":
            expected = [row | {"expired": EXPIRED.get(row["seq"], 0)} for row in expected]
        if table == "wallets":
            expected = [row | LAST_DAYS[row["owner_id"], row["asset_type_id"]] for row in expected]
        assert after[table] == _sorted(expected), table


async def test_the_ledger_is_right_and_goes_on(old: Database) -> None:
    await migrate(old)
    assert (await verify(old)).problem is None
    wallets, bucket = WalletService(old), bucket_of("user_alice")
    receipt = await wallets.execute(
        Spend(
            transaction_id=new_id(bucket),
            external_user_id="user_alice",
            bucket=bucket,
            asset_type_id=1,
            amount=5,
            actor="a test",
        )
    )
    await wallets.close()
    assert receipt.balance_after == 104_990
    assert (await verify(old)).problem is None
