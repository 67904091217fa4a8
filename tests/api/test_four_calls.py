"""The four calls the service started from, as the two curl examples make them: members, amounts, times, refusals."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import pytest

from tests.api.conftest import USERS, Service, alone, sharing
from tests.api.shapes import MOMENT, UUID, assert_problem

pytestmark = sharing

ALICE = f"{USERS}/user_alice"
CREDITS = [pytest.param("top-up", id="top-up"), pytest.param("bonus", id="bonus")]
WRITES = [*CREDITS, pytest.param("spend", id="spend")]


async def test_the_two_curl_examples_work_right_after_the_first_start(service: Service) -> None:
    before = (await service.client.get(f"{ALICE}/balance", params={"asset_type_id": 1})).json()
    topped = await service.client.post(f"{ALICE}/top-up", json={"amount": "50.00", "asset_type_id": 1})
    spent = await service.client.post(f"{ALICE}/spend", json={"amount": "30.00", "asset_type_id": 1})
    after = (await service.client.get(f"{ALICE}/balance", params={"asset_type_id": 1})).json()
    assert (topped.status_code, spent.status_code) == (200, 200)
    assert (before["balance"], topped.json()["new_balance"], spent.json()["new_balance"], after["balance"]) == (
        "1050.00",
        "1100.00",
        "1070.00",
        "1070.00",
    )


# -- answers -------------------------------------------------------------------------------------------------------


async def test_a_balance_has_these_members_and_is_not_to_be_stored(service: Service) -> None:
    answer = await service.client.get(f"{USERS}/user_bob/balance?asset_type_id=1")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "account_id": await service.sql("SELECT id FROM accounts WHERE external_user_id = 'user_bob'"),
        "asset_type_id": 1,
        "asset_code": "GOLD",
        "balance": "500.00",
        "held": "0.00",
        "available": "500.00",
    }


@pytest.mark.parametrize(("call", "type_", "kind"), [("top-up", "top_up", "paid"), ("bonus", "bonus", "promo")])
async def test_a_credit_is_answered_with_these_members(service: Service, call: str, type_: str, kind: str) -> None:
    user = await service.user("1.00")
    answer = await service.client.post(f"{USERS}/{user}/{call}", json={"amount": "50", "asset_type_id": 1})
    assert answer.status_code == 200
    assert answer.json() == {
        "transaction_id": UUID,
        "type": type_,
        "account_id": await service.sql("SELECT id FROM accounts WHERE external_user_id = :user", user=user),
        "asset_type_id": 1,
        "asset_code": "GOLD",
        "amount": "50.00",
        "new_balance": "51.00",
        "balance_after": "51.00",
        "available": "51.00",
        "held": "0.00",
        "seq": 2,
        "created_at": MOMENT,
        "replayed": False,
        "dry_run": False,
        "lots": [{"lot_id": UUID, "kind": kind, "amount": "50.00", "expires_at": None}],
    }


async def test_a_spend_says_which_lots_it_took_from_in_burn_order(service: Service) -> None:
    user = await service.user("10.00")
    given = await service.client.post(
        f"{USERS}/{user}/bonus", json={"amount": "5", "asset_type_id": 1, "expires_at": "2125-01-01T01:00:00+01:00"}
    )
    answer = await service.client.post(f"{USERS}/{user}/spend", json={"amount": "7.5", "asset_type_id": 1})
    paid = await service.sql(
        "SELECT lots.id FROM lots WHERE kind = 'paid' AND owner_id = :id", id=given.json()["account_id"]
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "transaction_id": UUID,
        "type": "spend",
        "account_id": given.json()["account_id"],
        "asset_type_id": 1,
        "asset_code": "GOLD",
        "amount": "7.50",
        "new_balance": "7.50",
        "balance_after": "7.50",
        "available": "7.50",
        "held": "0.00",
        "seq": 3,
        "created_at": MOMENT,
        "replayed": False,
        "dry_run": False,
        "requested": "7.50",
        "lots": [
            {
                "lot_id": given.json()["lots"][0]["lot_id"],
                "kind": "promo",
                "amount": "5.00",
                "expires_at": "2125-01-01T00:00:00.000000Z",
            },
            {"lot_id": str(paid), "kind": "paid", "amount": "2.50", "expires_at": None},
        ],
    }


@pytest.mark.parametrize(
    ("scale", "amount", "shown", "balance"),
    [
        pytest.param(0, "7", "7", "3", id="no-decimals"),
        pytest.param(1, "7.0", "7.0", "3.0", id="one-decimal"),
        pytest.param(3, "7.001", "7.001", "2.999", id="three-decimals"),
        pytest.param(18, "7.000000000000000001", "7.000000000000000001", "2.000000000000000000", id="18-decimals"),
    ],
)
async def test_amounts_leave_with_exactly_the_scale_of_the_asset_type(
    service: Service, scale: int, amount: str, shown: str, balance: str
) -> None:
    user, asset = await service.user(), await service.asset(scale)
    first = "10" if scale < 18 else "9.000000000000000001"
    topped = await service.client.post(f"{USERS}/{user}/top-up", json={"amount": first, "asset_type_id": asset})
    spent = (await service.client.post(f"{USERS}/{user}/spend", json={"amount": amount, "asset_type_id": asset})).json()
    assert topped.status_code == 200
    assert (spent["amount"], spent["lots"][0]["amount"], spent["new_balance"]) == (shown, shown, balance)
    assert await service.balance(user, asset) == balance


@alone
async def test_times_are_utc_with_z_and_microseconds(
    own_service: Service, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    await set_clock("2030-01-31T23:00:00.000007+00:00")
    answer = await own_service.client.post(
        f"{ALICE}/top-up", json={"amount": "1", "asset_type_id": 1, "expires_in_days": 1}
    )
    assert answer.json()["created_at"] == "2030-01-31T23:00:00.000007Z"
    assert answer.json()["lots"][0]["expires_at"] == "2030-02-01T23:00:00.000007Z"


@alone
async def test_credits_are_gone_from_the_moment_they_expire(
    own_service: Service, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    body = {"amount": "1", "asset_type_id": 1, "expires_at": "2099-01-01T00:00:00Z"}
    assert (await own_service.client.post(f"{ALICE}/top-up", json=body)).json()["new_balance"] == "1051.00"
    await set_clock("2098-12-31T23:59:59.999999Z")
    assert await own_service.balance("user_alice") == "1051.00"
    await set_clock("2099-01-01T00:00:00Z")
    assert await own_service.balance("user_alice") == "1050.00"


# -- what is named -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", WRITES)
async def test_an_asset_code_does_instead_of_an_asset_type_id(service: Service, call: str) -> None:
    user = await service.user("10.00")
    answer = await service.client.post(f"{USERS}/{user}/{call}", json={"amount": "1", "asset_code": "GOLD"})
    assert (answer.json()["asset_type_id"], answer.json()["asset_code"]) == (1, "GOLD")
    balance = await service.client.get(f"{USERS}/{user}/balance", params={"asset_code": "GOLD"})
    assert balance.json()["balance"] == answer.json()["new_balance"]


async def test_a_user_without_a_wallet_in_the_asset_type_has_zero(service: Service) -> None:
    user = await service.user()
    answer = await service.client.get(f"{USERS}/{user}/balance?asset_type_id=2")
    assert {name: answer.json()[name] for name in ("balance", "held", "available")} == {
        "balance": "0.00",
        "held": "0.00",
        "available": "0.00",
    }


async def test_a_spend_from_a_wallet_that_is_not_there_yet_is_402(service: Service) -> None:
    user = await service.user()
    answer = await service.client.post(f"{USERS}/{user}/spend", json={"amount": "1", "asset_type_id": 2})
    assert_problem(answer, 402, "insufficient_funds", available="0.00", required="1.00", shortfall="1.00")


@pytest.mark.parametrize("call", WRITES)
async def test_a_write_for_an_unknown_user_is_404_and_opens_no_account(service: Service, call: str) -> None:
    before = await service.size()
    answer = await service.client.post(f"{USERS}/user_alcie/{call}", json={"amount": "1", "asset_type_id": 1})
    assert_problem(answer, 404, "unknown_user", external_user_id="user_alcie")
    assert await service.size() == before


async def test_a_balance_of_an_unknown_user_is_404(service: Service) -> None:
    answer = await service.client.get(f"{USERS}/user_alcie/balance?asset_type_id=1")
    assert_problem(answer, 404, "unknown_user", external_user_id="user_alcie")


@pytest.mark.parametrize(
    ("named", "code", "facts"),
    [
        pytest.param({"asset_type_id": 77}, "unknown_asset_type", {"asset": 77}, id="unknown-id"),
        pytest.param({"asset_code": "GOLD_X"}, "unknown_asset_type", {"asset": "GOLD_X"}, id="unknown-code"),
        pytest.param({}, "asset_ambiguous", {}, id="none"),
        pytest.param({"asset_type_id": 1, "asset_code": "GOLD"}, "asset_ambiguous", {}, id="two-that-agree"),
        pytest.param({"asset_type_id": 1, "asset_code": "DMND"}, "asset_ambiguous", {}, id="two-that-differ"),
    ],
)
async def test_a_call_names_exactly_one_known_asset_type(
    service: Service, named: dict[str, object], code: str, facts: dict[str, object]
) -> None:
    status = 404 if code == "unknown_asset_type" else 422
    before = await service.size()
    for call in ("top-up", "bonus", "spend"):
        answer = await service.client.post(f"{ALICE}/{call}", json={"amount": "1", **named})
        assert_problem(answer, status, code, **facts)
    balance = await service.client.get(f"{ALICE}/balance", params={name: str(value) for name, value in named.items()})
    assert_problem(balance, status, code, **facts)
    assert await service.size() == before


@pytest.mark.parametrize(
    "query",
    [
        *("asset_type_id=abc", "asset_type_id=0", "asset_type_id=-1", "asset_type_id=2147483648", "asset_code=gold"),
        *("asset_type_id=%2B1", "asset_type_id=%201", "asset_type_id=1_0", "asset_type_id=1.0", "asset_type_id=%D9%A1"),
        *("asset_type_id=", "asset_code=", "asset_type_id=1&asset_type_id=1"),
    ],
)
async def test_a_balance_asked_with_a_malformed_asset_is_422_naming_the_parameter(service: Service, query: str) -> None:
    problem = assert_problem(await service.client.get(f"{ALICE}/balance?{query}"), 422, "validation_failed")
    assert [each["parameter"] for each in problem["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/balance?asset_type_id=1&"), ("POST", "/spend?"), ("PUT", "?"), ("GET", "?")]
)
async def test_a_query_parameter_that_is_not_known_is_refused_by_name(service: Service, method: str, path: str) -> None:
    body = {"amount": "1", "asset_type_id": 1} if method == "POST" else None
    before = await service.size()
    for name in ("asset_typ_id", "a b", "\N{SNOWMAN}", "x" * 300, ""):
        query = urlencode({name: "1"})
        answer = await service.client.request(method, f"{ALICE}{path}{query}", json=body)
        problem = assert_problem(answer, 422, "validation_failed")
        assert problem["errors"] == [
            {"parameter": name, "code": "extra_forbidden", "detail": "is not a known parameter"}
        ]
    assert await service.size() == before


# -- opening accounts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CREDITS)
async def test_a_credit_opens_an_account_when_it_says_so(service: Service, call: str) -> None:
    body = {"amount": "5", "asset_type_id": 1, "open_account": True}
    first = await service.client.post(f"{USERS}/opened-by-{call}/{call}", json=body)
    second = await service.client.post(f"{USERS}/opened-by-{call}/{call}", json=body)
    assert (first.status_code, first.json()["seq"], first.json()["new_balance"]) == (200, 1, "5.00")
    assert (second.json()["seq"], second.json()["new_balance"]) == (2, "10.00")
    assert second.json()["account_id"] == first.json()["account_id"]


async def test_a_spend_takes_no_open_account(service: Service) -> None:
    body = {"amount": "5", "asset_type_id": 1, "open_account": True}
    problem = assert_problem(await service.client.post(f"{USERS}/user_alcie/spend", json=body), 422)
    assert [each["pointer"] for each in problem["errors"]] == ["/open_account"]


async def test_a_refused_credit_opens_no_account(service: Service) -> None:
    asset = await service.asset()
    await service.sql("UPDATE asset_types SET status = 'inactive' WHERE id = :id", id=asset)
    before = await service.size()
    body = {"amount": "5", "asset_type_id": asset, "open_account": True}
    assert_problem(await service.client.post(f"{USERS}/user_alcie/bonus", json=body), 409, "asset_type_inactive")
    assert await service.size() == before


@pytest.mark.parametrize("call", WRITES)
async def test_reference_and_metadata_are_stored_with_the_transaction(service: Service, call: str) -> None:
    user = await service.user("10.00")
    body = {
        "amount": "1",
        "asset_type_id": 1,
        "reference": "order 17 — ☕",
        "metadata": {"b": True, "a": "é", "n": -(2**63)},
    }
    answer = (await service.client.post(f"{USERS}/{user}/{call}", json=body)).json()
    stored = await service.sql(
        "SELECT reference || '|' || metadata FROM transaction_notes WHERE owner_id = :owner AND seq = :seq",
        owner=answer["account_id"],
        seq=answer["seq"],
    )
    assert stored == 'order 17 — ☕|{"a":"é","b":true,"n":-9223372036854775808}'


# -- refusals on the state -----------------------------------------------------------------------------------------


async def test_a_spend_beyond_the_balance_is_402_and_takes_nothing(service: Service) -> None:
    user = await service.user("10.00")
    before = await service.size()
    answer = await service.client.post(f"{USERS}/{user}/spend", json={"amount": "10.01", "asset_type_id": 1})
    assert answer.json() == {
        "type": "urn:wallet:problem:insufficient_funds",
        "title": "Payment Required",
        "status": 402,
        "detail": "This needs 10.01 and 10.00 is available: 0.01 is missing.",
        "instance": f"{USERS}/{user}/spend",
        "code": "insufficient_funds",
        "request_id": answer.headers["x-request-id"],
        "asset_type_id": 1,
        "available": "10.00",
        "held": "0.00",
        "required": "10.01",
        "shortfall": "0.01",
    }
    assert await service.balance(user) == "10.00"
    assert await service.size() == before


@pytest.mark.parametrize(("call", "status"), [("top-up", 409), ("bonus", 409), ("spend", 200)])
async def test_of_an_inactive_asset_type_credits_are_only_spent(service: Service, call: str, status: int) -> None:
    user, asset = await service.user(), await service.asset()
    await service.client.post(f"{USERS}/{user}/top-up", json={"amount": "2", "asset_type_id": asset})
    await service.sql("UPDATE asset_types SET status = 'inactive' WHERE id = :id", id=asset)
    answer = await service.client.post(f"{USERS}/{user}/{call}", json={"amount": "1", "asset_type_id": asset})
    assert answer.status_code == status
    if status == 409:
        assert_problem(answer, 409, "asset_type_inactive", asset_type_id=asset, asset_code=f"A{asset}")


@pytest.mark.parametrize("call", CREDITS)
async def test_a_credit_beyond_the_largest_balance_is_409_with_its_amounts(service: Service, call: str) -> None:
    user = await service.user("92233720368547758.06")
    answer = await service.client.post(f"{USERS}/{user}/{call}", json={"amount": "0.02", "asset_type_id": 1})
    assert_problem(
        answer,
        409,
        "balance_limit_exceeded",
        asset_type_id=1,
        balance="92233720368547758.06",
        balance_max="92233720368547758.07",
        amount="0.02",
    )
    fits = await service.client.post(f"{USERS}/{user}/{call}", json={"amount": "0.01", "asset_type_id": 1})
    assert fits.json()["new_balance"] == "92233720368547758.07"


# -- terms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "place"),
    [
        pytest.param({"expire_at": "2030-01-01T00:00:00Z"}, "/expire_at", id="typo"),
        pytest.param({"expires_at": "2030-01-01"}, "/expires_at", id="date-without-time"),
        pytest.param({"expires_at": "2030-01-01T00:00:00"}, "/expires_at", id="no-offset"),
        pytest.param({"expires_at": "2030-02-30T00:00:00Z"}, "/expires_at", id="no-such-day"),
        pytest.param({"expires_at": "2030-01-01T00:00:60Z"}, "/expires_at", id="leap-second"),
        pytest.param({"expires_at": "2030-01-01T24:00:00Z"}, "/expires_at", id="hour-24"),
        pytest.param({"expires_at": "2030-01-01T00:00:00.1234567Z"}, "/expires_at", id="nanoseconds"),
        pytest.param({"expires_at": "0001-01-01T00:00:00+01:00"}, "/expires_at", id="before-all-time"),
        pytest.param({"expires_at": "9999-12-31T23:59:59-01:00"}, "/expires_at", id="after-all-time"),
        pytest.param({"expires_at": "２０３０-01-01T00:00:00Z"}, "/expires_at", id="wide-digits"),
        pytest.param({"expires_at": 1893456000}, "/expires_at", id="unix-time"),
        pytest.param({"expires_in_days": 0}, "/expires_in_days", id="no-days"),
        pytest.param({"expires_in_days": 36_501}, "/expires_in_days", id="too-many-days"),
        pytest.param({"expires_in_days": "30"}, "/expires_in_days", id="days-as-text"),
        pytest.param({"expires_in_days": True}, "/expires_in_days", id="days-as-boolean"),
        pytest.param({"never_expires": "yes"}, "/never_expires", id="boolean-as-text"),
        pytest.param({"never_expires": 1}, "/never_expires", id="boolean-as-number"),
        pytest.param({"priority": -1}, "/priority", id="priority-too-low"),
        pytest.param({"priority": 101}, "/priority", id="priority-too-high"),
        pytest.param({"priority": 50.5}, "/priority", id="priority-with-a-point"),
        pytest.param({"open_account": "true"}, "/open_account", id="open-account-as-text"),
        pytest.param({"expires_in_days": 1, "never_expires": True}, "", id="two-expiries"),
        pytest.param({"expires_in_days": 1, "expires_at": "2030-01-01T00:00:00Z"}, "", id="two-other-expiries"),
    ],
)
async def test_terms_that_cannot_be_meant_are_refused_by_name(
    service: Service, terms: dict[str, object], place: str
) -> None:
    before = await service.size()
    for call in ("top-up", "bonus"):
        answer = await service.client.post(f"{ALICE}/{call}", json={"amount": "1", "asset_type_id": 1, **terms})
        problem = assert_problem(answer, 422, "validation_failed")
        assert [each["pointer"] for each in problem["errors"]] == [place]
    assert await service.size() == before


@alone
async def test_credits_cannot_expire_in_the_past(
    own_service: Service, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    body = {"amount": "1", "asset_type_id": 1, "expires_at": "2030-01-01T00:00:00Z"}
    answer = await own_service.client.post(f"{ALICE}/top-up", json=body)
    problem = assert_problem(answer, 422, "expiry_invalid", now="2030-01-01T00:00:00.000000Z")
    assert [each["pointer"] for each in problem["errors"]] == ["/expires_at"]
    body["expires_at"] = "2030-01-01T00:00:00.000001Z"
    assert (await own_service.client.post(f"{ALICE}/top-up", json=body)).status_code == 200


async def test_a_lower_priority_is_spent_first(service: Service) -> None:
    user = await service.user("1.00")
    for priority in (70, 10):
        body = {"amount": "1", "asset_type_id": 1, "priority": priority}
        await service.client.post(f"{USERS}/{user}/top-up", json=body)
    spent = await service.client.post(f"{USERS}/{user}/spend", json={"amount": "3", "asset_type_id": 1})
    order = [
        await service.sql("SELECT priority FROM lots WHERE id = CAST(:id AS uuid)", id=each["lot_id"])
        for each in spent.json()["lots"]
    ]
    assert order == [10, 50, 70]
