"""Batches: many operations of any users, each decided on its own, answered in the order given."""

import json
from typing import Any

import pytest

from tests.api.conftest import USERS, Service, sharing
from tests.api.shapes import MOMENT, UUID, assert_problem, validators

pytestmark = sharing

BATCH = "/api/v1/batch"
NOT_OF_A_BATCH = {"instance", "request_id"}
"""A problem in a batch is that of the single call without what belongs to the request as a whole."""


def operation(user: str, type_: object = "spend", amount: object = "1.00", **more: Any) -> dict[str, Any]:
    return {"type": type_, "external_user_id": user, "amount": amount, "asset_type_id": 1} | more


async def results_of(service: Service, *operations: Any) -> list[dict[str, Any]]:
    answer = await service.client.post(BATCH, json={"operations": list(operations)})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def test_each_result_is_the_answer_of_the_single_call(service: Service) -> None:
    user = await service.user("10.00")
    types = {"top-up": "top_up", "bonus": "bonus", "spend": "spend"}
    for call, type_ in types.items():
        (result,) = await results_of(service, operation(user, type_))
        single = await service.client.post(f"{USERS}/{user}/{call}", json={"amount": "1.00", "asset_type_id": 1})
        assert result.pop("status") == 200
        validators()[{"top-up": "top_up"}.get(call, call), "200"][1].validate(result)
        assert result.keys() == single.json().keys()
        changing = {"transaction_id", "new_balance", "balance_after", "available", "seq", "created_at", "lots"}
        assert {name: result[name] for name in result.keys() - changing} == {
            name: single.json()[name] for name in result.keys() - changing
        }
        assert (result["transaction_id"], result["created_at"], result["seq"]) == (
            UUID,
            MOMENT,
            single.json()["seq"] - 1,
        )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"amount": "1000.00"}, id="funds"),
        pytest.param({"amount": "0.001"}, id="amount"),
        pytest.param({"asset_type_id": 77}, id="asset"),
        pytest.param({"asset_code": "GOLD"}, id="two-assets"),
        pytest.param({"unknown": 1}, id="unknown-member"),
        pytest.param({"metadata": {"a": [1]}}, id="metadata"),
        pytest.param({"idempotency_key": ""}, id="key"),
        pytest.param({"amount": None}, id="no-amount"),
    ],
)
async def test_each_problem_is_that_of_the_single_call(service: Service, wrong: dict[str, Any]) -> None:
    user = await service.user("10.00")
    (result,) = await results_of(service, operation(user, **wrong))
    single = await service.client.post(f"{USERS}/{user}/spend", json={"amount": "1.00", "asset_type_id": 1} | wrong)
    expected = assert_problem(single, result["status"], result["code"])
    assert result == {name: value for name, value in expected.items() if name not in NOT_OF_A_BATCH}


async def test_a_wrong_one_among_good_ones_stops_none_of_them(service: Service) -> None:
    one, other = await service.user("10.00"), await service.user("10.00")
    results = await results_of(
        service,
        operation(one),
        operation(one, amount="0"),
        operation("nobody"),
        operation(other, "bonus"),
        operation(one, asset_type_id=None, asset_code="GOLD"),
        operation(other, amount="99"),
        operation("batch-opened", "top_up", open_account=True),
        operation("batch-opened"),
    )
    assert [(each["status"], each.get("code"), each.get("new_balance")) for each in results] == [
        (200, None, "9.00"),
        (422, "amount_zero", None),
        (404, "unknown_user", None),
        (200, None, "11.00"),
        (200, None, "8.00"),
        (402, "insufficient_funds", None),
        (200, None, "1.00"),
        (200, None, "0.00"),
    ]


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        pytest.param(None, "", id="null"),
        pytest.param(5, "", id="number"),
        pytest.param("spend", "", id="text"),
        pytest.param([], "", id="list"),
        pytest.param({}, "/type", id="empty-object"),
        pytest.param(
            {"type": None, "external_user_id": "user_bob", "amount": 1, "asset_type_id": 1}, "/type", id="no-type"
        ),
        pytest.param(operation("user_bob", "account_change"), "/type", id="type-of-another-call"),
        pytest.param(operation("user_bob", "expiry"), "/type", id="type-of-no-call"),
        pytest.param(operation("user_bob", "top-up"), "/type", id="type-with-a-dash"),
        pytest.param(operation("user_bob", "Spend"), "/type", id="type-in-capitals"),
        pytest.param(operation("user_bob", ["spend"]), "/type", id="type-in-a-list"),
        pytest.param(operation("user_bob", open_account=True), "/open_account", id="open-account-to-spend"),
        pytest.param(operation("user_bob", **{"a/b": 1}), "/a~1b", id="unknown-member"),
        pytest.param({"type": "spend", "amount": 1, "asset_type_id": 1}, "/external_user_id", id="no-user"),
        pytest.param({"type": "spend", "external_user_id": "user_bob", "asset_type_id": 1}, "/amount", id="no-amount"),
    ],
)
async def test_what_is_no_operation_is_422_and_is_pointed_at_within_it(
    service: Service, wrong: object, place: str
) -> None:
    before = await service.size()
    (result,) = await results_of(service, wrong)
    assert (result["status"], result["code"]) == (422, "validation_failed")
    assert [each["pointer"] for each in result["errors"]] == [place]
    assert await service.size() == before


