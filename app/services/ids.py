"""Ids: UUIDv7, so that they sort by time, with the bucket in the low ten bits, so that they can be routed.

They are of the driver's kind of UUID, which is made, written and looked up in a fraction of the time.
"""

from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto

from app.domain.placement import with_bucket


def new_id(bucket: int) -> UUID:
    """Return an id that nobody has had, for a transaction, lot or hold of an owner in `bucket`."""
    return pgproto.UUID(with_bucket(uuid_utils.uuid7().int, bucket).to_bytes(16, "big"))


def read_id(text: str) -> UUID:
    """Return an id from its text, which must be that of a UUID."""
    return pgproto.UUID(text)
