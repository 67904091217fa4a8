"""Accounts over HTTP: opening them, showing them, and what they say of themselves."""

import pytest

from tests.api.conftest import USERS, Service, sharing
from tests.api.shapes import assert_problem

pytestmark = sharing


async def test_opening_an_account_is_201_and_then_200(service: Service) -> None:
    path = f"{USERS}/newcomer"
    opened = await service.client.put(path, json={"metadata": {"plan": "pro", "seats": 3, "trial": False}})
    again = await service.client.put(path)
    assert (opened.status_code, again.status_code) == (201, 200)
    assert opened.json() == again.json()
    assert opened.json() == {
        "account_id": await service.sql("SELECT id FROM accounts WHERE external_user_id = 'newcomer'"),
        "external_user_id": "newcomer",
        "status": "active",
        "metadata": {"plan": "pro", "seats": 3, "trial": False},
        "limits": {},
        "wallets": [],
    }


async def test_opening_an_account_that_is_there_shows_its_wallets_and_replaces_its_metadata(service: Service) -> None:
    user = await service.user("5.00")
    await service.client.post(f"{USERS}/{user}/bonus", json={"amount": "1.5", "asset_type_id": 2})
    first = await service.client.put(f"{USERS}/{user}", json={"metadata": {"a": 1}})
    kept = await service.client.put(f"{USERS}/{user}", json={})
    replaced = await service.client.put(f"{USERS}/{user}", json={"metadata": {"b": "2"}})
    assert (first.json()["metadata"], kept.json()["metadata"], replaced.json()["metadata"]) == (
        {"a": 1},
        {"a": 1},
        {"b": "2"},
    )
    assert replaced.json()["wallets"] == [
        {"asset_type_id": 1, "asset_code": "GOLD", "balance": "5.00", "held": "0.00", "available": "5.00"},
        {"asset_type_id": 2, "asset_code": "DMND", "balance": "1.50", "held": "0.00", "available": "1.50"},
    ]


@pytest.mark.parametrize("status", ["active", "frozen", "quarantined", "closed"])
async def test_an_account_shows_its_status(service: Service, status: str) -> None:
    user = await service.user()
    await service.set_status(user, status)
    for method in ("PUT", "GET"):
        assert (await service.client.request(method, f"{USERS}/{user}")).json()["status"] == status


async def test_an_account_is_shown_as_opening_it_again_shows_it(service: Service) -> None:
    user = await service.user("5.00")
    await service.client.post(f"{USERS}/{user}/bonus", json={"amount": "1.5", "asset_type_id": 2})
    await service.client.put(f"{USERS}/{user}", json={"metadata": {"a": 1}})
    before = await service.size()
    shown = await service.client.get(f"{USERS}/{user}")
    assert shown.status_code == 200
    assert shown.json() == (await service.client.put(f"{USERS}/{user}")).json()
    assert [each["balance"] for each in shown.json()["wallets"]] == ["5.00", "1.50"]
    assert await service.size() == before


async def test_an_account_that_is_not_there_is_not_shown(service: Service) -> None:
    before = await service.size()
    assert_problem(await service.client.get(f"{USERS}/user_alcie"), 404, "unknown_user")
    assert await service.size() == before


# -- notes ---------------------------------------------------------------------------------------------------------
