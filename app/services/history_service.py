"""What was done: the history of a user, and single transactions with all that belongs to them."""

from uuid import UUID

from app.database import Database, View
from app.domain.errors import UnknownTransaction
from app.domain.shown import FoundTransaction, HistoryFilter, ListedTransaction, OwnerPosition, WholeTransaction
from app.repositories import history_repo
from app.repositories.listing_repo import Owner
from app.services.listing_service import owner_of
from app.services.pages import Page, page_of


class HistoryService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def transactions(
        self, external_user_id: str, wanted: HistoryFilter, *, after: int | None, limit: int
    ) -> Page[ListedTransaction, int]:
        """Return those of a user's transactions that are `wanted`, newest first.

        Raises:
            UnknownUser: there is no account.
            Unavailable: the database could not be asked.
        """
        async with self._database.view() as connection:
            owner = await owner_of(connection, external_user_id)
            seqs = await _seqs(connection, owner, wanted, after)
            found = await history_repo.list_transactions(connection, owner, wanted, seqs=seqs, rows_max=limit + 1)
        return page_of(found, limit, lambda each: each.seq)

    async def by_key(self, external_user_id: str, key: str) -> ListedTransaction:
        """Return what became of an idempotency key.

        Raises:
            UnknownUser: there is no account.
            UnknownTransaction: nothing was booked or refused under this key.
            Unavailable: the database could not be asked.
        """
        async with self._database.view() as connection:
            owner = await owner_of(connection, external_user_id)
            found = await history_repo.find_by_key(connection, owner, key)
        if found is None:
            raise UnknownTransaction(idempotency_key=key)
        return found

    async def by_reference(
        self, reference: str, *, after: OwnerPosition | None, limit: int
    ) -> Page[FoundTransaction, OwnerPosition]:
        """Return the transactions of anybody that have this reference: owner by owner, of each the newest first.

        Raises:
            Unavailable: the database could not be asked.
        """
        async with self._database.view() as connection:
            found = await history_repo.find_transactions(connection, reference, after=after, rows_max=limit + 1)
        return page_of(found, limit, lambda each: (each.transaction.owner_id, each.transaction.seq))

    async def transaction(self, transaction_id: UUID) -> WholeTransaction:
        """Return one transaction with all that belongs to it.

        Raises:
            UnknownTransaction: there is none with this id.
            Unavailable: the database could not be asked.
        """
        async with self._database.view() as connection:
            found = await history_repo.load(connection, transaction_id)
        if found is None:
            raise UnknownTransaction(transaction_id=str(transaction_id))
        return found


async def _seqs(connection: View, owner: Owner, wanted: HistoryFilter, after: int | None) -> range:
    """Return the numbers among which all that is wanted is: what is outside is not read."""
    first, end = 1, owner.last_seq + 1
    if after is not None:
        end = min(end, after)
    if wanted.since is not None:
        first = await history_repo.first_seq_since(connection, owner, wanted.since)
    if wanted.before is not None:
        end = min(end, await history_repo.first_seq_since(connection, owner, wanted.before))
    if wanted.group_id is not None:
        span = await history_repo.find_group(connection, owner, wanted.group_id)
        first, end = (1, 1) if span is None else (max(first, span.first), min(end, span.last + 1))
    return range(first, end)
