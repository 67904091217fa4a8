"""A port that several processes serve: each takes one caller and then gives the others a turn.

Left to itself, the event loop of the process that wakes first takes every caller who is there. Callers keep their
connections, so a handful of them may all be one process's for good, while the others have nothing to do. (A socket for
each process, SO_REUSEPORT, spreads by lot instead, and the callers whom a process that dies has not taken die with it.)
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import structlog
import uvloop

TURN_SECONDS = 0.001
"""How long a process leaves the next callers to the others: what a timer can tell, and less than a call takes."""

FAILURE_SECONDS = 1.0
"""How long a process leaves callers waiting whom it can't take, for want of files or memory."""

ProtocolFactory = Callable[[], asyncio.BaseProtocol]

log = structlog.get_logger(__name__)


class TurnTakingLoop(uvloop.Loop):
    """An event loop whose servers take their callers in turns with other processes."""

    async def create_server(  # type: ignore[override]  # as uvicorn calls it for a socket that is bound
        self,
        protocol_factory: ProtocolFactory,
        *,
        sock: socket.socket,
        ssl: None,  # noqa: ARG002
        backlog: int,
    ) -> "_Listener":
        """Serve a socket that other processes listen on too, without TLS."""
        sock.setblocking(False)  # noqa: FBT003
        sock.listen(backlog)
        return _Listener(self, protocol_factory, sock)


class _Listener:
    """What uvicorn needs of a server."""

    def __init__(self, loop: uvloop.Loop, protocol_factory: ProtocolFactory, listening: socket.socket) -> None:
        self._loop = loop
        self._protocol_factory = protocol_factory
        self._listening = listening
        self._connecting: set[asyncio.Task[Any]] = set()
        self._next_turn: asyncio.TimerHandle | None = None
        self._look()

    def close(self) -> None:
        """Take no more callers."""
        self._loop.remove_reader(self._listening)
        if self._next_turn is not None:
            self._next_turn.cancel()

    async def wait_closed(self) -> None:
        """Return when those who were taken are connected."""
        if self._connecting:
            await asyncio.wait(self._connecting)

    def _look(self) -> None:
        self._loop.add_reader(self._listening, self._take)

    def _take(self) -> None:
        pause = TURN_SECONDS
        try:
            caller, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another process was quicker, or he left
            return
        except OSError:
            log.exception("caller_not_taken")
            pause = FAILURE_SECONDS
        else:
            caller.setblocking(False)  # noqa: FBT003
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol_factory, caller))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        self._loop.remove_reader(self._listening)
        self._next_turn = self._loop.call_later(pause, self._look)
