"""What keeps the tables ready to be distributed by bucket, and their hot rows cheap: read from the catalogue.

Each rule is a query for what breaks it. A second test plants something that does, and sees it found.
"""

import pytest

from tests.migrations.conftest import Connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROWING = """
    SELECT c.oid, c.relname AS name
      FROM pg_class AS c
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
       AND c.relname NOT IN ('asset_types', 'api_keys', 'key_buckets', 'alembic_version')
"""

WITHOUT_BUCKET = f"""
    SELECT g.name
      FROM ({GROWING}) AS g
     WHERE NOT EXISTS (
           SELECT FROM pg_attribute AS a
            WHERE a.attrelid = g.oid AND a.attname = 'bucket' AND a.atttypid = 'smallint'::regtype AND a.attnotnull)
"""
WITHOUT_KEY = f"""
    SELECT g.name
      FROM ({GROWING}) AS g
     WHERE NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = g.oid AND i.indisprimary)
"""
UNIQUE_WITHOUT_BUCKET = f"""
    SELECT i.indexrelid::regclass::text AS name
      FROM ({GROWING}) AS g
      JOIN pg_index AS i ON i.indrelid = g.oid AND (i.indisunique OR i.indisexclusion)
     WHERE NOT EXISTS (
           SELECT FROM pg_attribute AS a
            WHERE a.attrelid = g.oid AND a.attname = 'bucket'
              AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
"""
FOREIGN_KEY_BETWEEN_GROWING = f"""
    SELECT k.conname AS name
      FROM pg_constraint AS k
     WHERE k.contype = 'f'
       AND k.conrelid IN (SELECT oid FROM ({GROWING}) AS g)
       AND k.confrelid IN (SELECT oid FROM ({GROWING}) AS g)
"""
NUMBERED_BY_THE_DATABASE = f"""
    SELECT g.name || '.' || a.attname AS name
      FROM ({GROWING}) AS g
      JOIN pg_attribute AS a ON a.attrelid = g.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attidentity <> ''
        OR pg_get_expr(d.adbin, d.adrelid) ~* 'nextval'
        OR pg_get_serial_sequence(g.name, a.attname) IS NOT NULL
"""
MISNAMED = """
    SELECT k.conname AS name
      FROM pg_constraint AS k
      JOIN pg_class AS t ON t.oid = k.conrelid
     WHERE k.connamespace = 'public'::regnamespace AND t.relname <> 'alembic_version' AND k.contype <> 'n'
       AND NOT starts_with(k.conname, CASE k.contype WHEN 'p' THEN 'pk_' WHEN 'u' THEN 'uq_' WHEN 'c' THEN 'ck_'
                                                     WHEN 'f' THEN 'fk_' WHEN 'x' THEN 'ex_' END || t.relname)
    UNION ALL
    SELECT n.relname
      FROM pg_index AS i
      JOIN pg_class AS n ON n.oid = i.indexrelid
      JOIN pg_class AS t ON t.oid = i.indrelid
     WHERE n.relnamespace = 'public'::regnamespace AND t.relname <> 'alembic_version'
       AND NOT starts_with(n.relname, CASE WHEN i.indisprimary THEN 'pk_' WHEN i.indisexclusion THEN 'ex_'
                                           WHEN i.indisunique THEN 'uq_' ELSE 'ix_' END || t.relname)
"""
HOT_COLUMN_INDEXED = """
    SELECT i.indexrelid::regclass::text AS name
      FROM (VALUES ('wallets', '^(posted|held|next_due_at|day.*)$'), ('accounts', '^last_.*$'),
                   ('lots', '^(remaining|held|debt|expired|reversed)$'), ('holds', '^(captured|lot_.*)$')
           ) AS hot (table_name, columns)
      JOIN pg_attribute AS a ON a.attrelid = hot.table_name::regclass AND a.attname ~ hot.columns
      JOIN pg_index AS i ON i.indrelid = a.attrelid
     WHERE a.attnum = ANY (i.indkey)
        OR EXISTS (
           SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
              AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum)
"""
HOT_TABLE_PACKED_FULL = """
    SELECT c.relname AS name
      FROM pg_class AS c
      LEFT JOIN LATERAL pg_options_to_table(c.reloptions) AS o ON o.option_name = 'fillfactor'
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ('accounts', 'wallets', 'lots', 'holds')
       AND coalesce(o.option_value::integer, 100) > 80
"""
GUARD_SWITCHED_OFF = """
    SELECT t.tgname AS name
      FROM pg_trigger AS t
      JOIN pg_class AS c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal AND t.tgenabled NOT IN ('O', 'A')
    UNION ALL
    SELECT k.conname
      FROM pg_constraint AS k
     WHERE k.connamespace = 'public'::regnamespace AND NOT k.convalidated
"""

RULES = [
    pytest.param(WITHOUT_BUCKET, id="every growing table has a bucket"),
    pytest.param(WITHOUT_KEY, id="every growing table has a primary key"),
    pytest.param(UNIQUE_WITHOUT_BUCKET, id="the bucket is in every key and unique index"),
    pytest.param(FOREIGN_KEY_BETWEEN_GROWING, id="no foreign key between growing tables"),
    pytest.param(NUMBERED_BY_THE_DATABASE, id="no growing table is numbered by the database"),
    pytest.param(MISNAMED, id="names begin with what they are and the table"),
    pytest.param(HOT_COLUMN_INDEXED, id="what changes often stands in no index"),
    pytest.param(HOT_TABLE_PACKED_FULL, id="hot tables leave room in their pages"),
    pytest.param(GUARD_SWITCHED_OFF, id="every guard is on"),
]

