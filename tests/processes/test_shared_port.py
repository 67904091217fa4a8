"""Several processes on one port: the callers are spread over them, and none is lost."""

import asyncio
import errno
import os
import socket
from collections import Counter

import pytest

from app import shared_port
from app.shared_port import TurnTakingLoop
from tests.api.programs import end_of
from tests.conftest import SEEDED_TEMPLATE, SERVER_URL, cloned_database
from tests.processes.service import ESTABLISHED, Service, connections_of, started

CALLERS = 8
"""Who come at once, in a burst."""

BURSTS = 10
SHARE_MIN = CALLERS * BURSTS // 4
START_SECONDS = 20
REQUEST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def callers_of_workers(service: Service) -> Counter[int]:
    """Return how many of some callers who come at once, and stay, each process has."""
    callers = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(CALLERS)]
    for caller in callers:
        caller.sendall(REQUEST)
        assert caller.recv(12) == b"HTTP/1.1 200"
    counts = Counter({pid: connections_of(pid, service.port).count(ESTABLISHED) for pid in service.children()})
    for caller in callers:
        caller.close()
    return counts


async def test_callers_who_come_at_once_are_spread_over_the_processes(pytestconfig: pytest.Config) -> None:
    async with (
        cloned_database(pytestconfig.stash[SERVER_URL], SEEDED_TEMPLATE) as url,
        started(url, workers="2") as service,
    ):
        async with asyncio.timeout(START_SECONDS):
            while not all(callers_of_workers(service).values()):  # noqa: ASYNC110 - the first to be up announces it
                await asyncio.sleep(0.1)
        bursts = [callers_of_workers(service) for _ in range(BURSTS)]
        service.process.terminate()
        ended = await end_of(service.process)
    assert [sum(each.values()) for each in bursts] == [CALLERS] * BURSTS
    assert sum(min(each.values()) for each in bursts) >= SHARE_MIN, bursts
    assert ended.code == 0
    assert "Traceback" not in ended.err


class FirstFails(socket.socket):
    """A listening socket that can't give the first caller away."""

    failures = 1

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


def test_a_caller_who_cannot_be_taken_is_taken_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_port, "FAILURE_SECONDS", 0.01)

    async def main() -> None:
        with FirstFails() as listening:
            listening.bind(("127.0.0.1", 0))
            taken = asyncio.get_running_loop().create_future()

            class Takes(asyncio.Protocol):
                def connection_made(self, transport: asyncio.BaseTransport) -> None:
                    taken.set_result(transport.get_extra_info("peername"))
                    transport.close()

            loop = asyncio.get_running_loop()
            assert isinstance(loop, TurnTakingLoop)
            server = await loop.create_server(Takes, sock=listening, ssl=None, backlog=1)
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            async with asyncio.timeout(5):
                assert await taken == writer.get_extra_info("sockname")
                assert await reader.read() == b""
            writer.close()
            server.close()
            await server.wait_closed()
            assert not listening.failures

    with asyncio.Runner(loop_factory=TurnTakingLoop) as runner:
        runner.run(main())
