"""What the database holds to, whoever is connected: each promise is broken here by plain SQL, as the tables' owner."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.repositories.rows import (
    CHECK,
    COUNTER_LINE,
    FOREIGN_KEY,
    NOW,
    OTHER,
    OWNER,
    RESTRICT,
    ROWS,
    UNIQUE,
    Connection,
    Row,
    insert,
    refused,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALICES = "owner_id = (SELECT id FROM accounts WHERE external_user_id = 'user_alice')"
OTHERS: Row = {"owner_id": OTHER, "account_id": OTHER}
SECOND: Row = {"id": UUID(int=4), "seq": 2}
OWNED = ["transactions", "ledger_entries", "wallets", "lots", "holds", "transaction_notes"]


async def test_the_rows_that_the_refused_ones_are_changed_from_are_taken(connection: Connection) -> None:
    for table in ROWS:
        await insert(connection, table, *([{}, COUNTER_LINE] if table == "ledger_entries" else []))
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") > 0


# -- entries sum to zero ---------------------------------------------------------------------------------------------

QUARTER = 2**62
UNBALANCED = [
    pytest.param([{}], id="a line alone"),
    pytest.param([{}, {**COUNTER_LINE, "amount": -99}], id="one unit off"),
    pytest.param([{}, {**COUNTER_LINE, "asset_type_id": 2}], id="one asset type against another"),
    pytest.param([{}, {**COUNTER_LINE, "seq": 2}], id="one transaction against another"),
    pytest.param([{}, {**COUNTER_LINE, **OTHERS, "account_id": 1}], id="one owner against another"),
    pytest.param(
        [{"line": line, "amount": QUARTER, "lot_id": UUID(int=line)} for line in range(1, 5)],
        id="a sum that is zero only in 64 bits",
    ),
    pytest.param([{}, COUNTER_LINE, {"seq": 2}], id="one of two transactions in the statement"),
]


@pytest.mark.parametrize("lines", UNBALANCED)
async def test_lines_that_do_not_sum_to_zero_are_refused(connection: Connection, lines: list[Row]) -> None:
    await insert(connection, "transactions", {}, SECOND, {"id": UUID(int=5), "owner_id": OTHER})
    with refused(CHECK, "ledger_entries_sum_to_zero"):
        await insert(connection, "ledger_entries", *lines)


async def test_lines_that_balance_only_with_those_of_another_statement_are_refused(connection: Connection) -> None:
    await insert(connection, "transactions")
    await insert(connection, "ledger_entries", {}, COUNTER_LINE)
    with refused(CHECK, "ledger_entries_sum_to_zero"):
        await insert(connection, "ledger_entries", {"line": 3})


async def test_lines_that_come_in_by_copy_are_summed_too(connection: Connection) -> None:
    await insert(connection, "transactions")
    row = ROWS["ledger_entries"]
    with refused(CHECK, "ledger_entries_sum_to_zero"):
        await connection.copy_records_to_table("ledger_entries", records=[tuple(row.values())], columns=list(row))


# -- one owner -------------------------------------------------------------------------------------------------------


async def test_an_entry_can_not_name_another_users_account(connection: Connection) -> None:
    await insert(connection, "transactions")
    with refused(CHECK, "ck_ledger_entries_own_or_system"):
        await insert(connection, "ledger_entries", {}, {**COUNTER_LINE, "account_id": OTHER})


async def test_a_transaction_can_not_have_lines_of_two_owners(connection: Connection) -> None:
    """A second owner's lines need a header of that owner, even where the bucket and the number are the same."""
    await insert(connection, "transactions")
    with refused(FOREIGN_KEY, "ledger_entries_header_of_this_unit"):
        await insert(
            connection, "ledger_entries", {}, COUNTER_LINE, OTHERS, {**COUNTER_LINE, **OTHERS, "account_id": 1}
        )


@pytest.mark.parametrize("owner_id", [1, 999, 1000, 1023])
@pytest.mark.parametrize("table", OWNED)
async def test_nobody_but_a_user_owns_anything(connection: Connection, table: str, owner_id: int) -> None:
    with refused(CHECK, f"ck_{table}_bucket_of_owner"):
        await insert(connection, table, {"owner_id": owner_id, "bucket": owner_id})


