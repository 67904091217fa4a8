"""Brings the database's tables up to date: at start, or by `wallet migrate`.

All revisions run in one transaction under a transaction-level advisory lock, so any number of processes may start at
once, also through a transaction-mode pooler.
"""

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database

HEAD = "0001"
"""The revision this code needs. Known without loading alembic, which would cost each start a third of a second."""

ADVISORY_LOCK = 7_205_759_403
ADVISORY_LOCK_TIMEOUT = "60s"
TABLE_LOCK_TIMEOUT = "2s"

_FOLDER = Path(__file__).resolve().parent.parent / "migrations"


class SchemaTooNew(Exception):
    """The database was migrated by a newer version of the service."""


async def current_revision(connection: AsyncConnection) -> str | None:
    """Return the revision of the database's tables, None for an empty database."""
    found = await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    if not found:
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


async def migrate(database: Database) -> None:
    """Run the revisions that are missing.

    Raises:
        SchemaTooNew: the database is ahead of this code.
        DatabaseUnavailable: it can't be reached.
    """
    async with database.connect() as connection:
        if await current_revision(connection) == HEAD:
            return
        await connection.execute(text(f"SET LOCAL lock_timeout = '{ADVISORY_LOCK_TIMEOUT}'"))
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
        if await current_revision(connection) != HEAD:  # another process may have been quicker
            await connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_LOCK_TIMEOUT}'"))
            await connection.run_sync(_upgrade)
        await connection.commit()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - only a start that has something to migrate pays for loading it
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaTooNew(f"the database's tables are of a version this service does not know: {error}") from error
