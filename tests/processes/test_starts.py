"""Several processes that start at once on a database that has nothing yet."""

import asyncio
from contextlib import AsyncExitStack

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import Database, create_database
from app.services.verify_service import verify
from tests.conftest import in_database
from tests.processes.service import balance, started


async def test_migrations_and_seeds_of_processes_that_start_at_once_happen_once(server_url: str) -> None:
    name = "started_at_once"
    await create_database(server_url, name)
    url = in_database(server_url, name)
    try:
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
    finally:
        engine = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        await engine.dispose()
