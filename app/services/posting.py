"""One unit of work over many commands: lock, load, decide, append. The commit is the caller's, who answers after it.

The order is the protocol. The owners' account rows are locked first, in ascending order; everything else is loaded by
a later statement, under the locks; decisions are pure; the writes are one statement a table, and their row counts are
compared with what was meant.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.database import Connection, StaleUnit
from app.domain.account import Account
from app.domain.chain import GENESIS
from app.domain.commands import Command, Spend
from app.domain.errors import LedgerCorrupt, UnknownAssetType, UnknownUser, WalletError
from app.domain.placement import bucket_of_account
from app.domain.records import AccountRow, AccountStatus, DecidedRow, LotRow, Receipt
from app.domain.wallet import Lot, Wallet
from app.repositories import account_repo, ledger_repo, wallet_repo
from app.repositories.ledger_repo import Loaded
from app.services.account_directory import AccountDirectory
from app.services.ids import new_id
from app.services.turns import in_turns

DUE_LOTS_MAX = 1_000
"""How many due lots one unit of work books for a wallet; the rest is booked by units of its own, before."""

FREE_LOTS_FIRST = 8
FREE_LOTS_GROWTH = 8

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Answer = Receipt | WalletError
WalletOf = tuple[int, int]
"""An owner's id and an asset type's."""

Spending = tuple[AccountRow, int]
"""An owner, and how much is to be taken from one of its wallets."""


@dataclass(slots=True)
class Posted:
    """What a unit of work came to.

    `answers` has None for a command whose owner is `held` (user → account id) by somebody else. `incomplete`: only what
    was due has been booked, and the commands must be run again. `opened` are the accounts that came into being.
    """

    answers: list[Answer | None] = field(default_factory=list)
    incomplete: bool = False
    held: dict[str, int] = field(default_factory=dict)
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
    to_spend = _to_spend(owners, mine)
    loaded = await _load(connection, owners, mine, to_spend, look_up_ids=look_up_ids)
    accounts = _accounts(rows, new_rows, loaded)
    await _give_free_lots(connection, accounts, to_spend, loaded)
    for account in accounts.values():
        account.settle(loaded.now, new_id)
    incomplete = any(not wallet.all_due_loaded for each in accounts.values() for wallet in each.wallets.values())
    answers = [
        None if each.external_user_id in held else _decide(each, accounts, loaded)
        async for each in in_turns([] if incomplete else commands)
    ]
    await _append(connection, list(accounts.values()), loaded.now)
    opened = {name: account.id for name, account in accounts.items() if account.is_new and account.transactions}
    return Posted(answers=answers, incomplete=incomplete, held=held, opened=opened)


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
        each.external_user_id: each.bucket
        for each in commands
        if each.opens_account and each.external_user_id not in known
    }
    if not wanted:
        return []
    ids = await account_repo.new_ids(connection, list(wanted.values()))
    return [
        AccountRow(
            id=account_id,
            bucket=bucket,
            external_user_id=external_user_id,
            status=AccountStatus.ACTIVE,
            last_seq=0,
            last_hash=GENESIS,
            last_at=_EPOCH,
            last_effective_at=_EPOCH,
        )
        for account_id, (external_user_id, bucket) in zip(ids, wanted.items(), strict=True)
    ]


def _to_spend(owners: dict[str, AccountRow], commands: Sequence[Command]) -> dict[WalletOf, Spending]:
    """Return how much the commands want to take from which wallets."""
    spending: dict[WalletOf, Spending] = {}
    for each in commands:
        if isinstance(each, Spend) and (owner := owners.get(each.external_user_id)) is not None:
            _, before = spending.get((owner.id, each.asset_type_id), (owner, 0))
            spending[owner.id, each.asset_type_id] = owner, before + each.amount
    return spending


def _spent_from(to_spend: dict[WalletOf, Spending]) -> list[tuple[AccountRow, int]]:
    return [(owner, asset_type_id) for (_, asset_type_id), (owner, _) in to_spend.items()]


async def _load(
    connection: Connection,
    owners: dict[str, AccountRow],
    commands: Sequence[Command],
    to_spend: dict[WalletOf, Spending],
    *,
    look_up_ids: bool,
) -> Loaded:
    keys = {
        (owners[each.external_user_id].id, each.bucket, each.idempotency_key)
        for each in commands
        if each.idempotency_key is not None and each.external_user_id in owners
    }
    return await ledger_repo.load(
        connection,
        list(owners.values()),
        list(keys),
        [(each.transaction_id, each.bucket) for each in commands] if look_up_ids else [],
        list({each.asset_type_id for each in commands}),
        DUE_LOTS_MAX,
        _spent_from(to_spend),
        FREE_LOTS_FIRST,
    )


def _accounts(rows: Sequence[AccountRow], new_rows: Sequence[AccountRow], loaded: Loaded) -> dict[str, Account]:
    due_lots: defaultdict[tuple[int, int], list[Lot]] = defaultdict(list)
    for lot in loaded.due_lots:
        due_lots[lot.owner_id, lot.asset_type_id].append(Lot(lot, is_new=False))
    wallets: defaultdict[int, list[Wallet]] = defaultdict(list)
    for each in loaded.wallets:
        due = due_lots.get((each.row.owner_id, each.row.asset_type_id), [])
        wallets[each.row.owner_id].append(
            Wallet(
                each.row,
                due_lots=due,
                all_due_loaded=len(due) < DUE_LOTS_MAX,
                next_expiry_at=each.next_expiry_at,
            )
        )
    decided: defaultdict[int, list[DecidedRow]] = defaultdict(list)
    for record in loaded.decided:
        decided[record.owner_id].append(record)
    return {
        row.external_user_id: Account(
            row, wallets=wallets.get(row.id, ()), decided=decided.get(row.id, ()), is_new=is_new
        )
        for some, is_new in ((rows, False), (new_rows, True))
        for row in some
    }


async def _give_free_lots(
    connection: Connection, accounts: dict[str, Account], to_spend: dict[WalletOf, Spending], loaded: Loaded
) -> None:
    """Give every wallet that is spent from as many lots, in burn order, as its spends can need together."""
    wanted, rows, lots_max = dict(to_spend), loaded.free_lots, FREE_LOTS_FIRST
    while wanted:
        found: defaultdict[WalletOf, list[LotRow]] = defaultdict(list)
        for row in rows:
            found[row.owner_id, row.asset_type_id].append(row)
        for wallet_of, (owner, amount) in list(wanted.items()):
            lots = found.get(wallet_of, [])
            if len(lots) < lots_max or sum(lot.remaining - lot.held for lot in lots) >= amount:
                if lots:
                    accounts[owner.external_user_id].wallets[wallet_of[1]].load_free_lots(lots)
                del wanted[wallet_of]
        if wanted:
            lots_max *= FREE_LOTS_GROWTH
            rows = await wallet_repo.load_free_lots(connection, _spent_from(wanted), loaded.now, lots_max)


def _decide(command: Command, accounts: dict[str, Account], loaded: Loaded) -> Answer:
    account = accounts.get(command.external_user_id)
    if account is None or (account.is_new and not account.transactions and not command.opens_account):
        return UnknownUser(external_user_id=command.external_user_id)
    asset = loaded.asset_types.get(command.asset_type_id)
    if asset is None:
        return UnknownAssetType(asset=command.asset_type_id)
    try:
        return account.execute(command, asset, loaded.now)
    except LedgerCorrupt:
        raise  # the account may be half changed: nothing of this unit may be written
    except WalletError as error:
        return error


async def _append(connection: Connection, accounts: Sequence[Account], now: datetime) -> None:
    moved = [each for each in accounts if each.transactions and not each.is_new]
    if moved and await account_repo.update(connection, moved) != len(moved):
        raise AssertionError("an account that is locked was not updated")
    opened = sorted((each for each in accounts if each.transactions and each.is_new), key=_opening_order)
    if opened:
        await account_repo.insert(connection, opened, now)
    await wallet_repo.write(connection, accounts)
    await ledger_repo.append(connection, accounts)
    await wallet_repo.write_lots(connection, accounts)


def _opening_order(account: Account) -> str:
    return account.external_user_id
