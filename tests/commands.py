"""Commands for tests, in smallest units."""

from app.domain.commands import Bonus, Spend, TopUp
from app.domain.placement import bucket_of
from app.services.ids import new_id


def top_up(user: str, amount: int, *, asset: int = 1, key: str | None = None, open_account: bool = False) -> TopUp:
    bucket = bucket_of(user)
    return TopUp(
        transaction_id=new_id(bucket),
        lot_id=new_id(bucket),
        external_user_id=user,
        bucket=bucket,
        asset_type_id=asset,
        amount=amount,
        actor="test",
        idempotency_key=key,
        open_account=open_account,
    )


def bonus(user: str, amount: int, *, asset: int = 1, days: int | None = None, priority: int = 50) -> Bonus:
    bucket = bucket_of(user)
    return Bonus(
        transaction_id=new_id(bucket),
        lot_id=new_id(bucket),
        external_user_id=user,
        bucket=bucket,
        asset_type_id=asset,
        amount=amount,
        actor="test",
        expires_in_days=days,
        priority=priority,
    )


def spend(user: str, amount: int, *, asset: int = 1, key: str | None = None) -> Spend:
    bucket = bucket_of(user)
    return Spend(
        transaction_id=new_id(bucket),
        external_user_id=user,
        bucket=bucket,
        asset_type_id=asset,
        amount=amount,
        actor="test",
        idempotency_key=key,
    )
