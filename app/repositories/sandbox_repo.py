"""The clock of a sandbox."""

from datetime import datetime

from app.database import Connection
from app.repositories.statements import statement

HAS_SANDBOX_CLOCK = statement("has_sandbox_clock")
ADVANCE_SANDBOX_CLOCK = statement("advance_sandbox_clock")


async def is_sandbox(connection: Connection) -> bool:
    """Tell whether the database was created as a sandbox."""
    return bool(await connection.fetchval(HAS_SANDBOX_CLOCK))


async def advance(connection: Connection, seconds: int, before: datetime) -> datetime | None:
    """Advance the clock and return the time, or None when it would not be before `before`: it stays then."""
    now: datetime | None = await connection.fetchval(ADVANCE_SANDBOX_CLOCK, seconds, before)
    return now
