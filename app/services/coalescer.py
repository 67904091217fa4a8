"""Group commit without a timer: while one group is at work, what comes in forms the next.

Nobody waits for company: an idle coalescer runs a lone item at once, a busy one hundreds together. Between two groups
those who were answered, and those whose requests have come in, get a turn of the event loop: they join the next one. An
item never joins a group that is already at work, so a read never gets an answer from before it was asked.

Items may be told apart into parts. Of one part, one group is at work at a time. While little is queued, one group has
all of it, whatever the part: two small commits cost more than one. What is queued beyond that runs side by side.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from app.domain.errors import Busy, DatabaseUnavailable, ShuttingDown, Unavailable, WalletError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

WAIT_SHARE_MAX = 0.4
"""Which part of the deadline an item may expect to wait; beyond, it is refused at once instead of late."""

SMALL_GROUP_MAX = 128
"""Up to so many items it is cheaper to wait for the group at work than to run beside it."""

PATIENCE_SECONDS = 0.5
"""How long a group may be at work until even little runs beside it: something is wrong with that one."""

TURNS_OF_OTHERS = 4
"""How many turns of the event loop are between two small groups. Without any, the callers fall into two halves, one of
which is at work while the other waits, and a group of half the size costs nearly as much as a whole one."""

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

    def give_up(self) -> None:
        """Tell the caller that it has waited long enough, and withdraw what was not begun."""
        if self.future.done():
            return
        self.withdrawn = not self.begun
        self.answer(StillAtWork() if self.begun else Busy())


class Coalescer(Generic[Item, Answer]):
    """Runs tickets in groups.

    `run` answers the tickets of a group, or keeps some, no longer begun, to answer or put back later. What it raises is
    the answer of every other ticket of the group that has none. `part_of` names an item's part, from 0.
    """

    def __init__(
        self,
        run: Callable[[list[Ticket[Item, Answer]]], Awaitable[None]],
        *,
        group_max: int,
        queue_max: int,
        deadline_seconds: float,
        parts: int = 1,
        part_of: Callable[[Item], int] = lambda _: 0,
    ) -> None:
        self._run = run
        self._group_max = group_max
        self._queue_max = queue_max
        self._deadline_seconds = deadline_seconds
        self._part_of = part_of
        self._queues: list[deque[Ticket[Item, Answer]]] = [deque() for _ in range(parts)]
        self._turns = list(range(parts))
        """The parts, the one that ran last at the end."""
        self._at_work: set[int] = set()
        self._started_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._seconds_per_item = 0.0
        self._closed = False
        self.announced = 0
        """How many items are on their way: they take up room, but are not queued yet."""

    @property
    def full(self) -> bool:
        """Whether the next item is refused: the queue is at its limit, or would take too long to work off."""
        queued = sum(map(len, self._queues)) + self.announced
        seconds = queued * self._seconds_per_item / len(self._queues)
        too_long = queued > SMALL_GROUP_MAX and seconds > self._deadline_seconds * WAIT_SHARE_MAX
        return queued >= self._queue_max or too_long  # a small group is always let in: else a pace once slow would stay

    async def submit(self, items: Sequence[Item]) -> list[Answer | WalletError]:
        """Run `items` in the next groups, those of one part in order, and return their answers.

        Among the answers: `Busy` when the queue is full or the deadline passed before the item was begun (it will not
        run), `StillAtWork` when it passed while the item was at work, `ShuttingDown` when no more work is taken.
        """
        if self._closed:
            return [ShuttingDown() for _ in items]
        if self.full:
            return [Busy() for _ in items]
        tickets: list[Ticket[Item, Answer]] = [Ticket(item) for item in items]
        for ticket in tickets:
            self._queues[self._part_of(ticket.item)].append(ticket)
        self._wake()
        deadline = asyncio.get_running_loop().call_later(self._deadline_seconds, _give_up, tickets)
        try:
            return [await ticket.future for ticket in tickets]
        finally:
            deadline.cancel()

    async def ask(self, questions: Sequence[Item]) -> list[Answer]:
        """Return the answers to `questions`: items of which nobody needs to know what became when it was too late.

        Raises:
            DatabaseUnavailable: one was not answered in time.
            WalletError: what was answered to one.
        """
        return [_told(each) for each in await self.submit(questions)]

    def put_back(self, tickets: Iterable[Ticket[Item, Answer]]) -> None:
        """Queue tickets that `run` kept, before everything else, in their order."""
        for ticket in reversed(list(tickets)):
            self._queues[self._part_of(ticket.item)].appendleft(ticket)
        self._wake()

    async def close(self) -> None:
        """Take no more work, and return when all that was taken is done."""
        self._closed = True
        while self._tasks or any(self._queues):
            await asyncio.sleep(0)
            if self._tasks:
                await asyncio.wait(self._tasks)

    def _wake(self) -> None:
        """Start what may start, once everybody who is ready now has submitted."""
        if not self._at_work:
            asyncio.get_running_loop().call_soon(self._start_groups)
        elif len(self._at_work) < len(self._queues):
            self._start_groups()

    def _start_groups(self) -> None:
        while parts := self._parts_to_run():
            if group := self._next_group(parts):
                self._at_work.update(parts)
                self._started_at = time.monotonic()
                task = asyncio.get_running_loop().create_task(self._work(group, parts))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _parts_to_run(self) -> list[int]:
        """Return the parts whose items form the next group: none, when that has to wait for one that is at work."""
        queued = {part: len(self._queues[part]) for part in self._turns if self._queues[part]}
        if self._at_work:
            patient = time.monotonic() - self._started_at < PATIENCE_SECONDS
            items_min = SMALL_GROUP_MAX if patient else 0
            beside = [part for part, items in queued.items() if part not in self._at_work and items > items_min]
            return beside[:1]
        return list(queued) if sum(queued.values()) <= SMALL_GROUP_MAX else list(queued)[:1]

    def _next_group(self, parts: list[int]) -> list[Ticket[Item, Answer]]:
        group: list[Ticket[Item, Answer]] = []
        for part in parts:
            self._turns.remove(part)
            self._turns.append(part)
            queue = self._queues[part]
            while queue and len(group) < self._group_max:
                ticket = queue.popleft()
                if not ticket.withdrawn:
                    ticket.begun = True
                    group.append(ticket)
        return group

    async def _work(self, group: list[Ticket[Item, Answer]], parts: list[int]) -> None:
        began = time.monotonic()
        impatience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._start_groups)
        try:
            await self._run_group(group)
            self._note_pace(len(group), time.monotonic() - began)
            if len(group) <= SMALL_GROUP_MAX:
                await _others_had_a_turn()
        finally:
            impatience.cancel()
            self._at_work.difference_update(parts)
            self._start_groups()

    def _note_pace(self, items: int, seconds: float) -> None:
        """Follow how long an item takes in company. Small groups say nothing of that: the commit is most of them."""
        if items >= PACE_GROUP_MIN:
            before = self._seconds_per_item or seconds / items
            self._seconds_per_item = before + (seconds / items - before) * PACE_WEIGHT

    async def _run_group(self, group: list[Ticket[Item, Answer]]) -> None:
        try:
            await self._run(group)
        except WalletError as error:
            for ticket in group:
                if ticket.begun:
                    ticket.answer(error)
        except BaseException as error:
            for ticket in group:
                if ticket.begun and not ticket.future.done():
                    ticket.future.set_exception(error if isinstance(error, Exception) else Busy())
            if not isinstance(error, Exception):
                raise


async def _others_had_a_turn() -> None:
    """Let everybody who is here do what they can: answers are sent, and what has come in is read and queued."""
    for _ in range(TURNS_OF_OTHERS):
        await asyncio.sleep(0)


def _told(answer: Answer | WalletError) -> Answer:
    if isinstance(answer, StillAtWork):
        raise DatabaseUnavailable
    if isinstance(answer, WalletError):
        raise answer
    return answer


def _give_up(tickets: Iterable[Ticket[Item, Answer]]) -> None:
    for ticket in tickets:
        ticket.give_up()
