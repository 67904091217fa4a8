"""New ids: UUIDv7, so that they sort by time, with the bucket in the low ten bits, so that they can be routed."""

from uuid import UUID

import uuid_utils

from app.domain.placement import with_bucket


def new_id(bucket: int) -> UUID:
    """Return an id that nobody has had, for a transaction, lot or hold of an owner in `bucket`."""
    return with_bucket(uuid_utils.uuid7().int, bucket)
