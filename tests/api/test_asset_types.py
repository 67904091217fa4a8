"""The catalogue over HTTP: showing it, adding to it, changing policy, and what can't be."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr

from app.config import Settings
from tests.api.conftest import USERS, Service, alone, checked, insist, sharing
from tests.api.shapes import assert_problem

pytestmark = sharing

ASSETS = "/api/v1/asset-types"
LIMITS = ("amount_min", "amount_max", "balance_max", "daily_spend_max", "daily_credit_max")
NO_LIMITS = dict.fromkeys(LIMITS)
GEM = {"asset_code": "GEM", "name": "Gems", "scale": 3}
POLICY = {
    "status": "inactive",
    "default_expiry_days": 30,
    "hold_seconds": 600,
    "limits": {
        "amount_min": "0.5",
        "amount_max": "0.50",
        "balance_max": 7,
        "daily_spend_max": "0",
        "daily_credit_max": "9223372036854775.807",
    },
}
SHOWN = POLICY | {
    "limits": {
        "amount_min": "0.500",
        "amount_max": "0.500",
        "balance_max": "7.000",
        "daily_spend_max": "0.000",
        "daily_credit_max": "9223372036854775.807",
    }
}


async def listed(client: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    return {each["asset_code"]: each for each in (await client.get(ASSETS)).json()["data"]}


async def stored(service: Service) -> str:
    """Return all that is stored of asset types."""
    return str(await service.sql("SELECT json_agg(t ORDER BY t.id)::text FROM asset_types AS t"))


def code_of(request: pytest.FixtureRequest) -> str:
    """Return a code that no other test takes."""
    return f"T{abs(hash(request.node.nodeid)) % 10**12}"


@pytest_asyncio.fixture(loop_scope="module")
async def asset(service: Service, request: pytest.FixtureRequest) -> dict[str, Any]:
    """An asset type with every policy, for one test."""
    answer = await service.client.post(ASSETS, json=GEM | POLICY | {"asset_code": code_of(request)})
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


@alone
async def test_the_list_shows_every_policy(client: httpx2.AsyncClient) -> None:
    assert (await client.get(ASSETS)).json()["data"][0] == {
        "asset_type_id": 1,
        "asset_code": "GOLD",
        "name": "Gold Coins",
        "scale": 2,
        "status": "active",
        "default_expiry_days": None,
        "hold_seconds": 86_400,
        "limits": NO_LIMITS,
    }


# -- adding ----------------------------------------------------------------------------------------------------------


@alone
async def test_an_asset_type_is_added_under_the_next_number_with_its_policy(client: httpx2.AsyncClient) -> None:
    answer = await client.post(ASSETS, json=GEM | POLICY)
    assert answer.status_code == 201
    assert answer.json() == GEM | SHOWN | {"asset_type_id": 4}
    assert (await listed(client))["GEM"] == answer.json()


@alone
async def test_what_is_not_said_of_it_has_a_default(client: httpx2.AsyncClient) -> None:
    answer = await client.post(ASSETS, json=GEM)
    defaults = {"status": "active", "default_expiry_days": None, "hold_seconds": 86_400, "limits": NO_LIMITS}
    assert answer.json() == GEM | defaults | {"asset_type_id": 4}


async def test_a_dry_run_answers_what_would_be_added_and_adds_nothing(service: Service) -> None:
    before = await stored(service)
    answer = await service.client.post(ASSETS, json=GEM | POLICY | {"dry_run": True})
    assert answer.status_code == 200
    assert answer.json().items() >= (GEM | SHOWN).items()
    assert await stored(service) == before
    taken = await service.client.post(ASSETS, json=GEM | {"asset_code": "GOLD", "dry_run": True})
    assert_problem(taken, 409, "asset_code_taken", asset_code="GOLD")


async def test_a_code_is_taken_once(service: Service, asset: dict[str, Any]) -> None:
    before = await stored(service)
    for same in ({}, POLICY):  # also with all else the same as it was
        answer = await service.client.post(ASSETS, json=GEM | same | {"asset_code": asset["asset_code"]})
        assert_problem(answer, 409, "asset_code_taken", asset_code=asset["asset_code"])
    assert await stored(service) == before


BOUNDS = [
    {"scale": 0},
    {"scale": 18, "limits": {"amount_max": "0.000000000000000001"}},
    {"scale": 0, "limits": {"balance_max": 9_223_372_036_854_775_807}},
    {"default_expiry_days": 1, "hold_seconds": 1},
    {"default_expiry_days": 36_500, "hold_seconds": 31_536_000},
    {"name": "N" * 100},
    {"name": "Мир 😀"},
    {"limits": {"daily_spend_max": 0, "daily_credit_max": "0.000"}},
    {"limits": {"amount_min": "1", "amount_max": "1"}},
    {"limits": {}},
]


@pytest.mark.parametrize("policy", BOUNDS, ids=json.dumps)
async def test_a_policy_at_its_bounds_is_taken(
    service: Service, policy: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    answer = await service.client.post(ASSETS, json=GEM | policy | {"asset_code": code_of(request)})
    assert answer.status_code == 201
    given = {name: value for name, value in policy.items() if name != "limits"}
    assert answer.json().items() >= given.items()


CODES = ["", "gem", "1GEM", "GEM-1", "G" * 17, "GEM\n", 1, None]
WRONG_POLICIES: list[tuple[str, str]] = [
    ("/name", '{"name": ""}'),
    ("/name", json.dumps({"name": "N" * 101})),
    ("/name", '{"name": "a\\nb"}'),
    ("/name", '{"name": "a\\u0000b"}'),
    ("/name", '{"name": "\\ud800"}'),
    ("/name", '{"name": null}'),
    ("/status", '{"status": "retired"}'),
    ("/status", '{"status": null}'),
    ("/status", '{"status": true}'),
    ("/default_expiry_days", '{"default_expiry_days": 0}'),
    ("/default_expiry_days", '{"default_expiry_days": 36501}'),
    ("/default_expiry_days", '{"default_expiry_days": "30"}'),
    ("/default_expiry_days", '{"default_expiry_days": 1.5}'),
    ("/hold_seconds", '{"hold_seconds": 0}'),
    ("/hold_seconds", '{"hold_seconds": 31536001}'),
    ("/hold_seconds", '{"hold_seconds": true}'),
    ("/hold_seconds", '{"hold_seconds": null}'),
    ("/limits", '{"limits": null}'),
    ("/limits", '{"limits": []}'),
    ("/limits/weekly_spend_max", '{"limits": {"weekly_spend_max": "1"}}'),
    ("/limits/amount_min", '{"limits": {"amount_min": "0"}}'),
    ("/limits/amount_max", '{"limits": {"amount_max": 0}}'),
    ("/limits/balance_max", '{"limits": {"balance_max": "0.000"}}'),
    ("/limits/amount_max", '{"limits": {"amount_max": "0.0001"}}'),
    ("/limits/daily_spend_max", '{"limits": {"daily_spend_max": "0.0001"}}'),
    ("/limits/daily_spend_max", '{"limits": {"daily_spend_max": -1}}'),
    ("/limits/daily_credit_max", '{"limits": {"daily_credit_max": "1e3"}}'),
    ("/limits/daily_credit_max", '{"limits": {"daily_credit_max": "9223372036854775.808"}}'),
    ("/limits/balance_max", '{"limits": {"balance_max": true}}'),
    ("/dry_run", '{"dry_run": "yes"}'),
    ("/asset_type_id", '{"asset_type_id": 9}'),
    ("/default_expiry_day", '{"default_expiry_day": 9}'),
]


def pointers(answer: httpx2.Response) -> set[str]:
    problem = assert_problem(answer, 422, "validation_failed")
    return {each["pointer"] for each in problem["errors"]}


@pytest.mark.parametrize("code", CODES)
async def test_what_can_be_no_code_is_refused(service: Service, code: object) -> None:
    assert pointers(await service.client.post(ASSETS, json=GEM | {"asset_code": code})) == {"/asset_code"}


@pytest.mark.parametrize("scale", [-1, 19, "2", None, True])
async def test_what_can_be_no_scale_is_refused(service: Service, scale: object) -> None:
    assert pointers(await service.client.post(ASSETS, json=GEM | {"scale": scale})) == {"/scale"}


@pytest.mark.parametrize("member", ["asset_code", "name", "scale"])
async def test_code_name_and_scale_are_needed(service: Service, member: str) -> None:
    body = {name: value for name, value in GEM.items() if name != member}
    assert pointers(await service.client.post(ASSETS, json=body)) == {f"/{member}"}


@pytest.mark.parametrize(("pointer", "wrong"), WRONG_POLICIES)
async def test_a_policy_that_can_not_be_is_refused_by_name_and_changes_nothing(
    service: Service, asset: dict[str, Any], pointer: str, wrong: str
) -> None:
    before = await stored(service)
    new = json.dumps(GEM).replace("}", ", ") + wrong.removeprefix("{")
    if pointer == "/name":
        new = new.replace('"name": "Gems", ', "")
    json_sent = {"Content-Type": "application/json"}
    created = await service.client.post(ASSETS, content=new, headers=json_sent)
    changed = await service.client.patch(f"{ASSETS}/{asset['asset_type_id']}", content=wrong, headers=json_sent)
    for answer in (created, changed):
        assert {each.partition("/function-")[0] for each in pointers(answer)} == {pointer}
    assert await stored(service) == before


async def test_every_limit_that_is_wrong_is_named_with_what_is_wrong(service: Service) -> None:
    limits = {"amount_min": "0", "balance_max": "1.0001", "daily_spend_max": "-1", "amount_max": "1"}
    problem = assert_problem(await service.client.post(ASSETS, json=GEM | {"limits": limits}), 422)
    assert {each["pointer"]: each["code"] for each in problem["errors"]} == {
        "/limits/amount_min": "amount_zero",
        "/limits/balance_max": "amount_too_precise",
        "/limits/daily_spend_max": "amount_negative",
    }


# -- changing --------------------------------------------------------------------------------------------------------

CHANGES = [
    {"name": "Jewels"},
    {"status": "active"},
    {"default_expiry_days": None},
    {"default_expiry_days": 1},
    {"hold_seconds": 1},
    {"name": "Jewels", "status": "active", "default_expiry_days": None, "hold_seconds": 5},
    {},
]


@pytest.mark.parametrize("change", CHANGES, ids=json.dumps)
async def test_what_is_named_is_changed_and_the_rest_stays(
    service: Service, asset: dict[str, Any], change: dict[str, Any]
) -> None:
    answer = await service.client.patch(f"{ASSETS}/{asset['asset_type_id']}", json=change)
    assert answer.status_code == 200
    assert answer.json() == asset | change
    assert (await listed(service.client))[asset["asset_code"]] == asset | change


LIMIT_CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"amount_max": None}, {"amount_max": None}),
    ({"amount_max": "2"}, {"amount_max": "2.000"}),
    ({"amount_min": "0.4"}, {"amount_min": "0.400"}),
    ({"amount_min": "9", "amount_max": "9"}, {"amount_min": "9.000", "amount_max": "9.000"}),
    ({"amount_min": "9", "amount_max": None}, {"amount_min": "9.000", "amount_max": None}),
    (NO_LIMITS, NO_LIMITS),
    ({"daily_spend_max": "3", "daily_credit_max": "0"}, {"daily_spend_max": "3.000", "daily_credit_max": "0.000"}),
]


@pytest.mark.parametrize(("change", "shown"), LIMIT_CHANGES)
async def test_a_limit_is_set_or_taken_away_and_the_others_stay(
    service: Service, asset: dict[str, Any], change: dict[str, Any], shown: dict[str, Any]
) -> None:
    answer = await service.client.patch(f"{ASSETS}/{asset['asset_type_id']}", json={"limits": change})
    assert answer.json() == asset | {"limits": asset["limits"] | shown}


@pytest.mark.parametrize(
    ("limits", "pointer"),
    [
        ({"amount_min": "0.501"}, "/limits/amount_min"),
        ({"amount_max": "0.499"}, "/limits/amount_max"),
        ({"amount_min": "2", "amount_max": "1"}, "/limits/amount_min"),
    ],
)
async def test_the_smallest_amount_is_not_above_the_largest(
    service: Service, asset: dict[str, Any], limits: dict[str, str], pointer: str
) -> None:
    before = await stored(service)
    answer = await service.client.patch(f"{ASSETS}/{asset['asset_type_id']}", json={"limits": limits})
    assert pointers(answer) == {pointer}
    assert await stored(service) == before


async def test_the_smallest_amount_is_not_above_the_largest_of_a_new_one(service: Service) -> None:
    answer = await service.client.post(ASSETS, json=GEM | {"limits": {"amount_min": "2", "amount_max": "1"}})
    assert pointers(answer) == {"/limits/amount_min"}


@pytest.mark.parametrize("member", [{"asset_code": "NEW"}, {"scale": 2}, {"asset_type_id": 9}, {"created_at": "now"}])
async def test_what_never_changes_can_not_be_named(
    service: Service, asset: dict[str, Any], member: dict[str, Any]
) -> None:
    answer = await service.client.patch(f"{ASSETS}/{asset['asset_type_id']}", json={"name": "New", **member})
    assert pointers(answer) == {f"/{name}" for name in member}
    assert (await listed(service.client))[asset["asset_code"]] == asset


async def test_a_dry_run_answers_what_would_become_of_it_and_changes_nothing(
    service: Service, asset: dict[str, Any]
) -> None:
    before = await stored(service)
    change = {"name": "Jewels", "limits": {"balance_max": None}, "dry_run": True}
    answer = await service.client.patch(f"{ASSETS}/{asset['asset_type_id']}", json=change)
    assert answer.json() == asset | {"name": "Jewels", "limits": asset["limits"] | {"balance_max": None}}
    assert await stored(service) == before


@pytest.mark.parametrize("dry_run", [False, True])
async def test_an_asset_type_that_is_not_there_can_not_be_changed(service: Service, dry_run: bool) -> None:
    answer = await service.client.patch(f"{ASSETS}/2147483647", json={"name": "New", "dry_run": dry_run})
    assert_problem(answer, 404, "unknown_asset_type", asset=2_147_483_647)


@pytest.mark.parametrize("name", ["0", "2147483648", "GOLD", "-1", "1.0", "١"])
async def test_what_can_be_no_number_of_an_asset_type_is_refused(service: Service, name: str) -> None:
    problem = assert_problem(await service.client.patch(f"{ASSETS}/{name}", json={}), 422, "validation_failed")
    assert [each["parameter"] for each in problem["errors"]] == ["asset_type_id"]


async def test_a_change_needs_a_body(service: Service) -> None:
    assert_problem(await service.client.patch(f"{ASSETS}/1"), 422, "validation_failed")


# -- other processes -------------------------------------------------------------------------------------------------


@pytest.fixture
async def both(seeded_url: str) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Callers of two services on one database, which know each other's caches as little as two processes do."""
    settings = Settings(database_url=SecretStr(seeded_url))
    async with checked(settings) as one, checked(settings) as other:
        yield one, other


