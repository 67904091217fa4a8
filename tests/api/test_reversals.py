"""Reversals over HTTP: what was given is taken back from the lot it made; what is gone is owed by the lot."""

import asyncio

import httpx2
import pytest
import pytest_asyncio

from tests.api.conftest import Service, advance, alone, sharing
from tests.api.shapes import UUID
from tests.api.users import Body, User, neighbour_of, open_user

pytestmark = sharing

DAY = 86_400
NOWHERE = "0198c0de-0000-7000-8000-000000000000"


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    """Lend a user with 5.00 gold that is burned last."""
    user = User(service.client, await service.user())
    await user.done("top-up", amount="5.00", priority=100)
    return user


async def given(user: User, amount: str = "10.00", call: str = "top-up", **body: object) -> tuple[str, str]:
    """Give credits; return how their reversal is called, and their lot."""
    answer = await user.done(call, amount=amount, **body)
    return f"transactions/{answer['transaction_id']}/reverse", str(answer["lots"][0]["lot_id"])


async def debt_of(user: User, lot: str) -> str | None:
    """Return what an open lot owes."""
    listed = (await user.get("lots", asset_type_id=1))["data"]
    return next((str(each["debt"]) for each in listed if each["lot_id"] == lot), None)


@pytest.mark.parametrize("call", ["top-up", "bonus"])
async def test_a_reversal_takes_all_that_was_given_from_its_own_lot(user: User, call: str) -> None:
    reverse, lot = await given(user, call=call)
    back = await user.done(reverse)
    assert {name: back[name] for name in ("type", "amount", "reversed", "uncollected", "new_balance")} == {
        "type": "reversal",
        "amount": "10.00",
        "reversed": "10.00",
        "uncollected": "0.00",
        "new_balance": "5.00",
    }
    assert (back["transaction_id"], f"transactions/{back['parent_id']}/reverse") == (UUID, reverse)
    assert [(each["lot_id"], each["amount"]) for each in back["lots"]] == [(lot, "10.00")]
    assert lot not in await user.lots()
    for body in ({}, {"on_shortfall": "partial"}):
        await user.refused(reverse, 409, "already_reversed", facts={"parent_id": back["parent_id"]}, **body)


