"""A wallet of thousands of lots: one transaction takes from a bounded number of them, and from few as from one."""

import pytest

from app.database import Database
from app.domain.commands import PlaceHold, Refund
from app.domain.errors import InsufficientFunds, TooManyLots
from app.domain.placement import bucket_of
from app.domain.wallet import LOTS_MAX
from app.services.ids import new_id
from app.services.verify_service import verify
from app.services.wallet_service import WalletService
from tests.commands import bonus, spend

LOTS = LOTS_MAX + 60


async def filled(wallets: WalletService) -> None:
    for first in range(0, LOTS, 2_000):
        await wallets.execute_all([bonus("user_bob", 1, asset=2) for _ in range(first, min(first + 2_000, LOTS))])


async def test_a_spend_from_more_lots_than_a_transaction_may_touch_is_refused_and_changes_nothing(
    database: Database, wallets: WalletService
) -> None:
    await filled(wallets)
    before = await wallets.balance("user_bob", 2)
    every = before.posted
    with pytest.raises(TooManyLots):
        await wallets.execute(spend("user_bob", every, asset=2))
    with pytest.raises(TooManyLots):
        await wallets.execute(
            PlaceHold(
                transaction_id=new_id(bucket_of("user_bob")),
                external_user_id="user_bob",
                bucket=bucket_of("user_bob"),
                actor="test",
                asset_type_id=2,
                amount=every,
            )
        )
    with pytest.raises(InsufficientFunds):
        await wallets.execute(spend("user_bob", every + 1, asset=2))
    assert await wallets.balance("user_bob", 2) == before
    most = await wallets.execute(spend("user_bob", LOTS_MAX, asset=2))
    assert len(most.lots) <= LOTS_MAX
    answers = await wallets.execute_all([spend("user_bob", 10, asset=2) for _ in range(5)])
    assert not any(isinstance(each, Exception) for each in answers)
    given_back = await wallets.execute(
        Refund(
            transaction_id=new_id(bucket_of("user_bob")),
            external_user_id="user_bob",
            bucket=bucket_of("user_bob"),
            actor="test",
            asset_type_id=2,
            parent_id=most.transaction_id,
        )
    )
    assert given_back.balance.posted == before.posted - 50
    assert (await verify(database)).problem is None