@alone
@pytest.mark.parametrize("named", [{"asset_type_id": 4}, {"asset_code": "GEM"}], ids=json.dumps)
async def test_another_process_knows_a_new_asset_type_at_once(
    both: tuple[httpx2.AsyncClient, httpx2.AsyncClient], named: dict[str, Any]
) -> None:
    one, other = both
    await other.get(ASSETS)
    await one.post(ASSETS, json=GEM)
    answer = await other.post(f"{USERS}/user_alice/top-up", json={"amount": "0.001", **named})
    assert (answer.json()["asset_code"], answer.json()["new_balance"]) == ("GEM", "0.001")


@alone
async def test_another_process_obeys_a_change_at_once(both: tuple[httpx2.AsyncClient, httpx2.AsyncClient]) -> None:
    one, other = both
    credit = {"amount": "1", "asset_type_id": 1}
    assert (await other.post(f"{USERS}/user_bob/bonus", json=credit)).status_code == 200
    await one.patch(f"{ASSETS}/1", json={"status": "inactive"})
    assert_problem(await other.post(f"{USERS}/user_bob/bonus", json=credit), 409, "asset_type_inactive")
    await one.patch(f"{ASSETS}/1", json={"status": "active", "default_expiry_days": 3})
    lot = (await other.post(f"{USERS}/user_bob/bonus", json=credit)).json()["lots"][0]
    assert lot["expires_at"] is not None


