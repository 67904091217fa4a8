"""One key, four processes of the service, and callers that never wait: together they answer what the rate allows."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx2
import pytest

from tests.processes.service import started
from tests.sizes import size

PROCESSES = 4
CALLERS = 2
"""Of each process."""

PER_SECOND, BURST = 50, 50
SECONDS = size(2, 30)
OFF_BY_MAX = 0.02
PATH = "/api/v1/asset-types"


@dataclass
class Flood:
    """What the callers of one process were told: when each request was sent and answered, by whether it had a token."""

    client: httpx2.AsyncClient
    admitted: list[tuple[float, float]] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)

    async def keep_calling(self, key: str, until: float) -> None:
        while time.monotonic() < until:
            await self.call(key)

    async def call(self, key: str) -> None:
        sent = time.monotonic()
        answer = await self.client.get(PATH, headers={"Authorization": f"Bearer {key}"})
        if answer.status_code == 200:
            self.admitted.append((sent, time.monotonic()))
            return
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert answer.headers["Retry-After"] == "1"
        self.refused.append((sent, time.monotonic()))


async def limited_key(client: httpx2.AsyncClient) -> str:
    body = {"name": "A test", "scopes": ["wallets:read"], "requests_per_second": PER_SECOND, "burst": BURST}
    answer = await client.post("/api/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


@pytest.fixture
async def floods(seeded_url: str) -> AsyncIterator[list[Flood]]:
    """Callers of each process, that have called it before."""
    async with AsyncExitStack() as stack:
        services = await asyncio.gather(
            *(stack.enter_async_context(started(seeded_url, due_job="false")) for _ in range(PROCESSES))
        )
        clients = [await stack.enter_async_context(each.client(connections=CALLERS)) for each in services]
        another = await limited_key(clients[0])
        await asyncio.gather(*(Flood(client).call(another) for client in clients * CALLERS))
        yield [Flood(client) for client in clients]


async def test_what_four_processes_answer_together_is_the_rate_and_every_refusal_says_when(
    floods: list[Flood],
) -> None:
    """From when to when they had tokens is not known to the millisecond: so it is told how many it were at least."""
    key = await limited_key(floods[0].client)
    until = time.monotonic() + SECONDS
    await asyncio.gather(*(flood.keep_calling(key, until) for flood in floods * CALLERS))
    admitted = [each for flood in floods for each in flood.admitted]
    refused = [each for flood in floods for each in flood.refused]
    at_least = BURST + PER_SECOND * (max(sent for sent, _ in refused) - min(answered for _, answered in admitted))
    at_most = BURST + PER_SECOND * (max(answered for _, answered in admitted) - min(sent for sent, _ in admitted))
    assert at_least * (1 - OFF_BY_MAX) <= len(admitted) <= at_most * (1 + OFF_BY_MAX)
    assert all(flood.admitted and flood.refused for flood in floods)
