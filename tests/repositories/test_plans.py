"""Every hot statement reaches the tables that grow by index probes alone, whatever the number of its keys."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
import pytest
import pytest_asyncio

from app.config import Pooler
from app.database import BEGIN, Connection, Database, driver_connection
from app.domain.commands import GROUP_MAX
from app.repositories.statements import _SQL, statement
from app.services.account_service import NOTES_ERASED_MAX
from app.services.loading import DUE_PARTS_MAX, DUE_ROWS_MAX, FREE_LOTS_FIRST, FUTURE_ROWS_MAX
from tests.conftest import DIRECT_URL, SEEDED_TEMPLATE, as_owner, cloned_database, owner_connection
from tests.pooler.pgbouncer import PgBouncer
from tests.repositories.filled_ledger import fill

pytestmark = pytest.mark.asyncio(loop_scope="module")

Node: TypeAlias = dict[str, Any]

MANY = 1_000
"""As many as a unit of work has at most."""

GROWING = {"accounts", "wallets", "transactions", "ledger_entries", "lots", "holds", "transaction_notes", "key_buckets"}
PROBES = {"Index Scan", "Index Only Scan"}
JOINS_OF_WHOLES = {"Hash Join", "Merge Join"}
FIRST_KEY = re.compile(r"\b(id|owner_id|external_user_id) = ")
"""What every index of a table that grows begins with: a condition on less reads the whole index."""


@dataclass(frozen=True)
class Hot:
    """What a statement binds: columns of `keys`, or numbers as they are."""

    binds: tuple[str | int, ...]
    takes_arrays: bool = True


HELD_LOTS = ("lot_ids", "lot_amounts", "lot_held_at")
"""What a hold reserves, as the text of arrays."""

HOT = {
    "erase_notes": Hot(("id", "bucket", 0, NOTES_ERASED_MAX), takes_arrays=False),
    "find_accounts": Hot(("external_user_id", "bucket")),
    "find_members": Hot(("id", "bucket", "transaction_id", "asset_type_id", GROUP_MAX)),
    "find_transactions": Hot(("transaction_id", "bucket")),
    "insert_accounts": Hot(("id", "bucket", "external_user_id", "next_seq", "hash", "moment", "moment", "moment")),
    "insert_lots": Hot(
        (
            *("new_id", "bucket", "id", "asset_type_id", "next_seq", "kind", "priority", "moment"),
            *("amount", "amount", "held"),
        )
    ),
    "insert_notes": Hot(("id", "bucket", "next_seq", "hash", "hash", "words", "words", "words", "words")),
    "insert_wallets": Hot(("id", "bucket", "asset_type_id", "amount", "held", "moment", "day", "amount", "amount")),
    "list_wallets": Hot(("id", "bucket"), takes_arrays=False),
    "load_account": Hot(("external_user_id", "bucket"), takes_arrays=False),
    "load_decided": Hot(("transaction_id", "bucket")),
    "load_due": Hot(("id", "bucket", "asset_type_id", "moment", DUE_ROWS_MAX, DUE_PARTS_MAX)),
    "load_free_lots": Hot(("id", "bucket", "asset_type_id", "moment", DUE_ROWS_MAX)),
    "load_future": Hot(("id", "bucket", "asset_type_id", "moment", FUTURE_ROWS_MAX)),
    "load_owners": Hot(
        (
            *("id", "bucket"),
            *("id", "bucket", "idempotency_key"),
            "asset_type_id",
            *("id", "bucket", "moment", "asset_type_id", FREE_LOTS_FIRST),
            *("hold_id", "bucket"),
        )
    ),
    "load_parents": Hot(("transaction_id", "bucket")),
    "lock_accounts": Hot(("id", "bucket")),
    "lock_free_accounts": Hot(("id", "bucket")),
    "open_account": Hot(("id", "bucket", "external_user_id", "words"), takes_arrays=False),
    "read_account": Hot(("external_user_id", "bucket"), takes_arrays=False),
    "read_balances": Hot(("external_user_id", "bucket", "asset_type_id")),
    "set_account_metadata": Hot(("external_user_id", "bucket", "words"), takes_arrays=False),
    "take_account_numbers": Hot((MANY,)),
    "take_tokens": Hot(("id", "amount", "amount", "amount")),
    "update_account_states": Hot(("id", "bucket", "external_user_id", "words", "words")),
    "update_holds": Hot(("hold_id", "bucket", "amount", "held", "moment", "status", *HELD_LOTS)),
    "update_lot_marks": Hot(("lot_id", "bucket", "held", "held", "reversed")),
    "update_projections": Hot(
        (
            *("id", "bucket", "next_seq", "hash", "moment", "moment"),
            *("id", "bucket", "asset_type_id", "amount", "held", "moment", "day", "amount", "amount"),
            *("lot_id", "bucket", "amount", "held"),
            *("hold_id", "bucket", "held", "status"),
        )
    ),
}

NOT_HOT = {
    # the due job, which reads what is due of everybody
    "find_due",
    # verification, which is there to read everything
    *("count_accounts", "find_impossible"),
    *("stream_accounts", "stream_entries", "stream_holds", "stream_lots", "stream_transactions", "stream_wallets"),
    # tables that do not grow
    *("insert_missing_asset_types", "list_asset_types", "lock_asset_types", "insert_asset_type", "update_asset_type"),
    *("has_sandbox_clock", "advance_sandbox_clock"),
    *("insert_api_key", "find_api_keys", "list_api_keys", "revoke_api_key", "note_key_uses"),
}

READS_OUTSIDE_UNITS = ("read_balances",)
PLAN_CACHE_MODES = ("force_custom_plan", "force_generic_plan")
"""Outside units of work PostgreSQL chooses: the first plans are for the values, a later one may be for any."""

HEADERS = """
    INSERT INTO transactions (id, owner_id, bucket, seq, type, outcome, actor, created_at, effective_at, hash)
    SELECT new_id, id, bucket, next_seq, 'top_up', 'posted', 'a test', moment, moment, hash FROM keys LIMIT $1
