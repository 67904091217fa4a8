"""Books what time has decided and no write has touched: expired lots, holds past their deadline.

Nothing depends on it but tidiness: every read and write is exact without it. It runs in the web process, in one
instance at a time, and goes through the lanes like everybody else.
"""

import asyncio
from collections.abc import Iterator

import structlog

from app.database import Connection, Database
from app.domain.errors import Unavailable, WalletError
from app.repositories import wallet_repo
from app.services.posting import book_due
from app.services.wallet_service import WalletService

PAUSE_SECONDS = 1.0
ADVISORY_LOCK = 7_205_759_404
ROWS_MAX = 5_000
"""How many due lots, and how many holds, are looked at at once."""

BOOKED_MAX = 300
"""How many of them are booked at once, for one user or several, so that callers have their turn."""

ROUNDS_MAX = 100
"""After how many rounds another instance may have its turn."""

DueUser = tuple[str, int, int]
"""External id, bucket, and how much is due at least."""

log = structlog.get_logger(__name__)


class DueJob:
    def __init__(self, database: Database, wallets: WalletService) -> None:
        self._database = database
        self._wallets = wallets
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run in the background until `stop`."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop, and return when it has; what is being booked is booked by the lanes."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run_once(self) -> int:
        """Book what is due now; return for how many users. Nothing, when another instance is at it.

        Raises:
            DatabaseUnavailable: it can't be asked what is due.
        """
        booked = 0
        async with self._database.alone(ADVISORY_LOCK) as is_alone:
            for _ in range(ROUNDS_MAX if is_alone else 0):
                users = await self._database.read(_find_due)
                if not users or not (booked_now := await self._book(users)):
                    break
                booked += booked_now
        return booked

    async def _book(self, users: list[DueUser]) -> int:
        """Book for `users`; return for how many it could be done now."""
        booked = 0
        for some in _shares(users):
            answers = await self._wallets.execute_all([book_due(user, bucket) for user, bucket, _ in some])
            booked += sum(not isinstance(each, WalletError) for each in answers)
        return booked

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                if booked := await self.run_once():
                    log.info("due_booked", users=booked)
            except Unavailable:
                log.warning("due_job_waits", reason="the database can't be reached")
            except Exception:
                log.exception("due_job_failed")


def _shares(users: list[DueUser]) -> Iterator[list[DueUser]]:
    """Divide `users` so that not too much is booked at once."""
    share: list[DueUser] = []
    booked = 0
    for each in users:
        if share and booked + each[2] > BOOKED_MAX:
            yield share
            share, booked = [], 0
        share.append(each)
        booked += each[2]
    if share:
        yield share


async def _find_due(connection: Connection) -> list[DueUser]:
    return await wallet_repo.find_due(connection, ROWS_MAX)
