"""The two append-only tables and their notes: what has been decided, and appending to it."""

import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.database import Connection
from app.domain.account import Account
from app.domain.chain import EPOCH
from app.domain.commands import GROUP_MAX
from app.domain.placement import bucket_of_account, bucket_of_id
from app.domain.records import (
    AccountRow,
    AssetType,
    DecidedRow,
    EntryRecord,
    HoldRow,
    LotRow,
    Outcome,
    TransactionRecord,
    TransactionType,
    WalletRow,
)
from app.repositories.binary_copy import NULL, NULL_LENGTH, copy_rows, data, int4, int8, text, timestamp, uuid, word
from app.repositories.literals import addresses, literal, texts, times
from app.repositories.rows import asset_type, decided_row, shared_hold, shared_lot
from app.repositories.statements import expect_rows, statement

LOAD_OWNERS = statement("load_owners")
FIND_TRANSACTIONS = statement("find_transactions")
LOAD_DECIDED = statement("load_decided")
FIND_MEMBERS = statement("find_members")
INSERT_NOTES = statement("insert_notes")

MEMBER_SEQS_MAX = 2 * GROUP_MAX
"""Within how many transactions after its header a group's members are: each may be followed by an expiry."""

HEADER_COLUMNS = (
    *("id", "bucket", "owner_id", "seq", "created_at", "effective_at", "hash"),
    *("type", "outcome", "actor", "asset_type_id", "amount", "idempotency_key", "fingerprint", "terms", "facts"),
    *("parent_id", "group_id", "refund_no", "parent_amount", "refunded_after"),
)
_UNRELATED = NULL * 5
_HEADER = struct.Struct(">h i16s ih iq iq iq iq i32s")
ENTRY_COLUMNS = (
    *("owner_id", "bucket", "seq", "line", "account_id", "asset_type_id", "amount"),
    *("lot_id", "balance_after"),
)
_LINE = ">h iq ih iq ih iq ii iq"
_OWN_LINE, _SYSTEM_LINE = struct.Struct(f"{_LINE} i16s iq"), struct.Struct(f"{_LINE} i i")


@dataclass(slots=True)
class Loaded:
    """What a unit of work decides on, loaded under the owners' locks: `hold_lots` are what `holds` reserve."""

    now: datetime = EPOCH
    wallets: list[WalletRow] = field(default_factory=list)
    free_lots: list[LotRow] = field(default_factory=list)
    holds: list[HoldRow] = field(default_factory=list)
    hold_lots: list[LotRow] = field(default_factory=list)
    decided: list[DecidedRow] = field(default_factory=list)
    asset_types: dict[int, AssetType] = field(default_factory=dict)


async def load(
    connection: Connection,
    owners: Sequence[AccountRow],
    keys: Sequence[tuple[int, int, str]],
    transaction_ids: Sequence[tuple[UUID, int]],
    asset_type_ids: Sequence[int],
    taken_from: Sequence[tuple[AccountRow, int]],
    free_lots_max: int,
    hold_ids: Sequence[tuple[UUID, int]],
) -> Loaded:
    """Load the wallets of `owners`, what became of keys and ids, and the holds that are named.

    `keys` are (owner, bucket, key), `transaction_ids` and `hold_ids` (id, bucket). Of each wallet in `taken_from`
    (owner, asset type) the lots that are burned first are loaded too.
    """
    rows = await connection.fetch(
        LOAD_OWNERS,
        literal([each.id for each in owners]),
        literal([each.bucket for each in owners]),
        literal([owner_id for owner_id, _, _ in keys]),
        literal([bucket for _, bucket, _ in keys]),
        texts([key for _, _, key in keys]),
        literal(asset_type_ids),
        literal([owner.id for owner, _ in taken_from]),
        literal([owner.bucket for owner, _ in taken_from]),
        times([owner.last_at for owner, _ in taken_from]),
        literal([asset_type_id for _, asset_type_id in taken_from]),
        free_lots_max,
        *addresses(hold_ids),
    )
    loaded, decided_ids = _sorted_out(rows)
    decided_ids |= set(transaction_ids)
    if decided_ids:
        loaded.decided = await _load_decided(connection, list(decided_ids))
    return loaded


def _sorted_out(rows: Iterable[Any]) -> tuple[Loaded, set[tuple[UUID, int]]]:
    """Return the rows of load_owners by what they are, and the transactions (id, bucket) that the keys belong to."""
    loaded, decided_ids = Loaded(), set[tuple[UUID, int]]()
    lots = {"free lot": loaded.free_lots, "held lot": loaded.hold_lots}
    for row in rows:
        what = row["what"]
        if what in lots:
            lots[what].append(shared_lot(row))
        elif what == "wallet":
            owner_id, asset_type_id = row[2:4]
            moment, posted, held, day_spent, day_credited = row[7:12]
            loaded.wallets.append(
                WalletRow(owner_id, asset_type_id, posted, held, moment, row["day"], day_spent, day_credited)
            )
        elif what == "hold":
            loaded.holds.append(shared_hold(row))
        elif what == "asset type":
            (code, name, status), (scale, *policy) = row["words"], row["numbers"]
            columns = (row["asset_type_id"], code, name, scale, status, *policy)
            loaded.asset_types[row["asset_type_id"]] = asset_type(columns)
        else:
            loaded.now = row["moment"]
            decided_ids.update((each, bucket_of_id(each)) for each in row["ids"])
    return loaded, decided_ids


