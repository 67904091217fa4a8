"""Every page of a list is read by walking an index from where the page begins: its cost does not grow with the list."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import event

from app.database import Database, driver_connection
from app.domain.placement import bucket_of, with_bucket
from app.domain.records import AccountStatus, HoldStatus, LotKind, Outcome, TransactionType
from app.domain.shown import HistoryFilter
from app.services.history_service import HistoryService
from app.services.listing_service import ListingService
from tests.conftest import DIRECT_URL, SEEDED_TEMPLATE, cloned_database, run_as_owner

pytestmark = pytest.mark.asyncio(loop_scope="module")

Node: TypeAlias = dict[str, Any]
Services: TypeAlias = tuple[ListingService, HistoryService]

USER = "crowded"
MANY = 20_000
LIMIT = 50
ROWS_READ_MAX = 6 * LIMIT
"""Of one table for one page: the page and one more, or as many again for each of a few ranges of burn order."""

GROWING = {"accounts", "transactions", "ledger_entries", "lots", "holds", "transaction_notes"}
PROBES = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
FILL = f"""
    SET session_replication_role = replica;
    INSERT INTO accounts (id, bucket, external_user_id)
    SELECT number * 1024 + 7, 7, 'user ' || number FROM generate_series(1000, 1000 + {MANY}) AS number;
    INSERT INTO accounts (id, bucket, external_user_id, last_seq)
    SELECT 1024 + {bucket_of(USER)}, {bucket_of(USER)}, '{USER}', {MANY};
    CREATE TEMPORARY TABLE owner AS
    SELECT 1024 + {bucket_of(USER)}::bigint AS owner_id, {bucket_of(USER)}::smallint AS bucket, seq,
           lpad(to_hex(seq::bigint * 1024 + {bucket_of(USER)}), 32, '0')::uuid AS id,
           '{BEGAN.isoformat()}'::timestamptz + seq * interval '1 second' AS moment
      FROM generate_series(1, {MANY}) AS seq;
    INSERT INTO transactions (id, owner_id, bucket, seq, type, outcome, asset_type_id, amount, actor, created_at,
                              effective_at, hash, idempotency_key, fingerprint)
    SELECT id, owner_id, bucket, seq, CASE seq % 2 WHEN 0 THEN 'top_up' ELSE 'hold' END, 'posted', 1, 100, 'a test',
           moment, moment, sha256('hash'), 'key ' || seq, sha256('fingerprint') FROM owner;
    INSERT INTO ledger_entries (owner_id, bucket, seq, line, account_id, asset_type_id, amount, lot_id, balance_after)
    SELECT owner_id, bucket, seq, line, CASE line WHEN 1 THEN owner_id ELSE 1 END, 1, 3 - 2 * line,
           CASE line WHEN 1 THEN id END, CASE line WHEN 1 THEN 100 END
      FROM owner CROSS JOIN generate_series(1, 2) AS line;
    INSERT INTO transaction_notes (owner_id, bucket, seq, digest, salt, reference)
    SELECT owner_id, bucket, seq, sha256('digest'), 'salt', 'reference ' || seq % 100 FROM owner;
    INSERT INTO lots (id, owner_id, bucket, seq, asset_type_id, kind, priority, expires_at, granted, remaining, open)
    SELECT id, owner_id, bucket, seq, 1, CASE seq % 3 WHEN 0 THEN 'paid' ELSE 'promo' END, 50 + seq % 2,
           CASE seq % 5 WHEN 0 THEN NULL ELSE moment + interval '100 years' END, 100, 100, true FROM owner;
    INSERT INTO holds (id, owner_id, bucket, seq, asset_type_id, amount, deadline, lot_ids, lot_amounts, lot_held_at)
    SELECT id, owner_id, bucket, seq, 1, 10, moment + interval '100 years', ARRAY[id], ARRAY[10], ARRAY[moment]
      FROM owner;
    ANALYZE
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowded(pytestconfig: pytest.Config) -> AsyncIterator[Database]:
    """A ledger of many accounts, and one of them with much of everything."""
    async with cloned_database(pytestconfig.stash[DIRECT_URL], SEEDED_TEMPLATE) as url:
        await run_as_owner(url, FILL)
        database = Database(url)
        yield database
        await database.close()


ANYTHING = HistoryFilter()
MIDDLE = MANY // 2
AN_ID, THE_FIRST = UUID(int=0), UUID(int=with_bucket(1024, bucket_of(USER)))
MOMENT = BEGAN + timedelta(seconds=MIDDLE)

