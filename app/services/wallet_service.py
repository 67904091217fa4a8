"""What callers do with wallets: run commands, and read balances."""

from collections.abc import Sequence

from app.database import Connection, Database
from app.domain.commands import Command
from app.domain.errors import DatabaseUnavailable, UnknownUser, WalletError
from app.domain.placement import bucket_of
from app.domain.records import Balance, Receipt
from app.repositories import wallet_repo
from app.repositories.wallet_repo import BalanceQuestion
from app.services.coalescer import Coalescer, StillAtWork, Ticket
from app.services.lanes import Lanes

READ_GROUP_MAX = 1_000
READ_QUEUE_MAX = 20_000
READ_DEADLINE_SECONDS = 5.0


class WalletService:
    """The wallets of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lanes = Lanes(database)
        self._reads = Coalescer[BalanceQuestion, Balance | None](
            self._read_balances,
            group_max=READ_GROUP_MAX,
            queue_max=READ_QUEUE_MAX,
            deadline_seconds=READ_DEADLINE_SECONDS,
        )

    async def execute(self, command: Command) -> Receipt:
        """Run one command and return its receipt, after the commit.

        Raises:
            WalletError: it was refused, or could not be run.
        """
        return await self._lanes.execute(command)

    async def execute_all(self, commands: Sequence[Command]) -> list[Receipt | WalletError]:
        """Run `commands`, each decided on its own, and return their answers in order, after the commit."""
        return await self._lanes.execute_all(commands)

    async def balance(self, external_user_id: str, asset_type_id: int) -> Balance:
        """Return what a user has now, zero where there is no wallet yet.

        Every write that was acknowledged before this call is in it.

        Raises:
            UnknownUser: there is no account.
            Unavailable: the database could not be asked in time.
        """
        question = BalanceQuestion(
            external_user_id=external_user_id, bucket=bucket_of(external_user_id), asset_type_id=asset_type_id
        )
        (balance,) = await self._reads.submit([question])
        if isinstance(balance, StillAtWork):
            raise DatabaseUnavailable
        if isinstance(balance, WalletError):
            raise balance
        if balance is None:
            raise UnknownUser(external_user_id=external_user_id)
        return balance

    @property
    def full(self) -> bool:
        """Whether there is no room for more commands now."""
        return self._lanes.full

    def announce(self, commands: int) -> None:
        """Keep room for so many more commands that are on their way; negative when they have come."""
        self._lanes.announce(commands)

    async def close(self) -> None:
        """Take no more commands, and return when all that were taken are answered."""
        await self._lanes.close()
        await self._reads.close()

    async def _read_balances(self, tickets: list[Ticket[BalanceQuestion, Balance | None]]) -> None:
        questions = [each.item for each in tickets]

        async def query(connection: Connection) -> list[Balance | None]:
            return await wallet_repo.read_balances(connection, questions)

        for ticket, balance in zip(tickets, await self._database.read(query), strict=True):
            ticket.answer(balance)
