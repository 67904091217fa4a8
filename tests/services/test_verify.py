"""Verify finds whatever was changed behind the service's back, and names the first row that is wrong.

The changes are made by a superuser with all triggers off. Every test finds the same books and puts them back.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from app.database import Database
from app.domain import chain
from app.domain.commands import Spend, TopUp
from app.domain.placement import bucket_of
from app.domain.records import AccountStatus, EntryRecord, LotRow
from app.models import metadata
from app.repositories import audit_repo
from app.schemas.fields import END_OF_TIME
from app.services.ids import new_id
from app.services.verify_service import Verdict, verify
from app.services.wallet_service import WalletService
from tests import commands as ask
from tests.conftest import SEEDED_TEMPLATE, SERVER_URL, as_owner, cloned_database, past_pooler
from tests.services import tampering_credits
from tests.services.tampered_books import CAROL, Books, Writer, write
from tests.services.tampering import (
    BUCKET,
    ENTRIES,
    HEADERS,
    HISTORY,
    IMPOSSIBLE,
    NOT_ITS_HASH,
    NOTES,
    PROJECTIONS,
    UNGUARDED,
    at,
    named,
)
from tests.services.tampering_credits import of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHECKS = """
    SELECT conrelid::regclass::text AS of, conname AS name, pg_get_constraintdef(oid) AS rule
      FROM pg_constraint
     WHERE contype = 'c' AND connamespace = 'public'::regnamespace
"""
OVERTAKEN_VERIFICATIONS = 5
OVERTAKING_SECONDS_MAX = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _books(pytestconfig: pytest.Config) -> AsyncIterator[Books]:
    async with cloned_database(pytestconfig.stash[SERVER_URL], SEEDED_TEMPLATE) as url:
        database = Database(url, pool_size=4)
        connection = await asyncpg.connect(as_owner(past_pooler(pytestconfig, url)).replace("+asyncpg", ""))
        writer = Writer(database, connection)
        await write(writer)
        await writer.wallets.close()
        await connection.execute("CREATE SCHEMA kept")
        for table in metadata.tables:
            await connection.execute(f"CREATE TABLE kept.{table} AS TABLE public.{table}")
        await connection.execute(f"CREATE TABLE kept.checks AS {CHECKS}")
        await connection.execute("SET session_replication_role = replica")
        rows = await connection.fetch("SELECT external_user_id, id FROM accounts WHERE external_user_id IS NOT NULL")
        ids = {row["external_user_id"].removeprefix("user_"): row["id"] for row in rows if "/" not in row[0]}
        ids["dave"] = next(row["id"] for row in rows if "/" in row["external_user_id"])
        yield Books(database, connection, ids)
        await connection.close()
        await database.close()


@pytest_asyncio.fixture(loop_scope="module")
async def books(_books: Books) -> AsyncIterator[Books]:
    yield _books
    connection = _books.connection
    for table in metadata.tables:
        await connection.execute(f"DELETE FROM {table}")
        await connection.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept.{table}")
    for row in await connection.fetch(f"SELECT * FROM kept.checks EXCEPT {CHECKS}"):
        await connection.execute(f"ALTER TABLE {row['of']} ADD CONSTRAINT {row['name']} {row['rule']}")


async def _problem(books: Books, change: str) -> str | None:
    await books.connection.execute(change.format(**books.ids))
    return (await verify(books.database)).problem


def _pattern(problem: str, books: Books) -> str:
    return re.escape(problem.format(**books.ids, moved_bob=books.ids["bob"] + 102_400)).replace("…", "[^:(]*")


CHANGES = [
    *(*ENTRIES, *HISTORY, *PROJECTIONS, *IMPOSSIBLE, *UNGUARDED),
    *(*tampering_credits.HOLDS, *tampering_credits.HOLD_ROWS),
    *(*tampering_credits.PROJECTIONS, *tampering_credits.HEADERS),
]


@pytest.mark.parametrize(("change", "problem"), CHANGES)
async def test_a_changed_ledger_is_found_and_the_first_wrong_row_named(books: Books, change: str, problem: str) -> None:
    found = await _problem(books, change)
    assert found is not None
    assert re.fullmatch(_pattern(problem, books), found)


@pytest.mark.parametrize(("assignment", "problem"), HEADERS)
async def test_each_column_of_a_header_is_covered(books: Books, assignment: str, problem: str) -> None:
    found = await _problem(books, f"UPDATE transactions SET {assignment} WHERE {at(6)}")
    assert found is not None
    assert re.fullmatch(_pattern(f"{named(6)}: {problem}", books), found)


@pytest.mark.parametrize(("assignment", "problem"), NOTES)
async def test_each_text_of_a_note_is_covered(books: Books, assignment: str, problem: str) -> None:
    found = await _problem(books, f"UPDATE transaction_notes SET {assignment} WHERE {at(5)}")
    assert found is not None
    assert re.fullmatch(_pattern(f"{named(5)}: {problem}", books), found)


@pytest.mark.parametrize("assignment", tampering_credits.NOTES)
async def test_the_reason_and_the_operator_are_covered(books: Books, assignment: str) -> None:
    found = await _problem(books, f"UPDATE transaction_notes SET {assignment} WHERE {of(21)}")
    assert found is not None
    assert re.fullmatch(_pattern(f"{tampering_credits.named(21)}: its note is not the one …", books), found)


async def test_a_note_that_was_removed_or_added_is_found(books: Books) -> None:
    found = await _problem(books, f"UPDATE transaction_notes SET seq = 6 WHERE {at(5)}")
    assert found is not None
    assert re.fullmatch(_pattern(f"{named(5)}: {NOT_ITS_HASH}", books), found)


async def test_the_columns_of_a_header_are_those_that_are_tried() -> None:
    tried = {str(each.id) for each in HEADERS} | {"owner_id", "bucket", "seq", "outcome"}  # these four by HISTORY
    projected = {"feed_xid", "refund_no", "parent_amount", "refunded_after"}  # the last three by Carol's refunds
    assert {column.name for column in metadata.tables["transactions"].columns} == tried | projected


async def test_the_columns_of_a_hold_are_those_that_are_tried() -> None:
    tried = {str(each.id) for each in tampering_credits.HOLDS} | {"id", "owner_id", "bucket"}  # these by HOLD_ROWS
    assert {column.name for column in metadata.tables["holds"].columns} <= tried


async def _rewrite(books: Books, seq: int, *, actor: str) -> None:
    """Change a transaction of Alice's that made no lot, and give it the hash that is right then."""
    async with books.database.snapshot() as connection:
        stored = {
            each.record.seq: each
            async for each in audit_repo.transactions(connection)
            if each.record.owner_id == books.ids["alice"]
        }
        entries = [entry async for key, entry in audit_repo.entries(connection) if key == (books.ids["alice"], seq)]
    record = replace(stored[seq].record, actor=actor, entries=tuple(entries))
    await books.connection.execute(
        "UPDATE transactions SET actor = $3, hash = $4 WHERE owner_id = $1 AND seq = $2",
        books.ids["alice"],
        seq,
        actor,
        chain.next_hash(stored[seq - 1].hash, record),
    )


