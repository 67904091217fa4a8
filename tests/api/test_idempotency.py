"""A key names one attempt: sent again it is answered, not repeated; meaning something else it is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.api.conftest import USERS, Service, alone, sharing
from tests.api.shapes import MOMENT, UUID, assert_problem

pytestmark = sharing

GOLD = {"amount": "1.00", "asset_type_id": 1}
WRITES = ["top-up", "bonus", "spend"]
ADVICE = "This is the answer that was given at decided_at: a new attempt needs a new idempotency key."


async def _post(service: Service, user: str, call: str, **body: Any) -> httpx2.Response:
    return await service.client.post(f"{USERS}/{user}/{call}", json=GOLD | body)


# -- replays -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", WRITES)
async def test_a_replay_is_the_first_answer_with_the_balance_of_now(service: Service, call: str) -> None:
    user = await service.user("10.00")
    first = await _post(service, user, call, idempotency_key="k")
    await _post(service, user, "top-up", amount="100.00")
    size = await service.size()
    again = await _post(service, user, call, idempotency_key="k")
    now = "109.00" if call == "spend" else "111.00"
    assert again.status_code == first.status_code == 200
    assert again.json() == first.json() | {"replayed": True, "new_balance": now, "available": now}
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert await service.size() == size


@pytest.mark.parametrize("call", WRITES)
async def test_a_key_sent_many_times_at_once_books_once(service: Service, call: str) -> None:
    user = await service.user("10.00")
    answers = await asyncio.gather(*(_post(service, user, call, idempotency_key="k") for _ in range(20)))
    assert {each.status_code for each in answers} == {200}
    assert sorted(each.json()["replayed"] for each in answers) == [False] + [True] * 19
    assert len({each.json()["transaction_id"] for each in answers}) == 1
    assert await service.balance(user) == ("9.00" if call == "spend" else "11.00")


async def test_without_a_key_the_same_request_is_booked_each_time(service: Service) -> None:
    user = await service.user()
    answers = [await _post(service, user, "top-up") for _ in range(2)]
    assert [each.json()["new_balance"] for each in answers] == ["1.00", "2.00"]
    assert [each.json()["replayed"] for each in answers] == [False, False]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"reference": "other", "metadata": {"a": 2}}, id="other-notes"),
        pytest.param({"reference": None, "metadata": None}, id="no-notes"),
        pytest.param({"amount": 1}, id="amount-as-a-number"),
        pytest.param({"amount": "1.000"}, id="amount-with-more-zeros"),
        pytest.param({"asset_type_id": None, "asset_code": "GOLD"}, id="asset-by-code"),
        pytest.param({"priority": 50, "never_expires": False}, id="defaults-spelled-out"),
        pytest.param({"open_account": True}, id="open-account"),
    ],
)
async def test_what_is_no_part_of_the_meaning_may_differ_in_a_replay(
    service: Service, changed: dict[str, object]
) -> None:
    user = await service.user()
    body: dict[str, object] = {"idempotency_key": "k", "reference": "one", "metadata": {"a": 1}}
    first = await _post(service, user, "top-up", **body)
    again = await _post(service, user, "top-up", **(body | changed))
    assert (again.json()["replayed"], again.json()["transaction_id"]) == (True, first.json()["transaction_id"])
    stored = await service.sql(
        "SELECT reference FROM transaction_notes WHERE owner_id = :id", id=first.json()["account_id"]
    )
    assert stored == "one"


async def test_the_same_moment_in_another_zone_is_the_same_meaning(service: Service) -> None:
    user = await service.user()
    await _post(service, user, "top-up", idempotency_key="k", expires_at="2125-01-01T00:00:00Z")
    again = await _post(service, user, "top-up", idempotency_key="k", expires_at="2125-01-01T02:00:00.000+02:00")
    assert again.json()["replayed"] is True


@pytest.mark.parametrize(
    ("given", "changed", "named"),
    [
        pytest.param({}, {"call": "bonus"}, "type", id="type"),
        pytest.param({}, {"call": "spend"}, "type", id="type-of-the-other-direction"),
        pytest.param({}, {"asset_type_id": 2}, "asset_type_id", id="asset"),
        pytest.param({}, {"amount": "1.01"}, "amount", id="amount"),
        pytest.param({}, {"expires_at": "2125-01-01T00:00:00Z"}, "expires_at", id="expiry-added"),
        pytest.param({"expires_at": "2125-01-01T00:00:00Z"}, {"expires_at": None}, "expires_at", id="expiry-dropped"),
        pytest.param(
            {"expires_at": "2125-01-01T00:00:00Z"},
            {"expires_at": "2125-01-01T00:00:00.000001Z"},
            "expires_at",
            id="expiry",
        ),
        pytest.param({"expires_in_days": 1}, {"expires_in_days": 2}, "expires_in_days", id="days"),
        pytest.param({}, {"expires_in_days": 2}, "expires_in_days", id="days-added"),
        pytest.param({}, {"never_expires": True}, "never_expires", id="never"),
        pytest.param({}, {"priority": 49}, "priority", id="priority"),
        pytest.param({"priority": 1}, {"priority": 2}, "priority", id="another-priority"),
        pytest.param({}, {"call": "bonus", "amount": "2", "priority": 1}, "type", id="several-the-first-is-named"),
    ],
)
async def test_a_key_that_meant_something_else_is_422_and_names_what_differs(
    service: Service, given: dict[str, Any], changed: dict[str, Any], named: str
) -> None:
    user = await service.user()
    await _post(service, user, "top-up", idempotency_key="k", **given)
    size = await service.size()
    answer = await _post(service, user, changed.pop("call", "top-up"), idempotency_key="k", **(given | changed))
    problem = assert_problem(answer, 422, "idempotency_mismatch", field=named)
    assert [each["pointer"] for each in problem["errors"]] == ["/idempotency_key"]
    assert await service.size() == size


# -- where the key stands ------------------------------------------------------------------------------------------


async def test_header_and_body_may_both_name_the_key_but_not_two_keys(service: Service) -> None:
    user = await service.user()
    path, header = f"{USERS}/{user}/top-up", {"Idempotency-Key": "k"}
    size = await service.size()
    differing = await service.client.post(path, json=GOLD | {"idempotency_key": "other"}, headers=header)
    assert_problem(differing, 400, "idempotency_keys_differ")
    assert await service.size() == size
    same = await service.client.post(path, json=GOLD | {"idempotency_key": "k"}, headers=header)
    assert (same.status_code, same.json()["replayed"]) == (200, False)
    by_body = await service.client.post(path, json=GOLD | {"idempotency_key": "k"})
    assert by_body.json()["replayed"] is True


async def test_the_same_key_of_another_user_is_another_key(service: Service) -> None:
    one, other = await service.user(), await service.user()
    answers = [await _post(service, user, "top-up", idempotency_key="k") for user in (one, other)]
    assert [each.json()["replayed"] for each in answers] == [False, False]
    assert answers[0].json()["transaction_id"] != answers[1].json()["transaction_id"]


# -- refusals ------------------------------------------------------------------------------------------------------


async def test_a_recorded_refusal_replays_although_the_funds_have_come_since(service: Service) -> None:
    user = await service.user("10.00")
    first = await _post(service, user, "spend", amount="30.00", idempotency_key="k")
    problem = assert_problem(first, 402, "insufficient_funds", transaction_id=UUID, shortfall="20.00")
    assert not problem.keys() & {"replayed", "decided_at"}
    assert ADVICE not in problem["detail"]
    assert "idempotent-replayed" not in first.headers

    await _post(service, user, "top-up", amount="100.00")
    size = await service.size()
    again = await _post(service, user, "spend", amount="30.00", idempotency_key="k")
    replayed = assert_problem(again, 402, "insufficient_funds", replayed=True, decided_at=MOMENT)
    assert replayed["detail"] == f"{problem['detail']} {ADVICE}"
    assert {name: replayed[name] for name in problem if name not in {"detail", "request_id"}} == {
        name: problem[name] for name in problem if name not in {"detail", "request_id"}
    }
    assert again.headers["idempotent-replayed"] == "true"
    assert (await service.size(), await service.balance(user)) == (size, "110.00")

    fresh = await _post(service, user, "spend", amount="30.00", idempotency_key="k2")
    assert (fresh.status_code, fresh.json()["new_balance"]) == (200, "80.00")


@alone
async def test_a_refusal_says_when_it_was_decided(
    own_service: Service, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    await _post(own_service, "user_alice", "spend", amount="9999.00", idempotency_key="k")
    await set_clock("2031-01-01T00:00:00Z")
    again = await _post(own_service, "user_alice", "spend", amount="9999.00", idempotency_key="k")
    assert_problem(again, 402, decided_at="2030-01-01T00:00:00.000000Z")


@pytest.mark.parametrize(
    ("status", "call", "code"),
    [
        ("frozen", "spend", "account_frozen"),
        ("frozen", "bonus", "account_frozen"),
        ("closed", "top-up", "account_closed"),
        ("quarantined", "spend", "account_quarantined"),
    ],
)
async def test_a_refusal_on_the_accounts_state_replays_when_the_state_is_another(
    service: Service, status: str, call: str, code: str
) -> None:
    user = await service.user("10.00")
    await service.set_status(user, status)
    balance = await service.balance(user)
    assert_problem(await _post(service, user, call, idempotency_key="k"), 409, code, transaction_id=UUID)
    await service.set_status(user, "active")
    assert_problem(await _post(service, user, call, idempotency_key="k"), 409, code, replayed=True, decided_at=MOMENT)
    assert await service.balance(user) == balance


async def test_a_refusal_for_an_inactive_asset_type_replays(service: Service) -> None:
    user, asset = await service.user(), await service.asset()
    await service.sql("UPDATE asset_types SET status = 'inactive' WHERE id = :id", id=asset)
    body = {"asset_type_id": asset, "idempotency_key": "k"}
    assert_problem(await _post(service, user, "bonus", **body), 409, "asset_type_inactive")
    await service.sql("UPDATE asset_types SET status = 'active' WHERE id = :id", id=asset)
    assert_problem(await _post(service, user, "bonus", **body), 409, "asset_type_inactive", replayed=True)


async def test_a_refusal_for_the_largest_balance_replays_with_its_amounts(service: Service) -> None:
    user = await service.user("92233720368547758.07")
    facts = {"balance": "92233720368547758.07", "balance_max": "92233720368547758.07", "amount": "1.00"}
    assert_problem(await _post(service, user, "top-up", idempotency_key="k"), 409, "balance_limit_exceeded", **facts)
    await _post(service, user, "spend", amount="50.00")
    again = await _post(service, user, "top-up", idempotency_key="k")
    assert_problem(again, 409, "balance_limit_exceeded", replayed=True, **facts)


async def test_a_refusal_without_a_key_is_not_recorded_and_may_be_tried_again(service: Service) -> None:
    user = await service.user("10.00")
    size = await service.size()
    assert "transaction_id" not in assert_problem(await _post(service, user, "spend", amount="30.00"), 402)
    assert await service.size() == size
    await _post(service, user, "top-up", amount="100.00")
    assert (await _post(service, user, "spend", amount="30.00")).status_code == 200


async def test_a_key_of_a_refusal_is_used_up_for_another_meaning(service: Service) -> None:
    user = await service.user("10.00")
    await _post(service, user, "spend", amount="30.00", idempotency_key="k")
    answer = await _post(service, user, "spend", amount="5.00", idempotency_key="k")
    assert_problem(answer, 422, "idempotency_mismatch", field="amount")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"amount": "0.001"}, id="malformed-amount"),
        pytest.param({"amount": "0"}, id="zero"),
        pytest.param({"unknown": 1}, id="unknown-member"),
        pytest.param({"asset_type_id": 77}, id="unknown-asset"),
        pytest.param({"asset_type_id": None}, id="no-asset"),
        pytest.param({"metadata": {"a": 1.5}}, id="malformed-metadata"),
        pytest.param({"expires_at": "2001-01-01T00:00:00Z"}, id="expired-already"),
    ],
)
async def test_a_malformed_request_uses_no_key_up(service: Service, wrong: dict[str, object]) -> None:
    user = await service.user()
    answer = await _post(service, user, "bonus", idempotency_key="k", **wrong)
    assert_problem(answer)
    assert answer.status_code in {404, 422}
    corrected = await _post(service, user, "bonus", idempotency_key="k")
    assert (corrected.status_code, corrected.json()["replayed"]) == (200, False)


async def test_an_unknown_user_uses_no_key_up(service: Service) -> None:
    assert_problem(await _post(service, "late-user", "bonus", idempotency_key="k"), 404, "unknown_user")
    await service.client.put(f"{USERS}/late-user")
    assert (await _post(service, "late-user", "bonus", idempotency_key="k")).json()["replayed"] is False


@alone
async def test_an_outage_uses_no_key_up(own_service: Service) -> None:
    await own_service.as_owner("ALTER TABLE lots RENAME TO gone")
    assert_problem(await _post(own_service, "user_alice", "bonus", idempotency_key="k"), 500)
    await own_service.as_owner("ALTER TABLE gone RENAME TO lots")
    assert (await _post(own_service, "user_alice", "bonus", idempotency_key="k")).json()["replayed"] is False


@alone
async def test_a_replay_is_answered_after_its_own_expiry_has_passed(
    own_service: Service, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    body = {"idempotency_key": "k", "expires_at": "2030-02-01T00:00:00Z"}
    first = await _post(own_service, "user_alice", "bonus", **body)
    await set_clock("2030-03-01T00:00:00Z")
    again = await _post(own_service, "user_alice", "bonus", **body)
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    assert (first.json()["new_balance"], again.json()["new_balance"]) == ("1051.00", "1050.00")


# -- within a batch ------------------------------------------------------------------------------------------------


async def test_the_same_key_twice_in_one_batch_is_booked_once(service: Service) -> None:
    user = await service.user("10.00")
    spend = {"type": "spend", "external_user_id": user, "amount": "4.00", "asset_type_id": 1, "idempotency_key": "k"}
    operations = [spend, spend, spend | {"amount": "5.00"}, spend | {"idempotency_key": "k2"}, spend]
    answer = await service.client.post("/api/v1/batch", json={"operations": operations})
    results = answer.json()["results"]
    assert [(each["status"], each.get("replayed"), each.get("code")) for each in results] == [
        (200, False, None),
        (200, True, None),
        (422, None, "idempotency_mismatch"),
        (200, False, None),
        (200, True, None),
    ]
    assert results[0]["transaction_id"] == results[1]["transaction_id"] == results[4]["transaction_id"]
    assert [results[number]["new_balance"] for number in (0, 1, 3, 4)] == ["6.00", "6.00", "2.00", "2.00"]
    assert await service.balance(user) == "2.00"


async def test_a_refusal_replays_within_the_batch_that_recorded_it(service: Service) -> None:
    user = await service.user("10.00")
    spend = {"type": "spend", "external_user_id": user, "amount": "40.00", "asset_type_id": 1, "idempotency_key": "k"}
    top_up = {"type": "top_up", "external_user_id": user, "amount": "90.00", "asset_type_id": 1}
    answer = await service.client.post("/api/v1/batch", json={"operations": [spend, top_up, spend]})
    first, _, again = answer.json()["results"]
    assert (first["status"], again["status"], again["replayed"]) == (402, 402, True)
    assert first["transaction_id"] == again["transaction_id"]
    assert (again["available"], again["required"], again["decided_at"]) == ("10.00", "40.00", MOMENT)
    assert await service.balance(user) == "100.00"


async def test_a_key_used_in_a_batch_replays_in_a_single_call(service: Service) -> None:
    user = await service.user("10.00")
    spend = {"type": "spend", "external_user_id": user, "amount": "1.00", "asset_type_id": 1, "idempotency_key": "k"}
    answer = await service.client.post("/api/v1/batch", json={"operations": [spend]})
    again = await _post(service, user, "spend", idempotency_key="k")
    assert again.json() == {name: value for name, value in answer.json()["results"][0].items() if name != "status"} | {
        "replayed": True
    }
