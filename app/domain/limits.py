"""What callers may do with a wallet: bounds of one amount, the largest balance, and what may move in a UTC day.

They bind top-ups, bonuses, spends, holds and captures. Adjustments, refunds, reversals and what time does are free.
"""

from datetime import datetime

from app.domain.errors import AmountAboveMaximum, AmountBelowMinimum, BalanceLimitExceeded, DailyLimitExceeded
from app.domain.records import Limits
from app.domain.wallet import Wallet


def expect_amount_within_bounds(limits: Limits, asset_type_id: int, amount: int) -> None:
    """Raise AmountBelowMinimum or AmountAboveMaximum when `amount` is out of bounds."""
    if limits.amount_min is not None and amount < limits.amount_min:
        raise AmountBelowMinimum(asset_type_id=asset_type_id, amount_min=limits.amount_min)
    if limits.amount_max is not None and amount > limits.amount_max:
        raise AmountAboveMaximum(asset_type_id=asset_type_id, amount_max=limits.amount_max)


def expect_credit_within_limits(limits: Limits, wallet: Wallet, amount: int, now: datetime) -> None:
    """Raise BalanceLimitExceeded or DailyLimitExceeded when `amount` more would be too much."""
    if limits.balance_max is not None and wallet.posted + amount > limits.balance_max:
        raise BalanceLimitExceeded(
            asset_type_id=wallet.asset_type_id, balance=wallet.posted, balance_max=limits.balance_max, amount=amount
        )
    wallet.expect_room(amount)
    if limits.daily_credit_max is not None:
        _, credited = wallet.on_day(now.date())
        _expect_day_within(limits.daily_credit_max, credited, amount, wallet)


def expect_spend_within_limits(limits: Limits, wallet: Wallet, amount: int, now: datetime) -> None:
    """Raise DailyLimitExceeded when `amount` more would be too much for the day."""
    if limits.daily_spend_max is not None:
        spent, _ = wallet.on_day(now.date())
        _expect_day_within(limits.daily_spend_max, spent, amount, wallet)


def _expect_day_within(daily_max: int, so_far: int, amount: int, wallet: Wallet) -> None:
    if so_far + amount > daily_max:
        raise DailyLimitExceeded(asset_type_id=wallet.asset_type_id, daily_max=daily_max, today=so_far, amount=amount)
