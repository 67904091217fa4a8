"""Where an owner lives: its bucket, and ids that carry it.

Every id that the service makes can be routed by itself: an account's id is congruent to its bucket, and the ids of
transactions and lots have the bucket in their low ten bits.
"""

import hashlib
from functools import lru_cache
from uuid import UUID

BUCKETS = 1024

BUCKETS_REMEMBERED = 16_384
"""For how many users it is not worked out again: a hash takes longer than looking it up."""

TREASURY_ID = 1
BREAKAGE_ID = 2


@lru_cache(maxsize=BUCKETS_REMEMBERED)
def bucket_of(external_user_id: str) -> int:
    """Return the bucket of a user: the first two bytes of the SHA-256 of the id's UTF-8, modulo 1,024."""
    return int.from_bytes(hashlib.sha256(external_user_id.encode()).digest()[:2], "big") % BUCKETS


def account_id_of(number: int, bucket: int) -> int:
    """Return the id of the user account with this running number (1, 2, 3 …) in `bucket`."""
    return number * BUCKETS + bucket


def is_system_account(account_id: int) -> bool:
    """Tell whether no user has this id."""
    return account_id < BUCKETS


def bucket_of_account(account_id: int) -> int:
    """Return the bucket that a user account's id carries."""
    return account_id % BUCKETS


def with_bucket(number: int, bucket: int) -> int:
    """Return this 128-bit number with `bucket` in its low ten bits: what an id is made of."""
    return (number & ~(BUCKETS - 1)) | bucket


def bucket_of_id(identifier: UUID) -> int:
    """Return the bucket that a transaction's or lot's id carries."""
    return identifier.int % BUCKETS
