"""The clock of a sandbox, which its users may advance. It is the database's, so every process obeys it at once."""

from datetime import UTC, datetime

from app.database import CommitUnconfirmed, Connection, Database, LockHeld
from app.domain.errors import Busy, DatabaseUnavailable, FieldInvalid, NotASandbox
from app.repositories import sandbox_repo

CLOCK_END = datetime(9999, 1, 1, tzinfo=UTC)


class SandboxService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def advance_clock(self, seconds: int) -> datetime:
        """Advance the clock and return the time.

        Raises:
            NotASandbox: the database was not created as one.
            FieldInvalid: the clock would leave the year 9998.
            Unavailable: it was not advanced, or it is not known whether it was: advancing by 0 tells the time.
        """

        async def work(connection: Connection) -> datetime:
            if not await sandbox_repo.is_sandbox(connection):
                raise NotASandbox
            now = await sandbox_repo.advance(connection, seconds, CLOCK_END)
            if now is None:
                raise FieldInvalid(field="advance_seconds", reason="the clock does not go beyond the year 9998")
            return now

        try:
            return await self._database.run(work)
        except LockHeld as error:
            raise Busy from error
        except CommitUnconfirmed as error:
            raise DatabaseUnavailable from error
