"""What is left of the rates of API keys: one bucket of tokens for each, that all processes take from."""

from collections.abc import Sequence

import asyncpg

from app.database import Connection, LockHeld
from app.domain.api_keys import Rate
from app.domain.record import record
from app.repositories.statements import statement

TAKE_TOKENS = statement("take_tokens")


@record
class Asked:
    """So many tokens out of the bucket of a key."""

    key_id: int
    rate: Rate
    tokens: int


@record
class Taken:
    """How many it were, and in how many seconds the bucket has the next one: 0 when it has one."""

    tokens: int
    seconds_until_next: float


async def take_tokens(connection: Connection, asked: Sequence[Asked]) -> dict[int, Taken]:
    """Take tokens from the buckets of several keys, each named once; return what became of it by key id.

    Raises:
        LockHeld: a stranger holds one of the buckets; nothing was taken.
    """
    try:
        rows = await connection.fetch(
            TAKE_TOKENS,
            [each.key_id for each in asked],
            [each.tokens for each in asked],
            [each.rate.requests_per_second for each in asked],
            [each.rate.burst for each in asked],
        )
    except asyncpg.LockNotAvailableError as error:
        raise LockHeld from error
    per_second = {each.key_id: each.rate.requests_per_second for each in asked}
    return {
        row["key_id"]: Taken(
            tokens=row["granted"], seconds_until_next=max(0.0, 1 - row["tokens"]) / per_second[row["key_id"]]
        )
        for row in rows
    }
