"""One unit of work over many commands: lock, load, decide, append. The commit is the caller's, who answers after it.

The order is the protocol. The owners' account rows are locked first, in ascending order; everything else is loaded by
later statements, under the locks; decisions are pure; the writes are few statements, whatever the number of commands,
and their row counts are compared with what was meant.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from app.database import Connection, StaleUnit
from app.domain.account import Account
from app.domain.chain import EPOCH, GENESIS
from app.domain.commands import BookDue, Command
from app.domain.errors import LedgerCorrupt, UnknownUser, WalletError
from app.domain.hold import Hold
from app.domain.placement import account_id_of, bucket_of_account
from app.domain.records import AccountRow, AccountStatus, AnyReceipt
from app.domain.settlement import SYSTEM
from app.repositories import account_repo, hold_repo, ledger_repo, projection_repo, wallet_repo
from app.services.account_directory import AccountDirectory
from app.services.ids import new_id
from app.services.loading import LoadedBooks, load_books
from app.services.turns import in_turns

Answer = AnyReceipt | WalletError


@dataclass(slots=True)
class Posted:
    """What a unit of work came to.

    `answers` has None for a command whose owner is `held` (user → account id) by somebody else, or has so much due that
    this unit booked but a part of it (`unsettled`): it must be run again. `opened` are accounts that came into being.
    """

    answers: list[Answer | None] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    unsettled: dict[str, int] = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=dict)


async def post(
    connection: Connection,
    commands: Sequence[Command],
    directory: AccountDirectory,
    *,
    skip_locked: bool = False,
    look_up_ids: bool = False,
) -> Posted:
    """Decide `commands` in order and write what they came to, inside the unit of work that `connection` has begun.

    With `skip_locked` nobody's lock is waited for. With `look_up_ids` commands that are in force already, because the
    answer to an earlier COMMIT was lost, are answered and not repeated.

    Raises:
        StaleUnit: an account was renamed or opened by somebody else meanwhile: run the unit again.
    """
    known = await directory.find(connection, {each.external_user_id: each.bucket for each in commands})
    rows = await _lock(connection, known, directory, skip_locked=skip_locked)
    owners = {row.external_user_id: row for row in rows}
    held = {user: account_id for user, account_id in known.items() if user not in owners}
    mine = [each for each in commands if each.external_user_id not in held]
    new_rows = await _new_accounts(connection, mine, known)
    books = await load_books(connection, owners, mine, look_up_ids=look_up_ids)
    accounts = await _settled_accounts(rows, new_rows, books)
    answers = [
        None if each.external_user_id in held else _decide(each, accounts, books)
        async for some in in_turns(commands)
        for each in some
    ]
    await _append(connection, list(accounts.values()), books.now)
    return Posted(
        answers=answers,
        held=held,
        unsettled={name: account.id for name, account in accounts.items() if not account.is_settled},
        opened={name: each.id for name, each in accounts.items() if each.is_new and each.history.appended},
    )


async def rehearse(connection: Connection, command: Command) -> Answer | None:
    """Return what `command` would come to now; nothing is locked and nothing written.

    None: so much is due that it must be booked before this can be told.
    """
    rows = await account_repo.read(connection, command.external_user_id, command.bucket)
    new_rows = [_new_row(account_id_of(0, command.bucket), command)] if command.opens_account and not rows else []
    books = await load_books(connection, {row.external_user_id: row for row in rows}, [command], look_up_ids=False)
    return _decide(command, await _settled_accounts(rows, new_rows, books), books)


def book_due(user: str, bucket: int) -> BookDue:
    """Return the command that books what is due for one user."""
    return BookDue(transaction_id=new_id(bucket), external_user_id=user, bucket=bucket, actor=SYSTEM)


async def _lock(
    connection: Connection, known: dict[str, int], directory: AccountDirectory, *, skip_locked: bool
) -> list[AccountRow]:
    if not known:
        return []
    addresses = [(each, bucket_of_account(each)) for each in known.values()]
    rows = await account_repo.lock(connection, addresses, skip_locked=skip_locked)
    if any(known.get(row.external_user_id) != row.id for row in rows) or (not skip_locked and len(rows) < len(known)):
        directory.forget(known)
        raise StaleUnit
    return rows


async def _new_accounts(connection: Connection, commands: Sequence[Command], known: dict[str, int]) -> list[AccountRow]:
    """Prepare accounts for the unknown users that a command opens. They are written only with a first transaction."""
    wanted = {
        each.external_user_id: each for each in commands if each.opens_account and each.external_user_id not in known
    }
    if not wanted:
        return []
    ids = await account_repo.new_ids(connection, [each.bucket for each in wanted.values()])
    return [_new_row(account_id, each) for account_id, each in zip(ids, wanted.values(), strict=True)]


def _new_row(account_id: int, command: Command) -> AccountRow:
    return AccountRow(
        id=account_id,
        bucket=command.bucket,
        external_user_id=command.external_user_id,
        status=AccountStatus.ACTIVE,
        last_seq=0,
        last_hash=GENESIS,
        last_at=EPOCH,
        last_effective_at=EPOCH,
    )


async def _settled_accounts(
    rows: Sequence[AccountRow], new_rows: Sequence[AccountRow], books: LoadedBooks
) -> dict[str, Account]:
    """Return the accounts by user, with what is due in them booked."""
    accounts = {}
    for some, is_new in ((rows, False), (new_rows, True)):
        for row in some:
            account = accounts[row.external_user_id] = Account(
                row,
                partial(new_id, row.bucket),
                wallets=books.wallets.get(row.id, ()),
                holds=books.holds.get(row.id, {}).values(),
                parents=books.parents.get(row.id, ()),
                decided=books.decided.get(row.id, ()),
                is_new=is_new,
            )
            if account.settle(books.now):
                await asyncio.sleep(0)  # that may have been much: let everybody else have a turn
    return accounts


def _decide(command: Command, accounts: dict[str, Account], books: LoadedBooks) -> Answer | None:
    account = accounts.get(command.external_user_id)
    if account is None or (account.is_new and not account.history.appended and not command.opens_account):
        return UnknownUser(external_user_id=command.external_user_id)
    try:
        if not account.is_settled:
            return account.earlier_answer(command)
        return account.execute(command, books.asset_types, books.now)
    except LedgerCorrupt:
        raise  # the account may be half changed: nothing of this unit may be written
    except WalletError as error:
        return error


async def _append(connection: Connection, accounts: Sequence[Account], now: datetime) -> None:
    moved = [each for each in accounts if each.history.appended and not each.is_new]
    wallets = [(account, each) for account in accounts for each in account.books.wallets.values() if each.changed]
    lots = [(account, each) for account, wallet in wallets for each in wallet.lots_changed]
    placed: list[tuple[Account, Hold]] = []
    ended: list[tuple[Account, Hold]] = []
    rewritten: list[tuple[Account, Hold]] = []
    for account in accounts:
        for hold in account.books.holds.values():
            if hold.changed:
                kind = placed if hold.is_new else ended if hold.is_only_ended else rewritten
                kind.append((account, hold))
    await projection_repo.update(
        connection,
        moved,
        [pair for pair in wallets if not pair[1].is_new],
        [pair for pair in lots if not pair[1].is_new],
        ended,
    )
    opened = sorted((each for each in accounts if each.history.appended and each.is_new), key=_opening_order)
    if opened:
        await account_repo.insert(connection, opened, now)
    if changed := [each for each in accounts if each.is_changed]:
        await account_repo.update_states(connection, changed)
        for each in changed:
            if each.is_erased:
                await account_repo.erase_notes(connection, each.id, each.bucket)
    await wallet_repo.insert(connection, [pair for pair in wallets if pair[1].is_new])
    await ledger_repo.append(connection, accounts)
    await wallet_repo.insert_lots(connection, [pair for pair in lots if pair[1].is_new])
    await wallet_repo.mark_lots(connection, [pair for pair in lots if pair[1].is_marked])
    await hold_repo.insert(connection, placed)
    await hold_repo.update(connection, rewritten)


def _opening_order(account: Account) -> str:
    return account.external_user_id