async def _load_decided(connection: Connection, ids: Sequence[tuple[UUID, int]]) -> list[DecidedRow]:
    rows = await connection.fetch(LOAD_DECIDED, *addresses(ids))
    return await _with_members(connection, [decided_row(row) for row in rows])


async def _with_members(connection: Connection, decided: list[DecidedRow]) -> list[DecidedRow]:
    """Give groups that are in force their members."""
    groups = [each for each in decided if each.type is TransactionType.GROUP and each.outcome is Outcome.POSTED]
    if not groups:
        return decided
    found = await connection.fetch(
        FIND_MEMBERS,
        literal([each.owner_id for each in groups]),
        literal([bucket_of_account(each.owner_id) for each in groups]),
        literal([each.transaction_id for each in groups]),
        literal([each.seq for each in groups]),
        MEMBER_SEQS_MAX,
    )
    rows = await _load_decided(connection, [(row["id"], bucket_of_id(row["id"])) for row in found])
    group_of = {row["id"]: row["group_id"] for row in found}
    members: defaultdict[UUID, list[DecidedRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: each.seq):
        members[group_of[row.transaction_id]].append(row)
    return [replace(each, members=tuple(members.get(each.transaction_id, ()))) for each in decided]


async def find_asset_types(connection: Connection, ids: Sequence[tuple[UUID, int]]) -> dict[UUID, int | None]:
    """Return of which asset types those of `ids` (id, bucket) are that are there; None for those of none."""
    rows = await connection.fetch(FIND_TRANSACTIONS, *addresses(ids))
    return {row["id"]: row["asset_type_id"] for row in rows}


async def append(connection: Connection, accounts: Sequence[Account]) -> None:
    """Append every transaction that `accounts` decided: headers, then entries, then notes.

    Raises:
        AssertionError: the database wrote fewer rows than were meant.
    """
    decided = [each for account in accounts for each in account.history.appended]
    if not decided:
        return
    await _insert_headers(connection, decided)
    transactions = [transaction for transaction, _ in decided]
    await _insert_entries(connection, transactions)
    await _insert_notes(connection, transactions)


async def _insert_headers(connection: Connection, decided: Sequence[tuple[TransactionRecord, bytes]]) -> None:
    status = await copy_rows(
        connection, "transactions", HEADER_COLUMNS, (_header(transaction, digest) for transaction, digest in decided)
    )
    expect_rows(status, len(decided), "transactions")


async def _insert_entries(connection: Connection, transactions: Sequence[TransactionRecord]) -> None:
    rows = [_entry(transaction, entry) for transaction in transactions for entry in transaction.entries]
    if rows:
        expect_rows(await copy_rows(connection, "ledger_entries", ENTRY_COLUMNS, rows), len(rows), "ledger_entries")


def _header(transaction: TransactionRecord, digest: bytes) -> bytes:
    t = transaction
    fixed = _HEADER.pack(
        len(HEADER_COLUMNS),
        16, t.id.bytes, 2, t.bucket, 8, t.owner_id, 8, t.seq,
        8, timestamp(t.created_at), 8, timestamp(t.effective_at), 32, digest,
    )  # fmt: skip
    return b"".join(
        (
            fixed,
            word(t.type),
            word(t.outcome),
            word(t.actor),
            int4(t.asset_type_id),
            int8(t.amount),
            text(t.idempotency_key),
            data(t.fingerprint),
            text(t.terms),
            text(t.facts),
            _UNRELATED if t.parent_id is None and t.group_id is None else _relations(t),
        )
    )


def _relations(transaction: TransactionRecord) -> bytes:
    """Return the columns that say which other transactions this one is about or belongs to."""
    related, refund = uuid(transaction.parent_id) + uuid(transaction.group_id), transaction.refund
    if refund is None:
        return related + NULL * 3
    return related + int4(refund.number) + int8(refund.parent_amount) + int8(refund.refunded_after)


def _entry(transaction: TransactionRecord, entry: EntryRecord) -> bytes:
    fixed = (
        len(ENTRY_COLUMNS),
        8, transaction.owner_id, 2, transaction.bucket, 8, transaction.seq, 2, entry.line,
        8, entry.account_id, 4, entry.asset_type_id, 8, entry.amount,
    )  # fmt: skip
    if entry.lot_id is None:
        return _SYSTEM_LINE.pack(*fixed, NULL_LENGTH, NULL_LENGTH)
    return _OWN_LINE.pack(*fixed, 16, entry.lot_id.bytes, 8, entry.balance_after)


async def _insert_notes(connection: Connection, transactions: Sequence[TransactionRecord]) -> None:
    rows = [(transaction, transaction.note) for transaction in transactions if transaction.note is not None]
    if not rows:
        return
    status = await connection.execute(
        INSERT_NOTES,
        literal([transaction.owner_id for transaction, _ in rows]),
        literal([transaction.bucket for transaction, _ in rows]),
        literal([transaction.seq for transaction, _ in rows]),
        [note.digest for _, note in rows],
        [note.salt for _, note in rows],
        [note.reference for _, note in rows],
        [note.metadata for _, note in rows],
        [note.operator for _, note in rows],
        [note.reason for _, note in rows],
    )
    expect_rows(status, len(rows), "transaction_notes")