async def test_a_transaction_rewritten_with_its_right_hash_is_given_away_by_the_next(books: Books) -> None:
    await _rewrite(books, 6, actor="somebody else")
    found = (await verify(books.database)).problem
    assert found is not None
    assert re.fullmatch(_pattern(f"{named(7)}: {NOT_ITS_HASH}", books), found)


async def _make_hashes_right(books: Books) -> None:
    """Give all of Carol's transactions, as they are now, the hashes that are right then."""
    carol = books.ids["carol"]
    entries: defaultdict[tuple[int, int], list[EntryRecord]] = defaultdict(list)
    lots: defaultdict[tuple[int, int], list[LotRow]] = defaultdict(list)
    async with books.database.snapshot() as connection:
        stored = [each async for each in audit_repo.transactions(connection) if each.record.owner_id == carol]
        async for key, entry in audit_repo.entries(connection):
            entries[key].append(entry)
        async for key, lot in audit_repo.lots(connection):
            lots[key].append(lot)
    hashes = [chain.GENESIS]
    for each in stored:
        key = carol, each.record.seq
        record = replace(each.record, entries=tuple(entries[key]), lots=tuple(lots[key]))
        hashes.append(chain.next_hash(hashes[-1], record))
    await books.connection.executemany(
        "UPDATE transactions SET hash = $3 WHERE owner_id = $1 AND seq = $2",
        [(carol, seq, rewritten) for seq, rewritten in enumerate(hashes[1:], start=1)],
    )
    await books.connection.execute("UPDATE accounts SET last_hash = $2 WHERE id = $1", carol, hashes[-1])


async def test_hashes_that_are_made_again_are_the_same(books: Books) -> None:
    await _make_hashes_right(books)
    assert (await verify(books.database)).problem is None


@pytest.mark.parametrize(("change", "problem"), tampering_credits.REWRITTEN)
async def test_what_can_not_have_been_done_is_found_though_its_hash_is_right(
    books: Books, change: str, problem: str
) -> None:
    await books.connection.execute(change.format(**books.ids))
    await _make_hashes_right(books)
    found = (await verify(books.database)).problem
    assert found is not None
    assert re.fullmatch(_pattern(problem, books), found)


