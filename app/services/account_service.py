"""Accounts: opening them and showing them."""

from dataclasses import dataclass

from app.database import CommitUnconfirmed, Connection, Database, LockHeld
from app.domain.errors import Busy, DatabaseUnavailable, UnknownUser
from app.domain.placement import bucket_of
from app.domain.records import AccountStatus, Balance
from app.repositories import account_repo, wallet_repo

ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountView:
    """An account with its wallets. `metadata` is canonical JSON."""

    id: int
    external_user_id: str
    status: AccountStatus
    metadata: str | None
    wallets: list[Balance]


class AccountService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def show(self, external_user_id: str) -> AccountView:
        """Return an account with what all its wallets have now.

        Raises:
            UnknownUser: there is no account.
            Unavailable: the database could not be asked.
        """
        async with self._database.snapshot() as connection:
            return await _view(connection, external_user_id)

    async def open(self, external_user_id: str, metadata: str | None) -> tuple[AccountView, bool]:
        """Open an account, or find it; metadata, where given, replaces what was there.

        Returns:
            The account, and whether it was opened now.

        Raises:
            Unavailable: nothing was changed, or it is not known; the call can simply be repeated.
        """

        async def work(connection: Connection) -> tuple[AccountView, bool]:
            bucket = bucket_of(external_user_id)
            shown = await account_repo.load(connection, external_user_id, bucket)
            opened = False
            if shown is None:
                opened = await account_repo.open_account(connection, external_user_id, bucket, metadata)
            if not opened and metadata is not None:
                await account_repo.set_metadata(connection, external_user_id, bucket, metadata)
            return await _view(connection, external_user_id), opened

        for _ in range(ATTEMPTS):
            try:
                return await self._database.run(work)
            except CommitUnconfirmed:  # opening twice is opening once
                continue
            except LockHeld as error:
                raise Busy from error
        raise DatabaseUnavailable


async def _view(connection: Connection, external_user_id: str) -> AccountView:
    bucket = bucket_of(external_user_id)
    shown = await account_repo.load(connection, external_user_id, bucket)
    if shown is None:
        raise UnknownUser(external_user_id=external_user_id)
    return AccountView(
        id=shown.id,
        external_user_id=external_user_id,
        status=shown.status,
        metadata=shown.metadata,
        wallets=await wallet_repo.list_balances(connection, shown.id, bucket),
    )
