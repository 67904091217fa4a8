"""Accounts in pages, by name and state."""

import httpx2
import pytest

from tests.api.conftest import USERS, Service, alone, sharing
from tests.api.pages import joined
from tests.api.shapes import MOMENT, assert_problem

pytestmark = sharing

NAMES = [
    "B",
    "a",
    "a b",
    "ab",
    "a\u00e9",
    "aé\u0301",
    "a~",
    "b",
    "a\ud7ff",
    "a\ue000",
    "a\uffee",
    "a😀",
    "a\U0010ffff",
    "é",
    "😀",
]


async def open_all(client: httpx2.AsyncClient, *names: str) -> None:
    for name in names:
        assert (await client.put(f"{USERS}/{name}")).status_code == 201


@alone
async def test_accounts_are_listed_in_the_order_of_the_bytes_of_their_names(client: httpx2.AsyncClient) -> None:
    await open_all(client, *NAMES)
    names = sorted([*NAMES, "user_alice", "user_bob"], key=str.encode)
    for limit in (1, 2, 3, len(names) - 1, len(names), 200):
        listed = await joined(client, USERS, limit=limit)
        assert [each["external_user_id"] for each in listed] == names
    assert listed[0] == {
        "account_id": (await client.get(f"{USERS}/B")).json()["account_id"],
        "external_user_id": "B",
        "erased": False,
        "status": "active",
        "opened_at": MOMENT,
    }


@alone
async def test_accounts_are_found_by_how_their_names_begin(client: httpx2.AsyncClient) -> None:
    await open_all(client, *NAMES)
    for prefix in [*NAMES, "user_", "user_a", "aé", "\U0010ffff", "%", "zzz"]:
        found = [each["external_user_id"] for each in await joined(client, USERS, prefix=prefix, limit=2)]
        expected = [name for name in [*NAMES, "user_alice", "user_bob"] if name.startswith(prefix)]
        assert found == sorted(expected, key=str.encode)


@pytest.mark.parametrize("prefix", ["", "a/b", "x" * 256, "a\x00"])
async def test_no_name_begins_with_what_can_be_in_none(service: Service, prefix: str) -> None:
    problem = assert_problem(await service.client.get(USERS, params={"prefix": prefix}), 422, "validation_failed")
    assert [each["parameter"] for each in problem["errors"]] == ["prefix"]


async def test_accounts_are_found_by_their_state(service: Service) -> None:
    user = await service.user()
    await service.set_status(user, "frozen")
    for status, expected in (("frozen", [user]), ("closed", [])):
        listed = await joined(service.client, USERS, status=status)
        assert [(each["external_user_id"], each["status"]) for each in listed] == [(each, status) for each in expected]
    await service.set_status(user, "active")
    problem = assert_problem(await service.client.get(USERS, params={"status": "asleep"}), 422, "validation_failed")
    assert [each["parameter"] for each in problem["errors"]] == ["status"]


async def test_an_erased_account_has_lost_its_name(service: Service) -> None:
    user = await service.user()
    await service.set_status(user, "closed")
    assert (await service.client.post(f"{USERS}/{user}/erase")).status_code == 200
    listed = [each for each in await joined(service.client, USERS, limit=1) if each["erased"]]
    assert [each["external_user_id"] for each in listed] == [None]
    assert await joined(service.client, USERS, prefix="erase") == []


@alone
async def test_accounts_opened_between_two_pages_move_no_other(client: httpx2.AsyncClient) -> None:
    await open_all(client, "c", "e", "g")
    first = (await client.get(USERS, params={"limit": 2})).json()
    assert [each["external_user_id"] for each in first["data"]] == ["c", "e"]
    await open_all(client, "a", "d", "f", "h")
    rest = await joined(client, USERS, limit=2, cursor=first["next_cursor"])
    assert [each["external_user_id"] for each in rest] == ["f", "g", "h", "user_alice", "user_bob"]


async def test_the_list_is_no_user_and_takes_no_other_method(service: Service) -> None:
    assert_problem(await service.client.post(USERS, json={}), 405, "method_not_allowed")
    assert_problem(await service.client.get(f"{USERS}/"), 404, "not_found")
