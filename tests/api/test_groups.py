"""Groups over HTTP: several operations of one user, all or nothing, under one key."""

from typing import Any

import pytest
import pytest_asyncio

from tests.api.conftest import Service, sharing
from tests.api.kinds import KINDS
from tests.api.shapes import MOMENT, UUID, assert_problem
from tests.api.users import BY_HAND, GOLD, Body, User

pytestmark = sharing

DIAMONDS = {"asset_type_id": 2}


def spend(amount: str, **body: Any) -> Body:
    return {"type": "spend", "amount": amount, **GOLD, **body}


def bonus(amount: str, **body: Any) -> Body:
    return {"type": "bonus", "amount": amount, **DIAMONDS, **body}


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    return User(service.client, await service.user("100.00"))


async def test_an_exchange_takes_one_asset_and_gives_another(user: User) -> None:
    answer = await user.done("groups", operations=[spend("40.00"), bonus("4.00"), spend("10.00")])
    results = answer.pop("results")
    assert answer == {
        "transaction_id": UUID,
        "group_id": answer["transaction_id"],
        "type": "group",
        "account_id": answer["account_id"],
        "seq": 2,
        "created_at": MOMENT,
        "replayed": False,
        "dry_run": False,
    }
    shown = [(each["status"], each["type"], each["amount"], each["new_balance"], each["seq"]) for each in results]
    assert shown == [
        (200, "spend", "40.00", "60.00", 3),
        (200, "bonus", "4.00", "4.00", 4),
        (200, "spend", "10.00", "50.00", 5),
    ]
    members = await user.booked(group_id=answer["group_id"])
    assert [(each["type"], each["transaction_id"], each["group_id"]) for each in members] == [
        ("group", answer["group_id"], None),
        *((each["type"], each["transaction_id"], answer["group_id"]) for each in results),
    ]
    assert [each["type"] for each in await user.booked()] == ["top_up", "spend", "bonus", "spend"]


async def test_a_refused_member_refuses_all_and_says_which(user: User, service: Service) -> None:
    size, has, lots = await service.size(), await user.has(), await user.lots()
    operations = [spend("60.00"), bonus("4.00"), spend("40.01"), spend("999")]
    facts = {"operation": 2, "available": "40.00", "required": "40.01", "shortfall": "0.01"}
    problem = await user.refused("groups", 402, "insufficient_funds", operations=operations, facts=facts)
    assert "transaction_id" not in problem
    assert (await service.size(), await user.has(), await user.lots()) == (size, has, lots)


async def test_a_refused_group_is_one_refused_header_and_replays(user: User) -> None:
    operations = [spend("60.00"), spend("40.01")]
    body = {"operations": operations, "idempotency_key": "k", "reference": "r"}
    first = await user.refused(
        "groups", 402, "insufficient_funds", facts={"operation": 1, "transaction_id": UUID}, **body
    )
    refused = await user.booked(outcome="refused")
    assert [(each["type"], each["transaction_id"]) for each in refused] == [("group", first["transaction_id"])]
    await user.done("top-up", amount="500")
    again = await user.post("groups", **body)
    replayed = assert_problem(again, 402, "insufficient_funds", replayed=True, decided_at=MOMENT)
    assert again.headers["idempotent-replayed"] == "true"
    changing = {"detail", "request_id", "replayed", "decided_at"}
    assert {name: replayed[name] for name in replayed.keys() - changing} == {
        name: first[name] for name in first.keys() - changing
    }
    assert await user.booked(outcome="refused") == refused
    assert await user.has() == ("600.00", "0.00", "600.00")


@pytest.mark.parametrize("kind", [each for each in KINDS if each not in {"group", "account change"}])
async def test_every_kind_can_be_in_a_group_and_is_undone_with_it(user: User, service: Service, kind: str) -> None:
    call = await KINDS[kind](user)
    size, has, lots = await service.size(), await user.has(), await user.lots()
    holds = await user.get("holds", status="open")
    too_much = {"type": "spend", "amount": "10000", **GOLD}
    await user.refused(
        "groups", 402, "insufficient_funds", operations=[call.operation, too_much], facts={"operation": 1}
    )
    assert (await service.size(), await user.has(), await user.lots()) == (size, has, lots)
    assert await user.get("holds", status="open") == holds
    (result,) = (await user.done("groups", operations=[call.operation]))["results"]
    assert (result["type"], result["status"]) == (call.type, 201 if kind == "hold" else 200)


async def test_members_see_what_those_before_them_have_left(user: User) -> None:
    hold = await user.hold("30.00")
    release, extend = {"type": "release", "hold_id": hold}, {"type": "extend", "hold_id": hold, "amount": "1"}
    answer = await user.done("groups", operations=[release, spend("100.00")])
    assert [each["new_balance"] for each in answer["results"]] == ["100.00", "0.00"]
    await user.refused("groups", 409, "hold_not_open", operations=[bonus("1"), extend], facts={"operation": 1})
    both = [{"type": "top_up", "amount": "5", **GOLD}, spend("5"), spend("0.01")]
    await user.refused("groups", 402, "insufficient_funds", operations=both, facts={"operation": 2})


