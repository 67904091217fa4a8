"""The naive model in the cases that are easy to get wrong, with numbers worked out by hand from the specification."""

from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from app.domain import commands as ask
from app.domain.records import AccountStatus, AssetStatus, AssetType, Limits, LotKind
from tests.model.compare import uses
from tests.model.driver import DAY, EPOCH, SECOND
from tests.model.naive import NaiveLedger, Thing

NOON = 20_000 * DAY + DAY // 2
HOUR = 3_600 * SECOND
ASSETS = {
    1: AssetType(id=1, code="GOLD", name="Gold", scale=2, status=AssetStatus.ACTIVE),
    2: AssetType(
        id=2,
        code="DMND",
        name="Diamonds",
        scale=0,
        status=AssetStatus.ACTIVE,
        limits=Limits(daily_spend_max=10, daily_credit_max=100),
    ),
}

_ids = count(1)


class Story:
    """A ledger that is told what to do in short; `ids` are those of its commands, in order."""

    def __init__(self) -> None:
        self.ledger = NaiveLedger(ASSETS, NOON)
        self.ids: list[UUID] = []

    def build(self, kind: Any, **asked: Any) -> Any:
        self.ids.append(UUID(int=next(_ids)))
        if kind in {ask.TopUp, ask.Bonus, ask.Adjustment}:
            asked["lot_id"] = UUID(int=next(_ids))
        if issubclass(kind, ask.Operation):
            asked.setdefault("asset_type_id", 1)
        return kind(transaction_id=self.ids[-1], external_user_id="user", bucket=0, actor="test", **asked)

    def do(self, kind: Any, **asked: Any) -> Thing:
        return self.ledger.run(self.build(kind, **asked))

    def lot(self, amount: int, hours: int | None = None, kind: Any = ask.TopUp, asset: int = 1) -> UUID:
        expires_at = None if hours is None else EPOCH + timedelta(microseconds=self.ledger.now + hours * HOUR)
        assert self.do(kind, amount=amount, expires_at=expires_at, asset_type_id=asset).posted
        return self.ids[-1]

    def hold(self, amount: int, hours: int = 24) -> UUID:
        assert self.do(ask.PlaceHold, amount=amount, expires_in_seconds=hours * 3_600).posted
        return self.ids[-1]

    def after(self, hours: float) -> None:
        self.ledger.now += int(hours * HOUR)

    @property
    def left(self) -> list[int]:
        return [each.remaining for each in self.ledger.lots]

    def lines(self, seq: int = -1) -> list[tuple[int, int]]:
        return [(lot.number, amount) for lot, amount in self.ledger.transactions[seq].lines]

    def types(self) -> list[str]:
        return [str(each.type) for each in self.ledger.transactions]


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_capture_from_a_lot_that_expired_under_the_hold_is_refunded_with_the_life_it_had_when_held(
    story: Story,
) -> None:
    story.lot(10, hours=5)
    story.after(2)
    hold = story.hold(6)
    story.after(4)  # 6 h: the lot is gone since 5 h; 4 free ones went, 6 are held
    captured = story.do(ask.Capture, hold_id=hold, amount=5)
    assert (captured.amount, uses(captured), captured.facts["released"]) == (5, ((0, 5),), 1)
    assert story.types() == ["top_up", "hold", "expiry", "capture", "expiry"]
    assert [each.amount for each in story.ledger.transactions] == [10, 6, 4, 5, 1]
    assert (captured.balance_after, captured.balance) == (1, 0)
    refunded = story.do(ask.Refund, parent_id=story.ids[-1], amount=2)
    assert (uses(refunded), refunded.facts) == (((1, 2),), {"refundable": 3, "debt_paid": 0})
    new = story.ledger.lots[1]
    assert (new.kind, new.priority, new.remaining) == (LotKind.PAID, 50, 2)
    assert new.expires_at == story.ledger.now + 3 * HOUR  # held at 2 h, to expire at 5 h


