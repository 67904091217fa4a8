"""Group commit without a timer: while one group is at work, what comes in forms the next.

Nobody waits for company: an idle coalescer runs a lone item at once, a busy one hundreds together. An item never joins
a group that is already at work, so a read never gets an answer from before it was asked.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from app.domain.errors import Busy, ShuttingDown, Unavailable, WalletError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

WAIT_SHARE_MAX = 0.4
"""Which part of the deadline an item may expect to wait; beyond, it is refused at once instead of late."""

PACE_GROUP_MIN = 32
PACE_WEIGHT = 0.2


class StillAtWork(Unavailable):
    """The deadline passed while the item was at work: what becomes of it is not known yet."""


class Ticket(Generic[Item, Answer]):
    """An item on its way, and the future of its answer.

    Until it is begun its caller may withdraw it; then it never runs. A caller that hangs up withdraws nothing.
    """

    __slots__ = ("begun", "future", "item", "withdrawn")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.begun = False
        self.withdrawn = False
        self.future: asyncio.Future[Answer | WalletError] = asyncio.get_running_loop().create_future()

    def answer(self, answer: Answer | WalletError) -> None:
        """Give the caller its answer, if it still waits."""
        if not self.future.done():
            self.future.set_result(answer)

    def overdue(self) -> WalletError:
        """Withdraw what was not begun; return what the caller is told."""
        if self.begun:
            return StillAtWork()
        self.withdrawn = True
        return Busy()


class Coalescer(Generic[Item, Answer]):
    """Runs tickets in groups, one group at a time.

    `run` answers the tickets of a group, or keeps some to answer or put back later. What it raises is the answer of
    every ticket of the group that has none.
    """

    def __init__(
        self,
        run: Callable[[list[Ticket[Item, Answer]]], Awaitable[None]],
        *,
        group_max: int,
        queue_max: int,
        deadline_seconds: float,
    ) -> None:
        self._run = run
        self._group_max = group_max
        self._queue_max = queue_max
        self._deadline_seconds = deadline_seconds
        self._queue: deque[Ticket[Item, Answer]] = deque()
        self._seconds_per_item = 0.0
        self._closed = False
        self._worker: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Whether the next item is refused: the queue is at its limit, or would take too long to work off."""
        queued = len(self._queue)
        return queued >= self._queue_max or queued * self._seconds_per_item > self._deadline_seconds * WAIT_SHARE_MAX

    async def submit(self, items: Sequence[Item]) -> list[Answer | WalletError]:
        """Run `items`, in order, in the next groups and return their answers.

        Among the answers: `Busy` when the queue is full or the deadline passed before the item was begun (it will not
        run), `StillAtWork` when it passed while the item was at work, `ShuttingDown` when no more work is taken.
        """
        if self._closed:
            return [ShuttingDown() for _ in items]
        if self.full:
            return [Busy() for _ in items]
        tickets: list[Ticket[Item, Answer]] = [Ticket(item) for item in items]
        self._queue.extend(tickets)
        self._wake()
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return [await ticket.future for ticket in tickets]
        except TimeoutError:
            return [
                ticket.future.result() if ticket.future.done() and not ticket.future.cancelled() else ticket.overdue()
                for ticket in tickets
            ]

    def put_back(self, tickets: Iterable[Ticket[Item, Answer]]) -> None:
        """Queue tickets that `run` kept, before everything else, in their order."""
        self._queue.extendleft(reversed(list(tickets)))
        self._wake()

    async def close(self) -> None:
        """Take no more work, and return when all that was taken is done."""
        self._closed = True
        while self._worker is not None:
            await self._worker

    def _wake(self) -> None:
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        """Run groups until nothing is queued."""
        try:
            while group := self._next_group():
                began = time.monotonic()
                await self._run_group(group)
                self._note_pace(len(group), time.monotonic() - began)
        finally:
            self._worker = None

    def _note_pace(self, items: int, seconds: float) -> None:
        """Follow how long an item takes in company. Small groups say nothing of that: the commit is most of them."""
        if items >= PACE_GROUP_MIN:
            before = self._seconds_per_item or seconds / items
            self._seconds_per_item = before + (seconds / items - before) * PACE_WEIGHT

    def _next_group(self) -> list[Ticket[Item, Answer]]:
        group: list[Ticket[Item, Answer]] = []
        while self._queue and len(group) < self._group_max:
            ticket = self._queue.popleft()
            if not ticket.withdrawn:
                ticket.begun = True
                group.append(ticket)
        return group

    async def _run_group(self, group: list[Ticket[Item, Answer]]) -> None:
        try:
            await self._run(group)
        except WalletError as error:
            for ticket in group:
                ticket.answer(error)
        except BaseException as error:
            for ticket in group:
                if not ticket.future.done():
                    ticket.future.set_exception(error if isinstance(error, Exception) else Busy())
            if not isinstance(error, Exception):
                raise
