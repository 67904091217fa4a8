"""The lanes: everything that changes a wallet goes through one, in group commits.

A bucket has one lane, so the commands of one user are decided in the order in which they came in.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import asyncpg
import structlog

from app.database import CommitUnconfirmed, Connection, Database
from app.domain.commands import Command
from app.domain.errors import Busy, InternalError, LedgerCorrupt, OutcomeUnknown, Unavailable, WalletError
from app.domain.records import Receipt
from app.services.account_directory import AccountDirectory
from app.services.coalescer import Coalescer, StillAtWork
from app.services.posting import Answer, Posted, post

LANES = 2
"""While one lane's batch is in the database, the other's is being decided."""

BATCH_MAX = 1_000
QUEUE_MAX = 8_000
DEADLINE_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Lanes:
    """The lanes of one database."""

    def __init__(self, database: Database, *, count: int = LANES) -> None:
        self._database = database
        self._directory = AccountDirectory()
        self._lanes = [
            Coalescer[Command, Answer](
                self._run, group_max=BATCH_MAX, queue_max=QUEUE_MAX // count, deadline_seconds=DEADLINE_SECONDS
            )
            for _ in range(count)
        ]

    async def execute(self, command: Command) -> Receipt:
        """Run one command and return its receipt, after the commit.

        Raises:
            WalletError: it was refused, or could not be run.
        """
        (answer,) = await self._submit(self._lane_of(command.bucket), [command])
        if isinstance(answer, WalletError):
            raise answer
        return answer

    async def execute_all(self, commands: Sequence[Command]) -> list[Answer]:
        """Run `commands`, each decided on its own, and return their answers in order, after the commit.

        The commands of one user keep their order.
        """
        positions: defaultdict[int, list[int]] = defaultdict(list)
        for position, command in enumerate(commands):
            positions[self._lane_of(command.bucket)].append(position)
        outcomes = await asyncio.gather(
            *(self._submit(lane, [commands[each] for each in held]) for lane, held in positions.items())
        )
        answers = {
            position: answer
            for held, outcome in zip(positions.values(), outcomes, strict=True)
            for position, answer in zip(held, outcome, strict=True)
        }
        return [answers[position] for position in range(len(commands))]

    async def close(self) -> None:
        """Take no more commands, and return when all that were taken are answered."""
        await asyncio.gather(*(lane.close() for lane in self._lanes))

    def _lane_of(self, bucket: int) -> int:
        """Return where a bucket's commands go. One placement today: with many, the placement comes in here."""
        return bucket % len(self._lanes)

    async def _submit(self, lane: int, commands: Sequence[Command]) -> list[Answer]:
        try:
            return await self._lanes[lane].submit(commands)
        except StillAtWork:
            return [OutcomeUnknown(transaction_id=str(each.transaction_id)) for each in commands]
        except WalletError as error:
            return [error for _ in commands]

    async def _run(self, commands: list[Command]) -> list[Answer]:
        """Run one batch. One that fails for no passing reason is halved until the poisoned command stands alone."""
        try:
            return await self._post(commands)
        except CommitUnconfirmed:
            return [OutcomeUnknown(transaction_id=str(each.transaction_id)) for each in commands]
        except asyncpg.LockNotAvailableError:
            return [Busy() for _ in commands]
        except Unavailable:
            raise
        except Exception as error:
            if len(commands) == 1:
                log.exception("command_failed", transaction_id=str(commands[0].transaction_id))
                return [error if isinstance(error, LedgerCorrupt) else InternalError()]
            middle = len(commands) // 2
            return [*await self._run(commands[:middle]), *await self._run(commands[middle:])]

    async def _post(self, commands: list[Command]) -> list[Answer]:
        async def work(connection: Connection) -> Posted:
            return await post(connection, commands, self._directory)

        while True:
            posted = await self._database.run(work)
            self._directory.remember(posted.opened)
            if not posted.incomplete:
                return posted.answers
