"""Where commands wait for something that concerns their owner only, so that nobody else waits for it.

A lane that finds an owner locked by somebody else, or with more due than one unit of work books, parks that owner's
commands and goes on. What they wait for is done outside the lanes, by a few at a time; when it is done, the commands go
back to the head of their lane, in their order. Until then they are not begun: at their deadline they are withdrawn.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from app.domain.commands import Command
from app.domain.errors import Busy, WalletError
from app.domain.records import AnyReceipt
from app.services.coalescer import Ticket

log = structlog.get_logger(__name__)

CommandTicket = Ticket[Command, AnyReceipt]

PAUSE_SECONDS = 0.05
"""How long an owner's waiter steps back after each step, for others to have their turn."""

Ready = Callable[[], Awaitable[bool]]
"""Goes one step towards what is waited for, and tells whether it is there."""


class Parking:
    def __init__(self, put_back: Callable[[list[CommandTicket]], None], waiters: asyncio.Semaphore) -> None:
        self._put_back = put_back
        self._waiters = waiters
        self._parked: dict[str, list[CommandTicket]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def divert(self, tickets: Iterable[CommandTicket]) -> list[CommandTicket]:
        """Park those tickets whose owner is parked already, behind the others; return the rest."""
        if not self._parked:
            return list(tickets)
        rest = []
        for ticket in tickets:
            parked = self._parked.get(ticket.item.external_user_id)
            if parked is None:
                rest.append(ticket)
            else:
                ticket.begun = False
                parked.append(ticket)
        return rest

    def park(self, tickets: list[CommandTicket], ready: Ready) -> None:
        """Park an owner's tickets until `ready` says so. What that raises is their answer."""
        for ticket in tickets:
            ticket.begun = False
        user = tickets[0].item.external_user_id
        self._parked[user] = tickets
        task = asyncio.get_running_loop().create_task(self._wait(user, ready))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def occupied(self) -> bool:
        """Whether anybody is parked."""
        return bool(self._tasks)

    async def close(self) -> None:
        """Return when those who are parked now have left."""
        await asyncio.gather(*self._tasks)

    async def _wait(self, user: str, ready: Ready) -> None:
        refusal: WalletError | None = None
        try:
            while self._waited_for(user):
                async with self._waiters:
                    if await ready():
                        break
                await asyncio.sleep(PAUSE_SECONDS)
        except WalletError as error:
            refusal = error
        except Exception:
            log.exception("waiting_for_an_owner_failed")
            refusal = Busy()
        # No await from here on: what comes in next is queued behind what goes back.
        tickets = [each for each in self._parked.pop(user) if not each.withdrawn]
        if refusal is None:
            self._put_back(tickets)
            return
        for ticket in tickets:
            ticket.answer(refusal)
            ticket.withdrawn = True

    def _waited_for(self, user: str) -> bool:
        return any(not ticket.withdrawn for ticket in self._parked[user])
