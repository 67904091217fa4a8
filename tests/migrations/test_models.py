"""The models say the same as the tables that the migrations make."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Column
from sqlalchemy.dialects import postgresql

from app.models import metadata
from tests.migrations.conftest import Connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLUMNS = """
    SELECT c.relname AS table_name, a.attname AS name, a.attnotnull AS is_needed,
           format_type(a.atttypid, a.atttypmod) AS type,
           coalesce(a.attnum = ANY (k.conkey), false) AS is_key
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
"""

Shape = Mapping[str, Mapping[str, tuple[str, str, str]]]
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are untyped


async def _tables(connection: Connection) -> Shape:
    shape: dict[str, dict[str, tuple[str, str, str]]] = {}
    for row in await connection.fetch(COLUMNS):
        shape.setdefault(row["table_name"], {})[row["name"]] = _said(
            row["type"], is_needed=row["is_needed"], is_key=row["is_key"]
        )
    return shape


def _models() -> Shape:
    return {
        name: {
            column.name: _said(_type_of(column), is_needed=not column.nullable, is_key=column.primary_key)
            for column in table.columns
        }
        for name, table in metadata.tables.items()
    }


def _type_of(column: Column[object]) -> str:
    return column.type.compile(dialect=DIALECT).lower()


def _said(type_: str, *, is_needed: bool, is_key: bool) -> tuple[str, str, str]:
    return type_, "not null" if is_needed else "null", "key" if is_key else "no key"


async def test_models_and_tables_have_the_same_columns_types_and_keys(connection: Connection) -> None:
    assert _models() == await _tables(connection)


@pytest.mark.parametrize(
    "difference",
    [
        pytest.param("CREATE TABLE more (id integer)", id="another table"),
        pytest.param("ALTER TABLE lots ADD COLUMN more integer", id="another column"),
        pytest.param("ALTER TABLE lots RENAME COLUMN debt TO owed", id="another name"),
        pytest.param("ALTER TABLE lots ALTER COLUMN debt TYPE integer", id="another type"),
        pytest.param("ALTER TABLE accounts ALTER COLUMN last_at TYPE timestamp", id="no time zone"),
        pytest.param("ALTER TABLE holds ALTER COLUMN lot_amounts TYPE integer[]", id="another element"),
        pytest.param("ALTER TABLE lots ALTER COLUMN debt DROP NOT NULL", id="may be null"),
        pytest.param("ALTER TABLE lots ALTER COLUMN expires_at SET NOT NULL", id="may not be null"),
        pytest.param("ALTER TABLE lots DROP CONSTRAINT pk_lots, ADD PRIMARY KEY (id, owner_id)", id="another key"),
    ],
)
async def test_a_table_that_is_not_like_its_model_is_seen(connection: Connection, difference: str) -> None:
    await connection.execute(difference)
    assert _models() != await _tables(connection)
