"""Group commit without a timer: while one group is at work, what comes in forms the next.

Nobody waits for company: an idle coalescer runs a lone item at once, a busy one hundreds together. An item never joins
a group that is already at work, so a read never gets an answer from before it was asked.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from app.domain.errors import Busy, ShuttingDown, WalletError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class StillAtWork(Exception):
    """The deadline passed while the items were at work: what became of them is not known yet."""


class Submission(Generic[Item, Answer]):
    """Items that one caller handed in together, and the future of their answers, in the same order."""

    __slots__ = ("begun", "future", "items")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.begun = False
        self.future: asyncio.Future[list[Answer | WalletError]] = asyncio.get_running_loop().create_future()


class Coalescer(Generic[Item, Answer]):
    """Runs items in groups, one group at a time.

    `run` answers a group in order; what it raises is raised to every caller of the group. Every item of a submission
    is in the same group.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Awaitable[Sequence[Answer | WalletError]]],
        *,
        group_max: int,
        queue_max: int,
        deadline_seconds: float,
    ) -> None:
        self._run = run
        self._group_max = group_max
        self._queue_max = queue_max
        self._deadline_seconds = deadline_seconds
        self._queue: deque[Submission[Item, Answer]] = deque()
        self._queued = 0
        self._closed = False
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, items: Sequence[Item]) -> list[Answer | WalletError]:
        """Run `items` in the next group and return their answers.

        Raises:
            Busy: the queue is full, or the deadline passed before they were begun; they will not run.
            StillAtWork: the deadline passed while they were at work.
            ShuttingDown: no more work is taken.
        """
        if self._closed:
            raise ShuttingDown
        if self._queued + len(items) > self._queue_max:
            raise Busy
        submission: Submission[Item, Answer] = Submission(items)
        self._queue.append(submission)
        self._queued += len(items)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await submission.future
        except TimeoutError:
            if submission.begun:
                raise StillAtWork from None
            self._withdraw(submission)
            raise Busy from None

    async def close(self) -> None:
        """Take no more work, and return when all that was taken is done."""
        self._closed = True
        if self._worker is not None:
            await self._worker

    # A caller that hangs up cancels its future and nothing else: what it asked for still runs.

    def _withdraw(self, submission: Submission[Item, Answer]) -> None:
        self._queue.remove(submission)
        self._queued -= len(submission.items)

    async def _work(self) -> None:
        """Run groups until nothing is queued."""
        try:
            while self._queue:
                await self._run_group(self._next_group())
        finally:
            self._worker = None

    def _next_group(self) -> list[Submission[Item, Answer]]:
        group: list[Submission[Item, Answer]] = []
        size = 0
        while self._queue and (not group or size + len(self._queue[0].items) <= self._group_max):
            submission = self._queue.popleft()
            submission.begun = True
            size += len(submission.items)
            group.append(submission)
        self._queued -= size
        return group

    async def _run_group(self, group: list[Submission[Item, Answer]]) -> None:
        items = [item for submission in group for item in submission.items]
        try:
            answers = await self._run(items)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers' answer
            for submission in group:
                if not submission.future.done():
                    submission.future.set_exception(error)
            return
        start = 0
        for submission in group:
            end = start + len(submission.items)
            if not submission.future.done():
                submission.future.set_result(list(answers[start:end]))
            start = end
