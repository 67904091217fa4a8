"""Rates of API keys: exact over any number of processes, fair within one, and nobody's business when one fails.

Most tests stop the clock, the process's and the database's, and advance both.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import asyncpg
import pytest

from app.database import Connection, Database
from app.domain.api_keys import Rate
from app.domain.errors import RateLimited, ShuttingDown
from app.repositories.rate_repo import Asked, take_tokens
from app.services import rate_limits
from app.services.rate_limits import RateLimits
from tests.conftest import owner_connection, past_pooler
from tests.faults.cutting_proxy import Fault, proxied
from tests.sizes import choices, size

T = TypeVar("T")

KEY = 1
SLOW = Rate(requests_per_second=2, burst=5)
STOPPED_CLOCK = """
    CREATE SCHEMA stopped;
    CREATE TABLE stopped.moment AS SELECT pg_catalog.clock_timestamp() AS now;
    CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE SECURITY DEFINER
        RETURN (SELECT now FROM stopped.moment);
"""
ANYTHING = b""
"""What every message has in it."""


class Clock:
    """The clock of this process and of its database: it stands still unless it is advanced."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._seconds = 0.0

    def monotonic(self) -> float:
        return self._seconds

    async def advance(self, seconds: float) -> None:
        """Let time pass. Below zero only the database's clock goes back."""
        self._seconds += max(0.0, seconds)
        await self._connection.execute(f"UPDATE stopped.moment SET now = now + interval '{seconds} seconds'")


class CountingDatabase(Database):
    """Counts the takes, and holds each up while the gate is closed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.takes = 0
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        self.takes += 1
        self.begun.set()
        await self.gate.wait()
        return await super().read(query)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    yield connection
    await connection.close()


@pytest.fixture
def direct_url(empty_url: str, pytestconfig: pytest.Config) -> str:
    """The way to the test's database past any pooler."""
    return past_pooler(pytestconfig, empty_url)


@pytest.fixture
async def owner(direct_url: str) -> AsyncIterator[Connection]:
    """The connection of somebody who may do everything."""
    async with owner_connection(direct_url) as connection:
        yield connection


@pytest.fixture
async def connections(direct_url: str) -> AsyncIterator[list[Connection]]:
    """Those of several processes."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(direct_url)) for _ in range(6)]


@pytest.fixture
async def clock(owner: Connection, monkeypatch: pytest.MonkeyPatch) -> Clock:
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f'{STOPPED_CLOCK} ALTER DATABASE "{name}" SET search_path = public, pg_catalog')
    clock = Clock(owner)
    monkeypatch.setattr("app.services.rate_limits.time", clock)
    return clock


@pytest.fixture
async def database(empty_url: str) -> AsyncIterator[CountingDatabase]:
    database = CountingDatabase(empty_url)
    yield database
    await database.close()


@pytest.fixture
async def limits(clock: Clock, database: CountingDatabase) -> AsyncIterator[RateLimits]:  # noqa: ARG001 - it stands
    """The rate limits of one process, on the stopped clock."""
    limits = RateLimits(database)
    yield limits
    database.gate.set()
    await limits.close()


async def answers(limits: RateLimits, requests: int, *, key: int = KEY, rate: Rate = SLOW) -> list[str]:
    """Send requests at once and return how each was answered, in order: `ok`, or the error's code."""
    takes = (limits.take(key, rate) for _ in range(requests))
    results = await asyncio.gather(*takes, return_exceptions=True)
    return ["ok" if each is None else getattr(each, "code", repr(each)) for each in results]


async def admitted(limits: RateLimits, requests: int, *, key: int = KEY, rate: Rate = SLOW) -> int:
    """Send requests at once and return how many got a token; all others must be refused for the rate."""
    counted = Counter(await answers(limits, requests, key=key, rate=rate))
    assert counted.keys() <= {"ok", "rate_limited"}
    return counted["ok"]


