"""Accounts: opening them and showing them."""

from dataclasses import dataclass

from app.database import CommitUnconfirmed, Connection, Database, LockHeld
from app.domain.errors import Busy, DatabaseUnavailable, UnknownUser
from app.domain.placement import bucket_of
from app.domain.records import AccountStatus, Balance
from app.repositories import account_repo, wallet_repo

ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedAccount:
    """An account with its wallets. `opened` is False when it was there before; `metadata` is canonical JSON."""

    id: int
    external_user_id: str
    status: AccountStatus
    metadata: str | None
    wallets: list[Balance]
    opened: bool


class AccountService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, external_user_id: str, metadata: str | None) -> OpenedAccount:
        """Open an account, or find it; metadata, where given, replaces what was there.

        Raises:
            Unavailable: nothing was changed, or it is not known; the call can simply be repeated.
        """

        async def work(connection: Connection) -> OpenedAccount:
            bucket = bucket_of(external_user_id)
            shown = await account_repo.load(connection, external_user_id, bucket)
            opened = False
            if shown is None:
                opened = await account_repo.open_account(connection, external_user_id, bucket, metadata)
            if not opened and metadata is not None:
                await account_repo.set_metadata(connection, external_user_id, bucket, metadata)
            shown = await account_repo.load(connection, external_user_id, bucket)
            if shown is None:
                raise UnknownUser(external_user_id=external_user_id)
            return OpenedAccount(
                id=shown.id,
                external_user_id=external_user_id,
                status=shown.status,
                metadata=shown.metadata,
                wallets=await wallet_repo.list_balances(connection, shown.id, bucket),
                opened=opened,
            )

        for _ in range(ATTEMPTS):
            try:
                return await self._database.run(work)
            except CommitUnconfirmed:  # opening twice is opening once
                continue
            except LockHeld as error:
                raise Busy from error
        raise DatabaseUnavailable