PAGES: dict[str, tuple[Callable[[Services], Awaitable[Any]], set[str]]] = {
    "accounts": (
        lambda s: s[0].accounts(prefix=None, status=None, after=None, limit=LIMIT),
        {"ix_accounts_name"},
    ),
    "accounts-after": (
        lambda s: s[0].accounts(prefix=None, status=AccountStatus.ACTIVE, after="user 5", limit=LIMIT),
        {"ix_accounts_name"},
    ),
    "accounts-prefix": (
        lambda s: s[0].accounts(prefix="user 1", status=None, after="user 15", limit=LIMIT),
        {"ix_accounts_name"},
    ),
    "lots": (lambda s: s[0].lots(USER, 1, after=None, limit=LIMIT), {"ix_lots_burn"}),
    "lots-after": (
        lambda s: s[0].lots(USER, 1, after=(50, MOMENT + timedelta(days=36_525), LotKind.PROMO, 1, AN_ID), limit=LIMIT),
        {"ix_lots_burn"},
    ),
    "lots-that-never-expire": (
        lambda s: s[0].lots(USER, 1, after=(51, None, LotKind.PAID, MIDDLE, AN_ID), limit=LIMIT),
        {"ix_lots_burn"},
    ),
    "holds": (lambda s: s[0].holds(USER, status=None, asset_type_id=None, after=None, limit=LIMIT), {"ix_holds_owner"}),
    "holds-after": (
        lambda s: s[0].holds(USER, status=HoldStatus.OPEN, asset_type_id=1, after=MIDDLE, limit=LIMIT),
        {"ix_holds_owner"},
    ),
    "one-hold": (lambda s: s[0].hold(USER, THE_FIRST), {"pk_holds"}),
    "transactions": (lambda s: s[1].transactions(USER, ANYTHING, after=None, limit=LIMIT), {"uq_transactions_seq"}),
    "transactions-after": (
        lambda s: s[1].transactions(
            USER, HistoryFilter(type=TransactionType.HOLD, asset_type_id=1), after=MIDDLE, limit=LIMIT
        ),
        {"uq_transactions_seq"},
    ),
    "transactions-of-a-time": (
        lambda s: s[1].transactions(
            USER, HistoryFilter(since=MOMENT, before=MOMENT + timedelta(hours=1), outcome=None), after=None, limit=LIMIT
        ),
        {"uq_transactions_seq"},
    ),
    "transactions-of-a-reference": (
        lambda s: s[1].transactions(
            USER, HistoryFilter(reference="reference 1", outcome=Outcome.POSTED), after=MIDDLE, limit=LIMIT
        ),
        {"ix_transaction_notes_reference"},
    ),
    "reference": (
        lambda s: s[1].by_reference("reference 1", after=None, limit=LIMIT),
        {"ix_transaction_notes_reference"},
    ),
    "reference-after": (
        lambda s: s[1].by_reference("reference 1", after=(1024 + bucket_of(USER), MIDDLE), limit=LIMIT),
        {"ix_transaction_notes_reference"},
    ),
    "by-key": (lambda s: s[1].by_key(USER, "key 1"), {"uq_transactions_idempotency_key"}),
    "one-transaction": (
        lambda s: s[1].transaction(THE_FIRST),
        {"pk_transactions"},
    ),
}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_read_by_walking_an_index_from_where_it_begins(crowded: Database, name: str, mode: str) -> None:
    read, expected = PAGES[name]
    plans = [await explained(crowded, *each, mode) for each in await statements_of(crowded, read)]
    assert plans
    nodes = [node for plan in plans for node in nodes_of(plan)]
    assert expected <= {node["Index Name"] for node in nodes if "Index Name" in node}
    for node in nodes:
        rows = node["Actual Rows"] * node["Actual Loops"]
        assert node["Node Type"] != "Seq Scan" or node["Relation Name"] not in GROWING
        if node["Node Type"] in PROBES or "Relation Name" in node:
            thrown_away = node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
            assert rows + thrown_away <= ROWS_READ_MAX, f"{rows} + {thrown_away}: {node}"
        if node["Node Type"].endswith("Sort"):
            assert node["Plans"][0]["Actual Rows"] <= ROWS_READ_MAX


async def statements_of(database: Database, read: Callable[[Services], Awaitable[Any]]) -> list[tuple[str, Any]]:
    """Return the statements, with what they bind, that a read sends."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "WITH")):
            sent.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        await read((ListingService(database), HistoryService(database)))
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    return sent


async def explained(database: Database, statement: str, parameters: Sequence[Any], mode: str) -> Node:
    """Return the plan of a statement, with what it read."""
    async with database.connect() as connection:
        driver = await driver_connection(connection)
        await driver.execute(f"SET plan_cache_mode = {mode}; PREPARE listed AS {statement}")
        values = f"({', '.join(map(literal, parameters))})" if parameters else ""
        plan = await driver.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE listed {values}")
        await driver.execute("DEALLOCATE listed; RESET plan_cache_mode")
        node: Node = plan[0]["Plan"]
        return node


def literal(value: object) -> str:
    """Write what a statement binds as EXECUTE takes it."""
    if isinstance(value, list):
        return f"'{{{', '.join(map(str, value))}}}'"
    return "NULL" if value is None else f"'{value}'"


def nodes_of(plan: Node) -> Iterator[Node]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes_of(each)
