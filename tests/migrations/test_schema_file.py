"""docs/schema.sql shows the tables as they are."""

import pytest

from tests.migrations.conftest import Connection
from tests.migrations.dump_schema import FILE, POSTGRES_VERSION, dump_schema

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_schema_file_is_a_dump_of_the_tables(connection: Connection, migrated_url: str) -> None:
    if (version := connection.get_server_version().major) != POSTGRES_VERSION:
        pytest.skip(f"the file is in the words of PostgreSQL {POSTGRES_VERSION}, this one is {version}")
    assert FILE.read_text() == dump_schema(migrated_url), "run `make schema`"
