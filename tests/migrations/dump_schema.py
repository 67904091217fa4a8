"""Writes docs/schema.sql: the tables as the migrations make them, so that a change of them is a difference to read.

Run it as `python -m tests.migrations.dump_schema`; it starts a PostgreSQL of its own.
"""

import asyncio
import re
import tempfile
from pathlib import Path

from app.database import Database, create_database
from app.embedded_postgres import EmbeddedPostgres
from app.migration import migrate
from tests.migrations.programs import run_program

FILE = Path(__file__).parents[2] / "docs" / "schema.sql"
POSTGRES_VERSION = 18
"""The major version whose pg_dump writes the file: others write the same tables in other words."""

_TITLE = f"""\
-- The tables as the migrations make them, in the words of PostgreSQL {POSTGRES_VERSION}'s pg_dump.
-- `make schema` writes this file: change the migrations, not this.
"""
_OF_THE_DAY = re.compile(r"(--|SET |SELECT pg_catalog\.set_config\(|\\(un)?restrict ).*\n")


def dump_schema(url: str) -> str:
    """Return the tables of the database as SQL, without what differs from one dump to the next."""
    dumped = run_program(
        "pg_dump", url, "--schema-only", "--no-owner", "--no-privileges", "--exclude-table=alembic_version"
    )
    lines = (line for line in dumped.splitlines(keepends=True) if not _OF_THE_DAY.fullmatch(line))
    return _TITLE + re.sub(r"\n{3,}", "\n\n", "\n" + "".join(lines)).rstrip() + "\n"


async def _migrated(server: EmbeddedPostgres) -> str:
    await create_database(server.url("postgres"), "wallet")
    database = Database(server.url("wallet"))
    await migrate(database)
    await database.close()
    return server.url("wallet")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wallet-schema-") as folder:
        Path(folder).chmod(0o755)  # as root the server is another user, who must be able to enter
        with EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server:
            FILE.write_text(dump_schema(asyncio.run(_migrated(server))))


if __name__ == "__main__":
    main()
