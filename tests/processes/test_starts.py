"""Several processes that start at once on a database that has nothing yet."""

import asyncio
from contextlib import AsyncExitStack

from app.database import Database
from app.services.verify_service import verify
from tests.conftest import as_owner, cloned_database
from tests.processes.service import balance, started


async def test_migrations_and_seeds_of_processes_that_start_at_once_happen_once(server_url: str) -> None:
    """With one role for everything, as on hosts that give no other: only the owner can migrate at its start."""
    async with cloned_database(as_owner(server_url), "template1") as url:
        async with AsyncExitStack() as stack:
            services = await asyncio.gather(
                *(stack.enter_async_context(started(url, seed_on_start="true", workers="2")) for _ in range(2))
            )
            for service in services:
                async with service.client() as client:
                    assert await balance(client, "user_alice") == "1050.00"
                    assert (await client.get("/health/ready")).status_code == 200
        database = Database(url)
        assert (await verify(database)).problem is None
        await database.close()
