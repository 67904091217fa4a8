"""API keys: making, listing and revoking them, and telling whose key a caller sends.

A key that was found is believed for half a second, then asked for again: so a revocation is in force everywhere within
a second, without any process telling another, and a busy key costs two small reads a second.
"""

import asyncio
import contextlib
import secrets
import time
from functools import partial

import structlog

from app.database import Connection, Database
from app.domain.api_keys import (
    ENDING_CHARACTERS,
    SECRET_BYTES,
    ApiKey,
    KeyStatus,
    KeyTerms,
    digest_of,
    is_key,
    write_key,
)
from app.domain.errors import (
    DatabaseUnavailable,
    KeyExpired,
    KeyRevoked,
    Unauthorized,
    Unavailable,
    UnknownApiKey,
)
from app.domain.record import record
from app.repositories import key_repo
from app.services.coalescer import Coalescer, Ticket
from app.services.pages import Page, page_of
from app.services.repeating import run_repeatedly

BELIEVED_SECONDS = 0.5
NOTED_EVERY_SECONDS = 15.0
STOPPED_AFTER_SECONDS = 2.0
LOOKED_UP_MAX = 500
LOOK_UPS_MAX = 3
QUEUE_MAX = 10_000
DEADLINE_SECONDS = 5.0

NOT_A_KEY = "What is in the Authorization header is no whole API key: compare it with the key that was given out"
UNKNOWN_KEY = "There is no such API key here"

log = structlog.get_logger(__name__)


@record
class _Found:
    """A key as it was when it was looked up."""

    key: ApiKey
    believed_until: float
    """By the monotonic clock."""


class KeyService:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: dict[bytes, _Found] = {}
        self._looking_up: Coalescer[bytes, _Found | None] = Coalescer(
            self._look_up, group_max=LOOKED_UP_MAX, queue_max=QUEUE_MAX, deadline_seconds=DEADLINE_SECONDS
        )
        self._used: set[int] = set()
        self._noting: asyncio.Task[None] | None = None

    async def find(self, text: str) -> ApiKey:
        """Return the key that a caller sends, and note that it is in use.

        Raises:
            Unauthorized: it is none.
            KeyRevoked: it was revoked.
            KeyExpired: it has expired.
            Unavailable: that can't be told now.
        """
        if not is_key(text):
            raise Unauthorized(reason=NOT_A_KEY)
        digest = digest_of(text)
        found = self._found.get(digest)
        if found is None or found.believed_until <= time.monotonic():
            found = await self._ask(digest)
        match found.key.status:
            case KeyStatus.REVOKED:
                raise KeyRevoked(revoked_at=found.key.revoked_at)
            case KeyStatus.EXPIRED:
                raise KeyExpired(expires_at=found.key.expires_at)
        self._used.add(found.key.id)
        return found.key

    async def create(self, terms: KeyTerms, *, created_by: str) -> tuple[ApiKey, str]:
        """Make a key; return it as it is kept, and as its bearer has to send it, which nobody can show again.

        Raises:
            Unavailable: no key was made, or it is not known; one that was can be found in the list, and revoked.
        """
        text = write_key(secrets.token_bytes(SECRET_BYTES))
        digest = digest_of(text)

        async def work(connection: Connection) -> ApiKey:
            await key_repo.insert(
                connection, digest=digest, ending=text[-ENDING_CHARACTERS:], terms=terms, created_by=created_by
            )
            key, _ = (await key_repo.find(connection, [digest]))[digest]
            return key

        return await run_repeatedly(self._database, work), text

    async def page(self, *, after: int | None, limit: int) -> Page[ApiKey, int]:
        """Return a page of all keys, also those that are no longer good, the oldest first.

        Raises:
            DatabaseUnavailable: they can't be read now.
        """
        keys = await self._database.read(
            partial(key_repo.list_after, key_id=after or 0, limit=limit + 1)  # one more tells whether a page follows
        )
        return page_of(keys, limit, lambda each: each.id)

    async def revoke(self, key_id: int, *, revoked_by: str) -> ApiKey:
        """Revoke a key, for good, and return it. One that is revoked already stays as it is.

        Raises:
            UnknownApiKey: there is none with this id.
            Unavailable: it can simply be repeated.
        """

        async def work(connection: Connection) -> ApiKey:
            await key_repo.revoke(connection, key_id, revoked_by=revoked_by)
            for key in await key_repo.list_after(connection, key_id - 1, 1):
                if key.id == key_id:
                    return key
            raise UnknownApiKey(key_id=key_id)

        revoked = await run_repeatedly(self._database, work)
        self._found.clear()  # here it is in force at once, but for what is being looked up now
        return revoked

    def start(self) -> None:
        """Note in the background, until `stop`, which keys are in use."""
        self._noting = asyncio.get_running_loop().create_task(self._note_now_and_then())

    async def stop(self) -> None:
        """Note what is still to be noted, and end."""
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.gather(self._noting, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.note_uses(), STOPPED_AFTER_SECONDS)
        await self._looking_up.close()

    async def _ask(self, digest: bytes) -> _Found:
        for _ in range(LOOK_UPS_MAX):
            (found,) = await self._looking_up.ask([digest])
            if found is None:
                raise Unauthorized(reason=UNKNOWN_KEY)
            if found.key.status is not KeyStatus.ACTIVE or found.believed_until > time.monotonic():
                self._found[digest] = found
                return found
        raise DatabaseUnavailable  # each answer was too old when it came

    async def _look_up(self, tickets: list[Ticket[bytes, _Found | None]]) -> None:
        asked_at = time.monotonic()
        rows = await self._database.read(partial(key_repo.find, digests={each.item for each in tickets}))
        for ticket in tickets:
            row = rows.get(ticket.item)
            ticket.answer(None if row is None else _found(*row, asked_at))

    async def _note_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(NOTED_EVERY_SECONDS)
            await self.note_uses()

    async def note_uses(self) -> None:
        """Note which keys were used since the last time; of each once a minute at most."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            await self._database.read(partial(key_repo.note_uses, key_ids=used))
        except (Unavailable, asyncio.CancelledError) as error:
            self._used |= used
            if isinstance(error, asyncio.CancelledError):
                raise
        except Exception:
            log.exception("key_uses_not_noted")


def _found(key: ApiKey, seconds_left: float | None, asked_at: float) -> _Found:
    seconds = BELIEVED_SECONDS if seconds_left is None else min(BELIEVED_SECONDS, seconds_left)
    return _Found(key=key, believed_until=asked_at + seconds)