def test_a_refund_pays_the_debt_of_a_lot_reversed_in_part(story: Story) -> None:
    topped_up = story.lot(10)
    story.do(ask.Spend, amount=7)
    spent = story.ids[-1]
    refused = story.do(ask.Reversal, parent_id=topped_up)
    assert (refused.code, refused.facts) == ("reversal_shortfall", {"free": 3, "uncollected": 7})
    taken = story.do(ask.Reversal, parent_id=topped_up, on_shortfall=ask.OnShortfall.PARTIAL)
    assert (taken.amount, taken.facts, taken.balance) == (3, {"uncollected": 7}, 0)
    assert story.do(ask.Reversal, parent_id=topped_up).code == "already_reversed"
    first = story.do(ask.Refund, parent_id=spent, amount=4)
    assert (first.amount, first.facts, first.balance) == (4, {"refundable": 3, "debt_paid": 4}, 0)
    assert story.lines() == [(0, 4), (0, -4)]
    assert story.do(ask.Refund, parent_id=spent).facts == {"refundable": 0, "debt_paid": 3}
    assert (story.ledger.lots[0].debt, story.left) == (0, [0])


def test_a_refund_to_an_expired_lot_pays_its_debt_and_the_rest_lives_on_anew(story: Story) -> None:
    topped_up = story.lot(10, hours=4)
    story.after(1)
    story.do(ask.Spend, amount=6)
    spent = story.ids[-1]
    story.do(ask.Refund, parent_id=spent, amount=2)
    story.after(3)  # 6 were there and expire: 4 of the claim are left, all of them spent
    taken = story.do(ask.Reversal, parent_id=topped_up, on_shortfall=ask.OnShortfall.PARTIAL)
    assert (taken.amount, taken.facts, uses(taken)) == (0, {"uncollected": 4}, ())
    story.ledger.lots[0].debt = 1  # as if 3 of it had been paid
    refunded = story.do(ask.Refund, parent_id=spent)
    assert (refunded.amount, refunded.facts) == (4, {"refundable": 0, "debt_paid": 1})
    assert story.lines() == [(0, 1), (0, -1), (1, 3)]
    assert story.ledger.lots[1].expires_at == story.ledger.now + 3 * HOUR


def test_a_release_pays_the_debt_of_a_lot_reversed_under_the_hold(story: Story) -> None:
    topped_up = story.lot(10)
    story.lot(5)
    hold = story.hold(8)
    taken = story.do(ask.Reversal, parent_id=topped_up, on_shortfall=ask.OnShortfall.PARTIAL)
    assert (taken.amount, taken.facts, taken.balance, taken.held) == (2, {"uncollected": 8}, 13, 8)
    part = story.do(ask.Capture, hold_id=hold, amount=3, final=False)
    assert (part.balance, part.held, part.facts["released"]) == (10, 5, 0)
    released = story.do(ask.Release, hold_id=hold)
    assert (released.amount, uses(released), released.balance, released.available) == (5, ((0, 5),), 5, 5)
    assert (story.lines(), story.ledger.lots[0].debt) == ([(0, -5)], 3)
    assert story.do(ask.Release, hold_id=hold).code == "hold_not_open"


def test_a_final_capture_pays_debts_with_what_it_releases_on_lines_after_its_own(story: Story) -> None:
    topped_up = story.lot(10)
    hold = story.hold(8)
    story.do(ask.Reversal, parent_id=topped_up, on_shortfall=ask.OnShortfall.PARTIAL)
    captured = story.do(ask.Capture, hold_id=hold, amount=3)
    assert (captured.amount, uses(captured), captured.facts["released"]) == (3, ((0, 3),), 5)
    assert captured.facts["held_at"] == [NOON]
    assert (story.lines(), captured.balance) == ([(0, -3), (0, -5)], 0)
    refunded = story.do(ask.Refund, parent_id=story.ids[-1])
    assert (refunded.amount, refunded.facts) == (3, {"refundable": 0, "debt_paid": 3})


def test_a_refund_in_three_parts_goes_back_over_the_lots_in_reverse(story: Story) -> None:
    story.lot(3, hours=10)
    story.lot(4, hours=20)
    story.lot(5)
    assert uses(story.do(ask.Spend, amount=10)) == ((0, 3), (1, 4), (2, 3))
    spent = story.ids[-1]
    assert uses(story.do(ask.Refund, parent_id=spent, amount=4)) == ((2, 3), (1, 1))
    assert uses(story.do(ask.Refund, parent_id=spent, amount=5)) == ((1, 3), (0, 2))
    assert story.do(ask.Refund, parent_id=spent, amount=2).code == "refund_exceeds_remaining"
    assert uses(story.do(ask.Refund, parent_id=spent)) == ((0, 1),)
    assert story.do(ask.Refund, parent_id=spent).code == "refund_exceeds_remaining"
    assert story.left == [3, 4, 5]


