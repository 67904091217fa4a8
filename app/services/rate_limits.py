"""How often each API key is used, over all processes together: exactly as often as its rate allows.

The bucket of a key is a row that all processes share, and none ever guesses what is in it. Requests wait in memory
while a take is under way; the next one takes as many tokens as there are requests by then. So a busy process pays for
a statement a round trip, not a request. Once a bucket is known to be empty, its key is refused without asking until
the next token comes.
"""

import math
import time
from functools import partial
from typing import TypeAlias

from app.database import Database, LockHeld
from app.domain.api_keys import Rate
from app.domain.errors import Busy, RateLimited
from app.domain.record import record
from app.repositories import rate_repo
from app.repositories.rate_repo import Asked, Taken
from app.services.coalescer import Coalescer, Ticket

GROUP_MAX = 1_000
QUEUE_MAX = 10_000
DEADLINE_SECONDS = 2.0
"""How long a request waits for its token. A take is a matter of milliseconds."""


@record
class _Use:
    """One request with a key."""

    key_id: int
    rate: Rate


_Ticket: TypeAlias = Ticket[_Use, None]


class RateLimits:
    """The buckets of one database's keys, as one process sees them. It uses one connection at most."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue = Coalescer[_Use, None](
            self._run, group_max=GROUP_MAX, queue_max=QUEUE_MAX, deadline_seconds=DEADLINE_SECONDS
        )
        self._empty_until: dict[int, float] = {}
        """Until when the buckets that are empty now stay so, by the monotonic clock."""

    async def take(self, key_id: int, rate: Rate) -> None:
        """Take a token for one request with a key. In a process, who comes first is served first.

        A caller that stops waiting holds nobody up, but the token that was on its way to it is spent.

        Raises:
            RateLimited: there is none.
            Unavailable: that can't be told now.
        """
        if (seconds := self._seconds_empty(key_id)) > 0:
            raise _refusal(rate, seconds)
        await self._queue.ask([_Use(key_id=key_id, rate=rate)])

    async def close(self) -> None:
        """Take no more requests, and return when all that were taken are answered."""
        await self._queue.close()

    def _seconds_empty(self, key_id: int) -> float:
        """Return how long a bucket is known to stay empty: not above 0 when that has to be asked."""
        until = self._empty_until.get(key_id)
        return 0.0 if until is None else until - time.monotonic()

    async def _run(self, group: list[_Ticket]) -> None:
        """Answer a group, with one statement for all its keys, those left out that are known to be empty by now."""
        waiting: dict[int, list[_Ticket]] = {}
        for ticket in group:
            use = ticket.item
            if (seconds := self._seconds_empty(use.key_id)) > 0:
                ticket.answer(_refusal(use.rate, seconds))
            else:
                waiting.setdefault(use.key_id, []).append(ticket)
        if not waiting:
            return
        try:
            await self._take(waiting)
        except LockHeld:
            await self._take_one_by_one(waiting)

    async def _take_one_by_one(self, waiting: dict[int, list[_Ticket]]) -> None:
        """Keep nobody waiting for a bucket that a stranger holds, but those who need that one."""
        for key_id, tickets in waiting.items():
            try:
                await self._take({key_id: tickets})
            except LockHeld:
                for ticket in tickets:
                    ticket.answer(Busy())

    async def _take(self, waiting: dict[int, list[_Ticket]]) -> None:
        taken = await self._taken(
            [
                Asked(key_id=key_id, rate=tickets[-1].item.rate, tokens=len(tickets))
                for key_id, tickets in waiting.items()
            ]
        )
        now = time.monotonic()
        self._empty_until = {key_id: until for key_id, until in self._empty_until.items() if until > now}
        for key_id, tickets in waiting.items():
            seconds = taken[key_id].seconds_until_next
            if seconds > 0:
                self._empty_until[key_id] = now + seconds
            for number, ticket in enumerate(tickets):
                ticket.answer(None if number < taken[key_id].tokens else _refusal(ticket.item.rate, seconds))

    async def _taken(self, asked: list[Asked]) -> dict[int, Taken]:
        # One statement, and its own transaction: nothing else costs so little.
        return await self._database.read(partial(rate_repo.take_tokens, asked=asked))


def _refusal(rate: Rate, seconds: float) -> RateLimited:
    return RateLimited(requests_per_second=rate.requests_per_second, retry_after_seconds=math.ceil(seconds))
