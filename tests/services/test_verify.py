"""Verify finds whatever was changed behind the service's back, and names the first row that is wrong.

The changes are made by a superuser with all triggers off. Every test finds the same books and puts them back.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from app.database import Database
from app.domain import chain
from app.domain.chain import note_digest
from app.domain.commands import Bonus, Spend, TopUp
from app.domain.errors import InsufficientFunds
from app.domain.placement import bucket_of
from app.domain.records import Note
from app.models import metadata
from app.repositories import audit_repo
from app.schemas.fields import END_OF_TIME
from app.services.ids import new_id
from app.services.verify_service import Verdict, verify
from app.services.wallet_service import WalletService
from tests.conftest import SEEDED_TEMPLATE, SERVER_URL, cloned_database, past_pooler
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

pytestmark = pytest.mark.asyncio(loop_scope="module")

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SALT = bytes(range(16))
CHECKS = """
    SELECT conrelid::regclass::text AS of, conname AS name, pg_get_constraintdef(oid) AS rule
      FROM pg_constraint
     WHERE contype = 'c' AND connamespace = 'public'::regnamespace
"""
OVERTAKEN_VERIFICATIONS = 5
OVERTAKING_SECONDS_MAX = 20


@dataclass(frozen=True)
class Books:
    """A ledger with one of everything, and a connection that may change it at will.

    Alice has: 1 to 4 the seed's credits; 5 a top-up of 3.00 GOLD with a note, burned first and expiring soon; 6 a spend
    of 1.00 from it; 7 a refused spend; 8 its expiry; 9 a spend of 55.00 from two lots; 10 a bonus that will expire.
    """

    database: Database
    connection: Connection
    ids: dict[str, int]


async def _write(wallets: WalletService, connection: Connection) -> None:
    common: dict[str, Any] = {"external_user_id": "user_alice", "bucket": BUCKET, "asset_type_id": 1, "actor": "a test"}
    texts: dict[str, Any] = {"reference": "order 7", "metadata": '{"shop":"north"}', "operator": None}
    note = Note(**texts, salt=SALT, digest=note_digest(salt=SALT, **texts))
    soon = TopUp(
        **common,
        transaction_id=new_id(BUCKET),
        lot_id=new_id(BUCKET),
        amount=300,
        expires_in_days=1,
        priority=10,
        idempotency_key="soon",
        note=note,
    )
    await wallets.execute(soon)
    await wallets.execute(Spend(**common, transaction_id=new_id(BUCKET), amount=100, idempotency_key="spend"))
    with pytest.raises(InsufficientFunds):
        await wallets.execute(Spend(**common, transaction_id=new_id(BUCKET), amount=10**9, idempotency_key="refused"))
    await connection.execute(
        "CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
        "RETURN clock_timestamp() + interval '2 days'"
    )
    await wallets.execute(Spend(**common, transaction_id=new_id(BUCKET), amount=5_500))
    await wallets.execute(
        Bonus(
            **common,
            transaction_id=new_id(BUCKET),
            lot_id=new_id(BUCKET),
            amount=50,
            expires_in_days=30,
            idempotency_key="later",
        )
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _books(pytestconfig: pytest.Config) -> AsyncIterator[Books]:
    async with cloned_database(pytestconfig.stash[SERVER_URL], SEEDED_TEMPLATE) as url:
        database = Database(url, pool_size=4)
        wallets = WalletService(database)
        connection = await asyncpg.connect(past_pooler(pytestconfig, url).replace("+asyncpg", ""))
        await _write(wallets, connection)
        await wallets.close()
        await connection.execute("CREATE SCHEMA kept")
        for table in metadata.tables:
            await connection.execute(f"CREATE TABLE kept.{table} AS TABLE public.{table}")
        await connection.execute(f"CREATE TABLE kept.checks AS {CHECKS}")
        await connection.execute("SET session_replication_role = replica")
        rows = await connection.fetch("SELECT external_user_id, id FROM accounts WHERE external_user_id IS NOT NULL")
        ids = {row["external_user_id"].removeprefix("user_"): row["id"] for row in rows}
        yield Books(database, connection, ids)
        await connection.close()
        await database.close()


@pytest_asyncio.fixture(loop_scope="module")
async def books(_books: Books) -> AsyncIterator[Books]:
    yield _books
    connection = _books.connection
    for table in metadata.tables:
        await connection.execute(f"DELETE FROM {table}")
        await connection.execute(f"INSERT INTO {table} SELECT * FROM kept.{table}")
    for row in await connection.fetch(f"SELECT * FROM kept.checks EXCEPT {CHECKS}"):
        await connection.execute(f"ALTER TABLE {row['of']} ADD CONSTRAINT {row['name']} {row['rule']}")


async def _problem(books: Books, change: str) -> str | None:
    await books.connection.execute(change.format(**books.ids))
    return (await verify(books.database)).problem


def _pattern(problem: str, books: Books) -> str:
    return re.escape(problem.format(**books.ids, moved_bob=books.ids["bob"] + 102_400)).replace("…", "[0-9a-f-]{36}")


@pytest.mark.parametrize(("change", "problem"), [*ENTRIES, *HISTORY, *PROJECTIONS, *IMPOSSIBLE, *UNGUARDED])
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


async def test_a_note_that_was_removed_or_added_is_found(books: Books) -> None:
    found = await _problem(books, f"UPDATE transaction_notes SET seq = 6 WHERE {at(5)}")
    assert found is not None
    assert re.fullmatch(_pattern(f"{named(5)}: {NOT_ITS_HASH}", books), found)


async def test_an_erased_note_leaves_the_ledger_right(books: Books) -> None:
    erase = f"UPDATE transaction_notes SET salt = NULL, reference = NULL, metadata = NULL WHERE {at(5)}"
    assert await _problem(books, erase) is None


async def test_the_columns_of_a_header_are_those_that_are_tried() -> None:
    tried = {str(each.id) for each in HEADERS} | {"owner_id", "bucket", "seq", "outcome"}  # these four by HISTORY
    projected = {"feed_xid", "refund_no", "parent_amount", "refunded_after"}
    assert {column.name for column in metadata.tables["transactions"].columns} == tried | projected


async def _rewrite(books: Books, seq: int, *, actor: str, parent_id: UUID | None, group_id: UUID | None) -> bytes:
    """Change a transaction of Alice's that made no lot, give it the hash that is right then, and return that."""
    async with books.database.snapshot() as connection:
        stored = {
            each.record.seq: each
            async for each in audit_repo.transactions(connection)
            if each.record.owner_id == books.ids["alice"]
        }
        entries = [entry async for key, entry in audit_repo.entries(connection) if key == (books.ids["alice"], seq)]
    record = replace(stored[seq].record, actor=actor, parent_id=parent_id, group_id=group_id, entries=tuple(entries))
    rewritten = chain.next_hash(stored[seq - 1].hash, record)
    await books.connection.execute(
        "UPDATE transactions SET actor = $3, parent_id = $4, group_id = $5, hash = $6 WHERE owner_id = $1 AND seq = $2",
        books.ids["alice"],
        seq,
        actor,
        parent_id,
        group_id,
        rewritten,
    )
    return rewritten


