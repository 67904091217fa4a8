"""Recomputes the whole ledger from its rows, in one snapshot and one pass, while the service goes on."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from app.database import Connection, Database
from app.domain.audit import AuditFailure, OwnerAudit
from app.domain.commands import ChangeAccount
from app.domain.placement import bucket_of
from app.domain.records import AccountRow, AccountStatus, EntryRecord, HoldRow, LotRow, WalletRow
from app.repositories import audit_repo
from app.repositories.audit_repo import StoredTransaction
from app.services.ids import new_id
from app.services.notes import new_note
from app.services.wallet_service import WalletService

Row = TypeVar("Row")

PROGRESS_EVERY = 100

VERIFIER = "verifier"
"""Who acts when books were found wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What was looked at; `problem` names the first row that is wrong, None when all is right.

    `external_user_id` is the user whose history or books are wrong, where it is one user's.
    """

    accounts: int
    transactions: int
    entries: int
    problem: str | None
    external_user_id: str | None = None


class _Stream(Generic[Row]):
    """Rows that come in the order of their keys, taken key by key."""

    def __init__(self, what: str, rows: AsyncIterator[tuple[tuple[int, ...], Row]]) -> None:
        self._what = what
        self._rows = rows
        self._head: tuple[tuple[int, ...], Row] | None = None
        self._begun = False

    async def take(self, key: tuple[int, ...]) -> list[Row]:
        """Return the rows whose key begins with `key`.

        Raises:
            AuditFailure: there are rows before them that nobody has asked for, so nothing owns them.
        """
        if not self._begun:
            await self._advance()
            self._begun = True
        taken: list[Row] = []
        while self._head is not None and self._head[0][: len(key)] <= key:
            if self._head[0][: len(key)] < key:
                raise self._orphan(self._head[0])
            taken.append(self._head[1])
            await self._advance()
        return taken

    async def expect_end(self) -> None:
        """Raise AuditFailure when there are rows left that nobody has asked for."""
        if not self._begun:
            await self._advance()
        if self._head is not None:
            raise self._orphan(self._head[0])

    async def _advance(self) -> None:
        self._head = await anext(self._rows, None)

    def _orphan(self, key: tuple[int, ...]) -> AuditFailure:
        place = ", ".join(f"{name} {part}" for name, part in zip(("owner", "seq"), key, strict=False))
        return AuditFailure(f"{self._what} of {place}: belongs to nothing that is there")


class _Verification:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.accounts = self.transactions = self.entries = 0
        self.current: AccountRow | None = None
        """Whose turn it is."""
        self._transactions: _Stream[StoredTransaction] = _Stream("transaction", _keyed(connection))
        self._entries: _Stream[EntryRecord] = _Stream("entry", audit_repo.entries(connection))
        self._lots: _Stream[LotRow] = _Stream("lot", audit_repo.lots(connection))
        self._holds: _Stream[HoldRow] = _Stream("hold", audit_repo.holds(connection))
        self._wallets: _Stream[WalletRow] = _Stream("wallet", audit_repo.wallets(connection))

    async def run(self, on_progress: Callable[[int, int], None]) -> None:
        if (impossible := await audit_repo.find_impossible(self._connection)) is not None:
            raise AuditFailure(impossible)
        total = await audit_repo.count_accounts(self._connection)
        async for account in audit_repo.accounts(self._connection):
            self.current = account
            audit = OwnerAudit(account)
            lots: list[LotRow] = []
            for stored in await self._transactions.take((account.id,)):
                lots += await self._add(audit, stored)
            audit.finish(await self._wallets.take((account.id,)), lots, await self._holds.take((account.id,)))
            self.accounts += 1
            if self.accounts % PROGRESS_EVERY == 0 or self.accounts == total:
                on_progress(self.accounts, total)
        self.current = None
        for stream in (self._transactions, self._entries, self._lots, self._holds, self._wallets):
            await stream.expect_end()

    async def _add(self, audit: OwnerAudit, stored: StoredTransaction) -> list[LotRow]:
        key = (stored.record.owner_id, stored.record.seq)
        entries, lots = await self._entries.take(key), await self._lots.take(key)
        audit.add(replace(stored.record, entries=tuple(entries), lots=tuple(lots)), stored.hash, stored.note)
        self.transactions += 1
        self.entries += len(entries)
        return lots


async def verify(
    database: Database, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Verdict:
    """Recompute every chain, sum and projection; `on_progress` is told how many accounts are done, of how many.

    Raises:
        DatabaseUnavailable: the database can't be reached.
    """
    async with database.snapshot() as connection:
        verification = _Verification(connection)
        problem = None
        try:
            await verification.run(on_progress)
        except AuditFailure as failure:
            problem = str(failure)
        return Verdict(
            accounts=verification.accounts,
            transactions=verification.transactions,
            entries=verification.entries,
            problem=problem,
            external_user_id=None
            if problem is None or verification.current is None
            else verification.current.external_user_id,
        )


async def quarantine(database: Database, verdict: Verdict) -> None:
    """Let nothing more be booked for the user whose books were found wrong.

    Raises:
        WalletError: it could not be done.
    """
    user = verdict.external_user_id
    if user is None:
        raise ValueError("no user's books were found wrong")
    bucket = bucket_of(user)
    wallets = WalletService(database)
    try:
        await wallets.execute(
            ChangeAccount(
                transaction_id=new_id(bucket),
                external_user_id=user,
                bucket=bucket,
                actor=VERIFIER,
                note=new_note(reason=verdict.problem),
                status=AccountStatus.QUARANTINED,
            )
        )
    finally:
        await wallets.close()


async def _keyed(connection: Connection) -> AsyncIterator[tuple[tuple[int, ...], StoredTransaction]]:
    async for stored in audit_repo.transactions(connection):
        yield (stored.record.owner_id, stored.record.seq), stored
