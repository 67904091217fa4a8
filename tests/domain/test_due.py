"""Lots and holds as settling would leave them: what is due has happened, and nothing is booked for it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.domain.due import lots_reserved_by, settled_hold, settled_lots
from app.domain.records import HoldPart, HoldRow, HoldStatus, LotKind, LotRow

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LOT = UUID(int=1)


def lot(*, expires_at: datetime | None = None, remaining: int = 100, held: int = 0, debt: int = 0) -> LotRow:
    return LotRow(
        id=LOT,
        owner_id=1,
        asset_type_id=1,
        seq=1,
        kind=LotKind.PAID,
        priority=50,
        expires_at=expires_at,
        granted=200,
        remaining=remaining,
        held=held,
        debt=debt,
    )


def hold(*amounts: int, deadline: datetime = NOW, status: HoldStatus = HoldStatus.OPEN) -> HoldRow:
    return HoldRow(
        id=UUID(int=9),
        owner_id=1,
        asset_type_id=1,
        seq=2,
        amount=sum(amounts),
        captured=0,
        deadline=deadline,
        status=status,
        parts=tuple(HoldPart(lot_id=LOT, amount=each, held_at=NOW) for each in amounts),
    )


@pytest.mark.parametrize(
    ("before", "due", "after"),
    [
        pytest.param(lot(), [], (100, 0, 0), id="nothing-due"),
        pytest.param(lot(held=30), [], (100, 30, 0), id="held-by-an-open-hold"),
        pytest.param(lot(held=30), [hold(30)], (100, 0, 0), id="released"),
        pytest.param(lot(held=30), [hold(10)], (100, 20, 0), id="one-of-two-holds-is-due"),
        pytest.param(lot(held=30), [hold(10), hold(20)], (100, 0, 0), id="two-holds-are-due"),
        pytest.param(lot(held=30), [hold(10, 20)], (100, 0, 0), id="two-parts-in-one-lot"),
        pytest.param(lot(held=30, debt=5), [hold(30)], (95, 0, 0), id="pays-the-debt-first"),
        pytest.param(lot(held=30, debt=40), [hold(30)], (70, 0, 10), id="pays-what-it-can-of-the-debt"),
        pytest.param(lot(remaining=30, held=30, debt=40), [hold(10)], (20, 20, 30), id="what-is-held-pays-no-debt"),
        pytest.param(lot(expires_at=NOW + TICK), [], (100, 0, 0), id="expires-in-a-moment"),
        pytest.param(lot(expires_at=NOW, held=30), [], (30, 30, 0), id="expired-but-for-what-is-held"),
        pytest.param(lot(expires_at=NOW, held=30), [hold(10)], (20, 20, 0), id="expired-and-partly-released"),
        pytest.param(lot(expires_at=NOW, held=30, debt=15), [hold(10)], (20, 20, 5), id="expired-and-pays-the-debt"),
    ],
)
def test_a_lot_is_what_settling_would_leave(before: LotRow, due: list[HoldRow], after: tuple[int, int, int]) -> None:
    (settled,) = settled_lots([before], due, NOW)
    assert (settled.remaining, settled.held, settled.debt) == after


@pytest.mark.parametrize(
    ("gone", "due"),
    [
        pytest.param(lot(expires_at=NOW), [], id="expired"),
        pytest.param(lot(expires_at=NOW, held=30), [hold(30)], id="expired-and-released"),
        pytest.param(lot(remaining=30, held=30, debt=30), [hold(30)], id="all-of-it-pays-a-debt"),
    ],
)
def test_a_lot_that_holds_nothing_any_more_is_left_out(gone: LotRow, due: list[HoldRow]) -> None:
    assert settled_lots([gone], due, NOW) == []


def test_a_hold_is_over_at_its_deadline_and_reserves_nothing_then() -> None:
    settled = settled_hold(hold(10, deadline=NOW), NOW)
    assert (settled.status, settled.parts) == (HoldStatus.EXPIRED, ())
    assert settled_hold(hold(10, deadline=NOW + TICK), NOW) == hold(10, deadline=NOW + TICK)
    assert settled_hold(hold(status=HoldStatus.CAPTURED), NOW).status is HoldStatus.CAPTURED


def test_the_lots_that_holds_reserve_are_counted_once() -> None:
    assert lots_reserved_by([hold(10, 20), hold(5)]) == {LOT}
