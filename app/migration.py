"""Brings the database's tables up to date: at start, or by `wallet migrate`.

All revisions run in one transaction under a transaction-level advisory lock, so any number of processes may start at
once, also through a transaction-mode pooler. A database becomes a sandbox, whose clock can be advanced, when its tables
are made, or never: nobody can give a ledger in use another time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.config import ConfigurationError
from app.database import Database

HEAD = "0003"
"""The revision this code needs. Known without loading alembic, which would cost each start a third of a second."""

ADVISORY_LOCK = 7_205_759_403
ADVISORY_LOCK_TIMEOUT = "60s"
TABLE_LOCK_TIMEOUT = "2s"

_INSUFFICIENT_PRIVILEGE = "42501"

_SANDBOX = (
    """
    CREATE TABLE sandbox_clock (
        id             smallint NOT NULL DEFAULT 1,
        offset_seconds bigint   NOT NULL DEFAULT 0,
        CONSTRAINT pk_sandbox_clock PRIMARY KEY (id),
        CONSTRAINT ck_sandbox_clock_one_row CHECK (id = 1),
        CONSTRAINT ck_sandbox_clock_offset_floor CHECK (offset_seconds >= 0)
    )
    """,
    "INSERT INTO sandbox_clock DEFAULT VALUES",
    """
    CREATE FUNCTION refuse_clock_going_back() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the clock only goes forward' USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER sandbox_clock_forward BEFORE UPDATE ON sandbox_clock
        FOR EACH ROW WHEN (NEW.offset_seconds < OLD.offset_seconds) EXECUTE FUNCTION refuse_clock_going_back()
    """,
    """
    CREATE TRIGGER sandbox_clock_stays BEFORE DELETE OR TRUNCATE ON sandbox_clock
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_clock_going_back()
    """,
    """
    CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz
    LANGUAGE sql VOLATILE
    RETURN clock_timestamp() + (SELECT c.offset_seconds FROM sandbox_clock AS c) * interval '1 second'
    """,
)

_FOLDER = Path(__file__).resolve().parent.parent / "migrations"


class SchemaTooNew(Exception):
    """The database was migrated by a newer version of the service."""


async def current_revision(connection: AsyncConnection) -> str | None:
    """Return the revision of the database's tables, None for an empty database."""
    if not await _has_table(connection, "alembic_version"):
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


async def _has_table(connection: AsyncConnection, name: str) -> bool:
    """Tell whether there is such a table now: to_regclass remembers, across a wait for a lock, that there was none."""
    query = text("SELECT EXISTS (SELECT FROM pg_class WHERE relname = :name AND pg_table_is_visible(oid))")
    return bool(await connection.scalar(query, {"name": name}))


async def check_sandbox(connection: AsyncConnection) -> None:
    """See to it that the database is a sandbox, or can still be made one.

    Raises:
        ConfigurationError: it has tables that are no sandbox's.
    """
    if await current_revision(connection) is None:
        return
    if not await _has_table(connection, "sandbox_clock"):
        raise ConfigurationError(
            "SANDBOX: this database was not created as a sandbox, and can't become one: use a new one"
        )


async def migrate(database: Database, *, sandbox: bool = False) -> None:
    """Run the revisions that are missing; with `sandbox` the database is made a sandbox when it has no tables yet.

    Raises:
        ConfigurationError: it is to be a sandbox, and was not created as one; or this role may not change the tables.
            Nothing was changed.
        SchemaTooNew: the database is ahead of this code.
        DatabaseUnavailable: it can't be reached.
    """
    async with database.connect() as connection:
        if sandbox:
            await check_sandbox(connection)
        if await current_revision(connection) == HEAD:
            return
        await connection.execute(text(f"SET LOCAL lock_timeout = '{ADVISORY_LOCK_TIMEOUT}'"))
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
        found = await current_revision(connection)  # another process may have been quicker
        if sandbox:
            await check_sandbox(connection)
        with _refusals_explained():
            if found != HEAD:
                await connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_LOCK_TIMEOUT}'"))
                await connection.run_sync(_upgrade)
            if sandbox and found is None:
                for statement in _SANDBOX:
                    await connection.execute(text(statement))
        await connection.commit()


@contextmanager
def _refusals_explained() -> Iterator[None]:
    """Say what to do when the role may not change the tables: that of the service is not to."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise ConfigurationError(
            "DATABASE_URL: the tables are not up to date, and this role may not change them: run `wallet migrate` as "
            "their owner, and then `wallet roles`"
        ) from error


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
