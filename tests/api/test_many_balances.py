"""Balances of many users in one call."""

from typing import Any

import pytest

from app.services.wallet_service import READ_QUEUE_MAX
from tests.api.conftest import USERS, Service, services_of, sharing
from tests.api.shapes import assert_problem

pytestmark = sharing

BALANCES = "/api/v1/balances"


async def test_balances_come_in_the_order_asked_for_each_with_its_own_result(service: Service) -> None:
    one, other = await service.user("10.00"), await service.user()
    users = [other, "nobody", one, one]
    answer = await service.client.post(BALANCES, json={"external_user_ids": users, "asset_code": "GOLD"})
    assert answer.status_code == 200
    results = answer.json()["data"]
    assert [(each["external_user_id"], each["status"]) for each in results] == [
        (other, 200),
        ("nobody", 404),
        (one, 200),
        (one, 200),
    ]
    for result in (results[0], results[2]):
        user = result["external_user_id"]
        single = (await service.client.get(f"{USERS}/{user}/balance", params={"asset_type_id": 1})).json()
        assert result == {"status": 200, "external_user_id": user, **single}
    single_problem = (await service.client.get(f"{USERS}/nobody/balance", params={"asset_type_id": 1})).json()
    assert results[1] == {name: each for name, each in single_problem.items() if name not in {"instance", "request_id"}}


async def test_a_thousand_balances_are_one_call(service: Service) -> None:
    users = ["user_alice"] + [f"nobody {number}" for number in range(999)]
    answer = await service.client.post(BALANCES, json={"external_user_ids": users, "asset_type_id": 1})
    assert [each["status"] for each in answer.json()["data"]] == [200] + [404] * 999


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"external_user_ids": []}, "/external_user_ids"),
        ({"external_user_ids": ["u"] * 1_001}, "/external_user_ids"),
        ({"external_user_ids": ["u", "a/b"]}, "/external_user_ids/1"),
        ({"external_user_ids": [1]}, "/external_user_ids/0"),
        ({"external_user_ids": "u"}, "/external_user_ids"),
        ({}, "/external_user_ids"),
        ({"external_user_ids": ["u"], "limit": 1}, "/limit"),
    ],
)
async def test_whom_balances_are_asked_of_is_checked(service: Service, body: dict[str, Any], pointer: str) -> None:
    answer = await service.client.post(BALANCES, json={"asset_type_id": 1} | body)
    problem = assert_problem(answer, 422, "validation_failed")
    assert [each["pointer"] for each in problem["errors"]] == [pointer]


async def test_balances_are_of_one_kind_of_credit(service: Service) -> None:
    for asset in ({}, {"asset_type_id": 1, "asset_code": "GOLD"}):
        answer = await service.client.post(BALANCES, json={"external_user_ids": ["user_alice"]} | asset)
        assert_problem(answer, 422, "asset_ambiguous")
    answer = await service.client.post(BALANCES, json={"external_user_ids": ["user_alice"], "asset_type_id": 77})
    assert_problem(answer, 404, "unknown_asset_type")


async def test_balances_are_refused_while_too_many_are_asked_for(service: Service) -> None:
    reads = services_of(service.client).wallets._reads
    reads._queue_max = 0
    try:
        answer = await service.client.post(BALANCES, json={"external_user_ids": ["user_alice"], "asset_type_id": 1})
        assert_problem(answer, 503, "busy")
    finally:
        reads._queue_max = READ_QUEUE_MAX