# -- what is right -----------------------------------------------------------------------------------------------------


async def test_right_books_are_found_right_and_counted(books: Books) -> None:
    verdict = await verify(books.database)
    counted = await books.connection.fetchrow(
        "SELECT (SELECT count(*) FROM transactions) AS transactions, (SELECT count(*) FROM ledger_entries) AS entries"
    )
    assert counted is not None
    assert verdict == Verdict(accounts=4, problem=None, **counted)
    assert (verdict.transactions, verdict.entries) == (57, 82)


async def test_the_seeded_ledger_is_right_and_counted(seeded_url: str) -> None:
    database = Database(seeded_url, pool_size=1)
    progress: list[tuple[int, int]] = []
    verdict = await verify(database, on_progress=lambda done, total: progress.append((done, total)))
    await database.close()
    assert verdict == Verdict(accounts=2, transactions=7, entries=14, problem=None)
    assert progress == [(2, 2)]


async def test_an_empty_ledger_is_right(empty_url: str) -> None:
    database = Database(empty_url, pool_size=1)
    verdict = await verify(database)
    await database.close()
    assert verdict == Verdict(accounts=0, transactions=0, entries=0, problem=None)


async def test_credits_that_expire_as_late_as_can_be_asked_for_are_right(books: Books) -> None:
    wallets = WalletService(books.database)
    await wallets.execute(
        TopUp(
            transaction_id=new_id(BUCKET),
            lot_id=new_id(BUCKET),
            external_user_id="user_alice",
            bucket=BUCKET,
            asset_type_id=1,
            amount=1,
            actor="a test",
            expires_at=END_OF_TIME - timedelta(microseconds=1),
        )
    )
    await wallets.close()
    assert (await verify(books.database)).problem is None


async def test_what_becomes_due_while_an_account_is_quarantined_is_booked_later(
    database: Database, wallets: WalletService, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    await wallets.execute(ask.top_up(CAROL, 50, open_account=True))
    await wallets.execute(ask.bonus(CAROL, 40, days=1))
    await wallets.execute(ask.hold(CAROL, 30, seconds=60))
    await wallets.execute(ask.change_account(CAROL, status=AccountStatus.QUARANTINED))
    await set_clock("2030-01-03T00:00:00Z")
    await wallets.execute(ask.change_account(CAROL, status=AccountStatus.ACTIVE))
    assert (await verify(database)).problem is None
    await wallets.execute(ask.spend(CAROL, 50))
    assert (await verify(database)).problem is None


async def test_of_two_wrong_rows_the_first_is_named(books: Books) -> None:
    found = await _problem(
        books,
        "UPDATE wallets SET posted = posted + 1; UPDATE transactions SET actor = 'somebody else' "
        "WHERE owner_id = {bob} OR seq IN (9, 6, 10)",
    )
    assert found is not None
    assert re.fullmatch(_pattern(f"{named(6)}: {NOT_ITS_HASH}", books), found)


async def test_what_comes_after_a_wrong_row_is_not_looked_at(books: Books) -> None:
    await books.connection.execute("UPDATE transactions SET actor = 'somebody else' WHERE seq = 2")
    verdict = await verify(books.database)
    assert (verdict.accounts, verdict.transactions) == (0, 1)


async def test_writes_that_go_on_meanwhile_are_no_false_alarm(seeded_url: str) -> None:
    """All that verify reads is of one moment, so a write is either wholly in it or not at all."""
    database = Database(seeded_url)
    wallets = WalletService(database)
    written = 0
    stopped = False

    async def write(user: str) -> None:
        nonlocal written
        bucket = bucket_of(user)
        common: dict[str, Any] = {"external_user_id": user, "bucket": bucket, "asset_type_id": 1, "actor": "a test"}
        while not stopped:
            await wallets.execute(
                TopUp(**common, transaction_id=new_id(bucket), lot_id=new_id(bucket), amount=2, open_account=True)
            )
            await wallets.execute(Spend(**common, transaction_id=new_id(bucket), amount=1))
            written += 2

    overtaken = 0
    async with asyncio.timeout(OVERTAKING_SECONDS_MAX), asyncio.TaskGroup() as writers:
        for user in ("user_alice", "user_bob", "user_new"):
            writers.create_task(write(user))
        while overtaken < OVERTAKEN_VERIFICATIONS:
            before = written
            assert (await verify(database)).problem is None
            overtaken += written > before
        stopped = True
    await wallets.close()
    await database.close()