async def test_of_two_reversals_at_once_exactly_one_wins(user: User) -> None:
    reverse, _ = await given(user)
    answers = await asyncio.gather(*(user.post(reverse) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [200, *[409] * 7]
    assert await user.has() == ("5.00", "0.00", "5.00")


@pytest.mark.parametrize(("spent", "held"), [("4.00", "0"), ("0", "4.00"), ("1.00", "3.00")])
async def test_what_is_spent_or_held_is_a_shortfall_that_refuses(user: User, spent: str, held: str) -> None:
    reverse, _ = await given(user)
    if spent != "0":
        await user.done("spend", amount=spent)
    if held != "0":
        await user.hold(held)
    before = await user.has()
    facts = {"free": "6.00", "uncollected": "4.00"}
    await user.refused(reverse, 409, "reversal_shortfall", facts=facts)
    await user.refused(reverse, 409, "reversal_shortfall", facts=facts, on_shortfall="refuse")
    assert await user.has() == before
    partly = await user.done(reverse, on_shortfall="partial")
    assert (partly["reversed"], partly["uncollected"], partly["amount"]) == ("6.00", "4.00", "6.00")
    await user.refused(reverse, 409, "already_reversed", on_shortfall="partial")


async def test_with_nothing_free_a_partial_reversal_takes_zero_and_all_is_owed(user: User) -> None:
    reverse, _ = await given(user)
    await user.done("spend", amount="10.00")
    back = await user.done(reverse, on_shortfall="partial")
    assert (back["reversed"], back["uncollected"], back["lots"]) == ("0.00", "10.00", [])
    assert await user.has() == ("5.00", "0.00", "5.00")


async def test_a_refund_of_the_spend_that_used_a_reversed_lot_pays_its_debt_first(user: User) -> None:
    reverse, lot = await given(user)
    spent = await user.done("spend", amount="8.00")
    assert (await user.done(reverse, on_shortfall="partial"))["uncollected"] == "8.00"
    refund = f"transactions/{spent['transaction_id']}/refund"
    first = await user.done(refund, amount="3.00")
    assert (first["refunded"], first["debt_paid"], first["refundable"]) == ("3.00", "3.00", "5.00")
    assert (first["new_balance"], first["balance_after"]) == ("5.00", "5.00")
    rest = await user.done(refund)
    assert (rest["refunded"], rest["debt_paid"], rest["refundable"]) == ("5.00", "5.00", "0.00")
    assert await user.has() == ("5.00", "0.00", "5.00")
    assert lot not in await user.lots()


async def test_what_a_refund_brings_beyond_the_debt_stays_with_the_user(user: User) -> None:
    paid, paid_lot = await given(user, "10.00", priority=20)
    spent = await user.done("spend", amount="13.00")
    await user.done(paid, on_shortfall="partial")
    back = await user.done(f"transactions/{spent['transaction_id']}/refund")
    assert (back["refunded"], back["debt_paid"]) == ("13.00", "10.00")
    assert await user.has() == ("5.00", "0.00", "5.00")
    assert paid_lot not in await user.lots()


@pytest.mark.parametrize("end", ["release", "capture"])
async def test_a_lot_reversed_under_a_hold_is_paid_when_the_hold_is_released(user: User, end: str) -> None:
    reverse, lot = await given(user)
    hold = await user.hold("7.00")
    back = await user.done(reverse, on_shortfall="partial")
    assert (back["reversed"], back["uncollected"]) == ("3.00", "7.00")
    assert (await user.has(), await debt_of(user, lot)) == (("12.00", "7.00", "5.00"), "7.00")
    taken = "2.00" if end == "capture" else "0.00"
    answer = await user.done(f"holds/{hold}/{end}", **({"amount": taken} if end == "capture" else {}))
    assert answer["released"] == ("5.00" if end == "capture" else "7.00")
    assert (answer["new_balance"], answer["balance_after"]) == ("5.00", "5.00")
    assert await user.has() == ("5.00", "0.00", "5.00")
    assert lot not in await user.lots()
    if end == "capture":
        assert [each["amount"] for each in answer["lots"]] == [taken]
        refunded = await user.done(f"transactions/{answer['transaction_id']}/refund")
        assert (refunded["refunded"], refunded["debt_paid"]) == ("2.00", "2.00")
        assert await user.has() == ("5.00", "0.00", "5.00")


async def test_of_a_release_only_what_the_reversal_could_not_take_is_paid(user: User) -> None:
    reverse, lot = await given(user)
    spent = await user.done("spend", amount="4.00")
    hold = await user.hold("6.00")
    await user.done(reverse, on_shortfall="partial")
    await user.done(f"transactions/{spent['transaction_id']}/refund", amount="3.00")
    assert await debt_of(user, lot) == "7.00"
    await user.done(f"holds/{hold}/release")
    assert await user.has() == ("5.00", "0.00", "5.00")
    last = await user.done(f"transactions/{spent['transaction_id']}/refund")
    assert (last["debt_paid"], last["new_balance"]) == ("1.00", "5.00")


@alone
async def test_a_lot_reversed_under_a_hold_is_paid_at_the_holds_deadline(sandbox_client: httpx2.AsyncClient) -> None:
    user = await open_user(sandbox_client, "owing", "5.00")
    reverse, _ = await given(user, priority=10)
    await user.hold("7.00", expires_in_seconds=600)
    await user.done(reverse, on_shortfall="partial")
    await advance(sandbox_client, 600)
    assert await user.has() == ("5.00", "0.00", "5.00")
    await user.refused("spend", 402, "insufficient_funds", amount="5.01", facts={"available": "5.00"})
    await user.done("spend", amount="5.00")


@alone
async def test_what_has_expired_is_no_shortfall(sandbox_client: httpx2.AsyncClient) -> None:
    user = await open_user(sandbox_client, "expired", "5.00")
    reverse, _ = await given(user, priority=10, expires_in_days=1)
    spent = await user.done("spend", amount="2.00")
    hold = await user.hold("3.00", expires_in_seconds=9 * DAY)
    await advance(sandbox_client, 2 * DAY)
    await user.refused(reverse, 409, "reversal_shortfall", facts={"free": "0.00", "uncollected": "5.00"})
    back = await user.done(reverse, on_shortfall="partial")
    assert (back["reversed"], back["uncollected"]) == ("0.00", "5.00")
    refund = await user.done(f"transactions/{spent['transaction_id']}/refund")
    assert (refund["debt_paid"], refund["new_balance"]) == ("2.00", "8.00")
    release = await user.done(f"holds/{hold}/release")
    assert (release["released"], release["new_balance"]) == ("3.00", "5.00")
    assert await user.booked(type="expiry") == await user.booked(type="expiry", asset_type_id=1)
    assert [each["amount"] for each in await user.booked(type="expiry")] == ["5.00"]


@alone
async def test_of_what_has_wholly_expired_nothing_is_left_to_reverse(sandbox_client: httpx2.AsyncClient) -> None:
    user = await open_user(sandbox_client, "gone", "5.00")
    reverse, _ = await given(user, expires_in_days=1)
    await advance(sandbox_client, DAY)
    await user.refused(reverse, 409, "already_reversed", on_shortfall="partial")


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["spend", "adjustment", "hold", "capture", "refund", "reversal", "group", "refused"])
async def test_only_posted_top_ups_and_bonuses_can_be_reversed(user: User, kind: str) -> None:
    match kind:
        case "spend":
            answer = await user.done("spend", amount="1")
        case "adjustment":
            answer = await user.done("adjustments", amount="1")
        case "hold":
            answer = await user.done("holds", amount="1")
        case "capture":
            answer = await user.done(f"holds/{await user.hold('1')}/capture")
        case "refund":
            spent = await user.done("spend", amount="1")
            answer = await user.done(f"transactions/{spent['transaction_id']}/refund")
        case "reversal":
            reverse, _ = await given(user)
            answer = await user.done(reverse)
        case "group":
            answer = await user.done("groups", operations=[{"type": "bonus", "amount": "1", "asset_type_id": 1}])
        case _:
            body: Body = {"amount": "92233720368547758.07", "idempotency_key": "no"}
            answer = await user.refused("top-up", 409, "balance_limit_exceeded", **body)
    parent = answer["transaction_id"]
    await user.refused(f"transactions/{parent}/reverse", 409, "not_reversible", facts={"parent_id": parent})


async def test_nobody_reverses_what_another_user_was_given(user: User, service: Service) -> None:
    reverse, _ = await given(user)
    for name in (neighbour_of(user.name), f"{user.name}-elsewhere"):
        other = await open_user(service.client, name, "9.00")
        await other.refused(reverse, 404, "unknown_transaction", on_shortfall="partial")
        assert await other.has() == ("9.00", "0.00", "9.00")
    await user.refused(f"transactions/{NOWHERE}/reverse", 404, "unknown_transaction")
    assert await user.has() == ("15.00", "0.00", "15.00")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"amount": "1"}, "/amount"),
        ({"on_shortfall": "PARTIAL"}, "/on_shortfall"),
        ({"on_shortfall": None}, "/on_shortfall"),
        ({"on_shortfall": True}, "/on_shortfall"),
        ({"dry_run": "true"}, "/dry_run"),
        ({"reason": "chargeback"}, "/reason"),
        ({"asset_code": "GOLD"}, "/asset_code"),
    ],
)
async def test_a_hostile_value_is_422_and_takes_nothing_back(
    user: User, service: Service, body: Body, pointer: str
) -> None:
    reverse, _ = await given(user)
    size = await service.size()
    problem = await user.refused(reverse, 422, "validation_failed", **body)
    assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert await service.size() == size
