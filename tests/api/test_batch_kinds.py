"""Every kind of operation in a batch: the answer of the single call, in order, whatever the others come to."""

from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from tests.api.conftest import Service, sharing
from tests.api.kinds import KINDS
from tests.api.shapes import validators
from tests.api.users import GOLD, Body, User

pytestmark = sharing

BATCHABLE = [each for each in KINDS if each != "account change"]
OPERATION_IDS = {
    "top_up": "top_up",
    "bonus": "bonus",
    "spend": "spend",
    "hold": "place_hold",
    "capture": "capture_hold",
    "release": "release_hold",
    "extend": "extend_hold",
    "refund": "refund",
    "reversal": "reverse",
    "adjustment": "adjust",
    "group": "execute_group",
}
OF_EACH = {
    "transaction_id",
    "group_id",
    "account_id",
    "seq",
    "created_at",
    "lots",
    "hold_id",
    "parent_id",
    "expires_at",
}
"""What differs when the same is done for another user."""


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    return User(service.client, await service.user("100.00"))


async def results_of(service: Service, *operations: Body) -> list[dict[str, Any]]:
    answer = await service.client.post("/api/v1/batch", json={"operations": list(operations)})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def plain(members: Body) -> Body:
    shown = {name: each for name, each in members.items() if name not in OF_EACH}
    return shown | ({"results": [plain(each) for each in shown["results"]]} if "results" in shown else {})


@pytest.mark.parametrize("kind", BATCHABLE)
async def test_a_result_is_the_answer_of_the_single_call(service: Service, user: User, kind: str) -> None:
    other = User(service.client, await service.user("100.00"))
    call, single = await KINDS[kind](user), await KINDS[kind](other)
    (result,) = await results_of(service, call.operation | {"external_user_id": user.name})
    answer = await single.send(other)
    assert result.pop("status") == answer.status_code
    validators()[OPERATION_IDS[call.type], str(answer.status_code)][1].validate(result)
    assert plain(result) == plain(answer.json())


async def test_every_kind_in_one_batch_is_done_in_order_and_replays(service: Service, user: User) -> None:
    await user.done("top-up", amount="400.00")
    calls = [await KINDS[kind](user) for kind in BATCHABLE if kind != "partial spend"]
    operations = [
        each.operation | {"external_user_id": user.name, "idempotency_key": f"k{number}"}
        for number, each in enumerate(calls)
    ]
    results = await results_of(service, *operations)
    assert [(each["type"], each["status"]) for each in results] == [
        (each.type, 201 if each.type == "hold" else 200) for each in calls
    ]
    groups = {each["seq"]: len(each["results"]) for each in results if each["type"] == "group"}
    numbers = [each["seq"] for each in results]
    assert [later - earlier for earlier, later in pairwise(numbers)] == [
        1 + groups.get(each, 0) for each in numbers[:-1]
    ]
    size = await service.size()
    again = await results_of(service, *operations)
    assert await service.size() == size
    assert [(each["transaction_id"], each["replayed"]) for each in again] == [
        (each["transaction_id"], True) for each in results
    ]


async def test_each_is_decided_on_what_those_before_it_left(service: Service, user: User) -> None:
    hold = await user.hold("60.00")
    mine = {"external_user_id": user.name}
    results = await results_of(
        service,
        {"type": "spend", "amount": "50.00", **GOLD, **mine},
        {"type": "capture", "hold_id": hold, "amount": "70.00", **mine},
        {"type": "capture", "hold_id": hold, "amount": "10.00", **mine},
        {"type": "release", "hold_id": hold, **mine},
        {"type": "spend", "amount": "50.00", **GOLD, **mine},
        {"type": "group", "operations": [{"type": "spend", "amount": "50.00", **GOLD}], **mine},
    )
    assert [(each["status"], each.get("code"), each.get("new_balance")) for each in results] == [
        (402, "insufficient_funds", None),
        (409, "capture_exceeds_hold", None),
        (200, None, "90.00"),
        (409, "hold_not_open", None),
        (200, None, "40.00"),
        (402, "insufficient_funds", None),
    ]
    assert results[-1]["operation"] == 0
    assert (results[1]["capturable"], results[1]["amount"]) == ("60.00", "70.00")
    assert (results[5]["available"], results[5]["required"]) == ("40.00", "50.00")