# -- how many ------------------------------------------------------------------------------------------------------


async def test_a_full_bucket_gives_its_burst_and_then_what_comes_in_exactly(limits: RateLimits, clock: Clock) -> None:
    assert await admitted(limits, 8) == 5
    for seconds, tokens in ((0.5, 1), (0.4, 0), (0.1, 1), (2, 4), (0.25, 0), (0.25, 1), (1_000, 5), (0.49, 0)):
        await clock.advance(seconds)
        assert await admitted(limits, 8) == tokens, f"after {seconds} s more"


async def test_a_refusal_says_how_often_the_key_may_be_used_and_when_to_come_again(limits: RateLimits) -> None:
    await admitted(limits, 5)
    with pytest.raises(RateLimited) as refused:
        await limits.take(KEY, SLOW)
    assert refused.value.facts == {"requests_per_second": 2, "retry_after_seconds": 1}


async def test_every_key_has_a_bucket_of_its_own(limits: RateLimits, database: CountingDatabase) -> None:
    keys = range(1, 301)
    counted = await asyncio.gather(*(admitted(limits, key % 9, key=key) for key in keys))
    assert counted == [min(key % 9, 5) for key in keys]
    assert database.takes <= 2  # a group has a limit


async def test_a_rate_that_was_changed_holds_from_the_next_take_on(limits: RateLimits, clock: Clock) -> None:
    assert await admitted(limits, 1, rate=Rate(requests_per_second=1, burst=100)) == 1
    assert await admitted(limits, 90, rate=Rate(requests_per_second=1, burst=10)) == 10
    await clock.advance(2)
    assert await admitted(limits, 90, rate=Rate(requests_per_second=20, burst=50)) == 40
    await clock.advance(2)
    assert await admitted(limits, 90, rate=Rate(requests_per_second=20, burst=30)) == 30


async def test_a_clock_that_goes_back_takes_nothing_and_stops_nothing(limits: RateLimits, clock: Clock) -> None:
    assert await admitted(limits, 2) == 2
    await clock.advance(-86_400)
    assert await admitted(limits, 8) == 3
    await clock.advance(1)
    assert await admitted(limits, 8) == 2


async def test_a_bucket_that_a_crash_has_emptied_is_full(limits: RateLimits, owner: Connection) -> None:
    assert await admitted(limits, 4) == 4
    await owner.execute("TRUNCATE key_buckets")  # as PostgreSQL does with unlogged tables
    assert await admitted(limits, 8) == 5


# -- together ------------------------------------------------------------------------------------------------------


async def test_two_processes_share_one_bucket_exactly(empty_url: str, clock: Clock) -> None:
    rate = Rate(requests_per_second=100, burst=50)
    async with AsyncExitStack() as stack:
        processes = []
        for _ in range(2):
            database = CountingDatabase(empty_url)
            stack.push_async_callback(database.close)
            processes.append(RateLimits(database))
        for _ in range(size(20, 400)):
            tokens = await asyncio.gather(*(admitted(process, 40, rate=rate) for process in processes * 2))
            assert sum(tokens) == 50
            await clock.advance(0.5)


async def test_what_was_taken_and_is_left_is_what_came_in_however_many_take(
    owner: Connection, connections: list[Connection]
) -> None:
    """On the world's clock: no moment counts twice, and none is lost, while connections wait for each other."""
    rate = Rate(requests_per_second=100_000, burst=1_000_000)
    random = choices("takes")
    await take_tokens(owner, [Asked(key_id=KEY, rate=rate, tokens=1_000_000)])
    began = await owner.fetchrow("SELECT tokens, filled_at FROM key_buckets")

    async def keep_taking(connection: Connection) -> int:
        asked = [Asked(key_id=KEY, rate=rate, tokens=random.choice((1, 7, 10_000))) for _ in range(size(100, 5_000))]
        return sum([(await take_tokens(connection, [each]))[KEY].tokens for each in asked])

    taken = sum(await asyncio.gather(*map(keep_taking, connections)))
    ended = await owner.fetchrow("SELECT tokens, filled_at FROM key_buckets")
    assert began is not None
    assert ended is not None
    came_in = (ended["filled_at"] - began["filled_at"]).total_seconds() * rate.requests_per_second
    assert taken > 1_000
    assert taken + ended["tokens"] - began["tokens"] == pytest.approx(came_in, abs=0.01)