async def test_a_hold_placed_twice_over_in_a_group_is_refunded_no_further_than_taken(user: User) -> None:
    spent = (await user.done("spend", amount="9.00"))["transaction_id"]
    refund = {"type": "refund", "transaction_id": spent, "amount": "5.00"}
    facts = {"operation": 1, "refundable": "4.00", "amount": "5.00"}
    await user.refused("groups", 409, "refund_exceeds_remaining", operations=[refund, refund], facts=facts)
    back = await user.done("groups", operations=[refund, refund | {"amount": "4.00"}])
    assert [each["refundable"] for each in back["results"]] == ["4.00", "0.00"]
    assert await user.has() == ("100.00", "0.00", "100.00")


async def test_a_group_opens_an_account_only_when_all_of_it_goes_through(service: Service) -> None:
    user = User(service.client, "opened-by-a-group")
    top_up = {"type": "top_up", "amount": "5", "open_account": True, **GOLD}
    await user.refused("groups", 402, "insufficient_funds", operations=[top_up, spend("6")], idempotency_key="k")
    await user.done("groups", operations=[top_up, spend("3")], idempotency_key="k2")
    assert await user.has() == ("2.00", "0.00", "2.00")
    await User(service.client, "nobody-here").refused("groups", 404, "unknown_user", operations=[spend("1")])


@pytest.mark.parametrize(
    ("operations", "status", "code", "pointer"),
    [
        pytest.param([], 422, "validation_failed", "/operations", id="none"),
        pytest.param(None, 422, "validation_failed", "/operations", id="null"),
        pytest.param([spend("0.01")] * 101, 422, "validation_failed", "/operations", id="101"),
        pytest.param([spend("1"), 5], 422, "validation_failed", "/operations/1", id="a-number"),
        pytest.param([spend("1"), {"amount": "1"}], 422, "validation_failed", "/operations/1/type", id="no-type"),
        pytest.param(
            [{"type": "group", "operations": [spend("1")]}],
            422,
            "validation_failed",
            "/operations/0/type",
            id="a-group",
        ),
        pytest.param(
            [spend("1", external_user_id="user_bob")],
            422,
            "validation_failed",
            "/operations/0/external_user_id",
            id="another-user",
        ),
        pytest.param(
            [spend("1"), {"type": "spend", **GOLD}], 422, "validation_failed", "/operations/1/amount", id="no-amount"
        ),
        pytest.param([spend("1"), spend("0")], 422, "amount_zero", "/operations/1/amount", id="zero"),
        pytest.param(
            [spend("1", idempotency_key="k")], 422, "field_invalid", "/operations/0/idempotency_key", id="key"
        ),
        pytest.param([spend("1", dry_run=True)], 422, "field_invalid", "/operations/0/dry_run", id="dry-run"),
        pytest.param(
            [spend("1", asset_code="GOLD")], 422, "asset_ambiguous", "/operations/0/asset_type_id", id="assets"
        ),
        pytest.param(
            [bonus("1"), bonus("1", expires_at="2001-01-01T00:00:00Z")],
            422,
            "expiry_invalid",
            "/operations/1/expires_at",
            id="expired",
        ),
        pytest.param([spend("1"), spend("1", asset_type_id=77)], 404, "unknown_asset_type", None, id="unknown-asset"),
        pytest.param(
            [spend("1"), {"type": "release", "hold_id": "0198c0de-0000-7000-8000-000000000000"}],
            404,
            "unknown_hold",
            None,
            id="unknown-hold",
        ),
        pytest.param(
            [spend("1"), {"type": "adjustment", "amount": "-1000", **GOLD, **BY_HAND}],
            402,
            "insufficient_funds",
            None,
            id="adjustment",
        ),
    ],
)
async def test_what_can_be_no_group_is_refused_at_its_place_and_changes_nothing(
    user: User, service: Service, *, operations: Any, status: int, code: str, pointer: str | None
) -> None:
    size = await service.size()
    problem = await user.refused("groups", status, code, operations=operations)
    if pointer is None:
        assert problem["operation"] == 1
    else:
        assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert await service.size() == size


async def test_a_hundred_operations_are_one_group(user: User) -> None:
    answer = await user.done("groups", operations=[spend("0.01")] * 100)
    assert [each["new_balance"] for each in answer["results"]][-1] == "99.00"


async def test_notes_of_members_are_their_own(user: User) -> None:
    answer = await user.done("groups", operations=[spend("1", reference="member")], reference="header")
    assert [each["reference"] for each in await user.booked(group_id=answer["group_id"])] == ["header", "member"]
