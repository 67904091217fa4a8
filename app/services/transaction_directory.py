"""Of which asset type a transaction is: an immutable fact, kept in memory because it is needed to read amounts."""

from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from app.database import Connection, Database
from app.repositories import ledger_repo

REMEMBERED_MAX = 100_000


class TransactionDirectory:
    """The asset types of transactions that were met lately, at most `REMEMBERED_MAX`. Absence is never remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asset_types = OrderedDict[UUID, int | None]()  # as in AccountDirectory

    def remember(self, transaction_id: UUID, asset_type_id: int) -> None:
        """Remember a committed transaction."""
        self._asset_types[transaction_id] = asset_type_id
        self._forget_oldest()

    async def find(self, ids: Iterable[tuple[UUID, int]]) -> dict[UUID, int | None]:
        """Return the asset type ids of those of `ids` (id, bucket) that are there; None for those of none.

        Raises:
            DatabaseUnavailable: it could not be asked.
        """
        wanted = dict(ids)
        found = {each: self._asset_types[each] for each in wanted if each in self._asset_types}
        unknown = [(each, bucket) for each, bucket in wanted.items() if each not in found]
        if unknown:

            async def query(connection: Connection) -> dict[UUID, int | None]:
                return await ledger_repo.find_asset_types(connection, unknown)

            asked = await self._database.read(query)
            self._asset_types.update(asked)
            self._forget_oldest()
            found |= asked
        return found

    def _forget_oldest(self) -> None:
        while len(self._asset_types) > REMEMBERED_MAX:
            self._asset_types.popitem(last=False)