async def test_tables_with_an_owner_are_those_whose_bucket_is_tried_below(connection: Connection) -> None:
    rows = await connection.fetch("SELECT table_name FROM information_schema.columns WHERE column_name = 'owner_id'")
    assert sorted(row["table_name"] for row in rows) == sorted(OWNED)


@pytest.mark.parametrize("bucket", [0, 6, 8])
@pytest.mark.parametrize("table", OWNED)
async def test_a_row_in_another_bucket_than_its_owners_is_refused(
    connection: Connection, table: str, bucket: int
) -> None:
    with refused(CHECK, f"ck_{table}_bucket_of_owner"):
        await insert(connection, table, {"bucket": bucket})


# -- a header of this unit of work -----------------------------------------------------------------------------------


async def test_lines_without_a_header_are_refused(connection: Connection) -> None:
    with refused(FOREIGN_KEY, "ledger_entries_header_of_this_unit"):
        await insert(connection, "ledger_entries", {}, COUNTER_LINE)


async def test_lines_of_which_only_some_have_a_header_are_refused(connection: Connection) -> None:
    await insert(connection, "transactions")
    with refused(FOREIGN_KEY, "ledger_entries_header_of_this_unit"):
        await insert(connection, "ledger_entries", {}, COUNTER_LINE, {"seq": 2}, {**COUNTER_LINE, "seq": 2})


async def test_lines_under_a_refused_header_are_refused(connection: Connection) -> None:
    await insert(connection, "transactions", {"outcome": "refused", "facts": "{}"})
    with refused(FOREIGN_KEY, "ledger_entries_header_of_this_unit"):
        await insert(connection, "ledger_entries", {}, COUNTER_LINE)


async def test_lines_can_not_be_added_to_a_transaction_of_an_earlier_unit_of_work(connection: Connection) -> None:
    """The seed's transactions were committed before, so whatever is added to them now is refused."""
    earlier = await connection.fetchrow(f"SELECT owner_id, bucket, seq FROM transactions WHERE {ALICES} AND seq = 1")
    assert earlier is not None
    own = {**earlier, "line": 3, "account_id": earlier["owner_id"]}
    with refused(FOREIGN_KEY, "ledger_entries_header_of_this_unit"):
        await insert(connection, "ledger_entries", own, {**COUNTER_LINE, **earlier, "line": 4})


async def test_a_temporary_table_can_not_stand_in_for_the_headers(connection: Connection) -> None:
    """Everybody may make temporary tables, and their names are found before all others."""
    await connection.execute("CREATE TEMPORARY TABLE transactions (LIKE public.transactions INCLUDING DEFAULTS)")
    await insert(connection, "pg_temp.transactions")
    with refused(FOREIGN_KEY, "ledger_entries_header_of_this_unit"):
        await insert(connection, "ledger_entries", {}, COUNTER_LINE)


# -- append-only -----------------------------------------------------------------------------------------------------

