"""Adjustments over HTTP: an operator's correction, with reason and name, which no limit holds back."""

import pytest
import pytest_asyncio

from tests.api.conftest import Service, sharing
from tests.api.users import BY_HAND, GOLD, Body, User

pytestmark = sharing


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    return User(service.client, await service.user("10.00"))


@pytest.mark.parametrize(("body", "kind"), [({}, "promo"), ({"kind": "promo"}, "promo"), ({"kind": "paid"}, "paid")])
async def test_a_positive_adjustment_makes_a_lot_of_its_kind(user: User, body: Body, kind: str) -> None:
    answer = await user.done("adjustments", amount="2.50", **body)
    assert (answer["type"], answer["amount"], answer["new_balance"]) == ("adjustment", "2.50", "12.50")
    assert [(each["kind"], each["amount"], each["expires_at"]) for each in answer["lots"]] == [(kind, "2.50", None)]


async def test_a_negative_adjustment_burns_like_a_spend(user: User) -> None:
    promo = await user.done("bonus", amount="3.00", expires_in_days=1)
    answer = await user.done("adjustments", amount="-4.00")
    assert (answer["amount"], answer["new_balance"]) == ("-4.00", "9.00")
    assert [each["amount"] for each in answer["lots"]] == ["3.00", "1.00"]
    assert answer["lots"][0]["lot_id"] == promo["lots"][0]["lot_id"]


async def test_what_is_not_available_can_not_be_adjusted_away(user: User) -> None:
    await user.hold("4.00")
    facts = {"available": "6.00", "held": "4.00", "required": "6.01", "shortfall": "0.01"}
    await user.refused("adjustments", 402, "insufficient_funds", amount="-6.01", facts=facts)
    await user.done("adjustments", amount="-6.00")


async def test_reason_and_operator_stand_with_the_transaction(user: User) -> None:
    answer = await user.done("adjustments", amount="1", reason="case 4711", operator="olga", reference="r")
    whole = (await user.client.get(f"/api/v1/transactions/{answer['transaction_id']}")).json()
    assert (whole["reason"], whole["operator"], whole["reference"]) == ("case 4711", "olga", "r")


async def test_neither_limits_nor_an_inactive_asset_type_hold_an_adjustment_back(service: Service) -> None:
    user, asset = User(service.client, await service.user()), {"asset_type_id": await service.asset()}
    await service.sql(
        "UPDATE asset_types SET status = 'inactive', amount_min = 200, amount_max = 200, balance_max = 1, "
        "daily_spend_max = 0, daily_credit_max = 0, default_expiry_days = 5 WHERE id = :id",
        id=asset["asset_type_id"],
    )
    given = await user.done("adjustments", amount="5", **asset)
    assert given["lots"][0]["expires_at"] is not None
    assert (await user.done("adjustments", amount="-1", **asset))["new_balance"] == "4.00"


async def test_a_wallet_never_holds_more_than_63_bits(user: User) -> None:
    most = "92233720368547758.07"
    facts = {"balance": "10.00", "balance_max": most, "amount": most}
    await user.refused("adjustments", 409, "balance_limit_exceeded", amount=most, facts=facts)


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"amount": "0"}, "amount_zero", "/amount"),
        ({"amount": "-0"}, "amount_zero", "/amount"),
        ({"amount": "-0.00"}, "amount_zero", "/amount"),
        ({"amount": "+1"}, "amount_signed", "/amount"),
        ({"amount": "--1"}, "amount_malformed", "/amount"),
        ({"amount": "-"}, "amount_malformed", "/amount"),
        ({"amount": "1-"}, "amount_malformed", "/amount"),
        ({"amount": "- 1"}, "amount_blank", "/amount"),
        ({"amount": "-1e2"}, "amount_exponent", "/amount"),
        ({"amount": "-0.001"}, "amount_too_precise", "/amount"),
        ({"amount": "-92233720368547758.08"}, "amount_too_large", "/amount"),
        ({"amount": "92233720368547758.08"}, "amount_too_large", "/amount"),
        ({"amount": "-NaN"}, "amount_not_a_number", "/amount"),
        ({"amount": "−1"}, "amount_not_ascii", "/amount"),
        ({"amount": None}, "validation_failed", "/amount"),
        ({"amount": False}, "validation_failed", "/amount"),
        ({"kind": "gift"}, "validation_failed", "/kind"),
        ({"kind": None}, "validation_failed", "/kind"),
        ({"reason": ""}, "validation_failed", "/reason"),
        ({"reason": None}, "validation_failed", "/reason"),
        ({"reason": "x" * 501}, "validation_failed", "/reason"),
        ({"reason": "a\x00b"}, "validation_failed", "/reason"),
        ({"reason": 5}, "validation_failed", "/reason"),
        ({"operator": ""}, "validation_failed", "/operator"),
        ({"operator": None}, "validation_failed", "/operator"),
        ({"operator": "x" * 101}, "validation_failed", "/operator"),
        ({"operator": "a\nb"}, "validation_failed", "/operator"),
        ({"expires_in_days": 1}, "validation_failed", "/expires_in_days"),
        ({"priority": 1}, "validation_failed", "/priority"),
        ({"open_account": True}, "validation_failed", "/open_account"),
    ],
)
async def test_a_hostile_value_is_422_and_adjusts_nothing(
    user: User, service: Service, body: Body, code: str, pointer: str
) -> None:
    size = await service.size()
    problem = await user.refused("adjustments", 422, code, **{"amount": "1", **body})
    assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert await service.size() == size


@pytest.mark.parametrize("missing", ["amount", "reason", "operator"])
async def test_amount_reason_and_operator_must_be_given(user: User, missing: str) -> None:
    body = {name: each for name, each in {"amount": "1", **GOLD, **BY_HAND}.items() if name != missing}
    answer = await user.client.post(f"{user.path}/adjustments", json=body)
    assert [each["pointer"] for each in answer.json()["errors"]] == [f"/{missing}"]


@pytest.mark.parametrize("amount", [-2.5, "-2.5", "-2.500", "-02.5"])
async def test_a_negative_amount_is_read_from_its_text_however_it_is_sent(user: User, amount: object) -> None:
    assert (await user.done("adjustments", amount=amount))["amount"] == "-2.50"
