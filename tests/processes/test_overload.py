"""Ten times more than the service can do: it goes on doing what it can, and refuses the rest at once."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from app.database import Database
from tests.processes.callers import booked
from tests.processes.service import give, resident_bytes, started
from tests.sizes import LONG, size

SECONDS = size(3, 10)
FILLING_SECONDS = 2
TIMES = 10
BATCH = 1_000
USER = "wanted"
GOODPUT_KEPT, TOLD_IN_TIME = (0.75, 0.99) if LONG else (0.5, 0.5)
"""Which shares. The load comes from this very process, and in an ordinary run other tests share the cores too."""

REFUSED_WITHIN_SECONDS = 0.1
MEMORY_GROWTH_MAX = 64 * 2**20
LARGE_ONES, LARGE_BYTES = 10, 7 * 2**20


HEAD = b"POST /api/v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
LENGTH = re.compile(rb"(?i)content-length: (\d+)")
SPEND = {"type": "spend", "external_user_id": USER, "amount": "0.01", "asset_type_id": 1}
BODY = json.dumps({"operations": [SPEND | {"idempotency_key": f"@{number}"} for number in range(BATCH)]}).encode()


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Load:
    """Batches of spends, each spend under a key of its own, and what became of them."""

    port: int
    accepted: set[str] = field(default_factory=set)
    """What the keys of a batch that was carried out begin with."""

    refused: set[str] = field(default_factory=set)
    refused_after: list[float] = field(default_factory=list)
    idle: list[Connection] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    async def send(self) -> None:
        """Send a batch. As little as can be is done for it: this process shares the service's cores."""
        run = f"{next(self.numbers)}-"
        body = BODY.replace(b"@", run.encode())
        began = time.monotonic()
        reader, writer = await self._connection()
        writer.write(HEAD % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        content = await reader.readexactly(int(LENGTH.findall(head)[0]))
        self.idle.append((reader, writer))
        if head.startswith(b"HTTP/1.1 503"):
            self.refused_after.append(time.monotonic() - began)
            assert b"retry-after: 1" in head.lower()
            assert json.loads(content)["code"] == "busy"
            self.refused.add(run)
        elif content.count(b'"status":200') == BATCH:
            self.accepted.add(run)
        else:
            results = json.loads(content)["results"]
            assert {each["code"] for each in results} == {"busy"}  # a batch waits, and is refused, as a whole
            self.refused.add(run)

    async def large(self) -> list[int]:
        """Send large bodies, and return the statuses: who is refused is told so, however much there is to send."""
        statuses = []
        for _ in range(LARGE_ONES):
            await asyncio.sleep(FILLING_SECONDS / LARGE_ONES * 1.5)
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            head = HEAD.replace(b"Host", b"Connection: close\r\nHost") % LARGE_BYTES
            writer.write(head + b" " * LARGE_BYTES)
            statuses.append(int((await reader.read()).split()[1]))
            writer.close()
        return statuses

    async def _connection(self) -> Connection:
        """Return a connection that is still open: the service closes what is idle for some seconds."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def in_turn(self, seconds: float) -> float:
        """Send one batch after the other, several at a time, and return how many spends a second were accepted."""
        before, began = len(self.accepted), time.monotonic()

        async def keep_sending() -> None:
            while time.monotonic() - began < seconds:
                await self.send()

        await asyncio.gather(*(keep_sending() for _ in range(4)))
        return BATCH * (len(self.accepted) - before) / (time.monotonic() - began)

    async def regardless(self, per_second: float, seconds: float) -> float:
        """Send so many spends a second, answered or not, and return how many a second were accepted.

        What is accepted is counted only once the queue has had time to fill.
        """
        tasks = []
        accepted, counted_from = 0, 0.0
        began = time.monotonic()
        for number in range(round(per_second * (FILLING_SECONDS + seconds) / BATCH)):
            await asyncio.sleep(max(0, began + number * BATCH / per_second - time.monotonic()))
            tasks.append(asyncio.create_task(self.send()))
            if not counted_from and time.monotonic() - began > FILLING_SECONDS:
                accepted, counted_from = len(self.accepted), time.monotonic()
        kept = BATCH * (len(self.accepted) - accepted) / (time.monotonic() - counted_from)
        await asyncio.gather(*tasks)
        return kept


async def test_what_is_too_much_is_refused_at_once_and_the_rest_goes_on(seeded_url: str, database: Database) -> None:
    async with started(seeded_url) as service, service.client() as client:
        await give(client, USER, "1000000")
        load = Load(service.port)
        await load.in_turn(1)
        peak = await load.in_turn(SECONDS)
        memory = resident_bytes(service.process.pid)
        kept, told_large = await asyncio.gather(load.regardless(peak * TIMES, SECONDS), load.large())
        growth = resident_bytes(service.process.pid) - memory
        told = sorted(load.refused_after)[round(len(load.refused_after) * TOLD_IN_TIME)]
        assert kept > peak * GOODPUT_KEPT, f"{kept:.0f} a second of {peak:.0f}"
        assert told < REFUSED_WITHIN_SECONDS
        assert growth < MEMORY_GROWTH_MAX
        assert 503 in told_large
        await load.in_turn(1)  # and when it is over, all is as before
        for _, writer in load.idle:
            writer.close()
    keys = await booked(database, USER)
    assert {key[: key.index("-") + 1] for key in keys} == load.accepted  # and nothing of what was refused
    assert len(keys) == len(load.accepted) * BATCH