def test_a_refund_of_a_capture_gives_each_part_the_life_it_had_when_it_was_reserved(story: Story) -> None:
    story.lot(10, hours=10)
    hold = story.hold(2, hours=100)
    story.after(3)
    story.do(ask.Extend, hold_id=hold, amount=3)
    story.after(2)
    captured = story.do(ask.Capture, hold_id=hold, amount=6, on_excess=ask.OnExcess.FROM_AVAILABLE)
    assert captured.facts["held_at"] == [NOON, NOON + 3 * HOUR]
    assert uses(captured) == ((0, 2), (0, 3), (0, 1))
    assert story.ledger.holds[0].captured == 6
    story.after(20)
    assert uses(story.do(ask.Refund, parent_id=story.ids[-1])) == ((1, 1), (2, 3), (3, 2))
    now = story.ledger.now
    assert [each.expires_at for each in story.ledger.lots[1:]] == [now + 5 * HOUR, now + 7 * HOUR, now + 10 * HOUR]


def test_a_spend_may_take_part(story: Story) -> None:
    story.lot(7)
    story.hold(3)
    spent = story.do(ask.Spend, amount=10, on_shortfall=ask.OnShortfall.PARTIAL)
    assert (spent.amount, spent.facts, spent.balance, spent.available) == (4, {"requested": 10}, 3, 0)
    refused = story.do(ask.Spend, amount=10, on_shortfall=ask.OnShortfall.PARTIAL)
    assert refused.code == "insufficient_funds"
    assert refused.facts == {"available": 0, "held": 3, "required": 10, "shortfall": 10}


def test_a_refusal_says_when_a_deadline_would_help(story: Story) -> None:
    story.lot(6, hours=3)
    story.lot(6)
    story.hold(4, hours=2)
    story.hold(4, hours=4)  # 2 of the lot that expires at 3 h, 2 of the other
    assert story.do(ask.Spend, amount=8).facts["available_at"] == NOON + 2 * HOUR
    # at 2 h there are 8; at 3 h the 4 free of the first lot go; at 4 h its 2 held go, and 2 come back
    assert "available_at" not in story.do(ask.Spend, amount=9).facts
    story.after(3)
    assert story.do(ask.Spend, amount=6).facts["available_at"] == NOON + 4 * HOUR
    assert "available_at" not in story.do(ask.Spend, amount=7).facts


def test_a_deadline_gives_back_what_then_expires(story: Story) -> None:
    story.lot(5, hours=1)
    story.hold(3, hours=2)
    story.after(2)
    refused = story.do(ask.Spend, amount=1)
    assert (refused.code, refused.recorded) == ("insufficient_funds", False)
    booked = [(each.type, each.amount, each.effective_at) for each in story.ledger.transactions[2:]]
    assert booked == [("expiry", 2, NOON + HOUR), ("release", 3, NOON + 2 * HOUR), ("expiry", 3, NOON + 2 * HOUR)]
    assert story.ledger.lots[0].expired == 5


def test_a_microsecond_decides(story: Story) -> None:
    story.lot(5, hours=1)
    hold = story.hold(2, hours=1)
    story.ledger.now = NOON + HOUR - 1
    assert story.do(ask.Capture, hold_id=hold, amount=1, final=False).posted
    story.ledger.now = NOON + HOUR
    assert story.do(ask.Capture, hold_id=hold).code == "hold_not_open"
    assert story.types()[3:] == ["release", "expiry"]  # what came back and what was free, together
    assert story.left == [0]


