"""Where commands wait whose owner somebody else has locked, so that nobody waits for a stranger's lock but they.

A lane that runs into a held lock parks that owner's commands and goes on. Each parked owner is waited for in
PostgreSQL's own lock queue, on one of a few connections kept for this; when the lock is free, the commands go back to
the head of their lane, in their order. Until then they are not begun: at their deadline they are withdrawn.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from app.database import CommitUnconfirmed, Connection, Database, LockHeld
from app.domain.commands import Command
from app.domain.errors import Busy, WalletError
from app.domain.placement import bucket_of_account
from app.domain.records import Receipt
from app.repositories import account_repo
from app.services.coalescer import Ticket

log = structlog.get_logger(__name__)

CommandTicket = Ticket[Command, Receipt]

PAUSE_SECONDS = 0.05
"""How long an owner's waiter steps back when the lock was not to be had, for others to have its connection."""


class Parking:
    def __init__(
        self, database: Database, put_back: Callable[[list[CommandTicket]], None], waiters: asyncio.Semaphore
    ) -> None:
        self._database = database
        self._put_back = put_back
        self._waiters = waiters
        self._parked: dict[str, list[CommandTicket]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def divert(self, tickets: Iterable[CommandTicket]) -> list[CommandTicket]:
        """Park those tickets whose owner is parked already, behind the others; return the rest."""
        rest = []
        for ticket in tickets:
            parked = self._parked.get(ticket.item.external_user_id)
            if parked is None:
                rest.append(ticket)
            else:
                ticket.begun = False
                parked.append(ticket)
        return rest

    def park(self, account_id: int, tickets: list[CommandTicket]) -> None:
        """Park an owner's tickets until the lock on the account is free."""
        for ticket in tickets:
            ticket.begun = False
        user = tickets[0].item.external_user_id
        self._parked[user] = tickets
        task = asyncio.get_running_loop().create_task(self._wait(user, account_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def occupied(self) -> bool:
        """Whether anybody is parked."""
        return bool(self._tasks)

    async def close(self) -> None:
        """Return when those who are parked now have left."""
        await asyncio.gather(*self._tasks)

    async def _wait(self, user: str, account_id: int) -> None:
        refusal: WalletError | None = None
        try:
            while self._waited_for(user) and not await self._lock_was_free(account_id):  # noqa: ASYNC110 - another's
                await asyncio.sleep(PAUSE_SECONDS)
        except WalletError as error:
            refusal = error
        except Exception:
            log.exception("waiting_for_a_lock_failed")
            refusal = Busy()
        # No await from here on: what comes in next is queued behind what goes back.
        tickets = [each for each in self._parked.pop(user) if not each.withdrawn]
        if refusal is None:
            self._put_back(tickets)
            return
        for ticket in tickets:
            ticket.answer(refusal)
            ticket.withdrawn = True

    async def _lock_was_free(self, account_id: int) -> bool:
        """Wait for the lock a while, in line with everybody else, and let it go."""
        try:
            async with self._waiters:
                await self._database.run(lambda connection: _lock(connection, account_id))
        except LockHeld:
            return False
        except CommitUnconfirmed:
            return True
        return True

    def _waited_for(self, user: str) -> bool:
        return any(not ticket.withdrawn for ticket in self._parked[user])


async def _lock(connection: Connection, account_id: int) -> None:
    await account_repo.lock(connection, [(account_id, bucket_of_account(account_id))])