async def test_the_operations_of_one_user_are_decided_in_the_order_given(service: Service) -> None:
    users = [await service.user() for _ in range(4)]
    amounts = ["7", "5", "5", "3"]
    types = ["top_up", "spend", "spend", "top_up"]
    operations = [
        operation(user, type_, amount) for type_, amount in zip(types, amounts, strict=True) for user in users
    ]
    results = await results_of(service, *operations)
    assert [(each["status"], each.get("new_balance"), each.get("seq")) for each in results] == [
        *[(200, "7.00", 1)] * 4,
        *[(200, "2.00", 2)] * 4,
        *[(402, None, None)] * 4,
        *[(200, "5.00", 3)] * 4,
    ]


async def test_a_thousand_operations_are_answered_in_order(service: Service) -> None:
    users = [await service.user() for _ in range(7)]
    operations = [operation(users[number % 7], "top_up", f"{number + 1}.00") for number in range(1_000)]
    results = await results_of(service, *operations)
    assert [(each["status"], each["amount"]) for each in results] == [(200, f"{n + 1}.00") for n in range(1_000)]
    balances = [int((await service.balance(user)).removesuffix(".00")) for user in users]
    assert balances == [sum(range(first + 1, 1_001, 7)) for first in range(7)]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param({"operations": [operation("user_bob")] * 1_001}, "/operations", id="1001-operations"),
        pytest.param({"operations": []}, "/operations", id="none"),
        pytest.param({}, "/operations", id="missing"),
        pytest.param({"operations": None}, "/operations", id="null"),
        pytest.param({"operations": operation("user_bob")}, "/operations", id="object"),
        pytest.param({"operations": [operation("user_bob")], "atomic": True}, "/atomic", id="unknown-member"),
        pytest.param(
            {"operations": [operation("user_bob")], "idempotency_key": "k"}, "/idempotency_key", id="key-for-all"
        ),
        pytest.param([operation("user_bob")], "", id="bare-list"),
    ],
)
async def test_what_is_no_batch_is_422_as_a_whole(service: Service, body: object, place: str) -> None:
    before = await service.size()
    problem = assert_problem(await service.client.post(BATCH, json=body), 422, "validation_failed")
    assert [each["pointer"] for each in problem["errors"]] == [place]
    assert await service.size() == before


async def test_a_batch_takes_no_key_for_all_in_a_header_and_says_so(service: Service) -> None:
    user = await service.user()
    answer = await service.client.post(
        BATCH, json={"operations": [operation(user, "top_up")]}, headers={"Idempotency-Key": "k"}
    )
    problem = assert_problem(answer, 422)
    assert "idempotency" in json.dumps(problem).lower()
    assert await service.balance(user) == "0.00"


async def test_notes_and_terms_go_with_each_operation(service: Service) -> None:
    user = await service.user()
    (result,) = await results_of(
        service,
        operation(
            user, "bonus", "2", reference="r", metadata={"a": 1}, expires_at="2125-01-01T00:00:00Z", idempotency_key="k"
        ),
    )
    assert result["lots"][0]["expires_at"] == "2125-01-01T00:00:00.000000Z"
    note = await service.sql(
        "SELECT reference || metadata FROM transaction_notes WHERE owner_id = :id", id=result["account_id"]
    )
    assert note == 'r{"a":1}'


async def test_of_an_account_that_was_frozen_only_its_own_operations_are_refused(service: Service) -> None:
    frozen, free = await service.user("10.00"), await service.user("10.00")
    await service.set_status(frozen, "frozen")
    results = await results_of(
        service, operation(frozen, idempotency_key="k"), operation(free), operation(frozen, "top_up"), operation(frozen)
    )
    assert [(each["status"], each.get("code"), each.get("transaction_id")) for each in results] == [
        (409, "account_frozen", UUID),
        (200, None, UUID),
        (200, None, UUID),
        (409, "account_frozen", None),
    ]