def test_a_group_is_undone_as_a_whole(story: Story) -> None:
    story.lot(10)
    hold = story.hold(4)
    members = (
        story.build(ask.Capture, hold_id=hold, amount=1),
        story.build(ask.Spend, amount=5),
        story.build(ask.Spend, amount=5),
    )
    refused = story.do(ask.Group, members=members, idempotency_key="group")
    facts = {"available": 4, "held": 0, "required": 5, "shortfall": 1, "operation": 2}
    assert (refused.code, refused.facts, refused.recorded) == ("insufficient_funds", facts, True)
    assert (story.left, story.ledger.lots[0].held, story.ledger.holds[0].status) == ([10], 4, "open")
    assert [(each.type, each.posted) for each in story.ledger.transactions][2:] == [("group", False)]
    posted = story.do(ask.Group, members=members[:2])
    assert (posted.facts, [each.balance for each in posted.members]) == ({"members": 2}, [9, 4])
    assert story.types()[3:] == ["group", "capture", "spend"]


def test_the_daily_limit_begins_anew_at_midnight(story: Story) -> None:
    story.lot(50, asset=2)
    assert story.do(ask.Spend, amount=8, asset_type_id=2).posted
    spent = story.ids[-1]
    story.ledger.now = NOON + DAY // 2 - 1
    assert story.do(ask.Spend, amount=3, asset_type_id=2).code == "daily_limit_exceeded"
    story.do(ask.Refund, parent_id=spent, asset_type_id=2)
    assert story.do(ask.Spend, amount=3, asset_type_id=2).code == "daily_limit_exceeded"
    assert story.do(ask.PlaceHold, amount=20, asset_type_id=2).posted
    hold = story.ids[-1]
    assert story.do(ask.Capture, hold_id=hold, amount=3, final=False, asset_type_id=2).code == "daily_limit_exceeded"
    story.ledger.now += 1
    assert story.do(ask.Capture, hold_id=hold, amount=3, final=False, asset_type_id=2).posted
    assert story.do(ask.Spend, amount=8, asset_type_id=2).code == "daily_limit_exceeded"
    assert story.do(ask.Spend, amount=7, asset_type_id=2).posted
    limits = {2: {"daily_spend_max": 12}}
    assert story.do(ask.ChangeAccount, limits=limits).posted
    assert story.do(ask.Spend, amount=2, asset_type_id=2).posted


def test_a_key_decides_once(story: Story) -> None:
    story.lot(5)
    refused = story.do(ask.Spend, amount=6, idempotency_key="a")
    assert (refused.code, refused.recorded, refused.seq) == ("insufficient_funds", True, 2)
    story.lot(5)
    again = story.do(ask.Spend, amount=6, idempotency_key="a")
    assert (again.code, again.replayed, again.seq) == ("insufficient_funds", True, 2)
    assert story.do(ask.Spend, amount=5, idempotency_key="a").code == "idempotency_mismatch"
    assert story.do(ask.Release, hold_id=UUID(int=0), idempotency_key="b").code == "unknown_hold"
    spent = story.do(ask.Spend, amount=6, idempotency_key="b")
    story.do(ask.Spend, amount=4)
    again = story.do(ask.Spend, amount=6, idempotency_key="b")
    assert (again.replayed, again.seq, uses(again)) == (True, spent.seq, uses(spent))
    assert (again.balance_after, again.balance) == (4, 0)


def test_states_refuse_what_they_should(story: Story) -> None:
    story.lot(5)
    hold = story.hold(2)
    assert story.do(ask.ChangeAccount, status=AccountStatus.CLOSED).code == "account_not_empty"
    story.do(ask.ChangeAccount, status=AccountStatus.FROZEN)
    for refused in (ask.Spend, ask.PlaceHold, ask.Bonus):
        assert story.do(refused, amount=1).code == "account_frozen"
    assert story.do(ask.Capture, hold_id=hold).code == "account_frozen"
    assert story.do(ask.Extend, hold_id=hold, amount=1).code == "account_frozen"
    assert story.do(ask.Extend, hold_id=UUID(int=0), amount=1).code == "unknown_hold"
    assert story.do(ask.Release, hold_id=hold).posted
    assert story.do(ask.Adjustment, amount=-5).posted
    assert story.do(ask.ChangeAccount, status=AccountStatus.CLOSED).posted
    assert story.do(ask.TopUp, amount=1).code == "account_closed"
    assert story.do(ask.ChangeAccount, status=AccountStatus.ACTIVE).posted
