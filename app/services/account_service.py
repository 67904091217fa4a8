"""Accounts: opening them, showing them, and erasing who they belonged to."""

import json
from dataclasses import dataclass, replace
from functools import partial

from app.database import Connection, Database
from app.domain.commands import EraseAccount
from app.domain.errors import AccountNotClosed, UnknownUser
from app.domain.placement import bucket_of
from app.domain.records import AccountStatus, Balance, ChangeReceipt
from app.repositories import account_repo, wallet_repo
from app.repositories.wallet_repo import BalanceQuestion
from app.services.repeating import run_repeatedly
from app.services.wallet_service import WalletService

NOTES_ERASED_MAX = 5_000
"""How many texts one unit of work empties."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountView:
    """An account with its wallets. `metadata` is canonical JSON."""

    id: int
    external_user_id: str
    status: AccountStatus
    metadata: str | None
    limits: dict[int, dict[str, int]]
    """This account's own, by asset type id, in smallest units."""
    wallets: list[Balance]


class AccountService:
    def __init__(self, database: Database, wallets: WalletService) -> None:
        self._database = database
        self._wallets = wallets

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

        return await run_repeatedly(self._database, work)  # opening twice is opening once

    async def erase(self, command: EraseAccount) -> ChangeReceipt:
        """Erase the personal data of a closed account: the texts of its transactions, then its name.

        Most texts are emptied in bounded units before, what is left together with the name; when a unit fails, the call
        can be repeated.

        Raises:
            AccountNotClosed: the account is in use; nothing was changed.
            UnknownUser: there is no account.
            Unavailable: it is not all done: repeat the call.
        """
        rehearsed = await self._wallets.execute(replace(command, dry_run=True))
        if command.dry_run:
            return rehearsed
        await self._erase_notes(rehearsed.account_id, command.bucket)
        try:
            return await self._wallets.execute(command)
        except UnknownUser:  # the answer to its COMMIT was lost, or somebody else was quicker: it is erased
            return rehearsed

    async def _erase_notes(self, account_id: int, bucket: int) -> None:
        seqs = [0]
        while seqs:
            seqs = await run_repeatedly(
                self._database, partial(_erase_some, account_id=account_id, bucket=bucket, after=max(seqs))
            )


async def _erase_some(connection: Connection, *, account_id: int, bucket: int, after: int) -> list[int]:
    (row,) = await account_repo.lock(connection, [(account_id, bucket)])
    if row.status is not AccountStatus.CLOSED:
        raise AccountNotClosed(account_status=row.status.value)
    return await account_repo.erase_notes(connection, account_id, bucket, after=after, rows_max=NOTES_ERASED_MAX)


async def _view(connection: Connection, external_user_id: str) -> AccountView:
    bucket = bucket_of(external_user_id)
    shown = await account_repo.load(connection, external_user_id, bucket)
    if shown is None:
        raise UnknownUser(external_user_id=external_user_id)
    questions = [
        BalanceQuestion(external_user_id=external_user_id, bucket=bucket, asset_type_id=asset_type_id)
        for asset_type_id in await wallet_repo.list_wallets(connection, shown.id, bucket)
    ]
    return AccountView(
        id=shown.id,
        external_user_id=external_user_id,
        status=shown.status,
        metadata=shown.metadata,
        limits={int(each): own for each, own in json.loads(shown.limits or "{}").items()},
        wallets=[each for each in await wallet_repo.read_balances(connection, questions) if each is not None],
    )
