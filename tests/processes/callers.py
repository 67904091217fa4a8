"""Callers that keep spending over TCP, each spend under a key of its own, and remember what they were told."""

import asyncio
from dataclasses import dataclass, field

import httpx2
from sqlalchemy import text

from app.database import Database
from tests.processes.service import Service, wallet

PAUSE_SECONDS = 0.02


@dataclass
class Callers:
    """`acknowledged` has the transaction id of each key that was answered 200; `sent` every key that went out."""

    service: Service
    user: str
    retry: bool = True
    acknowledged: dict[str, str] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    answered: dict[int, int] = field(default_factory=dict)
    stopped: bool = False

    async def spend_on(self, caller: int) -> None:
        """Spend until told to stop; a spend that was not acknowledged is sent again, when `retry`."""
        async with self.service.client(connections=1) as client:
            number = 0
            while not self.stopped:
                number += 1
                key = f"{caller}-{number}"
                while not await self._spend(client, key) and self.retry and not self.stopped:  # noqa: ASYNC110
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _spend(self, client: httpx2.AsyncClient, key: str) -> bool:
        self.sent.add(key)
        try:
            answer = await client.post(
                f"{wallet(self.user)}/spend", json={"amount": "0.01", "asset_type_id": 1, "idempotency_key": key}
            )
        except httpx2.TransportError:
            return False
        self.answered[answer.status_code] = self.answered.get(answer.status_code, 0) + 1
        if answer.status_code == 200:
            self.acknowledged[key] = answer.json()["transaction_id"]
        return answer.status_code == 200

    async def until_acknowledged(self, more: int, *, seconds: float = 30) -> None:
        wanted = len(self.acknowledged) + more
        async with asyncio.timeout(seconds):
            while len(self.acknowledged) < wanted:  # noqa: ASYNC110 - the callers only spend
                await asyncio.sleep(0.005)


async def booked(database: Database, user: str) -> dict[str, str]:
    """Return the transaction ids of a user's posted spends by key; the database itself refuses a second."""
    query = """
        SELECT t.idempotency_key AS key, t.id::text AS id
          FROM transactions AS t
          JOIN accounts AS a ON a.id = t.owner_id
         WHERE a.external_user_id = :user AND t.type = 'spend' AND t.outcome = 'posted'
    """
    async with database.engine.connect() as connection:
        return {row.key: row.id for row in await connection.execute(text(query), {"user": user})}
