"""Of which asset type a transaction is: an immutable fact, kept in memory because it is needed to read amounts."""

from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from app.database import Connection, Database
from app.repositories import ledger_repo
from app.services.coalescer import Coalescer, Ticket

REMEMBERED_MAX = 100_000
GROUP_MAX = 1_000
QUEUE_MAX = 20_000
DEADLINE_SECONDS = 5.0

Question = list[tuple[UUID, int]]
"""Ids that somebody asks about, and their buckets."""

Found = dict[UUID, int | None]
"""By id, of which asset type a transaction is; None for those of none. What is not there is left out."""


class TransactionDirectory:
    """The asset types of transactions that were met lately, at most `REMEMBERED_MAX`. Absence is never remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asset_types = OrderedDict[UUID, int | None]()  # as in AccountDirectory
        self._questions = Coalescer[Question, Found](
            self._look_up, group_max=GROUP_MAX, queue_max=QUEUE_MAX, deadline_seconds=DEADLINE_SECONDS
        )

    def remember(self, transaction_id: UUID, asset_type_id: int) -> None:
        """Remember a committed transaction."""
        self._asset_types[transaction_id] = asset_type_id
        self._forget_oldest()

    async def find(self, ids: Iterable[tuple[UUID, int]]) -> Found:
        """Return the asset type ids of those of `ids` (id, bucket) that are there.

        Raises:
            Unavailable: they could not be asked for in time.
        """
        wanted = dict(ids)
        found = {each: self._asset_types[each] for each in wanted if each in self._asset_types}
        unknown = [(each, bucket) for each, bucket in wanted.items() if each not in found]
        if unknown:
            (asked,) = await self._questions.ask([unknown])
            found |= {each: asked[each] for each, _ in unknown if each in asked}
        return found

    async def close(self) -> None:
        """Take no more questions, and return when all that were taken are answered."""
        await self._questions.close()

    async def _look_up(self, tickets: list[Ticket[Question, Found]]) -> None:
        """Answer everybody with what all of them asked about."""
        ids = list({address for each in tickets for address in each.item})

        async def query(connection: Connection) -> Found:
            return await ledger_repo.find_asset_types(connection, ids)

        asked = await self._database.read(query)
        self._asset_types.update(asked)
        self._forget_oldest()
        for ticket in tickets:
            ticket.answer(asked)

    def _forget_oldest(self) -> None:
        while len(self._asset_types) > REMEMBERED_MAX:
            self._asset_types.popitem(last=False)
