"""Limits over HTTP: of the asset type, or of the account instead; what they bind, and what they do not."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.api.conftest import Service, alone, sharing
from tests.api.shapes import assert_problem
from tests.api.users import BY_HAND, Body, User, open_user

pytestmark = sharing

LIMITS = ("amount_min", "amount_max", "balance_max", "daily_spend_max", "daily_credit_max")


class Limited:
    """A user with 50.00 of an asset type of their own."""

    def __init__(self, service: Service, user: User, asset_type_id: int) -> None:
        self.service = service
        self.user = user
        self.asset_type_id = asset_type_id
        self.asset = {"asset_type_id": asset_type_id}

    async def limit(self, of: str, **limits: str | None) -> None:
        """Set limits of the asset type, or of the account."""
        if of == "account":
            assert (await self.user.change(limits={f"A{self.asset_type_id}": limits})).status_code == 200
            return
        answer = await self.service.client.patch(f"/api/v1/asset-types/{self.asset_type_id}", json={"limits": limits})
        assert answer.status_code == 200, answer.text

    async def call(self, call: str, amount: str, **body: Any) -> Any:
        """Make a call of this kind for so much, with what it needs before it."""
        match call:
            case "capture":
                hold = await self.user.hold(amount, **self.asset)
                return await self.user.post(f"holds/{hold}/capture")
            case "refund":
                spent = await self.user.done("spend", amount=amount, **self.asset)
                return await self.user.post(f"transactions/{spent['transaction_id']}/refund")
            case _:
                return await self.user.post(call, **{"amount": amount, **self.asset, **body})


@pytest_asyncio.fixture(loop_scope="module")
async def limited(service: Service) -> Limited:
    limited = Limited(service, User(service.client, await service.user()), await service.asset())
    await limited.user.done("top-up", amount="50.00", **limited.asset)
    return limited


BOUND: list[tuple[Body, str, str, int, str, Body]] = [
    *(
        ({"amount_min": "3.00"}, call, "2.99", 422, "amount_below_minimum", {"amount_min": "3.00"})
        for call in ("top-up", "bonus", "spend", "holds")
    ),
    *(
        ({"amount_max": "3.00"}, call, "3.01", 422, "amount_above_maximum", {"amount_max": "3.00"})
        for call in ("top-up", "bonus", "spend", "holds")
    ),
    *(
        (
            {"balance_max": "53.00"},
            call,
            "3.01",
            409,
            "balance_limit_exceeded",
            {"balance": "50.00", "balance_max": "53.00", "amount": "3.01"},
        )
        for call in ("top-up", "bonus")
    ),
    *(
        (
            {"daily_credit_max": "53.00"},
            call,
            "3.01",
            409,
            "daily_limit_exceeded",
            {"daily_max": "53.00", "today": "50.00", "amount": "3.01"},
        )
        for call in ("top-up", "bonus")
    ),
    *(
        (
            {"daily_spend_max": "3.00"},
            call,
            "3.01",
            409,
            "daily_limit_exceeded",
            {"daily_max": "3.00", "today": "0.00", "amount": "3.01"},
        )
        for call in ("spend", "capture")
    ),
]


@pytest.mark.parametrize("of", ["asset type", "account"])
@pytest.mark.parametrize(("limits", "call", "amount", "status", "code", "facts"), BOUND)
async def test_a_limit_binds_from_the_smallest_unit_beyond_it_on(
    limited: Limited, *, of: str, limits: Body, call: str, amount: str, status: int, code: str, facts: Body
) -> None:
    await limited.limit(of, **limits)
    if of == "account":
        await limited.limit("asset type", **dict.fromkeys(limits, "7.00"))  # the account's own overrules it
    assert_problem(await limited.call(call, amount, idempotency_key="k"), status, code, **facts)
    assert (await limited.call(call, "3.00")).status_code in {200, 201}
    if status == 422:  # by its form, as it were: the key is free
        assert (await limited.call(call, "3.00", idempotency_key="k")).status_code in {200, 201}
    await limited.limit(of, **dict.fromkeys(limits))
    await limited.limit("asset type", **dict.fromkeys(limits))
    assert (await limited.call(call, amount)).status_code in {200, 201}


@pytest.mark.parametrize(
    ("limit", "free"),
    [
        ("amount_min", ["capture", "refund", "adjustments"]),
        ("amount_max", ["adjustments"]),
        ("balance_max", ["spend", "holds", "capture", "refund", "adjustments"]),
        ("daily_spend_max", ["top-up", "bonus", "holds", "adjustments"]),
        ("daily_credit_max", ["spend", "holds", "capture", "refund", "adjustments"]),
    ],
)
async def test_what_a_limit_does_not_bind_goes_through(limited: Limited, limit: str, free: list[str]) -> None:
    for call in free:
        if limit in {"amount_min", "amount_max"}:
            await limited.limit("asset type", **{limit: None})
            hold, spent = await limited.user.hold("2", **limited.asset), await limited.call("spend", "2")
            await limited.limit("asset type", **{limit: "5.00" if limit == "amount_min" else "0.01"})
            paths = {
                "capture": f"holds/{hold}/capture",
                "refund": f"transactions/{spent.json()['transaction_id']}/refund",
                "adjustments": "adjustments",
            }
            asset = limited.asset if call == "adjustments" else {}
            await limited.user.done(paths[call], amount="1.00", **asset)
        else:
            await limited.limit("asset type", **{limit: "0.01" if limit == "balance_max" else "0"})
            assert (await limited.call(call, "1.00")).status_code in {200, 201}, call


async def test_captures_count_for_the_day_holds_do_not_and_refunds_give_no_allowance_back(limited: Limited) -> None:
    user = limited.user
    await limited.limit("account", daily_spend_max="10.00")
    hold = await user.hold("8.00", **limited.asset)
    spent = await user.done("spend", amount="4.00", **limited.asset)
    facts = {"daily_max": "10.00", "today": "4.00", "amount": "8.00"}
    await user.refused(f"holds/{hold}/capture", 409, "daily_limit_exceeded", facts=facts)
    await user.done(f"holds/{hold}/capture", amount="6.00", final=False)
    await user.done(f"transactions/{spent['transaction_id']}/refund")
    await user.refused("spend", 409, "daily_limit_exceeded", amount="0.01", facts={"today": "10.00"}, **limited.asset)
    await user.done("adjustments", amount="-0.01", **limited.asset)


async def test_a_partial_spend_is_held_to_the_day_by_what_it_would_take(limited: Limited) -> None:
    await limited.limit("account", daily_spend_max="50.00")
    taken = await limited.user.done("spend", amount="900.00", on_shortfall="partial", **limited.asset)
    assert taken["amount"] == "50.00"


@alone
async def test_the_days_allowance_begins_anew_at_midnight_utc(
    own_service: Service, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    user = await open_user(own_service.client, "daily", "10.00")
    await user.change(limits={"GOLD": {"daily_spend_max": "3.00", "daily_credit_max": "12.00"}})
    await user.done("spend", amount="3.00")
    await set_clock("2030-01-01T23:59:59.999999Z")
    await user.refused("spend", 409, "daily_limit_exceeded", amount="0.01")
    await user.refused("top-up", 409, "daily_limit_exceeded", amount="2.01", facts={"today": "10.00"})
    await set_clock("2030-01-02T00:00:00Z")
    await user.done("spend", amount="3.00")
    await user.done("top-up", amount="12.00")
    await user.refused("spend", 409, "daily_limit_exceeded", amount="0.01")


async def test_an_accounts_own_limits_are_shown_kept_and_taken_away_one_by_one(service: Service) -> None:
    user = User(service.client, await service.user())
    given = {"GOLD": {"amount_max": "5", "daily_spend_max": 0}, "DMND": {"balance_max": "7.50"}}
    changed = (await user.change(limits=given)).json()
    shown = {"GOLD": {"amount_max": "5.00", "daily_spend_max": "0.00"}, "DMND": {"balance_max": "7.50"}}
    assert (changed["type"], changed["limits"], (await user.get(""))["limits"]) == ("account_change", shown, shown)
    await user.change(limits={"GOLD": {"amount_max": None, "amount_min": "1"}})
    shown["GOLD"] = {"daily_spend_max": "0.00", "amount_min": "1.00"}
    assert (await user.get(""))["limits"] == shown
    await user.change(limits={"GOLD": dict.fromkeys(LIMITS), "DMND": {"balance_max": None}})
    assert (await user.get(""))["limits"] == {}
    assert [each["type"] for each in await user.booked()] == ["account_change"] * 3


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({}, 422, "validation_failed", ""),
        ({"limits": {}}, 422, "validation_failed", ""),
        ({"limits": None}, 422, "validation_failed", ""),
        ({"limits": []}, 422, "validation_failed", "/limits"),
        ({"limits": {"GOLD": None}}, 422, "validation_failed", "/limits/GOLD"),
        ({"limits": {"GOLD": {"amount_mx": "1"}}}, 422, "validation_failed", "/limits/GOLD/amount_mx"),
        ({"limits": {"GOLD": {"amount_max": True}}}, 422, "validation_failed", "/limits/GOLD/amount_max"),
        ({"limits": {"gold": {"amount_max": "1"}}}, 422, "validation_failed", None),
        ({"limits": {"GEMS": {"amount_max": "1"}}}, 404, "unknown_asset_type", None),
        ({"status": "quarantined"}, 422, "validation_failed", "/status"),
        ({"status": "Frozen"}, 422, "validation_failed", "/status"),
        ({"status": 1}, 422, "validation_failed", "/status"),
        ({"status": "frozen", "reason": None}, 422, "validation_failed", "/reason"),
        ({"status": "frozen", "reason": ""}, 422, "validation_failed", "/reason"),
        ({"status": "frozen", "operator": "x" * 101}, 422, "validation_failed", "/operator"),
        ({"status": "frozen", "unknown": 1}, 422, "validation_failed", "/unknown"),
        ({"status": "frozen", "dry_run": 0}, 422, "validation_failed", "/dry_run"),
    ],
)
async def test_a_hostile_change_is_refused_and_changes_nothing(
    service: Service, *, body: Body, status: int, code: str, pointer: str | None
) -> None:
    user = User(service.client, await service.user())
    before, size = await user.get(""), await service.size()
    problem = assert_problem(await user.change(**body), status, code)
    if pointer is not None:
        assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert (await user.get(""), await service.size()) == (before, size)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"amount_max": "0"}, "amount_zero"),
        ({"amount_min": "-1"}, "amount_negative"),
        ({"balance_max": "0.001"}, "amount_too_precise"),
        ({"daily_spend_max": "-0.01"}, "amount_negative"),
        ({"daily_credit_max": "92233720368547758.08"}, "amount_too_large"),
        ({"daily_credit_max": "1e3"}, "amount_exponent"),
        ({"amount_min": "2", "amount_max": "1"}, "amount_min_above_max"),
    ],
)
async def test_a_limit_that_can_not_be_is_pointed_at(service: Service, limits: Body, code: str) -> None:
    user = User(service.client, await service.user())
    problem = assert_problem(await user.change(limits={"GOLD": limits}), 422)
    (error,) = problem["errors"]
    assert error["pointer"] == f"/limits/GOLD/{next(iter(limits))}"
    assert (problem["code"], error["code"]) == ("validation_failed", code)
    assert (await user.get(""))["limits"] == {}


async def test_a_change_needs_a_reason_and_keeps_it(service: Service) -> None:
    user = User(service.client, await service.user())
    assert_problem(await service.client.patch(user.path, json={"status": "frozen"}), 422, "validation_failed")
    changed = (await user.change(status="frozen", **(BY_HAND | {"reason": "chargeback"}))).json()
    assert (changed["status"], changed["replayed"]) == ("frozen", False)
    whole = (await user.client.get(f"/api/v1/transactions/{changed['transaction_id']}")).json()
    assert (whole["reason"], whole["operator"], whole["terms"]) == ("chargeback", "olga", {"status": "frozen"})
