"""Whether this process should be sent requests: database, tables, draining."""

from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.database import Database
from app.domain.errors import DatabaseUnavailable
from app.migration import HEAD, current_revision


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    ready: bool
    checks: dict[str, str]


class Readiness:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.draining = False
        """Set when the process has been told to stop: it finishes what it has and should be sent nothing more."""

    async def report(self) -> Report:
        """Ask the database, and say what is not as it should be."""
        checks = {"database": "ok", "migrations": "ok", "draining": "yes" if self.draining else "no"}
        try:
            async with self._database.connect() as connection:
                revision = await current_revision(connection)
            if revision is None or revision < HEAD:  # ahead is fine: migrations add, and a newer instance has run them
                checks["migrations"] = f"the tables are at {revision}, this version needs {HEAD}"
        except (DatabaseUnavailable, SQLAlchemyError):
            checks |= {"database": "unreachable", "migrations": "unknown"}
        ready = checks["database"] == checks["migrations"] == "ok" and not self.draining
        return Report(ready=ready, checks=checks)