PLANTED = [
    pytest.param(WITHOUT_BUCKET, "CREATE TABLE events (id uuid)", "events", id="no bucket"),
    pytest.param(WITHOUT_BUCKET, "CREATE TABLE events (bucket smallint)", "events", id="bucket may be null"),
    pytest.param(WITHOUT_BUCKET, "CREATE TABLE events (bucket bigint NOT NULL)", "events", id="bucket is wide"),
    pytest.param(WITHOUT_KEY, "CREATE TABLE events (bucket smallint NOT NULL)", "events", id="no key"),
    pytest.param(
        UNIQUE_WITHOUT_BUCKET,
        "CREATE TABLE events (id uuid CONSTRAINT pk_events PRIMARY KEY, bucket smallint)",
        "pk_events",
        id="key without bucket",
    ),
    pytest.param(
        UNIQUE_WITHOUT_BUCKET,
        "ALTER TABLE lots ADD CONSTRAINT uq_lots_seq UNIQUE (owner_id, seq)",
        "uq_lots_seq",
        id="unique constraint without bucket",
    ),
    pytest.param(
        UNIQUE_WITHOUT_BUCKET,
        "CREATE UNIQUE INDEX uq_lots_seq ON lots (owner_id, seq) WHERE bucket > 0",
        "uq_lots_seq",
        id="unique index with the bucket only in its predicate",
    ),
    pytest.param(
        UNIQUE_WITHOUT_BUCKET,
        "CREATE UNIQUE INDEX uq_lots_seq ON lots (owner_id, seq) INCLUDE (bucket)",
        "uq_lots_seq",
        id="unique index that only includes the bucket",
    ),
    pytest.param(
        FOREIGN_KEY_BETWEEN_GROWING,
        "ALTER TABLE lots ADD CONSTRAINT fk_lots_owner FOREIGN KEY (owner_id, bucket) REFERENCES accounts (id, bucket)",
        "fk_lots_owner",
        id="foreign key",
    ),
    pytest.param(
        NUMBERED_BY_THE_DATABASE,
        "ALTER TABLE lots ADD COLUMN number bigint GENERATED BY DEFAULT AS IDENTITY",
        "lots.number",
        id="identity",
    ),
    pytest.param(NUMBERED_BY_THE_DATABASE, "ALTER TABLE lots ADD COLUMN number serial", "lots.number", id="serial"),
    pytest.param(
        NUMBERED_BY_THE_DATABASE,
        "ALTER TABLE accounts ALTER COLUMN id SET DEFAULT nextval('account_numbers')",
        "accounts.id",
        id="sequence",
    ),
    pytest.param(MISNAMED, "ALTER TABLE lots ADD CHECK (seq > 0)", "lots_seq_check", id="check"),
    pytest.param(MISNAMED, "ALTER TABLE lots ADD CONSTRAINT ck_seq CHECK (seq > 0)", "ck_seq", id="check sans table"),
    pytest.param(MISNAMED, "ALTER TABLE lots RENAME CONSTRAINT pk_lots TO lots_pkey", "lots_pkey", id="primary key"),
    pytest.param(MISNAMED, "ALTER TABLE lots ADD UNIQUE (seq, bucket)", "lots_seq_bucket_key", id="unique constraint"),
    pytest.param(MISNAMED, "CREATE INDEX uq_lots_seq ON lots (seq)", "uq_lots_seq", id="index"),
    pytest.param(MISNAMED, "CREATE UNIQUE INDEX ix_lots_seq ON lots (seq)", "ix_lots_seq", id="unique index"),
    pytest.param(
        MISNAMED,
        "ALTER TABLE lots ADD FOREIGN KEY (asset_type_id) REFERENCES asset_types",
        "lots_asset_type_id_fkey",
        id="foreign key by another name",
    ),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON wallets (posted)", "ix_hot", id="indexed"),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON wallets (next_due_at)", "ix_hot", id="indexed due"),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON lots (id) INCLUDE (held)", "ix_hot", id="included"),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON lots (id) WHERE remaining > 0", "ix_hot", id="predicate"),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON accounts ((last_seq % 2))", "ix_hot", id="expression"),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON lots (id) WHERE NOT reversed", "ix_hot", id="reversed"),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON lots (expired)", "ix_hot", id="indexed expired"),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON holds (captured)", "ix_hot", id="indexed captured"),
    pytest.param(HOT_COLUMN_INDEXED, "CREATE INDEX ix_hot ON holds USING gin (lot_ids)", "ix_hot", id="indexed parts"),
    pytest.param(HOT_TABLE_PACKED_FULL, "ALTER TABLE wallets RESET (fillfactor)", "wallets", id="packed full"),
    pytest.param(HOT_TABLE_PACKED_FULL, "ALTER TABLE holds RESET (fillfactor)", "holds", id="holds packed full"),
    pytest.param(
        GUARD_SWITCHED_OFF,
        "ALTER TABLE transactions DISABLE TRIGGER transactions_append_only",
        "transactions_append_only",
        id="trigger off",
    ),
    pytest.param(
        GUARD_SWITCHED_OFF,
        "ALTER TABLE lots ADD CONSTRAINT ck_lots_new CHECK (seq > 0) NOT VALID",
        "ck_lots_new",
        id="constraint not valid",
    ),
]


async def _offenders(connection: Connection, rule: str) -> list[str]:
    return [row["name"] for row in await connection.fetch(rule)]


@pytest.mark.parametrize("rule", RULES)
async def test_the_tables_keep_to_the_rule(connection: Connection, rule: str) -> None:
    assert await _offenders(connection, rule) == []


@pytest.mark.parametrize(("rule", "change", "offender"), PLANTED)
async def test_what_breaks_a_rule_is_found(connection: Connection, rule: str, change: str, offender: str) -> None:
    await connection.execute(change)
    assert offender in await _offenders(connection, rule)
