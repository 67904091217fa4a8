"""Group commit: no timer, no waiting for company, bounded, and nothing answered `busy` ever runs."""

import asyncio
from typing import Any

from app.domain.errors import Busy, ShuttingDown
from app.services.coalescer import PATIENCE_SECONDS, SMALL_GROUP_MAX, Coalescer, StillAtWork, Ticket


class Work:
    """Runs groups one by one, each when it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()

    async def run(self, tickets: list[Ticket[int, int]]) -> None:
        self.groups.append([ticket.item for ticket in tickets])
        self.begun.set()
        await self.gate.wait()
        for ticket in tickets:
            ticket.answer(ticket.item * 10)


def coalescer(work: Work, *, group_max: int = 100, queue_max: int = 100, deadline: float = 5) -> Coalescer[int, int]:
    return Coalescer(work.run, group_max=group_max, queue_max=queue_max, deadline_seconds=deadline)


async def test_a_lone_item_runs_at_once_and_what_comes_meanwhile_forms_the_next_group() -> None:
    work = Work()
    lane = coalescer(work)
    first = asyncio.create_task(lane.submit([1]))
    await work.begun.wait()
    others = [asyncio.create_task(lane.submit([number])) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    assert work.groups == [[1]]
    work.gate.set()
    assert await first == [10]
    assert [await each for each in others] == [[20], [30], [40]]
    assert work.groups == [[1], [2, 3, 4]]


async def test_who_is_answered_and_asks_again_is_in_the_next_group_with_those_who_waited() -> None:
    work = Work()
    lane = coalescer(work)

    async def caller(number: int) -> None:
        for _ in range(3):
            await lane.submit([number])

    first = [asyncio.create_task(caller(number)) for number in (1, 2)]
    await work.begun.wait()
    others = [asyncio.create_task(caller(number)) for number in (3, 4)]
    await asyncio.sleep(0)
    work.gate.set()
    await asyncio.gather(*first, *others)
    assert [sorted(each) for each in work.groups] == [[1, 2], [1, 2, 3, 4], [1, 2, 3, 4], [3, 4]]


async def test_a_group_has_a_limit_and_answers_come_in_order() -> None:
    work = Work()
    lane = coalescer(work, group_max=3)
    tasks = [asyncio.create_task(lane.submit(items)) for items in ([1], [2, 3], [4, 5], [6])]
    await work.begun.wait()
    work.gate.set()
    assert [await each for each in tasks] == [[10], [20, 30], [40, 50], [60]]
    assert work.groups == [[1, 2, 3], [4, 5, 6]]


async def test_beyond_the_queue_the_answer_is_busy_at_once() -> None:
    work = Work()
    lane = coalescer(work, queue_max=2)
    running = asyncio.create_task(lane.submit([1]))
    await work.begun.wait()
    waiting = asyncio.create_task(lane.submit([2, 3]))
    await asyncio.sleep(0)
    assert lane.full
    assert [type(each) for each in await lane.submit([4])] == [Busy]
    work.gate.set()
    await asyncio.gather(running, waiting)
    assert work.groups == [[1], [2, 3]]


async def test_what_is_announced_takes_up_room_until_it_has_come() -> None:
    work = Work()
    lane = coalescer(work, queue_max=2)
    lane.announced += 2
    assert [type(each) for each in await lane.submit([1])] == [Busy]
    lane.announced -= 2
    work.gate.set()
    assert await lane.submit([1]) == [10]


async def test_what_was_not_begun_by_its_deadline_is_busy_and_never_runs() -> None:
    work = Work()
    lane = coalescer(work, deadline=0.05)
    running = asyncio.create_task(lane.submit([1]))
    await work.begun.wait()
    assert [type(each) for each in await lane.submit([2])] == [Busy]
    assert [type(each) for each in await running] == [StillAtWork]
    work.gate.set()
    await lane.close()
    assert work.groups == [[1]]


async def test_a_caller_that_hangs_up_cancels_nothing() -> None:
    work = Work()
    lane = coalescer(work)
    running = asyncio.create_task(lane.submit([1]))
    await work.begun.wait()
    waiting = asyncio.create_task(lane.submit([2]))
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    work.gate.set()
    await lane.close()
    assert work.groups == [[1], [2]]


async def test_what_a_group_raises_reaches_each_of_its_callers_and_the_next_group_runs() -> None:
    calls = 0

    async def fail_once(tickets: list[Ticket[int, int]]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("gone")
        for ticket in tickets:
            ticket.answer(ticket.item)

    lane: Coalescer[int, int] = Coalescer(fail_once, group_max=10, queue_max=10, deadline_seconds=5)
    tasks = [asyncio.create_task(lane.submit([number])) for number in (1, 2)]
    assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [OSError, OSError]
    assert await lane.submit([3]) == [3]


async def test_what_a_run_puts_back_goes_before_everything_else() -> None:
    groups: list[list[int]] = []
    kept: list[Ticket[int, int]] = []

    async def keep_the_first_once(tickets: list[Ticket[int, int]]) -> None:
        groups.append([ticket.item for ticket in tickets])
        if not kept:
            kept.append(tickets[0])
            lane.put_back(tickets)
            return
        for ticket in tickets:
            ticket.answer(ticket.item)

    lane: Coalescer[int, int] = Coalescer(keep_the_first_once, group_max=2, queue_max=10, deadline_seconds=5)
    assert await lane.submit([1, 2, 3]) == [1, 2, 3]
    assert groups == [[1, 2], [1, 2], [3]]


async def test_closing_takes_nothing_new_and_finishes_what_was_taken() -> None:
    work = Work()
    lane = coalescer(work)
    running = asyncio.create_task(lane.submit([1]))
    await work.begun.wait()
    waiting = asyncio.create_task(lane.submit([2]))
    await asyncio.sleep(0)
    closing = asyncio.create_task(lane.close())
    await asyncio.sleep(0)
    assert [type(each) for each in await lane.submit([3])] == [ShuttingDown]
    work.gate.set()
    await closing
    assert [await running, await waiting] == [[10], [20]]


async def test_when_the_queue_would_take_too_long_the_answer_is_busy_long_before_the_deadline() -> None:
    async def slow(tickets: list[Ticket[int, int]]) -> None:
        await asyncio.sleep(0.002 * len(tickets))  # the pace that the lane has to learn
        for ticket in tickets:
            ticket.answer(ticket.item)

    lane: Coalescer[int, int] = Coalescer(slow, group_max=50, queue_max=10_000, deadline_seconds=1)
    await lane.submit(range(50))
    first = asyncio.create_task(lane.submit(range(400)))
    await asyncio.sleep(0)
    assert lane.full  # 400 at 2 ms each is more than 0.4 s
    began = asyncio.get_running_loop().time()
    assert [type(each) for each in await lane.submit([1])] == [Busy]
    assert asyncio.get_running_loop().time() - began < 0.05
    assert await first == list(range(400))


def odd_and_even(work: Work) -> Coalescer[int, int]:
    return Coalescer(
        work.run, group_max=1_000, queue_max=10_000, deadline_seconds=5, parts=2, part_of=lambda item: item % 2
    )


async def test_little_of_all_parts_runs_as_one_group_and_waits_for_the_one_at_work() -> None:
    work = Work()
    lane = odd_and_even(work)
    first = asyncio.create_task(lane.submit([1]))
    await work.begun.wait()
    rest = asyncio.create_task(lane.submit(range(2, 2 + SMALL_GROUP_MAX)))
    await asyncio.sleep(0.01)
    assert work.groups == [[1]]  # the even ones wait too
    work.gate.set()
    await asyncio.gather(first, rest)
    assert [set(each) for each in work.groups] == [{1}, set(range(2, 2 + SMALL_GROUP_MAX))]


async def test_much_of_two_parts_runs_side_by_side_and_each_part_in_order() -> None:
    work = Work()
    lane = odd_and_even(work)
    items = range(4 * SMALL_GROUP_MAX)
    task = asyncio.create_task(lane.submit(items))
    await work.begun.wait()
    await asyncio.sleep(0.01)
    assert sorted(work.groups) == [list(items[::2]), list(items[1::2])]  # both at work, neither has ended
    work.gate.set()
    assert await task == [each * 10 for each in items]


async def test_a_part_never_runs_twice_at_once() -> None:
    work = Work()
    lane = odd_and_even(work)
    first = asyncio.create_task(lane.submit([0] * 2 * SMALL_GROUP_MAX))
    await work.begun.wait()
    second = asyncio.create_task(lane.submit([2] * 2 * SMALL_GROUP_MAX))
    await asyncio.sleep(0.01)
    assert [each[0] for each in work.groups] == [0]
    work.gate.set()
    await asyncio.gather(first, second)


async def test_a_little_of_one_part_is_not_starved_by_much_of_another() -> None:
    groups: list[set[int]] = []

    async def note(tickets: list[Ticket[int, int]]) -> None:
        groups.append({ticket.item for ticket in tickets})
        await asyncio.sleep(0)
        if len(groups) < 5:
            more.append(asyncio.create_task(lane.submit([0] * 2 * SMALL_GROUP_MAX)))
        await asyncio.sleep(0)
        for ticket in tickets:
            ticket.answer(ticket.item)

    more: list[asyncio.Task[Any]] = []
    lane: Coalescer[int, int] = Coalescer(
        note, group_max=1_000, queue_max=10_000, deadline_seconds=5, parts=2, part_of=lambda item: item % 2
    )
    much = asyncio.create_task(lane.submit([0] * 2 * SMALL_GROUP_MAX))
    little = asyncio.create_task(lane.submit([1]))
    await asyncio.gather(much, little)
    assert {1} in groups[:3]
    await asyncio.gather(*more)


async def test_a_pace_that_was_slow_once_is_forgotten() -> None:
    seconds = 1.0

    async def run(tickets: list[Ticket[int, int]]) -> None:
        await asyncio.sleep(seconds)
        for ticket in tickets:
            ticket.answer(ticket.item)

    lane: Coalescer[int, int] = Coalescer(run, group_max=500, queue_max=1_000, deadline_seconds=1.5)
    await lane.submit(range(40))  # 25 ms an item: so 24 would already be too long to wait for
    seconds = 0.0
    for _ in range(20):
        answers = await asyncio.gather(*(lane.submit([number]) for number in range(100)))
        assert answers == [[number] for number in range(100)]
    assert lane._seconds_per_item < 0.001


async def test_a_little_runs_beside_a_group_that_takes_very_long() -> None:
    work = Work()
    lane = odd_and_even(work)
    stuck = asyncio.create_task(lane.submit([1]))
    await work.begun.wait()
    began = asyncio.get_running_loop().time()
    little = asyncio.create_task(lane.submit([2]))
    while len(work.groups) < 2:  # noqa: ASYNC110 - how long it takes is what this test is about
        await asyncio.sleep(0.01)
    assert PATIENCE_SECONDS * 0.9 < asyncio.get_running_loop().time() - began < PATIENCE_SECONDS + 0.3
    work.gate.set()
    await asyncio.gather(stuck, little)
