"""What callers do with wallets: run commands, and read balances."""

from collections.abc import Sequence
from typing import overload

from app.database import Connection, Database
from app.domain.commands import BookDue, ChangeAccount, Command, EraseAccount, Group, Operation
from app.domain.errors import Busy, UnknownUser, WalletError
from app.domain.placement import bucket_of
from app.domain.records import AnyReceipt, Balance, ChangeReceipt, GroupReceipt, Receipt, TransactionType
from app.repositories import wallet_repo
from app.repositories.wallet_repo import BalanceQuestion
from app.services.coalescer import Coalescer, Ticket
from app.services.lanes import Lanes
from app.services.posting import book_due, rehearse
from app.services.transaction_directory import TransactionDirectory

READ_GROUP_MAX = 1_000
READ_QUEUE_MAX = 20_000
READ_DEADLINE_SECONDS = 5.0

REHEARSALS = 3
"""How often a dry run is tried when so much is due that it has to be booked first."""


class WalletService:
    """The wallets of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lanes = Lanes(database)
        self.transactions = TransactionDirectory(database)
        self._reads = Coalescer[BalanceQuestion, Balance | None](
            self._read_balances,
            group_max=READ_GROUP_MAX,
            queue_max=READ_QUEUE_MAX,
            deadline_seconds=READ_DEADLINE_SECONDS,
        )

    @overload
    async def execute(self, command: Operation) -> Receipt: ...
    @overload
    async def execute(self, command: Group) -> GroupReceipt: ...
    @overload
    async def execute(self, command: ChangeAccount | EraseAccount | BookDue) -> ChangeReceipt: ...
    @overload
    async def execute(self, command: Command) -> AnyReceipt: ...
    async def execute(self, command: Command) -> AnyReceipt:
        """Run one command and return its receipt, after the commit.

        Raises:
            WalletError: it was refused, or could not be run.
        """
        (answer,) = await self.execute_all([command])
        if isinstance(answer, WalletError):
            raise answer
        return answer

    async def execute_all(self, commands: Sequence[Command]) -> list[AnyReceipt | WalletError]:
        """Run `commands`, each decided on its own, and return their answers in order, after the commit.

        Dry runs are decided when all the others have been; they change nothing.
        """
        real = [each for each in commands if not each.dry_run]
        decided = await self._lanes.execute_all(real)
        for each in decided:
            if isinstance(each, Receipt) and each.type is TransactionType.HOLD:
                self.transactions.remember(each.transaction_id, each.balance.asset_type_id)  # it will be captured
        answers = iter(decided)
        return [await self._rehearse(each) if each.dry_run else next(answers) for each in commands]

    async def balance(self, external_user_id: str, asset_type_id: int) -> Balance:
        """Return what a user has now, zero where there is no wallet yet.

        Every write that was acknowledged before this call is in it.

        Raises:
            UnknownUser: there is no account.
            Unavailable: the database could not be asked in time.
        """
        (balance,) = await self.balances([external_user_id], asset_type_id)
        if balance is None:
            raise UnknownUser(external_user_id=external_user_id)
        return balance

    async def balances(self, external_user_ids: Sequence[str], asset_type_id: int) -> list[Balance | None]:
        """Return what each of these users has now, None for those who have no account.

        Raises:
            Unavailable: the database could not be asked in time about all of them.
        """
        questions = [
            BalanceQuestion(external_user_id=each, bucket=bucket_of(each), asset_type_id=asset_type_id)
            for each in external_user_ids
        ]
        return await self._reads.ask(questions)

    @property
    def full(self) -> bool:
        """Whether there is no room for more commands now."""
        return self._lanes.full

    def announce(self, commands: int) -> None:
        """Keep room for so many more commands that are on their way; negative when they have come."""
        self._lanes.announce(commands)

    async def close(self) -> None:
        """Take no more commands, and return when all that were taken are answered."""
        await self.transactions.close()
        await self._lanes.close()
        await self._reads.close()

    async def _rehearse(self, command: Command) -> AnyReceipt | WalletError:
        """Return what a command would come to now."""
        for _ in range(REHEARSALS):
            try:
                async with self._database.snapshot() as connection:
                    answer = await rehearse(connection, command)
            except WalletError as error:
                return error
            if answer is not None:
                return answer
            await self._lanes.execute_all([book_due(command.external_user_id, command.bucket)])
        return Busy()

    async def _read_balances(self, tickets: list[Ticket[BalanceQuestion, Balance | None]]) -> None:
        questions = [each.item for each in tickets]

        async def query(connection: Connection) -> list[Balance | None]:
            return await wallet_repo.read_balances(connection, questions)

        for ticket, balance in zip(tickets, await self._database.read(query), strict=True):
            ticket.answer(balance)
