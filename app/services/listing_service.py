"""What there is: accounts by name, and the lots and holds of a user, page by page."""

from uuid import UUID

from app.database import Database, View
from app.domain.due import lots_reserved_by, settled_hold, settled_lots
from app.domain.errors import UnknownHold, UnknownUser
from app.domain.records import AccountStatus, HoldStatus, LotRow
from app.domain.shown import BurnPosition, ListedAccount, ListedHold
from app.repositories import listing_repo
from app.repositories.listing_repo import Owner
from app.services.pages import Page, page_of


class ListingService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def accounts(
        self, *, prefix: str | None, status: AccountStatus | None, after: str | None, limit: int
    ) -> Page[ListedAccount, str]:
        """Return the accounts of users whose names begin with `prefix`, in the order of the names' bytes.

        Raises:
            Unavailable: the database could not be asked.
        """
        async with self._database.view() as connection:
            found = await listing_repo.list_accounts(
                connection, prefix=prefix, status=status, after=after, rows_max=limit + 1
            )
        return page_of(found, limit, lambda each: each.name)

    async def lots(
        self, external_user_id: str, asset_type_id: int, *, after: BurnPosition | None, limit: int
    ) -> Page[LotRow, BurnPosition]:
        """Return what a wallet consists of now, in burn order, as it is with all that is due.

        Raises:
            UnknownUser: there is no account.
            Unavailable: the database could not be asked.
        """
        async with self._database.view() as connection:
            owner = await owner_of(connection, external_user_id)
            due = await listing_repo.due_holds(connection, owner, asset_type_id)
            # Those that hold nothing any more once the due holds are released are dropped from what is read.
            rows_max = limit + 1 + len(lots_reserved_by(due))
            found = await listing_repo.list_lots(connection, owner, asset_type_id, after=after, rows_max=rows_max)
        return page_of(settled_lots(found, due, owner.now), limit, _burn_position)

    async def holds(
        self,
        external_user_id: str,
        *,
        status: HoldStatus | None,
        asset_type_id: int | None,
        after: int | None,
        limit: int,
    ) -> Page[ListedHold, int]:
        """Return a user's holds as they are now, newest first.

        Raises:
            UnknownUser: there is no account.
            Unavailable: the database could not be asked.
        """
        async with self._database.view() as connection:
            owner = await owner_of(connection, external_user_id)
            found = await listing_repo.list_holds(
                connection, owner, status=status, asset_type_id=asset_type_id, after=after, rows_max=limit + 1
            )
        return page_of([_settled(each, owner) for each in found], limit, lambda each: each.hold.seq)

    async def hold(self, external_user_id: str, hold_id: UUID) -> ListedHold:
        """Return one hold as it is now.

        Raises:
            UnknownUser: there is no account.
            UnknownHold: it has no such hold.
            Unavailable: the database could not be asked.
        """
        async with self._database.view() as connection:
            owner = await owner_of(connection, external_user_id)
            found = await listing_repo.find_hold(connection, owner, hold_id)
        if found is None:
            raise UnknownHold(hold_id=str(hold_id))
        return _settled(found, owner)


async def owner_of(connection: View, external_user_id: str) -> Owner:
    """Return a user's account and the moment of asking.

    Raises:
        UnknownUser: there is no account.
    """
    owner = await listing_repo.find_owner(connection, external_user_id)
    if owner is None:
        raise UnknownUser(external_user_id=external_user_id)
    return owner


def _settled(listed: ListedHold, owner: Owner) -> ListedHold:
    return ListedHold(hold=settled_hold(listed.hold, owner.now), created_at=listed.created_at)


def _burn_position(lot: LotRow) -> BurnPosition:
    return lot.priority, lot.expires_at, lot.kind, lot.seq, lot.id
