"""Processes of the service that end, well or badly, under load."""

import asyncio
import os
import signal
import time

from sqlalchemy import text

from app.database import Database
from tests.processes.callers import Callers, booked
from tests.processes.service import give, started
from tests.sizes import choices, size

CALLERS = 16
KILLS = size(3, 30)
DRAIN_SECONDS = 25


async def test_a_killed_worker_loses_nothing_and_repeats_nothing(seeded_url: str, database: Database) -> None:
    async with started(seeded_url, workers="2") as service:
        async with service.client() as client:
            await give(client, "survivor", "1000000")
        callers = Callers(service, "survivor")
        tasks = [asyncio.create_task(callers.spend_on(number)) for number in range(CALLERS)]
        for _ in range(KILLS):
            await callers.until_acknowledged(100)
            os.kill(choices("victim").choice(service.children()), signal.SIGKILL)
            await callers.until_acknowledged(1, seconds=5)
        async with asyncio.timeout(10):
            while len(service.children()) < 2:  # noqa: ASYNC110 - the killed ones are replaced by another process
                await asyncio.sleep(0.05)
        callers.stopped = True
        await asyncio.gather(*tasks)
    stored = await booked(database, "survivor")
    assert callers.acknowledged.items() <= stored.items()
    assert stored.keys() <= callers.sent
    assert callers.answered.keys() <= {200, 503}


async def test_a_stop_under_load_answers_everything_that_it_carried_out(seeded_url: str, database: Database) -> None:
    """No key is tried again here: a spend that is booked and not answered would show."""
    async with started(seeded_url, workers="2") as service:
        async with service.client() as client:
            await give(client, "last_orders", "1000000")
        callers = Callers(service, "last_orders", retry=False)
        tasks = [asyncio.create_task(callers.spend_on(number)) for number in range(CALLERS)]
        await callers.until_acknowledged(200)
        began = time.monotonic()
        async with database.engine.connect() as stranger:
            await stranger.execute(text("SELECT 1 FROM accounts WHERE external_user_id = 'last_orders' FOR UPDATE"))
            await asyncio.sleep(0.3)  # every caller waits now, and for longer than a quick stop would
            stopping = asyncio.create_task(service.stop())
            await asyncio.sleep(1)
            await stranger.rollback()
        assert await stopping == 0
        assert time.monotonic() - began < DRAIN_SECONDS
        callers.stopped = True
        await asyncio.gather(*tasks)
    assert await booked(database, "last_orders") == callers.acknowledged
    assert callers.answered.keys() <= {200, 503}
