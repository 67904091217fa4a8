"""API keys, as they are kept."""

from collections.abc import Collection

import asyncpg

from app.database import Connection
from app.domain.api_keys import ApiKey, KeyTerms, Rate, Scope
from app.repositories.statements import statement

INSERT_API_KEY = statement("insert_api_key")
FIND_API_KEYS = statement("find_api_keys")
LIST_API_KEYS = statement("list_api_keys")
REVOKE_API_KEY = statement("revoke_api_key")
NOTE_KEY_USES = statement("note_key_uses")

_KNOWN_SCOPES = {each.value: each for each in Scope}


async def insert(connection: Connection, *, digest: bytes, ending: str, terms: KeyTerms, created_by: str) -> None:
    """Add a key, unless it is there."""
    rate = terms.rate
    await connection.execute(
        INSERT_API_KEY,
        digest,
        ending,
        terms.name,
        sorted(terms.scopes),
        None if rate is None else rate.requests_per_second,
        None if rate is None else rate.burst,
        terms.expires_in_days,
        created_by,
    )


async def find(connection: Connection, digests: Collection[bytes]) -> dict[bytes, tuple[ApiKey, float | None]]:
    """Return those keys that are there, by digest, and in how many seconds each expires."""
    rows = await connection.fetch(FIND_API_KEYS, list(digests))
    return {row["digest"]: (_api_key(row), row["seconds_left"]) for row in rows}


async def list_after(connection: Connection, key_id: int, limit: int) -> list[ApiKey]:
    """Return the first `limit` keys whose ids are more than `key_id`, in the order of the ids."""
    return [_api_key(row) for row in await connection.fetch(LIST_API_KEYS, key_id, limit)]


async def revoke(connection: Connection, key_id: int, *, revoked_by: str) -> None:
    """Revoke a key, unless it is revoked or not there."""
    await connection.execute(REVOKE_API_KEY, key_id, revoked_by)


async def note_uses(connection: Connection, key_ids: Collection[int]) -> None:
    """Note that these keys are in use now."""
    await connection.execute(NOTE_KEY_USES, list(key_ids))


def _api_key(row: asyncpg.Record) -> ApiKey:
    rate = row["requests_per_second"]
    return ApiKey(
        id=row["id"],
        name=row["name"],
        ending=row["ending"],
        scopes=frozenset(_KNOWN_SCOPES[each] for each in row["scopes"] if each in _KNOWN_SCOPES),
        rate=None if rate is None else Rate(requests_per_second=rate, burst=row["burst"]),
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        has_expired=row["has_expired"],
        revoked_at=row["revoked_at"],
        revoked_by=row["revoked_by"],
        last_used_at=row["last_used_at"],
    )
