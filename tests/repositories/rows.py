"""Rows that every table takes, to be changed in one place; and what a refusal looks like."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Row: TypeAlias = dict[str, Any]

OWNER = 5 * 1024 + 7
OTHER = 6 * 1024 + 7
"""Two owners of one bucket, so that only the owner tells them apart."""

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CHECK, UNIQUE, FOREIGN_KEY, NOT_NULL, RESTRICT = "23514", "23505", "23503", "23502", "23001"

ROWS: dict[str, Row] = {
    "asset_types": {"id": 9, "code": "GEM", "name": "Gems", "scale": 2},
    "accounts": {"id": OWNER, "bucket": 7, "external_user_id": "owner"},
    "transactions": {
        "id": UUID(int=1),
        "owner_id": OWNER,
        "bucket": 7,
        "seq": 1,
        "type": "top_up",
        "outcome": "posted",
        "asset_type_id": 1,
        "amount": 100,
        "actor": "a test",
        "created_at": NOW,
        "effective_at": NOW,
        "hash": bytes(32),
    },
    "ledger_entries": {
        "owner_id": OWNER,
        "bucket": 7,
        "seq": 1,
        "line": 1,
        "account_id": OWNER,
        "asset_type_id": 1,
        "lot_id": UUID(int=2),
        "amount": 100,
        "balance_after": 100,
    },
    "wallets": {"owner_id": OWNER, "bucket": 7, "asset_type_id": 1, "posted": 100, "held": 10},
    "lots": {
        "id": UUID(int=2),
        "owner_id": OWNER,
        "bucket": 7,
        "asset_type_id": 1,
        "seq": 1,
        "kind": "paid",
        "priority": 50,
        "granted": 100,
        "remaining": 90,
        "held": 10,
        "debt": 10,
        "expired": 5,
        "reversed": True,
        "open": True,
    },
    "holds": {
        "id": UUID(int=3),
        "owner_id": OWNER,
        "bucket": 7,
        "asset_type_id": 1,
        "seq": 1,
        "amount": 10,
        "deadline": NOW,
        "lot_ids": [UUID(int=2)],
        "lot_amounts": [10],
        "lot_held_at": [NOW],
    },
    "transaction_notes": {
        "owner_id": OWNER,
        "bucket": 7,
        "seq": 1,
        "digest": bytes(32),
        "salt": bytes(16),
        "reference": "order 1",
    },
    "api_keys": {
        "digest": bytes(32),
        "ending": "aB3x",
        "name": "Shop",
        "scopes": ["spend:write"],
        "created_at": NOW,
        "created_by": "a test",
    },
    "key_buckets": {"key_id": 1, "tokens": 0.5, "granted": 1, "filled_at": NOW},
}
COUNTER_LINE: Row = {"line": 2, "account_id": 1, "lot_id": None, "amount": -100, "balance_after": None}
"""What the Treasury's line of an entry pair has otherwise."""


async def insert(connection: Connection, table: str, *rows: Row) -> None:
    """Insert the table's row once for each of `rows`, which say what is different in it, in one statement."""
    whole = [{**ROWS[table.removeprefix("pg_temp.")], **changes} for changes in rows or ({},)]
    columns = [*whole[0]]
    places = iter(range(1, len(columns) * len(whole) + 1))
    values = ", ".join(f"({', '.join(f'${next(places)}' for _ in columns)})" for _ in whole)
    await connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}",
        *(row[column] for row in whole for column in columns),
    )


@contextmanager
def refused(sqlstate: str, constraint: str | None = None) -> Iterator[None]:
    """Expect the database to refuse what is done inside, with this SQLSTATE and in the name of this constraint."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        yield
    assert (caught.value.sqlstate, getattr(caught.value, "constraint_name", None)) == (sqlstate, constraint)
