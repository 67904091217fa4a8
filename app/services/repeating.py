"""Units of work that may be run again when it is not known whether they are in force."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from app.database import CommitUnconfirmed, Connection, Database, LockHeld
from app.domain.errors import Busy, DatabaseUnavailable

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], Awaitable[T]]

ATTEMPTS = 3


async def run_repeatedly(database: Database, work: Work[T], *, again: Work[T] | None = None) -> T:
    """Run `work` as a unit of work, and `again` (else `work`) when it is not known whether a commit is in force.

    Raises:
        Busy: somebody else holds a lock; nothing was changed.
        DatabaseUnavailable: nothing was changed, or it is still not known.
    """
    for _ in range(ATTEMPTS):
        try:
            return await database.run(work)
        except CommitUnconfirmed:
            work = again or work
        except LockHeld as error:
            raise Busy from error
    raise DatabaseUnavailable
