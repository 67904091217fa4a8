"""Rows written past the service, for what it reads but does not come to by itself in a test. Nothing verifies them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import httpx2
from pydantic import SecretStr

from app.config import Settings
from app.domain.chain import microseconds
from app.domain.placement import account_id_of, bucket_of, with_bucket
from tests.api.conftest import checked
from tests.conftest import owner_connection

Row: TypeAlias = dict[str, Any]

NOW = datetime.now(UTC)
PAST, FUTURE, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1), NOW + timedelta(hours=2)


class Written:
    """The rows of one user, with a service that reads them."""

    def __init__(self, client: httpx2.AsyncClient, connection: "asyncpg.Connection[asyncpg.Record]", user: str) -> None:
        self.client = client
        self.connection = connection
        self.user = user
        self.bucket = bucket_of(user)
        self.owner_id = account_id_of(100_000, self.bucket)
        self.path = f"/api/v1/wallets/users/{user}"

    def id(self, number: int) -> UUID:
        """Return an id of the user's: a larger number's is larger."""
        return UUID(int=with_bucket(number << 10, self.bucket))

    async def insert(self, table: str, **columns: object) -> None:
        """Insert a row of the user's, with all triggers left out."""
        row = {"owner_id": self.owner_id, "bucket": self.bucket} | columns
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await self.connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())

    async def transaction(self, seq: int, type_: str, amount: int | None = None, **columns: object) -> UUID:
        """Write a header and return its id. Facts and terms are given as they are to be read."""
        columns |= {name: json.dumps(columns[name]) for name in ("facts", "terms") if columns.get(name) is not None}
        row = {
            "id": self.id(seq),
            "seq": seq,
            "type": type_,
            "outcome": "posted",
            "asset_type_id": None if amount is None else 1,
            "amount": amount,
            "actor": "a test",
            "created_at": PAST + timedelta(seconds=seq),
            "effective_at": PAST + timedelta(seconds=seq),
            "hash": bytes(32),
        }
        await self.insert("transactions", **row | columns)
        await self.connection.execute("UPDATE accounts SET last_seq = $1 WHERE id = $2", seq, self.owner_id)
        return self.id(seq)

    async def entry(self, seq: int, line: int, lot: int | None, amount: int, balance_after: int | None = None) -> None:
        """Write a line: on the user's account where a lot is named, else on the Treasury."""
        await self.insert(
            "ledger_entries",
            seq=seq,
            line=line,
            account_id=1 if lot is None else self.owner_id,
            asset_type_id=1,
            lot_id=None if lot is None else self.id(lot),
            amount=amount,
            balance_after=balance_after,
        )

    async def lot(self, number: int, **columns: object) -> None:
        """Write a lot of 10.00."""
        row: Row = {"seq": number, "kind": "paid", "priority": 50, "granted": 1000, "remaining": 1000, "held": 0}
        row |= {"id": self.id(number), "asset_type_id": 1} | columns
        await self.insert("lots", open=row["remaining"] > 0, **row)

    async def hold(self, seq: int, parts: dict[int, int], deadline: datetime = FUTURE, **columns: object) -> UUID:
        """Write a hold on lots, by their numbers, with the transaction that placed it."""
        amount = sum(parts.values()) or 500
        await self.transaction(seq, "hold", amount)
        row: Row = {"id": self.id(seq), "seq": seq, "asset_type_id": 1, "amount": amount, "deadline": deadline}
        row |= {"lot_ids": [self.id(each) for each in parts], "lot_amounts": [*parts.values()]}
        await self.insert("holds", **row | {"lot_held_at": [PAST] * len(parts)} | columns)
        return self.id(seq)

    async def get(self, path: str, **query: object) -> Any:
        """Return what the service answers of this user."""
        answer = await self.client.get(self.path + path, params={name: str(each) for name, each in query.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()


def us(moment: datetime) -> int:
    return microseconds(moment)


@asynccontextmanager
async def written(url: str, user: str = "written") -> AsyncIterator[Written]:
    """Serve a database of its own, in which a user has been opened."""
    settings = Settings(database_url=SecretStr(url), seed_on_start=True)
    async with checked(settings) as client, owner_connection(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        rows = Written(client, connection, user)
        await connection.execute(
            "INSERT INTO accounts (id, bucket, external_user_id) VALUES ($1, $2, $3)", rows.owner_id, rows.bucket, user
        )
        yield rows