async def test_takes_for_many_keys_in_any_order_never_wait_in_a_ring(connections: list[Connection]) -> None:
    random = choices("orders")

    async def keep_taking(connection: Connection) -> None:
        for _ in range(size(20, 1_000)):
            await take_tokens(
                connection, [Asked(key_id=key, rate=SLOW, tokens=1) for key in random.sample(range(100), 50)]
            )

    await asyncio.gather(*map(keep_taking, connections))


# -- what it costs -------------------------------------------------------------------------------------------------


async def test_what_comes_while_a_take_is_under_way_is_one_take(limits: RateLimits, database: CountingDatabase) -> None:
    database.gate.clear()
    first = asyncio.create_task(admitted(limits, 1, rate=Rate(requests_per_second=1, burst=100)))
    await database.begun.wait()
    others = [asyncio.create_task(admitted(limits, 10, rate=Rate(requests_per_second=1, burst=100))) for _ in range(5)]
    await asyncio.sleep(0)
    database.gate.set()
    assert await first + sum(await asyncio.gather(*others)) == 51
    assert database.takes == 2


async def test_who_comes_first_is_served_first(limits: RateLimits, database: CountingDatabase) -> None:
    database.gate.clear()
    tasks = []
    for _ in range(4):
        tasks.append(asyncio.create_task(answers(limits, 2)))
        await asyncio.sleep(0)
    database.gate.set()
    told = [each for some in await asyncio.gather(*tasks) for each in some]
    assert told == ["ok"] * 5 + ["rate_limited"] * 3


async def test_an_empty_bucket_is_not_asked_before_its_next_token_comes(
    limits: RateLimits, database: CountingDatabase, clock: Clock
) -> None:
    assert await admitted(limits, 8) == 5
    for seconds, takes in ((0, 1), (0.4, 1), (0.1, 2), (0.1, 2), (0.4, 3)):
        await clock.advance(seconds)
        await admitted(limits, 100)
        assert database.takes == takes, f"after {seconds} s more"


async def test_those_who_waited_while_a_bucket_became_empty_are_refused_without_asking(
    limits: RateLimits, database: CountingDatabase
) -> None:
    database.gate.clear()
    first = asyncio.create_task(admitted(limits, 5))
    await database.begun.wait()
    others = asyncio.create_task(admitted(limits, 50))
    await asyncio.sleep(0)
    database.gate.set()
    assert (await first, await others) == (5, 0)
    assert database.takes == 1


async def test_a_refusal_waits_for_no_take(limits: RateLimits, database: CountingDatabase) -> None:
    assert await admitted(limits, 8) == 5
    database.begun.clear()
    database.gate.clear()
    other = asyncio.create_task(admitted(limits, 1, key=KEY + 1))
    await database.begun.wait()
    assert await admitted(limits, 8) == 0
    database.gate.set()
    assert await other == 1


async def test_buckets_that_are_empty_no_more_are_forgotten(limits: RateLimits, clock: Clock) -> None:
    await asyncio.gather(*(admitted(limits, 6, key=key) for key in range(1, 101)))
    assert len(limits._empty_until) == 100
    await clock.advance(0.5)
    await admitted(limits, 1)
    assert len(limits._empty_until) == 1