# -- at once ---------------------------------------------------------------------------------------------------------

AT_ONCE = 40
"""More than a unit of work is tried again for."""


@alone
async def test_asset_types_that_are_added_at_once_get_numbers_of_their_own(
    both: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
) -> None:
    answers = await asyncio.gather(
        *(insist(both[number % 2], "POST", ASSETS, GEM | {"asset_code": f"GEM{number}"}) for number in range(AT_ONCE))
    )
    assert {each.status_code for each in answers} == {201}
    assert sorted(each.json()["asset_type_id"] for each in answers) == list(range(4, 4 + AT_ONCE))


@alone
async def test_of_those_with_one_code_that_are_added_at_once_one_is(
    both: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
) -> None:
    answers = await asyncio.gather(*(insist(both[number % 2], "POST", ASSETS, GEM) for number in range(AT_ONCE)))
    assert sorted(each.status_code for each in answers) == [201, *[409] * (AT_ONCE - 1)]
    assert len(await listed(both[0])) == 4


@alone
async def test_changes_that_come_at_once_are_all_kept(
    both: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
) -> None:
    changes = [{"limits": {name: "5"}} for name in LIMITS] + [{"hold_seconds": 9}, {"default_expiry_days": 9}]
    await asyncio.gather(*(insist(both[at % 2], "PATCH", f"{ASSETS}/1", each) for at, each in enumerate(changes)))
    gold = (await listed(both[1]))["GOLD"]
    assert gold["limits"] == dict.fromkeys(LIMITS, "5.00")
    assert (gold["hold_seconds"], gold["default_expiry_days"]) == (9, 9)


@alone
async def test_the_asset_types_are_listed(own_service: Service) -> None:
    await own_service.sql("UPDATE asset_types SET default_expiry_days = 30, status = 'inactive' WHERE id = 3")
    answer = await own_service.client.get(ASSETS)
    limits = dict.fromkeys(("amount_min", "amount_max", "balance_max", "daily_spend_max", "daily_credit_max"))
    policy = {"hold_seconds": 86_400, "limits": limits}
    shared = {"scale": 2, "status": "active", "default_expiry_days": None, **policy}
    assert answer.json() == {
        "data": [
            {"asset_type_id": 1, "asset_code": "GOLD", "name": "Gold Coins", **shared},
            {"asset_type_id": 2, "asset_code": "DMND", "name": "Diamonds", **shared},
            {
                "asset_type_id": 3,
                "asset_code": "PTS",
                "name": "Loyalty Points",
                "scale": 2,
                "status": "inactive",
                "default_expiry_days": 30,
                **policy,
            },
        ]
    }
