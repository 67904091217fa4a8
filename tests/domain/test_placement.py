"""Where an owner lives: the vectors pin it for ever, since every stored row depends on it."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.placement import account_id_of, bucket_of, bucket_of_account, bucket_of_id, with_bucket


@pytest.mark.parametrize(
    ("user", "bucket"),
    [
        pytest.param("user_alice", 92, id="alice"),
        pytest.param("user_bob", 869, id="bob"),
        pytest.param("", 944, id="empty"),
        pytest.param("a", 663, id="one letter"),
        pytest.param("é", 665, id="one letter of two bytes"),
        pytest.param("🪙", 51, id="an emoji"),
    ],
)
def test_the_bucket_of_a_user_never_changes(user: str, bucket: int) -> None:
    assert bucket_of(user) == bucket


@given(number=st.integers(min_value=1, max_value=2**43 - 1), bucket=st.integers(min_value=0, max_value=1023))
def test_an_account_id_carries_its_bucket(number: int, bucket: int) -> None:
    account_id = account_id_of(number, bucket)
    assert bucket_of_account(account_id) == bucket
    assert 1024 <= account_id < 2**53


@given(identifier=st.uuids(version=4), bucket=st.integers(min_value=0, max_value=1023))
def test_an_id_carries_its_bucket_and_keeps_the_rest(identifier: UUID, bucket: int) -> None:
    routed = UUID(int=with_bucket(identifier.int, bucket))
    assert bucket_of_id(routed) == bucket
    assert routed.int >> 10 == identifier.int >> 10
    assert routed.version == identifier.version
