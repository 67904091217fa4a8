"""What the database refuses to the application and to the reader, on every table: each by asking for it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.database_url import APPLICATION
from app.embedded_postgres import OWNER
from app.models import metadata
from app.roles import APPLICATION_MAY, LEDGER, READER_MAY
from tests.repositories.rows import refused
from tests.roles.conftest import Connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORBIDDEN = "42501"
TABLES = sorted(APPLICATION_MAY)
COLUMNS = {
    **{name: sorted(column.name for column in table.columns) for name, table in metadata.tables.items()},
    "alembic_version": ["version_num"],
    "sandbox_clock": ["id", "offset_seconds"],
}


@pytest_asyncio.fixture(loop_scope="module")
async def connection(application: Connection) -> AsyncIterator[Connection]:
    """A connection as the application, in a transaction that is rolled back."""
    await application.execute("BEGIN")
    yield application
    await application.execute("ROLLBACK")


@pytest_asyncio.fixture(loop_scope="module")
async def reports(reader: Connection) -> AsyncIterator[Connection]:
    """A connection as the reader, in a transaction that is rolled back."""
    await reader.execute("BEGIN")
    yield reader
    await reader.execute("ROLLBACK")


OF_A_TABLE = [
    pytest.param("DELETE FROM {}", id="delete"),
    pytest.param("DELETE FROM {} WHERE false", id="delete of no row"),
    pytest.param("TRUNCATE {}", id="truncate"),
    pytest.param("MERGE INTO {} AS t USING (SELECT 1) AS s ON false WHEN MATCHED THEN DELETE", id="merge"),
    pytest.param("ALTER TABLE {} ADD COLUMN more integer", id="alter"),
    pytest.param("ALTER TABLE {} DISABLE TRIGGER ALL", id="disable trigger"),
    pytest.param("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", id="row security"),
    pytest.param("ALTER TABLE {} OWNER TO CURRENT_USER", id="owner"),
    pytest.param("DROP TABLE {} CASCADE", id="drop"),
    pytest.param("CREATE INDEX ON {} ((1))", id="index"),
    pytest.param("CREATE TRIGGER t BEFORE INSERT ON {} EXECUTE FUNCTION refuse_change()", id="trigger"),
    pytest.param("CREATE RULE r AS ON INSERT TO {} DO INSTEAD NOTHING", id="rule"),
    pytest.param("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", id="lock"),
    pytest.param("COPY {} TO PROGRAM 'cat'", id="copy to a program"),
    pytest.param("COPY {} FROM PROGRAM 'cat'", id="copy from a program"),
]


@pytest.mark.parametrize("statement", OF_A_TABLE)
@pytest.mark.parametrize("table", TABLES)
async def test_the_application_can_neither_remove_nor_rebuild_anything(
    connection: Connection, table: str, statement: str
) -> None:
    with refused(FORBIDDEN):
        await connection.execute(statement.format(table))


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_can_change_no_column_but_those_that_it_has_to(
    application: Connection, table: str
) -> None:
    for column in {*COLUMNS[table]} - {*APPLICATION_MAY[table].get("UPDATE", ())}:
        with refused(FORBIDDEN):
            await application.execute(f"UPDATE {table} SET {column} = DEFAULT")


CHANGES = ["{1}", "NULL", "{1} WHERE {1} IS NULL", "{1} WHERE false"]


@pytest.mark.parametrize(("table", "column"), [(table, column) for table in LEDGER for column in COLUMNS[table]])
async def test_no_column_of_the_ledger_can_be_changed_in_any_row(
    application: Connection, table: str, column: str
) -> None:
    for change in CHANGES:
        with refused(FORBIDDEN):
            await application.execute(f"UPDATE {table} SET {column} = {change}".format(table, column))


OF_THE_LEDGER = [
    pytest.param("SELECT 1 FROM {} FOR UPDATE", id="select for update"),
    pytest.param("SELECT 1 FROM {} FOR KEY SHARE", id="select for key share"),
    pytest.param(
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT ON CONSTRAINT pk_{0} DO UPDATE SET amount = 1", id="upsert"
    ),
    pytest.param(
        "MERGE INTO {} AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN UPDATE SET amount = 1", id="merge"
    ),
    pytest.param("WITH gone AS (DELETE FROM {} RETURNING 1) SELECT count(*) FROM gone", id="delete inside a query"),
    pytest.param("TRUNCATE accounts, {} RESTART IDENTITY CASCADE", id="truncate among others"),
    pytest.param("ALTER TABLE {0} DISABLE TRIGGER {0}_append_only", id="disable the trigger that guards it"),
    pytest.param("DROP TRIGGER {0}_append_only ON {0}", id="drop the trigger that guards it"),
    pytest.param("ALTER TABLE {0} DROP CONSTRAINT ck_{0}_bucket_of_owner", id="drop a constraint"),
]


@pytest.mark.parametrize("statement", OF_THE_LEDGER)
@pytest.mark.parametrize("table", LEDGER)
async def test_the_ledger_can_be_changed_in_no_other_way(connection: Connection, table: str, statement: str) -> None:
    with refused(FORBIDDEN):
        await connection.execute(statement.format(table))


BEYOND_TABLES = [
    "CREATE TABLE more (id integer)",
    "CREATE TEMPORARY TABLE transactions (id uuid)",
    "CREATE TEMPORARY VIEW transactions AS SELECT 1 AS id",
    "SELECT 1 AS id INTO TEMPORARY transactions",
    "CREATE VIEW more AS SELECT 1",
    "CREATE SEQUENCE more",
    "CREATE SCHEMA more",
    "CREATE FUNCTION more() RETURNS integer LANGUAGE sql RETURN 1",
    "CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql RETURN now()",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER FUNCTION check_entries() RESET search_path",
    "DROP FUNCTION refuse_change() CASCADE",
    "CREATE EXTENSION pg_trgm",
    "CREATE EVENT TRIGGER more ON ddl_command_end EXECUTE FUNCTION refuse_change()",
    "ALTER SEQUENCE account_numbers RESTART",
    "SELECT setval('account_numbers', 1)",
    "SELECT setval('api_keys_id_seq', 1)",
    "SET session_replication_role = replica",
    "SET LOCAL session_replication_role = replica",
    "SELECT set_config('session_replication_role', 'replica', true)",
    f"SET ROLE {OWNER}",
    f"SELECT set_config('role', '{OWNER}', true)",
    f"SET SESSION AUTHORIZATION {OWNER}",
    f"GRANT {OWNER} TO {APPLICATION}",
    f"GRANT pg_write_all_data TO {APPLICATION}",
    f"ALTER ROLE {APPLICATION} SUPERUSER",
    f"ALTER ROLE {OWNER} PASSWORD 'mine'",
    f"REASSIGN OWNED BY {OWNER} TO {APPLICATION}",
    f"DROP OWNED BY {OWNER}",
    "CREATE ROLE more",
    "ALTER DATABASE postgres SET session_replication_role = replica",
    "DO $$ BEGIN UPDATE transactions SET actor = 'me'; END $$",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "COPY accounts FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT rolpassword FROM pg_authid",
    "LOAD 'auto_explain'",
]


@pytest.mark.parametrize("statement", BEYOND_TABLES)
async def test_the_application_can_become_nobody_and_make_nothing(connection: Connection, statement: str) -> None:
    with refused(FORBIDDEN):
        await connection.execute(statement)


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_can_give_nothing_away_and_take_nothing(connection: Connection, table: str) -> None:
    """To a grant by one who may not, PostgreSQL answers with a warning, and does nothing."""
    for privilege in ("DELETE", "TRUNCATE", "TRIGGER", "ALL"):
        await connection.execute(f"GRANT {privilege} ON {table} TO CURRENT_USER, PUBLIC")
    for privilege in ("DELETE", "TRUNCATE", "TRIGGER"):
        assert not await connection.fetchval("SELECT has_table_privilege($1, $2)", table, privilege)


# -- reports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", OF_A_TABLE)
@pytest.mark.parametrize("table", TABLES)
async def test_the_reader_can_neither_remove_nor_rebuild_anything(
    reports: Connection, table: str, statement: str
) -> None:
    with refused(FORBIDDEN):
        await reports.execute(statement.format(table))


@pytest.mark.parametrize("table", TABLES)
async def test_the_reader_can_write_nothing(reader: Connection, table: str) -> None:
    for column in COLUMNS[table]:
        for statement in ("UPDATE {} SET {} = DEFAULT", "INSERT INTO {} ({}) VALUES (DEFAULT)"):
            with refused(FORBIDDEN):
                await reader.execute(statement.format(table, column))


@pytest.mark.parametrize("statement", ["SELECT nextval('account_numbers')", *BEYOND_TABLES])
async def test_the_reader_can_become_nobody_and_make_nothing(reports: Connection, statement: str) -> None:
    with refused(FORBIDDEN):
        await reports.execute(statement)


@pytest.mark.parametrize("table", sorted(READER_MAY))
async def test_the_reader_sees_what_reports_are_made_of(reader: Connection, table: str) -> None:
    columns = READER_MAY[table]["SELECT"] or COLUMNS[table]
    await reader.fetch(f"SELECT {', '.join(columns)} FROM {table}")


WHAT_PROVES_A_KEY = [
    "SELECT digest FROM api_keys",
    "SELECT * FROM api_keys",
    "SELECT k FROM api_keys AS k",
    "SELECT to_jsonb(k) FROM api_keys AS k",
    "SELECT id FROM api_keys WHERE digest = ''",
    "COPY api_keys TO STDOUT",
    "SELECT * FROM key_buckets",
]


@pytest.mark.parametrize("statement", WHAT_PROVES_A_KEY)
async def test_the_reader_sees_nothing_that_proves_a_key(reports: Connection, statement: str) -> None:
    with refused(FORBIDDEN):
        await reports.fetch(statement)