async def test_requests_that_wait_are_bounded_in_number(
    database: CountingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "QUEUE_MAX", 3)
    limits = RateLimits(database)
    database.gate.clear()
    first = asyncio.create_task(answers(limits, 1))
    await database.begun.wait()
    others = asyncio.create_task(answers(limits, 5))
    await asyncio.sleep(0)
    database.gate.set()
    assert await first == ["ok"]
    assert await others == ["ok", "ok", "ok", "busy", "busy"]


# -- what goes wrong -----------------------------------------------------------------------------------------------


async def test_callers_that_give_up_hold_nobody_up(limits: RateLimits, database: CountingDatabase) -> None:
    database.gate.clear()
    tasks = [asyncio.create_task(limits.take(KEY, SLOW)) for _ in range(2)]
    await database.begun.wait()
    tasks += [asyncio.create_task(limits.take(KEY, SLOW)) for _ in range(2)]
    await asyncio.sleep(0)
    for each in (tasks[0], tasks[2]):
        each.cancel()
    database.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in results] == [asyncio.CancelledError, type(None)] * 2
    assert await admitted(limits, 8) == 1  # theirs are spent
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the pool that it is


async def test_a_bucket_that_a_stranger_holds_is_busy_and_no_other_is(limits: RateLimits, owner: Connection) -> None:
    assert [await admitted(limits, 1, key=key) for key in (1, 2)] == [1, 1]
    async with owner.transaction():
        await owner.execute("UPDATE key_buckets SET tokens = 0 WHERE key_id = 1")
        held, free = await asyncio.gather(answers(limits, 3, key=1), answers(limits, 3, key=2))
        assert (held, free) == (["busy"] * 3, ["ok"] * 3)
        waiting = await owner.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        assert waiting == 0
    assert await answers(limits, 1, key=1) == ["rate_limited"]


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_REPLY])
async def test_without_the_database_it_is_not_the_callers_fault_and_it_recovers(empty_url: str, fault: Fault) -> None:
    async with proxied(empty_url) as (proxy, url):
        database = CountingDatabase(url)
        limits = RateLimits(database)
        assert await answers(limits, 1) == ["ok"]
        proxy.arm(fault, trigger=ANYTHING, times=3)
        while proxy.done < 3:
            assert await answers(limits, 1) == ["database_unavailable"]
        assert await answers(limits, 1) == ["ok"]
        await database.close()


async def test_a_take_that_is_never_answered_ends_at_its_deadline_and_the_next_goes_through(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.WORK_SECONDS", 0.3)
    async with proxied(empty_url) as (proxy, url):
        database = CountingDatabase(url)
        limits = RateLimits(database)
        assert await answers(limits, 1) == ["ok"]
        proxy.arm(Fault.STALL_REPLY, trigger=ANYTHING)
        began = time.monotonic()
        assert await answers(limits, 1) == ["database_unavailable"]
        assert await answers(limits, 1) == ["ok"]
        assert time.monotonic() - began < 2
        await database.close()


LOGGED = """
    CREATE TABLE logged ();
    CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        'BEGIN INSERT INTO logged DEFAULT VALUES; RETURN NULL; END';
    CREATE TRIGGER logged AFTER INSERT OR UPDATE ON key_buckets EXECUTE FUNCTION log();
"""
"""Gives a take a record in the log, which it has by chance otherwise."""


async def test_a_take_waits_for_no_standby(empty_url: str, owner: Connection) -> None:
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')  # and the standby is not there
    await owner.execute(LOGGED)
    database = CountingDatabase(empty_url)
    limits = RateLimits(database)
    assert [await answers(limits, 1) for _ in range(3)] == [["ok"]] * 3
    await database.close()


async def test_closing_answers_who_waits_and_takes_nobody_else(limits: RateLimits, database: CountingDatabase) -> None:
    database.gate.clear()
    first = asyncio.create_task(answers(limits, 1))
    await database.begun.wait()
    closing = asyncio.create_task(limits.close())
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await limits.take(KEY, SLOW)
    database.gate.set()
    await closing
    assert await first == ["ok"]
