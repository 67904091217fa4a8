"""What there is, in pages: lots and holds, and what all lists have in common."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pydantic import TypeAdapter

from app.api.paging import List
from tests.api.conftest import USERS, Service, alone, sharing
from tests.api.pages import joined, pages_of
from tests.api.shapes import UUID as AN_ID
from tests.api.shapes import assert_problem
from tests.api.written_rows import FUTURE, LATER, PAST, Written, written

pytestmark = sharing

NOBODYS_HOLD = "0198c0de-0000-7000-8000-000000000000"


@pytest.fixture
async def rows(empty_url: str) -> AsyncIterator[Written]:
    async with written(empty_url) as rows:
        yield rows


# -- pages ---------------------------------------------------------------------------------------------------------

LISTS = ["/wallets/users", "/wallets/users/user_alice/lots", "/wallets/users/user_alice/holds"]
LISTS += ["/wallets/users/user_alice/transactions", "/transactions"]
NEEDED = {"/wallets/users/user_alice/lots": {"asset_type_id": "1"}, "/transactions": {"reference": "order 1"}}
each_list = pytest.mark.parametrize("path", LISTS)


@each_list
@pytest.mark.parametrize("limit", ["0", "201", "x", "", "-1", "1.0", "+1", "٣", "9" * 5_000])
async def test_a_limit_is_1_to_200(service: Service, path: str, limit: str) -> None:
    answer = await service.client.get(f"/api/v1{path}", params={**NEEDED.get(path, {}), "limit": limit})
    problem = assert_problem(answer, 422, "validation_failed")
    assert [each["parameter"] for each in problem["errors"]] == ["limit"]


@each_list
@pytest.mark.parametrize("limit", ["1", "200"])
async def test_the_limits_themselves_are_fine(service: Service, path: str, limit: str) -> None:
    answer = await service.client.get(f"/api/v1{path}", params={**NEEDED.get(path, {}), "limit": limit})
    assert answer.status_code == 200
    assert len(answer.json()["data"]) <= int(limit)


@each_list
async def test_an_unknown_parameter_is_refused_by_name(service: Service, path: str) -> None:
    answer = await service.client.get(f"/api/v1{path}", params={**NEEDED.get(path, {}), "offset": "10"})
    problem = assert_problem(answer, 422, "validation_failed")
    assert [each["parameter"] for each in problem["errors"]] == ["offset"]


@each_list
@pytest.mark.parametrize(
    "cursor", ["", "x", "AAAA", "bm8", "ü", "%", "null", "=" * 9, "A" * 3_000, "AAAAAAAAAAAAbnVsbA"]
)
async def test_what_no_list_gave_out_is_no_cursor(service: Service, path: str, cursor: str) -> None:
    answer = await service.client.get(f"/api/v1{path}", params={**NEEDED.get(path, {}), "cursor": cursor})
    assert_problem(answer, 400, "bad_cursor")


async def test_a_mangled_cursor_is_none(service: Service) -> None:
    path = f"{USERS}/user_alice/transactions"
    cursor: str = (await service.client.get(path, params={"limit": 1})).json()["next_cursor"]
    assert (await service.client.get(path, params={"cursor": cursor})).status_code == 200
    raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    flipped = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    mangled = [urlsafe_b64encode(each).decode().rstrip("=") for each in flipped]
    mangled += [cursor[:-1], cursor[1:], cursor + "A", cursor + "=", f" {cursor}", cursor.swapcase(), cursor * 2]
    for each in mangled:
        assert_problem(await service.client.get(path, params={"cursor": each}), 400, "bad_cursor")


async def test_a_cursor_is_good_for_its_own_list_and_filters_alone(service: Service) -> None:
    path = f"{USERS}/user_alice/transactions"
    cursor: str = (await service.client.get(path, params={"limit": 1, "asset_type_id": 1})).json()["next_cursor"]
    for good in ("asset_type_id=1", "asset_code=GOLD", "asset_type_id=1&limit=2"):
        assert (await service.client.get(f"{path}?{good}&cursor={cursor}")).status_code == 200
    others: list[tuple[str, dict[str, Any]]] = [
        (path, {}),
        (path, {"asset_type_id": 2}),
        (path, {"asset_type_id": 1, "type": "bonus"}),
        (path, {"asset_type_id": 1, "outcome": "any"}),
        (path, {"asset_type_id": 1, "to": "2100-01-01T00:00:00Z"}),
        (f"{USERS}/user_bob/transactions", {"asset_type_id": 1}),
        (f"{USERS}/user_alice/holds", {"asset_type_id": 1}),
        (f"{USERS}/user_alice/lots", {"asset_type_id": 1}),
    ]
    for other, query in others:
        answer = await service.client.get(other, params={**query, "cursor": cursor})
        assert_problem(answer, 400, "bad_cursor")


@pytest.mark.parametrize("position", [0, -1, 2**63, 1.0, True, "1", None, [1], {"seq": 1}])
async def test_a_position_that_can_be_none_is_refused_however_well_it_was_forged(
    service: Service, position: Any
) -> None:
    forged: List[Any] = List("holds", TypeAdapter(Any))
    cursor = forged.under(user="user_alice", status=None, asset=None).cursor(position)
    answer = await service.client.get(f"{USERS}/user_alice/holds", params={"cursor": cursor})
    assert_problem(answer, 400, "bad_cursor")


@pytest.mark.parametrize(
    "position",
    [
        pytest.param([50, "2030-01-01T00:00:00", "paid", 1, NOBODYS_HOLD], id="a-time-of-no-zone"),
        pytest.param([50, None, "gift", 1, NOBODYS_HOLD], id="a-kind-that-is-none"),
        pytest.param([101, None, "paid", 1, NOBODYS_HOLD], id="a-priority-that-is-none"),
        pytest.param([50, None, "paid", 1, "x"], id="an-id-that-is-none"),
        pytest.param([50, None, "paid", 1], id="too-short"),
    ],
)
async def test_so_is_one_in_burn_order(service: Service, position: Any) -> None:
    forged: List[Any] = List("lots", TypeAdapter(Any))
    cursor = forged.under(user="user_alice", asset=1).cursor(position)
    answer = await service.client.get(f"{USERS}/user_alice/lots", params={"asset_type_id": 1, "cursor": cursor})
    assert_problem(answer, 400, "bad_cursor")


# -- lots ----------------------------------------------------------------------------------------------------------


async def test_lots_are_listed_in_the_order_in_which_a_spend_takes_them(service: Service) -> None:
    user = await service.user()
    credits_given: list[tuple[str, dict[str, Any]]] = [
        ("top-up", {}),
        ("bonus", {}),
        ("top-up", {"expires_in_days": 9}),
        ("bonus", {"expires_at": "2100-01-01T00:00:00Z"}),
        ("top-up", {"expires_at": "2100-01-01T00:00:00Z"}),
        ("top-up", {"priority": 0}),
        ("bonus", {"priority": 99, "expires_in_days": 1}),
        ("bonus", {"expires_at": "2100-01-01T00:00:00Z"}),
        ("top-up", {}),
    ]
    for number, (call, more) in enumerate(credits_given, start=1):
        body = {"amount": number, "asset_type_id": 1} | more
        assert (await service.client.post(f"{USERS}/{user}/{call}", json=body)).status_code == 200
    path = f"{USERS}/{user}/lots"
    whole = await joined(service.client, path, asset_type_id=1)
    for limit in (1, 2, 4, 8, 9):
        assert await joined(service.client, path, asset_code="GOLD", limit=limit) == whole
    spent = await service.client.post(f"{USERS}/{user}/spend", json={"amount": 45, "asset_type_id": 1})
    assert [(each["lot_id"], each["remaining"]) for each in whole] == [
        (each["lot_id"], each["amount"]) for each in spent.json()["lots"]
    ]
    assert await joined(service.client, path, asset_type_id=1) == []


async def test_a_lot_has_these_members(service: Service) -> None:
    user = await service.user("10.00")
    await service.client.post(f"{USERS}/{user}/spend", json={"amount": 4, "asset_type_id": 1})
    assert await joined(service.client, f"{USERS}/{user}/lots", asset_type_id=1) == [
        {
            "lot_id": AN_ID,
            "kind": "paid",
            "priority": 50,
            "granted": "10.00",
            "remaining": "6.00",
            "held": "0.00",
            "debt": "0.00",
            "expires_at": None,
            "seq": 1,
        }
    ]


async def test_lots_are_of_one_wallet(service: Service) -> None:
    user = await service.user("10.00")
    assert await joined(service.client, f"{USERS}/{user}/lots", asset_type_id=2) == []
    assert_problem(await service.client.get(f"{USERS}/{user}/lots"), 422, "asset_ambiguous")
    answer = await service.client.get(f"{USERS}/nobody/lots", params={"asset_type_id": 1})
    assert_problem(answer, 404, "unknown_user")


@alone
async def test_lots_are_as_what_is_due_has_left_them(rows: Written) -> None:
    await rows.lot(1, expires_at=PAST)
    await rows.lot(2, expires_at=PAST, held=300)
    await rows.lot(3, expires_at=PAST, held=200)
    await rows.lot(4, expires_at=FUTURE, held=500)
    await rows.lot(5, remaining=400, held=400, debt=150, reversed=True)
    await rows.lot(6, remaining=100, held=100, debt=900, reversed=True)
    await rows.lot(7)
    await rows.hold(11, {2: 300, 4: 100})
    await rows.hold(12, {3: 200, 4: 400, 5: 400, 6: 100}, deadline=PAST)
    expected = [
        (rows.id(2), "3.00", "3.00", "0.00"),
        (rows.id(4), "10.00", "1.00", "0.00"),
        (rows.id(5), "2.50", "0.00", "0.00"),
        (rows.id(7), "10.00", "0.00", "0.00"),
    ]
    for limit in (1, 2, 3, 4, 200):
        pages = await pages_of(rows.client, f"{rows.path}/lots", asset_type_id=1, limit=limit)
        shown = [
            (UUID(each["lot_id"]), each["remaining"], each["held"], each["debt"]) for page in pages for each in page
        ]
        assert shown == expected
        assert all(len(page) == limit for page in pages[:-1])


@alone
async def test_lots_that_differ_in_one_thing_alone_are_paged_in_order(rows: Written) -> None:
    number = 0
    for priority in (10, 50):
        for expires_at in (FUTURE, LATER, None):
            for kind in ("promo", "paid"):
                for seq in (1, 1, 2):
                    number += 1
                    await rows.lot(number, priority=priority, expires_at=expires_at, kind=kind, seq=seq)
    for limit in (1, 2, 5, 7, 36):
        listed = await joined(rows.client, f"{rows.path}/lots", asset_type_id=1, limit=limit)
        assert [UUID(each["lot_id"]) for each in listed] == [rows.id(each) for each in range(1, number + 1)]


# -- holds ---------------------------------------------------------------------------------------------------------


@alone
async def test_holds_are_listed_newest_first_as_they_are_now(rows: Written) -> None:
    for number in (1, 2):
        await rows.lot(number, held=600)
    await rows.hold(11, {1: 300, 2: 200})
    await rows.hold(12, {1: 300}, deadline=PAST)
    await rows.hold(13, {}, status="captured", captured=500)
    await rows.hold(14, {}, status="released")
    await rows.hold(15, {}, status="expired", deadline=PAST)
    await rows.hold(16, {2: 100}, deadline=FUTURE, amount=400, captured=300)
    states = {11: "open", 12: "expired", 13: "captured", 14: "released", 15: "expired", 16: "open"}
    path = f"{rows.path}/holds"
    for limit in (1, 2, 5, 6):
        listed = await joined(rows.client, path, limit=limit)
        assert [(each["seq"], each["hold_status"]) for each in listed] == sorted(states.items(), reverse=True)
    for status in ("open", "captured", "released", "expired"):
        found = [each["seq"] for each in await joined(rows.client, path, limit=1, status=status, asset_code="GOLD")]
        assert found == sorted((seq for seq, each in states.items() if each == status), reverse=True)
    assert await joined(rows.client, path, asset_type_id=2) == []
    by_seq = {each["seq"]: each for each in listed}
    assert [(by_seq[seq]["amount"], by_seq[seq]["captured"], by_seq[seq]["remaining"]) for seq in (11, 12, 13, 16)] == [
        ("5.00", "0.00", "5.00"),
        ("3.00", "0.00", "0.00"),
        ("5.00", "5.00", "0.00"),
        ("4.00", "3.00", "1.00"),
    ]
    assert by_seq[12]["lots"] == []


@alone
async def test_a_hold_has_these_members_in_the_list_and_alone(rows: Written) -> None:
    hold_id = await rows.hold(11, {1: 300, 2: 200})
    (listed,) = await joined(rows.client, f"{rows.path}/holds")
    assert listed == await rows.get(f"/holds/{hold_id}") == await rows.get(f"/holds/{str(hold_id).upper()}")
    created_at = (PAST + timedelta(seconds=11)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert listed == {
        "hold_id": str(hold_id),
        "asset_type_id": 1,
        "asset_code": "GOLD",
        "amount": "5.00",
        "captured": "0.00",
        "remaining": "5.00",
        "hold_status": "open",
        "expires_at": FUTURE.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "created_at": created_at,
        "seq": 11,
        "lots": [
            {"lot_id": str(rows.id(1)), "amount": "3.00"},
            {"lot_id": str(rows.id(2)), "amount": "2.00"},
        ],
    }
    answer = await rows.client.get(f"{USERS}/user_alice/holds/{hold_id}")
    assert_problem(answer, 404, "unknown_hold", hold_id=str(hold_id))


@alone
async def test_lots_and_holds_are_shown_as_the_next_write_will_book_them(
    client: httpx2.AsyncClient, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    user = f"{USERS}/due"
    await set_clock("2030-01-01T00:00:00Z")
    for body in (
        {"amount": 10, "expires_at": "2030-01-01T10:00:00Z", "open_account": True},
        {"amount": 10, "expires_at": "2030-01-01T12:00:00Z"},
        {"amount": 10},
    ):
        given = await client.post(f"{user}/top-up", json={"asset_type_id": 1} | body)
        assert given.status_code == 200
    for amount, hours in ((6, 11), (9, 9), (7, 13), (2, 14)):
        body = {"amount": amount, "asset_type_id": 1, "expires_in_seconds": hours * 3_600}
        assert (await client.post(f"{user}/holds", json=body)).status_code == 201
    reverse = f"{user}/transactions/{given.json()['transaction_id']}/reverse"
    assert (await client.post(reverse, json={"on_shortfall": "partial"})).status_code == 200

    async def shown() -> tuple[list[Any], list[Any]]:
        lots = await joined(client, f"{user}/lots", asset_type_id=1, limit=2)
        return [each for each in lots if each["priority"] < 100], await joined(client, f"{user}/holds", limit=3)

    for hour in range(8, 15):
        await set_clock(f"2030-01-01T{hour:02}:00:00Z")
        due = await shown()
        balance = (await client.get(f"{user}/balance", params={"asset_type_id": 1})).json()
        lots = await joined(client, f"{user}/lots", asset_type_id=1)
        for name, member in (("balance", "remaining"), ("held", "held")):
            assert Decimal(balance[name]) == sum(Decimal(each[member]) for each in lots)
        await client.post(f"{user}/top-up", json={"amount": 1, "asset_type_id": 1, "priority": 100})
        assert await shown() == due


async def test_a_hold_that_is_none_is_not_found_and_an_id_that_is_none_is_refused(service: Service) -> None:
    answer = await service.client.get(f"{USERS}/user_alice/holds/{NOBODYS_HOLD}")
    assert_problem(answer, 404, "unknown_hold", hold_id=NOBODYS_HOLD)
    assert_problem(await service.client.get(f"{USERS}/nobody/holds/{NOBODYS_HOLD}"), 404, "unknown_user")
    assert_problem(await service.client.get(f"{USERS}/nobody/holds"), 404, "unknown_user")
    for wrong in ("x", NOBODYS_HOLD[:-1], NOBODYS_HOLD.replace("-", ""), f"{{{NOBODYS_HOLD}}}"):
        problem = assert_problem(await service.client.get(f"{USERS}/user_alice/holds/{wrong}"), 422)
        assert [each["parameter"] for each in problem["errors"]] == ["hold_id"]
