"""Accounts: finding, locking, opening, and moving their histories on."""

from collections.abc import Sequence
from datetime import datetime

from app.database import Connection
from app.domain.account import Account
from app.domain.placement import account_id_of
from app.domain.record import record
from app.domain.records import AccountRow, AccountStatus
from app.repositories.literals import addresses, literal, times
from app.repositories.rows import account_row
from app.repositories.statements import expect_rows, statement

FIND_ACCOUNTS = statement("find_accounts")
LOCK_ACCOUNTS = statement("lock_accounts")
READ_ACCOUNT = statement("read_account")
LOCK_FREE_ACCOUNTS = statement("lock_free_accounts")
TAKE_ACCOUNT_NUMBERS = statement("take_account_numbers")
INSERT_ACCOUNTS = statement("insert_accounts")
UPDATE_ACCOUNT_STATES = statement("update_account_states")
ERASE_NOTES = statement("erase_notes")
OPEN_ACCOUNT = statement("open_account")
LOAD_ACCOUNT = statement("load_account")
SET_ACCOUNT_METADATA = statement("set_account_metadata")


@record
class ShownAccount:
    """An account as it is shown. `metadata` and `limits` are canonical JSON text."""

    id: int
    status: AccountStatus
    metadata: str | None
    limits: str | None


async def find_ids(connection: Connection, users: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Return the account ids of those of `users` (external id, bucket) that have an account."""
    rows = await connection.fetch(FIND_ACCOUNTS, [user for user, _ in users], literal([bucket for _, bucket in users]))
    return {row["external_user_id"]: row["id"] for row in rows}


async def lock(
    connection: Connection, ids_and_buckets: Sequence[tuple[int, int]], *, skip_locked: bool = False
) -> list[AccountRow]:
    """Lock these accounts in ascending order of their ids and return them as they are under the lock.

    With `skip_locked` those that somebody else has locked are left out instead of waited for.
    """
    ordered = sorted(ids_and_buckets)
    rows = await connection.fetch(
        LOCK_FREE_ACCOUNTS if skip_locked else LOCK_ACCOUNTS,
        *addresses(ordered),
    )
    return [account_row(row) for row in rows]


async def read(connection: Connection, external_user_id: str, bucket: int) -> list[AccountRow]:
    """Return a user's account as it is, without a lock; nothing when there is none."""
    return [account_row(row) for row in await connection.fetch(READ_ACCOUNT, external_user_id, bucket)]


async def new_ids(connection: Connection, buckets: Sequence[int]) -> list[int]:
    """Return an id for a new account in each of `buckets`."""
    rows = await connection.fetch(TAKE_ACCOUNT_NUMBERS, len(buckets))
    return [account_id_of(row["number"], bucket) for row, bucket in zip(rows, buckets, strict=True)]


async def insert(connection: Connection, accounts: Sequence[Account], created_at: datetime) -> None:
    """Open accounts with the history that this unit of work has given them."""
    await connection.execute(
        INSERT_ACCOUNTS,
        literal([each.id for each in accounts]),
        literal([each.bucket for each in accounts]),
        [each.external_user_id for each in accounts],
        literal([each.history.last_seq for each in accounts]),
        [each.history.last_hash for each in accounts],
        times([each.history.last_at for each in accounts]),
        times([each.history.last_effective_at for each in accounts]),
        times([created_at] * len(accounts)),
    )


async def update_states(connection: Connection, accounts: Sequence[Account]) -> None:
    """Write the names, states and limits of `accounts`."""
    status = await connection.execute(
        UPDATE_ACCOUNT_STATES,
        literal([each.id for each in accounts]),
        literal([each.bucket for each in accounts]),
        [each.external_user_id for each in accounts],
        [each.status for each in accounts],
        [each.books.limits for each in accounts],
    )
    expect_rows(status, len(accounts), "accounts")


async def erase_notes(
    connection: Connection, account_id: int, bucket: int, *, after: int = 0, rows_max: int | None = None
) -> list[int]:
    """Empty the texts of an account's transactions after seq `after`, at most `rows_max`; return the seqs of those."""
    return [row["seq"] for row in await connection.fetch(ERASE_NOTES, account_id, bucket, after, rows_max)]


async def open_account(connection: Connection, external_user_id: str, bucket: int, metadata: str | None) -> bool:
    """Open one account; return False when it was there."""
    (account_id,) = await new_ids(connection, [bucket])
    return await connection.fetchval(OPEN_ACCOUNT, account_id, bucket, external_user_id, metadata) is not None


async def set_metadata(connection: Connection, external_user_id: str, bucket: int, metadata: str) -> None:
    """Replace the metadata of one account."""
    await connection.execute(SET_ACCOUNT_METADATA, external_user_id, bucket, metadata)


async def load(connection: Connection, external_user_id: str, bucket: int) -> ShownAccount | None:
    """Return one account as it is shown, None when there is none."""
    row = await connection.fetchrow(LOAD_ACCOUNT, external_user_id, bucket)
    if row is None:
        return None
    return ShownAccount(
        id=row["id"], status=AccountStatus(row["status"]), metadata=row["metadata"], limits=row["limits"]
    )
