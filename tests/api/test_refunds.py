"""Refunds over HTTP: what was taken goes back to the exact lots, never more of it than was taken."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
import pytest_asyncio

from tests.api.conftest import Service, advance, alone, sharing
from tests.api.shapes import UUID
from tests.api.users import Body, User, moment, neighbour_of, open_user

pytestmark = sharing

DAY = 86_400
NOWHERE = "0198c0de-0000-7000-8000-000000000000"


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    """Lend a user with three lots of gold: 10.00, 20.00, 30.00."""
    user = User(service.client, await service.user("10.00"))
    await user.done("top-up", amount="20.00")
    await user.done("top-up", amount="30.00")
    return user


async def spent(user: User, amount: str) -> str:
    """Spend, and return how its refund is called."""
    return f"transactions/{(await user.done('spend', amount=amount))['transaction_id']}/refund"


async def test_a_refund_gives_all_back_to_the_lots_the_last_taken_first(user: User) -> None:
    before = await user.lots()
    refund = await spent(user, "45.00")
    back = await user.done(refund)
    assert {name: back[name] for name in ("type", "refunded", "refundable", "debt_paid", "amount")} == {
        "type": "refund",
        "refunded": "45.00",
        "refundable": "0.00",
        "debt_paid": "0.00",
        "amount": "45.00",
    }
    assert (back["transaction_id"], f"transactions/{back['parent_id']}/refund") == (UUID, refund)
    first, second, third = before
    assert [(each["lot_id"], each["amount"]) for each in back["lots"]] == [
        (third, "15.00"),
        (second, "20.00"),
        (first, "10.00"),
    ]
    assert await user.lots() == before
    assert (back["new_balance"], await user.has()) == ("60.00", ("60.00", "0.00", "60.00"))


async def test_a_refund_in_parts_goes_to_the_exact_lots_in_reverse_order(user: User) -> None:
    first, second, third = await user.lots()
    refund = await spent(user, "45.00")
    steps = [
        ("5.00", [(third, "5.00")], "40.00"),
        ("12.00", [(third, "10.00"), (second, "2.00")], "28.00"),
        ("18.01", [(second, "18.00"), (first, "0.01")], "9.99"),
        ("9.99", [(first, "9.99")], "0.00"),
    ]
    for amount, lots, refundable in steps:
        back = await user.done(refund, amount=amount)
        assert [(each["lot_id"], each["amount"]) for each in back["lots"]] == lots
        assert (back["refunded"], back["refundable"]) == (amount, refundable)
    assert await user.lots() == {first: ("10.00", "0.00"), second: ("20.00", "0.00"), third: ("30.00", "0.00")}


async def test_no_more_is_given_back_than_was_taken(user: User) -> None:
    refund = await spent(user, "45.00")
    too_much = {"refundable": "45.00", "amount": "45.01"}
    await user.refused(refund, 409, "refund_exceeds_remaining", facts=too_much, amount="45.01")
    await user.done(refund, amount="40.00")
    too_much = {"refundable": "5.00", "amount": "5.01"}
    await user.refused(refund, 409, "refund_exceeds_remaining", facts=too_much, amount="5.01")
    assert (await user.done(refund))["refunded"] == "5.00"
    for body in ({}, {"amount": "0.01"}):
        await user.refused(refund, 409, "refund_exceeds_remaining", facts={"refundable": "0.00"}, **body)
    assert await user.has() == ("60.00", "0.00", "60.00")


async def test_of_two_refunds_at_once_exactly_one_wins(user: User) -> None:
    refund = await spent(user, "45.00")
    for body in ({"amount": "30.00"}, {"amount": "15.00"}):
        answers = await asyncio.gather(*(user.post(refund, **body) for _ in range(8)))
        assert sorted(each.status_code for each in answers) == [200, *[409] * 7]
        refused = [each.json() for each in answers if each.status_code == 409]
        assert {each["code"] for each in refused} == {"refund_exceeds_remaining"}
    assert await user.has() == ("60.00", "0.00", "60.00")


async def test_a_refund_of_a_capture_goes_back_to_the_held_lots_last(user: User) -> None:
    first, second, _ = await user.lots()
    hold = await user.hold("5.00")
    await user.done("spend", amount="5.00")
    taken = await user.done(f"holds/{hold}/capture", amount="12.00", on_excess="from_available")
    assert [(each["lot_id"], each["amount"]) for each in taken["lots"]] == [(first, "5.00"), (second, "7.00")]
    refund = f"transactions/{taken['transaction_id']}/refund"
    back = [await user.done(refund, amount=amount) for amount in ("8.00", "4.00")]
    assert [[(each["lot_id"], each["amount"]) for each in answer["lots"]] for answer in back] == [
        [(second, "7.00"), (first, "1.00")],
        [(first, "4.00")],
    ]
    assert await user.has() == ("55.00", "0.00", "55.00")


async def test_of_a_partial_spend_only_what_was_taken_can_be_refunded(user: User) -> None:
    taken = await user.done("spend", amount="100.00", on_shortfall="partial")
    assert (taken["amount"], taken["requested"]) == ("60.00", "100.00")
    refund = f"transactions/{taken['transaction_id']}/refund"
    await user.refused(refund, 409, "refund_exceeds_remaining", amount="60.01")
    assert (await user.done(refund))["refunded"] == "60.00"


async def test_a_capture_of_nothing_has_nothing_to_be_refunded(user: User) -> None:
    hold = await user.hold("5.00")
    await user.done(f"holds/{hold}/capture", final=False)
    nothing = await user.done(f"holds/{hold}/capture")
    assert nothing["captured"] == "0.00"
    await user.refused(f"transactions/{nothing['transaction_id']}/refund", 409, "refund_exceeds_remaining")


# -- expired meanwhile ---------------------------------------------------------------------------------------------


def life(lot: Body, since: str) -> timedelta:
    return moment(lot["expires_at"]) - moment(since)


@alone
async def test_a_lot_that_expired_comes_back_as_a_new_one_with_the_life_it_had_when_it_was_spent(
    sandbox_client: httpx2.AsyncClient,
) -> None:
    user = await open_user(sandbox_client, "late")
    bonus = await user.done("bonus", amount="10.00", expires_in_days=10, priority=7)
    await user.done("top-up", amount="10.00")
    await advance(sandbox_client, 4 * DAY)
    taken = await user.done("spend", amount="12.00")
    await advance(sandbox_client, 30 * DAY)
    back = await user.done(f"transactions/{taken['transaction_id']}/refund")
    paid, promo = back["lots"]
    assert (paid["amount"], paid["kind"], paid["lot_id"]) == ("2.00", "paid", taken["lots"][1]["lot_id"])
    assert (promo["amount"], promo["kind"]) == ("10.00", "promo")
    assert promo["lot_id"] != bonus["lots"][0]["lot_id"]
    left = life(bonus["lots"][0], taken["created_at"])
    assert life(promo, back["created_at"]) == left
    assert timedelta(days=5, hours=23) < left < timedelta(days=6)
    listed = {each["lot_id"]: each for each in (await user.get("lots", asset_type_id=1))["data"]}
    assert (listed[promo["lot_id"]]["priority"], listed[promo["lot_id"]]["granted"]) == (7, "10.00")
    assert await user.has() == ("20.00", "0.00", "20.00")
    await advance(sandbox_client, 6 * DAY)
    assert await user.has() == ("10.00", "0.00", "10.00")


@alone
async def test_a_capture_from_a_lot_that_expired_under_the_hold_is_refunded_with_the_life_it_had_when_it_was_held(
    sandbox_client: httpx2.AsyncClient,
) -> None:
    user = await open_user(sandbox_client, "held")
    bonus = await user.done("bonus", amount="10.00", expires_in_days=10)
    await advance(sandbox_client, 7 * DAY)
    held = await user.done("holds", amount="6.00", expires_in_seconds=60 * DAY)
    await advance(sandbox_client, 1 * DAY)
    extended = await user.done(f"holds/{held['hold_id']}/extend", amount="3.00")
    await advance(sandbox_client, 20 * DAY)
    taken = await user.done(f"holds/{held['hold_id']}/capture")
    assert (taken["captured"], taken["new_balance"]) == ("9.00", "0.00")
    back = await user.done(f"transactions/{taken['transaction_id']}/refund")
    assert [each["amount"] for each in back["lots"]] == ["3.00", "6.00"]
    assert [life(each, back["created_at"]) for each in back["lots"]] == [
        life(bonus["lots"][0], since["created_at"]) for since in (extended, held)
    ]
    assert len({each["lot_id"] for each in back["lots"] + bonus["lots"]}) == 3
    await advance(sandbox_client, 2 * DAY)
    assert await user.has() == ("6.00", "0.00", "6.00")
    await advance(sandbox_client, 1 * DAY)
    assert await user.has() == ("0.00", "0.00", "0.00")


@alone
async def test_the_new_lot_of_a_refund_is_spent_held_reversed_never_and_refunded_like_any_other(
    sandbox_client: httpx2.AsyncClient,
) -> None:
    user = await open_user(sandbox_client, "again")
    await user.done("bonus", amount="10.00", expires_in_days=1)
    first = await user.done("spend", amount="10.00")
    await advance(sandbox_client, 5 * DAY)
    back = await user.done(f"transactions/{first['transaction_id']}/refund")
    second = await user.done("spend", amount="4.00")
    assert second["lots"][0]["lot_id"] == back["lots"][0]["lot_id"]
    again = await user.done(f"transactions/{second['transaction_id']}/refund")
    assert again["lots"] == second["lots"]
    await user.refused(f"transactions/{back['transaction_id']}/reverse", 409, "not_reversible")


# -- what is refused -----------------------------------------------------------------------------------------------


async def not_refundable(user: User, kind: str) -> str:
    """Return the id of a transaction that can't be refunded."""
    match kind:
        case "top-up" | "bonus":
            answer = await user.done(kind, amount="1")
        case "adjustment":
            answer = await user.done("adjustments", amount="-1")
        case "hold":
            answer = await user.done("holds", amount="1")
        case "release" | "extend":
            body = {"amount": "1"} if kind == "extend" else {}
            answer = await user.done(f"holds/{await user.hold('1')}/{kind}", **body)
        case "refund":
            answer = await user.done(await spent(user, "1"))
        case "reversal":
            bonus = await user.done("bonus", amount="1")
            answer = await user.done(f"transactions/{bonus['transaction_id']}/reverse")
        case "group":
            answer = await user.done("groups", operations=[{"type": "spend", "amount": "1", "asset_type_id": 1}])
        case "account change":
            answer = (await user.change(status="active")).json()
        case "refused spend":
            answer = await user.refused("spend", 402, "insufficient_funds", amount="999", idempotency_key="no")
        case _:
            answer = await user.refused(
                "spend", 402, "insufficient_funds", amount="9", asset_type_id=2, idempotency_key="no"
            )
    return str(answer["transaction_id"])


