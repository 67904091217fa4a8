"""A sandbox from its first start on: made by one process, and its clock obeyed by all."""

import asyncio
from datetime import UTC, datetime

from app.database import Database
from app.services.verify_service import verify
from tests.api.programs import run
from tests.conftest import as_owner, cloned_database
from tests.processes.service import balance, started, wallet

DAY = {"advance_seconds": 86_400}
CLOCK = "/api/v1/sandbox/clock"


async def test_an_advance_is_obeyed_by_every_process_at_once(server_url: str) -> None:
    """With one role for everything, as on hosts that give no other: only the owner can migrate at its start."""
    async with cloned_database(as_owner(server_url), "template1") as url:
        async with (
            started(url, sandbox="true", seed_on_start="true") as one,
            started(url, workers="2") as other,  # it is a sandbox, whatever this one was told
            one.client() as first,
            other.client() as second,
        ):
            body = {"amount": "1.00", "asset_type_id": 1, "expires_in_days": 10}
            for client in (first, second):
                assert (await client.post(f"{wallet('user_bob')}/bonus", json=body)).status_code == 200
            advances = await asyncio.gather(*(client.post(CLOCK, json=DAY) for client in (first, second) * 5))
            assert {each.status_code for each in advances} == {200}
            assert {await balance(client, "user_bob") for client in (first, second) * 4} == {"500.00"}
            now = (await second.post(CLOCK, json={"advance_seconds": 0})).json()["now"]
            assert (datetime.fromisoformat(now) - datetime.now(UTC)).days in {9, 10}
        database = Database(url)
        assert (await verify(database)).problem is None
        await database.close()


async def test_a_sandbox_is_made_by_the_command_and_stays_one(server_url: str) -> None:
    async with cloned_database(server_url, "template1") as url:
        for sandbox in ("true", "true", "false"):
            ended = await run("-m", "app.cli", "migrate", DATABASE_URL=as_owner(url), SANDBOX=sandbox)
            assert ended.code == 0, ended.err
        ended = await run("-m", "app.cli", "roles", DATABASE_URL=as_owner(url))
        assert ended.code == 0, ended.err
        async with started(url) as service, service.client() as client:
            assert (await client.post(CLOCK, json=DAY)).status_code == 200