"""
ENTRIES = """
    INSERT INTO ledger_entries (owner_id, bucket, seq, line, account_id, asset_type_id, amount, lot_id, balance_after)
    SELECT id, bucket, next_seq, line, CASE line WHEN 1 THEN id ELSE 1 END, asset_type_id,
           CASE line WHEN 1 THEN amount ELSE -amount END, CASE line WHEN 1 THEN lot_id END,
           CASE line WHEN 1 THEN amount END
      FROM (SELECT * FROM keys LIMIT $1) AS k CROSS JOIN generate_series(1, 2) AS line
"""
EXPLAIN_NESTED = """
    LOAD 'auto_explain';
    SET LOCAL auto_explain.log_min_duration = 0;
    SET LOCAL auto_explain.log_nested_statements = on;
    SET LOCAL auto_explain.log_format = json;
    SET LOCAL auto_explain.log_level = notice
"""

READ_FOR_EACH = {
    "load_owners": {
        "wallets": 2,  # the owner's
        "transactions": 1,  # by its key
        "lots": 12,  # what expires next, is due, burned first or held, with the many lots of a few
        "holds": 1,
    },
    "load_decided": {
        "transactions": 1,
        "ledger_entries": 4,  # its lines, and those before them back to the last one with a balance
        "lots": 1,  # that of its lines
    },
}


@asynccontextmanager
async def _filled(config: pytest.Config, owners: int) -> AsyncIterator[str]:
    """Lend a filled ledger as its owner, who alone may read `keys` and explain what a trigger runs."""
    async with cloned_database(as_owner(config.stash[DIRECT_URL]), SEEDED_TEMPLATE) as url:
        async with owner_connection(url) as connection:
            await fill(connection, owners)
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def large_url(pytestconfig: pytest.Config) -> AsyncIterator[str]:
    """A database in which reading a whole table is a mistake."""
    async with _filled(pytestconfig, 10 * MANY) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=Pooler)
async def large(request: pytest.FixtureRequest, large_url: str) -> AsyncIterator[Database]:
    """The same, reached directly and through a pooler."""
    url, pooler = large_url, Pooler(request.param)
    if pooler is Pooler.TRANSACTION:
        bouncer: PgBouncer = request.getfixturevalue("pooler")
        url = bouncer.url(large_url)
    database = Database(url, pooler=pooler)
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 10])
async def small(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> AsyncIterator[Database]:
    """A ledger so small that whole tables would be read, by plans that are kept while it grows."""
    async with _filled(pytestconfig, request.param) as url:
        database = Database(url, pooler=Pooler.NONE)
        yield database
        await database.close()


@asynccontextmanager
async def begun(database: Database, begin: str = BEGIN) -> AsyncIterator[Connection]:
    """Begin as the application does, unless told otherwise, and roll back."""
    async with database.connect() as connection:
        driver = await driver_connection(connection)
        await driver.execute(begin)
        try:
            yield driver
        finally:
            await driver.execute("ROLLBACK")


async def plan_of(connection: Connection, name: str, keys: int, *, analyze: bool = False) -> Node:
    """Return the plan that a statement gets here, now, with so many keys. Only `analyze` runs it."""
    arguments = await _arguments(connection, HOT[name], keys)
    await connection.execute(f"PREPARE hot AS {statement(name)}")
    explained = await connection.fetchval(
        f"EXPLAIN (FORMAT JSON, ANALYZE {analyze}) EXECUTE hot ({', '.join(arguments)})"
    )
    await connection.execute("DEALLOCATE hot")
    plan: Node = explained[0]["Plan"]
    return plan


async def _arguments(connection: Connection, hot: Hot, keys: int) -> list[str]:
    """Return what to bind as literals, because EXPLAIN EXECUTE takes nothing else."""
    shape = "array_agg({0})" if hot.takes_arrays else "min({0}::text)"
    values = [str(each) if isinstance(each, int) else shape.format(each) + "::text" for each in hot.binds]
    row = await connection.fetchrow(
        f"SELECT {', '.join(f'quote_literal({each})' for each in values)} FROM (SELECT * FROM keys LIMIT {keys}) AS k"
    )
    assert row is not None
    return [*row]


def nodes_of(plan: Node) -> Iterator[Node]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes_of(each)


def tables_of(plan: Node) -> set[str]:
    return {each["Relation Name"] for each in nodes_of(plan) if "Relation Name" in each}


def problems_of(plan: Node) -> list[str]:
    """Return what in a plan grows with the tables."""
    return [
        f"{node['Node Type']} of {', '.join(sorted(tables_of(node)))} {node.get('Index Cond', '')}".strip()
        for node in nodes_of(plan)
        if tables_of(node) & GROWING and not _reads_by_key(node)
    ]


def _reads_by_key(node: Node) -> bool:
    if node["Node Type"] in JOINS_OF_WHOLES:
        return False
    if node["Node Type"] == "Bitmap Heap Scan":
        return all(_has_first_key(each) for each in nodes_of(node) if each["Node Type"] == "Bitmap Index Scan")
    if node["Node Type"] in PROBES:
        return _has_first_key(node)
    return "Relation Name" not in node or node["Node Type"] == "ModifyTable"


def _has_first_key(node: Node) -> bool:
    return FIRST_KEY.search(node.get("Index Cond", "")) is not None


def rows_read(plan: Node) -> Counter[str]:
    """Return how many rows an analyzed plan has read of each table, those that it threw away included.

    Before PostgreSQL 18 they are told as a whole number a probe: a row for every third one as none.
    """
    read: Counter[str] = Counter()
    for node in nodes_of(plan):
        if "Relation Name" in node:
            kept_or_not = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
            read[node["Relation Name"]] += round(sum(node.get(each, 0) for each in kept_or_not) * node["Actual Loops"])
    return read


def looked_at(plan: Node) -> set[str]:
    """Return the tables that an analyzed plan has looked at."""
    return {node["Relation Name"] for node in nodes_of(plan) if node.get("Relation Name") and node["Actual Loops"]}


def compared_in_vain(plan: Node) -> int:
    """Return how many pairs of rows an analyzed plan's joins have compared and thrown away."""
    return sum(round(node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"]) for node in nodes_of(plan))


def numbers_of_keys(name: str) -> tuple[int, ...]:
    return (1, MANY) if HOT[name].takes_arrays else (1,)


IN_UNITS = [pytest.param(name, keys, id=f"{name}-{keys}") for name in HOT for keys in numbers_of_keys(name)]


async def test_every_statement_is_known_as_hot_or_not() -> None:
    assert sorted([*HOT, *NOT_HOT]) == sorted(_SQL)


@pytest.mark.parametrize(("name", "keys"), IN_UNITS)
async def test_a_unit_of_work_reads_by_index_probes_alone(large: Database, name: str, keys: int) -> None:
    async with begun(large) as connection:
        assert problems_of(await plan_of(connection, name, keys)) == []


@pytest.mark.parametrize(("name", "keys"), IN_UNITS)
async def test_a_unit_of_work_does_so_while_the_tables_are_small(small: Database, name: str, keys: int) -> None:
    async with begun(small) as connection:
        assert problems_of(await plan_of(connection, name, keys)) == []


@pytest.mark.parametrize("mode", PLAN_CACHE_MODES)
@pytest.mark.parametrize("keys", [1, MANY])
@pytest.mark.parametrize("name", READS_OUTSIDE_UNITS)
async def test_a_read_outside_units_does_so_too(large: Database, name: str, keys: int, mode: str) -> None:
    async with begun(large, f"BEGIN; SET LOCAL plan_cache_mode = {mode}") as connection:
        assert problems_of(await plan_of(connection, name, keys)) == []


@pytest.mark.parametrize("keys", [1, MANY])
async def test_the_check_of_new_entries_does_so_too(large: Database, keys: int) -> None:
    async with begun(large) as connection:
        await connection.execute(HEADERS, keys)
        plans = await _nested_plans(connection, ENTRIES, keys)
    checks = [plan for query, plan in plans if "FROM new_entries" in query]
    assert [tables_of(plan) & GROWING for plan in checks] == [set(), {"transactions"}]
    assert [problems_of(plan) for plan in checks] == [[], []]


@pytest.mark.parametrize("name", READ_FOR_EACH)
async def test_loading_for_many_reads_a_few_rows_for_each(large: Database, name: str) -> None:
    async with begun(large) as connection:
        plan = await plan_of(connection, name, MANY, analyze=True)
    read = rows_read(plan)
    assert compared_in_vain(plan) == 0  # no join of everybody with everybody
    for table in GROWING & read.keys():
        assert read[table] <= READ_FOR_EACH[name][table] * MANY, f"{read[table]} rows of {table}"
    assert GROWING & looked_at(plan) == READ_FOR_EACH[name].keys()


async def _nested_plans(connection: Connection, sql: str, *binds: object) -> list[tuple[str, Node]]:
    """Run a statement and return the queries that its triggers ran, with their plans."""
    notices: list[str] = []

    def note(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
        notices.append(str(message.message))

    await connection.execute(EXPLAIN_NESTED)
    connection.add_log_listener(note)
    await connection.execute(sql, *binds)
    await asyncio.sleep(0)  # the driver calls listeners in the loop's next turn
    connection.remove_log_listener(note)
    explained = [json.loads(notice.partition("plan:\n")[2]) for notice in notices]
    return [(each["Query Text"], each["Plan"]) for each in explained]