@pytest.mark.parametrize(
    "kind",
    [
        *("top-up", "bonus", "adjustment", "hold", "release", "extend", "refund", "reversal", "group"),
        *("account change", "refused spend", "refused spend without a wallet"),
    ],
)
async def test_only_posted_spends_and_captures_can_be_refunded(user: User, kind: str) -> None:
    parent = await not_refundable(user, kind)
    before = await user.has()
    await user.refused(f"transactions/{parent}/refund", 409, "not_refundable", facts={"parent_id": parent})
    assert await user.has() == before


async def test_nobody_refunds_what_another_user_spent(user: User, service: Service) -> None:
    refund = await spent(user, "5.00")
    parent = refund.split("/")[1]
    for name in (neighbour_of(user.name), f"{user.name}-elsewhere"):
        other = await open_user(service.client, name, "9.00")
        await other.refused(refund, 404, "unknown_transaction", facts={"transaction_id": parent})
        assert await other.has() == ("9.00", "0.00", "9.00")
    await user.refused(f"transactions/{NOWHERE}/refund", 404, "unknown_transaction")
    nobody = User(user.client, "no-such-user")
    assert (await nobody.post(refund)).status_code == 404
    await user.done(refund)


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"amount": "0"}, "amount_zero", "/amount"),
        ({"amount": "-1"}, "amount_negative", "/amount"),
        ({"amount": "0.001"}, "amount_too_precise", "/amount"),
        ({"amount": "92233720368547758.08"}, "amount_too_large", "/amount"),
        ({"amount": True}, "validation_failed", "/amount"),
        ({"amount": ["1"]}, "validation_failed", "/amount"),
        ({"asset_type_id": 1}, "validation_failed", "/asset_type_id"),
        ({"on_shortfall": "partial"}, "validation_failed", "/on_shortfall"),
        ({"dry_run": 1}, "validation_failed", "/dry_run"),
        ({"transaction_id": NOWHERE}, "validation_failed", "/transaction_id"),
    ],
)
async def test_a_hostile_value_is_422_and_gives_nothing_back(
    user: User, service: Service, body: Body, code: str, pointer: str
) -> None:
    refund = await spent(user, "5.00")
    size = await service.size()
    problem = await user.refused(refund, 422, code, **body)
    assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert await service.size() == size