async def test_a_transaction_rewritten_with_its_right_hash_is_given_away_by_the_next(books: Books) -> None:
    await _rewrite(books, 6, actor="somebody else", parent_id=None, group_id=None)
    found = (await verify(books.database)).problem
    assert found is not None
    assert re.fullmatch(_pattern(f"{named(7)}: {NOT_ITS_HASH}", books), found)


@pytest.mark.parametrize("column", ["parent_id", "group_id"])
async def test_another_parent_or_group_is_found(books: Books, column: str) -> None:
    """No command makes these yet, so the last but one is rewritten to have them, and is the last then."""
    cut = "; ".join(f"DELETE FROM {table} WHERE {at(10)}" for table in ("transactions", "ledger_entries", "lots"))
    await books.connection.execute(cut.format(**books.ids))
    last_hash = await _rewrite(books, 9, actor="a test", parent_id=uuid4(), group_id=uuid4())
    await books.connection.execute(
        "UPDATE accounts AS a SET last_seq = 9, last_hash = $2, last_at = t.created_at, "
        "last_effective_at = t.effective_at FROM transactions AS t WHERE a.id = $1 AND t.owner_id = $1 AND t.seq = 9",
        books.ids["alice"],
        last_hash,
    )
    await books.connection.execute(
        "UPDATE wallets SET posted = posted - 50 WHERE owner_id = $1 AND asset_type_id = 1", books.ids["alice"]
    )
    assert (await verify(books.database)).problem is None
    found = await _problem(books, f"UPDATE transactions SET {column} = gen_random_uuid() WHERE {at(9)}")
    assert found is not None
    assert re.fullmatch(_pattern(f"{named(9)}: {NOT_ITS_HASH}", books), found)


# -- what is right -----------------------------------------------------------------------------------------------------


async def test_right_books_are_found_right_and_counted(books: Books) -> None:
    verdict = await verify(books.database)
    counted = await books.connection.fetchrow(
        "SELECT (SELECT count(*) FROM transactions) AS transactions, (SELECT count(*) FROM ledger_entries) AS entries"
    )
    assert counted is not None
    assert verdict == Verdict(accounts=2, problem=None, **counted)
    assert (verdict.transactions, verdict.entries) == (13, 25)


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