async def test_two_refunds_of_one_spend_in_one_batch_give_back_no_more_than_was_taken(
    service: Service, user: User
) -> None:
    spent = (await user.done("spend", amount="50.00"))["transaction_id"]
    refund = {"type": "refund", "external_user_id": user.name, "transaction_id": spent, "amount": "30.00"}
    results = await results_of(service, refund, refund, refund | {"amount": "20.00"})
    assert [(each["status"], each.get("refundable")) for each in results] == [
        (200, "20.00"),
        (409, "20.00"),
        (200, "0.00"),
    ]
    assert await user.has() == ("100.00", "0.00", "100.00")


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"type": "capture"}, "validation_failed", "/hold_id"),
        ({"type": "capture", "hold_id": 5}, "validation_failed", "/hold_id"),
        ({"type": "release", "hold_id": "x"}, "validation_failed", "/hold_id"),
        ({"type": "release", "hold_id": None}, "validation_failed", "/hold_id"),
        ({"type": "refund"}, "validation_failed", "/transaction_id"),
        ({"type": "refund", "transaction_id": []}, "validation_failed", "/transaction_id"),
        ({"type": "reversal", "transaction_id": "0"}, "validation_failed", "/transaction_id"),
        ({"type": "hold", "amount": "0", **GOLD}, "amount_zero", "/amount"),
        ({"type": "hold", "amount": "1", **GOLD, "hold_id": "x"}, "validation_failed", "/hold_id"),
        ({"type": "adjustment", "amount": "1", **GOLD, "operator": "o"}, "validation_failed", "/reason"),
        ({"type": "group"}, "validation_failed", "/operations"),
        ({"type": "group", "operations": [5]}, "validation_failed", "/operations/0"),
        ({"type": "group", "operations": [{"amount": "1"}]}, "validation_failed", "/operations/0/type"),
        ({"type": "group", "operations": [{"type": "spend", **GOLD}]}, "validation_failed", "/operations/0/amount"),
        (
            {"type": "group", "operations": [{"type": "spend", "amount": "0", **GOLD}]},
            "amount_zero",
            "/operations/0/amount",
        ),
    ],
)
async def test_a_hostile_operation_is_422_at_its_place_and_stops_no_other(
    service: Service, user: User, *, changes: Body, code: str, pointer: str
) -> None:
    good = {"type": "spend", "amount": "1.00", **GOLD, "external_user_id": user.name}
    wrong, right = await results_of(service, {"external_user_id": user.name, **changes}, good)
    assert (wrong["status"], wrong["code"], [each["pointer"] for each in wrong["errors"]]) == (422, code, [pointer])
    assert (right["status"], right["new_balance"]) == (200, "99.00")


async def test_an_unknown_target_is_a_404_of_its_own(service: Service, user: User) -> None:
    nowhere = "0198c0de-0000-7000-8000-000000000000"
    mine = {"external_user_id": user.name}
    targets = [{"type": each, "hold_id": nowhere, **mine} for each in ("capture", "release")]
    targets += [{"type": "extend", "hold_id": nowhere, "amount": "1", **mine}]
    targets += [{"type": each, "transaction_id": nowhere, **mine} for each in ("refund", "reversal")]
    results = await results_of(service, *targets, {"type": "spend", "amount": "1", **GOLD, **mine})
    assert [(each["status"], each.get("code")) for each in results] == [
        *[(404, "unknown_hold")] * 3,
        *[(404, "unknown_transaction")] * 2,
        (200, None),
    ]
