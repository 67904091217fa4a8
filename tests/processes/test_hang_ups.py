"""Callers that hang up at any moment: nothing of theirs is kept, nobody else notices."""

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from app.database import Database
from tests.processes.callers import Callers, booked
from tests.processes.service import Service, give, started, wallet
from tests.sizes import choices, size

HANG_UPS = size(400, 10_000)
AT_ONCE = 40
RESET_INSTEAD_OF_CLOSE = struct.pack("ii", 1, 0)


async def test_callers_that_vanish_leak_nothing_and_disturb_nobody(seeded_url: str, database: Database) -> None:
    async with started(seeded_url, due_job="false") as service:  # its connections come and go by themselves
        async with service.client() as client:
            await give(client, "steady", "1000000")
            await give(client, "fickle", "1000000")
        pid = service.process.pid
        files_before = open_files(pid)
        callers = Callers(service, "steady", retry=False)
        tasks = [asyncio.create_task(callers.spend_on(number)) for number in range(4)]
        whole, _ = await asyncio.gather(hang_up_often(service), callers.until_acknowledged(100))
        callers.stopped = True
        await asyncio.gather(*tasks)
        await until(lambda: open_files(pid) <= files_before)
        assert await sessions(database) == {"idle"}
    assert callers.answered.keys() == {200}  # the others were answered all along
    assert await booked(database, "steady") == callers.acknowledged
    stored = (await booked(database, "fickle")).keys()
    assert stored <= whole  # of a request that did not arrive nothing is carried out
    assert len(stored) > len(whole) / 2  # one that did is, although nobody waits for the answer


async def hang_up_often(service: Service) -> set[str]:
    """Hang up at random points; return the keys of the requests that were sent whole."""
    random = choices("hang-ups")
    whole: set[str] = set()
    room = asyncio.Semaphore(AT_ONCE)

    async def hang_up(number: int, *, share: float, seconds: float, reset: bool) -> None:
        key = f"gone-{number}"
        request = spend_request(key)
        sent = request[: round(len(request) * share)]
        if sent == request:
            whole.add(key)
        async with room:
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(sent)
            await writer.drain()
            await asyncio.sleep(seconds)
            if reset:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_INSTEAD_OF_CLOSE)
            writer.close()

    await asyncio.gather(
        *(
            hang_up(
                number,
                share=random.choice((random.random(), 1.0)),
                seconds=random.choice((0, random.uniform(0, 0.1))),
                reset=random.random() < 0.5,
            )
            for number in range(HANG_UPS)
        )
    )
    return whole


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.02)


def spend_request(key: str) -> bytes:
    body = json.dumps({"amount": "0.01", "asset_type_id": 1, "idempotency_key": key}).encode()
    head = (
        f"POST {wallet('fickle')}/spend HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def sessions(database: Database) -> set[str]:
    """Return the states of the service's own sessions."""
    query = """
        SELECT DISTINCT state FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'wallet' AND pid <> pg_backend_pid()
    """
    async with database.engine.connect() as connection:
        return set((await connection.execute(text(query))).scalars())
