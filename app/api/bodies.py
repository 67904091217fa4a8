"""The bodies that are being read: none may take long to come, and together they may take up only so much.

One timer looks after all of them: one for each would cost every request a hundredth of what it takes.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

from app.domain.errors import BodyTooSlow, Busy

BODY_SECONDS = 20
"""How long a body may take to come: less than a process that is to stop waits for its requests."""

SMALL_BYTES = 2**16
"""So much of a body finds room however many others are being read: the number of connections bounds that."""

LARGE_BYTES_MAX = 2**26
"""How much all bodies that are being read may have together, beyond what is small."""


class Bodies:
    """Those of one application."""

    def __init__(self) -> None:
        self.reading: dict[asyncio.Task[Any], float] = {}
        """Who reads one, and since when; the longest first."""
        self.large_bytes = 0
        """What they have together, beyond what is small."""
        self._late: set[asyncio.Task[Any]] = set()
        """Who was cancelled because it took too long, and has not ended yet."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, task: asyncio.Task[Any]) -> None:
        """Note that a task begins to read a body: it is cancelled when that takes too long."""
        loop = task.get_loop()
        self.reading[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(BODY_SECONDS, self._look, loop)

    def end(self, task: asyncio.Task[Any], *, cancelled: bool) -> None:
        """Note that a task reads no longer.

        Raises:
            BodyTooSlow: it was cancelled because it took too long.
        """
        if self.reading.pop(task, None) is not None:
            return
        self._late.remove(task)
        if cancelled:
            task.uncancel()
            raise BodyTooSlow(seconds_max=BODY_SECONDS) from None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel who has been reading for too long, and look again when the next could have."""
        self._timer = None
        for task, began in list(self.reading.items()):
            remaining = began + BODY_SECONDS - loop.time()
            if remaining > 0:
                self._timer = loop.call_later(remaining, self._look, loop)
                return
            del self.reading[task]
            self._late.add(task)
            task.cancel()


class Reading:
    """The reading of one body by the current task, as a context.

    Raises:
        BodyTooSlow: it took too long.
    """

    __slots__ = ("_bodies", "_large_bytes", "_task")

    def __init__(self, bodies: Bodies) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be told that it takes too long")
        self._bodies = bodies
        self._task = task
        self._large_bytes = 0

    def __enter__(self) -> Self:
        self._bodies.begin(self._task)
        return self

    def keep(self, size: int) -> None:
        """Note that so much of the body is kept now, which is more than a small one has.

        Raises:
            Busy: all bodies together have too much.
        """
        self._bodies.large_bytes += size - SMALL_BYTES - self._large_bytes
        self._large_bytes = size - SMALL_BYTES
        if self._bodies.large_bytes > LARGE_BYTES_MAX:
            raise Busy

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bodies.large_bytes -= self._large_bytes
        self._bodies.end(self._task, cancelled=kind is asyncio.CancelledError)
