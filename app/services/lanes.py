"""The lanes: everything that changes a wallet goes through one, in group commits.

A bucket has one lane, so the commands of one user are decided in the order in which they came in. What can go wrong is
told apart here: a lock that a stranger holds, a COMMIT whose answer was lost, a command that breaks its batch.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import structlog

from app.database import CommitUnconfirmed, Connection, Database, LockHeld
from app.domain.commands import Command
from app.domain.errors import Busy, InternalError, LedgerCorrupt, OutcomeUnknown, Unavailable, WalletError
from app.domain.placement import bucket_of_account
from app.domain.records import AnyReceipt
from app.repositories import account_repo
from app.services.account_directory import AccountDirectory
from app.services.coalescer import Coalescer, StillAtWork
from app.services.parking import CommandTicket, Parking
from app.services.posting import Answer, Posted, book_due, post

LANES = 4
"""While one lane's batch is in the database, another's is being decided, and those of other processes find lanes whose
owners nobody has locked. A small batch has the commands of all."""

GROUP_MAX = 500
QUEUE_MAX = 8_000
DEADLINE_SECONDS = 5.0
WAITERS = 3
"""How many connections are, outside the lanes, at what parked owners wait for."""

DUE_UNITS_IN_A_ROW = 10
"""How many units of work book what is due for one owner before another has its turn."""

SETTLE_SECONDS = 5.0
"""How long a lane tries to learn what became of a batch whose COMMIT was not answered."""

SETTLE_PAUSE_SECONDS = 0.1

log = structlog.get_logger(__name__)


class Lanes:
    """The lanes of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._directory = AccountDirectory()
        self._queue = Coalescer[Command, AnyReceipt](
            self._run,
            group_max=GROUP_MAX,
            queue_max=QUEUE_MAX,
            deadline_seconds=DEADLINE_SECONDS,
            parts=LANES,
            part_of=_lane_of,
        )
        self._parking = Parking(self._queue.put_back, asyncio.Semaphore(WAITERS))

    async def execute(self, command: Command) -> AnyReceipt:
        """Run one command and return its receipt, after the commit.

        Raises:
            WalletError: it was refused, or could not be run.
        """
        (answer,) = await self.execute_all([command])
        if isinstance(answer, WalletError):
            raise answer
        return answer

    async def execute_all(self, commands: Sequence[Command]) -> list[Answer]:
        """Run `commands`, each decided on its own, and return their answers in order, after the commit.

        The commands of one user keep their order.
        """
        answers = await self._queue.submit(commands)
        return [
            _outcome_unknown(command) if isinstance(answer, StillAtWork) else answer
            for command, answer in zip(commands, answers, strict=True)
        ]

    @property
    def full(self) -> bool:
        """Whether there is no room for more commands now."""
        return self._queue.full

    def announce(self, commands: int) -> None:
        """Keep room for so many more commands that are on their way; negative when they have come."""
        self._queue.announced += commands

    async def close(self) -> None:
        """Take no more commands, and return when all that were taken are answered."""
        await self._queue.close()
        while self._parking.occupied:
            await self._parking.close()
            await self._queue.close()

    async def _run(self, group: list[CommandTicket]) -> None:
        """Answer one batch, or park what somebody else holds."""
        tickets = self._parking.divert(group)
        if not tickets:
            return
        try:
            self._answer(tickets, await self._post(tickets))
        except LockHeld:
            await self._run_around_locks(tickets)
        except Unavailable:
            raise
        except CommitUnconfirmed:
            await self._settle(tickets)
        except Exception:  # noqa: BLE001 - whatever one command does to its batch, the others go on
            await self._isolate(tickets)

    async def _run_around_locks(self, tickets: list[CommandTicket]) -> None:
        """Run the batch without the owners whom somebody else has locked, and park those."""
        try:
            posted = await self._post(tickets, skip_locked=True)
        except LockHeld as error:  # not an account's row: a table is locked, or another unit opens the same account
            raise Busy from error
        except Unavailable:
            raise
        except CommitUnconfirmed:
            await self._settle(tickets)
            return
        except Exception:  # noqa: BLE001 - as in _run
            await self._isolate(tickets)
            return
        self._answer(tickets, posted)

    async def _settle(self, tickets: list[CommandTicket]) -> None:
        """Learn, under the owners' locks, what became of a batch whose COMMIT was not answered; do what was not done.

        The locks are what makes it safe: as long as the lost unit may still commit, it holds them.
        """
        give_up_at = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while asyncio.get_running_loop().time() < give_up_at:
            try:
                self._answer(tickets, await self._post(tickets, look_up_ids=True))
            except (LockHeld, Unavailable, CommitUnconfirmed):
                await asyncio.sleep(SETTLE_PAUSE_SECONDS)
            except Exception:
                log.exception("settling_failed")
                break
            else:
                return
        for ticket in tickets:
            ticket.answer(_outcome_unknown(ticket.item))

    async def _isolate(self, tickets: list[CommandTicket]) -> None:
        """Find the command that breaks its batch, and run the others.

        The batch is halved. A first half that goes through is done, and the culprit is in the second; one that fails
        has it, and the second half waits: so each halving costs one unit of work, and what waited one more.
        """
        suspects, rest = tickets, list[CommandTicket]()
        while len(suspects) > 1:
            half = len(suspects) // 2
            first, second = suspects[:half], suspects[half:]
            if await self._goes_through(first):
                suspects = second
            else:
                suspects, rest = first, second + rest
        await self._goes_through(suspects, is_culprit=True)
        if rest:
            await self._run(rest)

    async def _goes_through(self, group: list[CommandTicket], *, is_culprit: bool = False) -> bool:
        tickets = self._parking.divert(group)
        if not tickets:
            return True
        try:
            self._answer(tickets, await self._post(tickets))
        except CommitUnconfirmed:
            await self._settle(tickets)
        except LockHeld:
            await self._run_around_locks(tickets)
        except Unavailable as error:
            for ticket in tickets:
                ticket.answer(error)
        except Exception as error:
            if is_culprit:
                command = tickets[0].item
                log.exception("command_failed", transaction_id=str(command.transaction_id))
                tickets[0].answer(error if isinstance(error, LedgerCorrupt) else InternalError())
            return False
        return True

    async def _post(
        self, tickets: list[CommandTicket], *, skip_locked: bool = False, look_up_ids: bool = False
    ) -> Posted:
        commands = [each.item for each in tickets]

        async def work(connection: Connection) -> Posted:
            return await post(connection, commands, self._directory, skip_locked=skip_locked, look_up_ids=look_up_ids)

        posted = await self._database.run(work)
        self._directory.remember(posted.opened)
        return posted

    def _answer(self, tickets: list[CommandTicket], posted: Posted) -> None:
        """Answer what was decided; park those whose owner is not to be had, or has more due than was booked."""
        waiting: defaultdict[str, list[CommandTicket]] = defaultdict(list)
        for ticket, answer in zip(tickets, posted.answers, strict=True):
            if answer is None:
                waiting[ticket.item.external_user_id].append(ticket)
            else:
                ticket.answer(answer)
        for user, parked in waiting.items():
            if (account_id := posted.held.get(user)) is not None:
                self._parking.park(parked, partial(self._lock_was_free, account_id))
            else:
                self._parking.park(parked, partial(self._due_was_booked, user, parked[0].item.bucket))

    async def _lock_was_free(self, account_id: int) -> bool:
        """Wait for an account's lock a while, in line with everybody else, and let it go."""
        try:
            await self._database.run(lambda connection: _lock(connection, account_id))
        except LockHeld:
            return False
        except CommitUnconfirmed:
            return True
        return True

    async def _due_was_booked(self, user: str, bucket: int) -> bool:
        """Book some of what is due for one owner; tell whether that was all."""
        command = book_due(user, bucket)

        async def work(connection: Connection) -> Posted:
            return await post(connection, [command], self._directory)

        try:
            for _ in range(DUE_UNITS_IN_A_ROW):
                posted = await self._database.run(work)
                if not posted.unsettled:
                    return True
        except (LockHeld, CommitUnconfirmed):
            return False
        return False


async def _lock(connection: Connection, account_id: int) -> None:
    await account_repo.lock(connection, [(account_id, bucket_of_account(account_id))])


def _lane_of(command: Command) -> int:
    """Return where a bucket's commands go. One placement today: with many, the placement comes in here."""
    return command.bucket % LANES


def _outcome_unknown(command: Command) -> OutcomeUnknown:
    return OutcomeUnknown(transaction_id=str(command.transaction_id))
