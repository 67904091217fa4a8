"""Where a user lives is the same in Python, in SQL and on paper: existing ids depend on it."""

import pytest

from app.database import Database
from app.domain.placement import BUCKETS, bucket_of

VECTORS = [
    ("user_alice", 92),
    ("user_bob", 869),
    ("a", 663),
    ("0", 1004),
    ("USER_ALICE", 814),
    ("user_alice ", 523),
    ("Ünïcode", 178),
    ("用户", 270),
    ("😀", 68),
    ("x" * 255, 550),
]
"""Made with `printf %s user_alice | sha256sum | cut -c1-4`, read as a hexadecimal number, modulo 1,024."""

IN_SQL = """
    SELECT u.external_user_id, (get_byte(u.digest, 0) * 256 + get_byte(u.digest, 1)) % 1024 AS bucket
      FROM (SELECT n.external_user_id, sha256(convert_to(n.external_user_id, 'UTF8')) AS digest
              FROM unnest($1::text[]) AS n (external_user_id)) AS u
"""
MANY = [f"user_{number}" for number in range(5_000)]


@pytest.mark.parametrize(("external_user_id", "bucket"), VECTORS)
def test_a_user_lives_in_the_bucket_of_the_vectors(external_user_id: str, bucket: int) -> None:
    assert bucket_of(external_user_id) == bucket


async def test_sql_computes_the_same_buckets(empty_url: str) -> None:
    users = [*MANY, *(user for user, _ in VECTORS)]
    database = Database(empty_url, pool_size=1)
    rows = await database.read(lambda connection: connection.fetch(IN_SQL, users))
    await database.close()
    assert {row["external_user_id"]: row["bucket"] for row in rows} == {user: bucket_of(user) for user in users}


def test_users_are_spread_over_all_buckets() -> None:
    counts = [0] * BUCKETS
    for user in MANY:
        counts[bucket_of(user)] += 1
    assert max(counts) < 4 * len(MANY) / BUCKETS
    assert counts.count(0) < BUCKETS / 50