CHANGES = [
    pytest.param("UPDATE {} SET amount = amount", id="update"),
    pytest.param("UPDATE {} SET amount = 1 WHERE false", id="update of no row"),
    pytest.param("DELETE FROM {}", id="delete"),
    pytest.param("DELETE FROM {} WHERE false", id="delete of no row"),
    pytest.param("WITH gone AS (DELETE FROM {} RETURNING 1) SELECT count(*) FROM gone", id="delete inside a query"),
    pytest.param("MERGE INTO {} AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE", id="merge that deletes"),
    pytest.param(
        "MERGE INTO {} AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN UPDATE SET amount = 1",
        id="merge that updates",
    ),
    pytest.param(
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT ON CONSTRAINT pk_{0} DO UPDATE SET amount = 1", id="upsert"
    ),
    pytest.param("TRUNCATE {}", id="truncate"),
    pytest.param("TRUNCATE {} CASCADE", id="truncate cascade"),
    pytest.param("TRUNCATE accounts, {}", id="truncate among others"),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("table", ["transactions", "ledger_entries"])
async def test_what_is_in_the_ledger_is_never_changed_or_removed(
    connection: Connection, table: str, change: str
) -> None:
    with refused(RESTRICT):
        await connection.execute(change.format(table))


# -- keys ------------------------------------------------------------------------------------------------------------

KEYED: Row = {"idempotency_key": "key", "fingerprint": bytes(32)}
REFUND: Row = {
    "type": "refund",
    "parent_id": UUID(int=9),
    "parent_amount": 100,
    "refund_no": 1,
    "refunded_after": 60,
}
USED_TWICE = [
    pytest.param("transactions", {}, {"seq": 2}, "pk_transactions", id="transaction id"),
    pytest.param("transactions", {}, {"id": UUID(int=4)}, "uq_transactions_seq", id="seq"),
    pytest.param("transactions", KEYED, KEYED | SECOND, "uq_transactions_idempotency_key", id="idempotency key"),
    pytest.param(
        "transactions",
        KEYED,
        KEYED | SECOND | {"type": "spend", "outcome": "refused", "facts": "{}"},
        "uq_transactions_idempotency_key",
        id="idempotency key by a refusal",
    ),
    pytest.param("transactions", REFUND, REFUND | SECOND, "uq_transactions_refund_no", id="number of a refund"),
    pytest.param("wallets", {}, {"posted": 50}, "pk_wallets", id="wallet"),
    pytest.param("lots", {}, {"seq": 2}, "pk_lots", id="lot id"),
    pytest.param("holds", {}, {"seq": 2}, "pk_holds", id="hold id"),
    pytest.param("transaction_notes", {}, {"reference": "order 2"}, "pk_transaction_notes", id="note"),
    pytest.param("accounts", {}, {"external_user_id": "another"}, "pk_accounts", id="account id"),
    pytest.param("accounts", {}, {"id": OTHER}, "uq_accounts_external_user_id", id="external user id"),
    pytest.param("asset_types", {}, {"code": "RUBY"}, "pk_asset_types", id="asset type id"),
    pytest.param("asset_types", {}, {"id": 10}, "uq_asset_types_code", id="asset type code"),
    pytest.param("api_keys", {}, {"name": "Another"}, "uq_api_keys_digest", id="API key"),
    pytest.param("key_buckets", {}, {"tokens": 1}, "pk_key_buckets", id="bucket of a key"),
]


@pytest.mark.parametrize(("table", "first", "second", "constraint"), USED_TWICE)
async def test_what_is_there_once_is_refused_a_second_time(
    connection: Connection, table: str, first: Row, second: Row, constraint: str
) -> None:
    await insert(connection, table, first)
    with refused(UNIQUE, constraint):
        await insert(connection, table, second)


async def test_the_same_line_of_a_transaction_is_refused_a_second_time(connection: Connection) -> None:
    await insert(connection, "transactions")
    await insert(connection, "ledger_entries", {}, COUNTER_LINE)
    with refused(UNIQUE, "pk_ledger_entries"):
        await insert(connection, "ledger_entries", {}, COUNTER_LINE)


TAKEN_AGAIN = [
    pytest.param(KEYED, KEYED | {"id": UUID(int=4), "owner_id": OTHER}, id="the key of another owner"),
    pytest.param({}, SECOND, id="no key at all"),
    pytest.param(KEYED, KEYED | SECOND | {"idempotency_key": "Key"}, id="a key that differs in case"),
    pytest.param(REFUND, REFUND | SECOND | {"refund_no": 2, "refunded_after": 100}, id="another number of a refund"),
    pytest.param(REFUND, REFUND | SECOND | {"parent_id": UUID(int=10)}, id="a refund of another transaction"),
]


@pytest.mark.parametrize(("first", "second"), TAKEN_AGAIN)
async def test_what_is_another_thing_under_the_same_name_is_taken(
    connection: Connection, first: Row, second: Row
) -> None:
    await insert(connection, "transactions", first)
    await insert(connection, "transactions", second)


# -- refunds ---------------------------------------------------------------------------------------------------------


async def test_a_refund_beyond_what_was_taken_is_refused(connection: Connection) -> None:
    await insert(connection, "transactions", REFUND | {"refunded_after": 100})
    with refused(CHECK, "ck_transactions_refund_ceiling"):
        await insert(connection, "transactions", REFUND | SECOND | {"refund_no": 2, "refunded_after": 101})


# -- asset types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["id = 100", "code = 'OTHER'", "scale = 3", "id = 100, code = 'OTHER', scale = 3"])
@pytest.mark.parametrize("is_used", [True, False], ids=["used", "unused"])
async def test_id_code_and_scale_of_an_asset_type_never_change(
    connection: Connection, change: str, *, is_used: bool
) -> None:
    await insert(connection, "asset_types")
    with refused(RESTRICT):
        await connection.execute(f"UPDATE asset_types SET {change} WHERE code = $1", "GOLD" if is_used else "GEM")


async def test_the_policy_of_an_asset_type_may_change(connection: Connection) -> None:
    changed = await connection.execute(
        "UPDATE asset_types SET id = id, code = code, scale = scale, name = 'Golden Coins', status = 'inactive', "
        "default_expiry_days = 30, hold_seconds = 60, balance_max = 1000 WHERE code = 'GOLD'"
    )
    assert changed == "UPDATE 1"


@pytest.mark.parametrize("removal", ["DELETE FROM asset_types WHERE id = 77", "TRUNCATE asset_types CASCADE"])
async def test_an_asset_type_can_not_be_removed_even_if_nobody_holds_it(connection: Connection, removal: str) -> None:
    """It could come again with another scale."""
    await connection.execute("INSERT INTO asset_types (id, code, name, scale) VALUES (77, 'NOBODYS', 'Nobody’s', 2)")
    with refused(RESTRICT):
        await connection.execute(removal)


# -- accounts --------------------------------------------------------------------------------------------------------


async def test_an_account_keeps_its_name_until_it_is_erased(connection: Connection) -> None:
    await insert(connection, "accounts")
    await connection.execute(f"UPDATE accounts SET external_user_id = external_user_id WHERE id = {OWNER}")
    await connection.execute(f"UPDATE accounts SET external_user_id = 'erased/{OWNER}' WHERE id = {OWNER}")
    with refused(RESTRICT):
        await connection.execute(f"UPDATE accounts SET external_user_id = 'owner' WHERE id = {OWNER}")


@pytest.mark.parametrize("name", ["'thief'", "'erased/1'", "'Owner'"])
async def test_nobody_else_gets_an_accounts_name(connection: Connection, name: str) -> None:
    await insert(connection, "accounts")
    with refused(RESTRICT):
        await connection.execute(f"UPDATE accounts SET external_user_id = {name} WHERE id = {OWNER}")


# -- API keys --------------------------------------------------------------------------------------------------------

KEY_CHANGES = [
    *("digest = sha256('x')", "ending = 'XXXX'", "name = 'Other'", "scopes = '{keys:admin}'", "created_by = 'Eve'"),
    *("created_at = created_at - interval '1 day'", "expires_at = created_at + interval '1 day'"),
    "requests_per_second = 2, burst = 2",
]


@pytest.mark.parametrize("change", KEY_CHANGES)
async def test_an_api_key_stays_as_it_was_made(connection: Connection, change: str) -> None:
    await insert(connection, "api_keys")
    with refused(RESTRICT):
        await connection.execute(f"UPDATE api_keys SET {change}")


@pytest.mark.parametrize(
    "change",
    ["revoked_at = NULL, revoked_by = NULL", "revoked_at = revoked_at + interval '1 s'", "revoked_by = 'Eve'"],
)
async def test_an_api_key_is_used_and_then_revoked_for_good(connection: Connection, change: str) -> None:
    await insert(connection, "api_keys")
    await connection.execute("UPDATE api_keys SET last_used_at = now()")
    await connection.execute("UPDATE api_keys SET revoked_at = now(), revoked_by = 'Olga'")
    await connection.execute("UPDATE api_keys SET last_used_at = now()")
    with refused(RESTRICT):
        await connection.execute(f"UPDATE api_keys SET {change}")


@pytest.mark.parametrize("removal", ["DELETE FROM api_keys", "TRUNCATE api_keys"])
async def test_an_api_key_can_not_be_removed(connection: Connection, removal: str) -> None:
    """Transactions name the key that did them."""
    with refused(RESTRICT):
        await connection.execute(removal)


async def test_a_wallet_is_of_an_asset_type_that_is_there(connection: Connection) -> None:
    with refused(FOREIGN_KEY, "fk_wallets_asset_type"):
        await insert(connection, "wallets", {"asset_type_id": 100})


# -- time ------------------------------------------------------------------------------------------------------------


async def test_nothing_is_in_effect_before_it_was_created(connection: Connection) -> None:
    with refused(CHECK, "ck_transactions_effective_first"):
        await insert(connection, "transactions", {"effective_at": NOW + timedelta(microseconds=1)})
