"""Holds over HTTP: setting aside, capturing, releasing, extending, and the deadline."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.api.conftest import Service, advance, alone, sharing
from tests.api.shapes import MOMENT, UUID, assert_problem
from tests.api.users import Body, User, moment, neighbour_of, open_user

pytestmark = sharing

DAY = 86_400
NOWHERE = "0198c0de-0000-7000-8000-000000000000"


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    """Lend a user with two lots of gold: 30.00, then 20.00."""
    user = User(service.client, await service.user("30.00"))
    await user.done("top-up", amount="20.00")
    return user


# -- setting aside -------------------------------------------------------------------------------------------------


async def test_a_hold_sets_credits_aside_in_named_lots_and_takes_none(user: User) -> None:
    first, second = await user.lots()
    answer = await user.post("holds", amount="40", expires_in_seconds=900)
    assert answer.status_code == 201
    held = answer.json()
    assert held == {
        "transaction_id": UUID,
        "hold_id": held["transaction_id"],
        "hold_status": "open",
        "expires_at": MOMENT,
        "type": "hold",
        "account_id": held["account_id"],
        "asset_type_id": 1,
        "asset_code": "GOLD",
        "amount": "40.00",
        "new_balance": "50.00",
        "balance_after": "50.00",
        "available": "10.00",
        "held": "40.00",
        "seq": 3,
        "created_at": MOMENT,
        "replayed": False,
        "dry_run": False,
        "lots": [
            {"lot_id": first, "kind": "paid", "amount": "30.00", "expires_at": None},
            {"lot_id": second, "kind": "paid", "amount": "10.00", "expires_at": None},
        ],
    }
    assert moment(held["expires_at"]) - moment(held["created_at"]) == timedelta(seconds=900)
    assert await user.has() == ("50.00", "40.00", "10.00")
    assert await user.lots() == {first: ("30.00", "30.00"), second: ("20.00", "10.00")}


async def test_a_hold_lasts_as_long_as_the_asset_type_says_where_it_says_nothing_itself(service: Service) -> None:
    user = User(service.client, await service.user())
    asset = {"asset_type_id": await service.asset()}
    await user.done("top-up", amount="1", **asset)
    held = await user.done("holds", amount="1", **asset)
    assert moment(held["expires_at"]) - moment(held["created_at"]) == timedelta(seconds=60)


@pytest.mark.parametrize("call", ["spend", "holds"])
async def test_what_is_held_can_be_neither_spent_nor_held_again(user: User, call: str) -> None:
    held = await user.done("holds", amount="40.00")
    facts = {"available": "10.00", "held": "40.00", "required": "10.01", "shortfall": "0.01"}
    await user.refused(
        call, 402, "insufficient_funds", amount="10.01", facts=facts | {"available_at": held["expires_at"]}
    )
    assert await user.has() == ("50.00", "40.00", "10.00")
    await user.done(call, amount="10.00")


async def test_lots_are_set_aside_in_burn_order(user: User) -> None:
    late = await user.done("bonus", amount="5.00", expires_in_days=30)
    soon = await user.done("bonus", amount="5.00", expires_in_days=3)
    cheap = await user.done("bonus", amount="5.00", priority=10)
    held = await user.done("holds", amount="16.00")
    assert [each["lot_id"] for each in held["lots"][:3]] == [each["lots"][0]["lot_id"] for each in (cheap, soon, late)]
    taken = await user.done("holds/" + held["hold_id"] + "/capture", amount="12.00", final=False)
    assert [(each["lot_id"], each["amount"]) for each in taken["lots"]] == [
        (each["lot_id"], amount) for each, amount in zip(held["lots"], ("5.00", "5.00", "2.00"), strict=False)
    ]


# -- capture -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bodies", "expected", "has"),
    [
        pytest.param([{}], [("40.00", "0.00", "captured")], ("10.00", "0.00", "10.00"), id="all"),
        pytest.param([{"amount": "12.5"}], [("12.50", "27.50", "captured")], ("37.50", "0.00", "37.50"), id="a-part"),
        pytest.param(
            [{"amount": "12.5", "final": False}],
            [("12.50", "0.00", "open")],
            ("37.50", "27.50", "10.00"),
            id="a-part-and-more-to-come",
        ),
        pytest.param(
            [{"amount": "1", "final": False}, {"amount": "2", "final": False}, {}],
            [("1.00", "0.00", "open"), ("2.00", "0.00", "open"), ("37.00", "0.00", "captured")],
            ("10.00", "0.00", "10.00"),
            id="in-several-parts",
        ),
        pytest.param(
            [{"final": False}, {}],
            [("40.00", "0.00", "open"), ("0.00", "0.00", "captured")],
            ("10.00", "0.00", "10.00"),
            id="all-and-then-nothing",
        ),
        pytest.param(
            [{"amount": "45", "on_excess": "from_available"}],
            [("45.00", "0.00", "captured")],
            ("5.00", "0.00", "5.00"),
            id="more-than-was-held",
        ),
        pytest.param(
            [
                {"amount": "45", "on_excess": "from_available", "final": False},
                {"amount": "5", "on_excess": "from_available"},
            ],
            [("45.00", "0.00", "open"), ("5.00", "0.00", "captured")],
            ("0.00", "0.00", "0.00"),
            id="more-than-was-held-twice",
        ),
    ],
)
async def test_a_capture_takes_what_was_set_aside(
    user: User, bodies: list[Body], expected: list[tuple[str, ...]], has: tuple[str, str, str]
) -> None:
    hold = await user.hold("40.00")
    answers = [await user.done(f"holds/{hold}/capture", **body) for body in bodies]
    assert [(each["captured"], each["released"], each["hold_status"]) for each in answers] == expected
    assert {(each["hold_id"], each["type"]) for each in answers} == {(hold, "capture")}
    assert await user.has() == has


@pytest.mark.parametrize(
    ("body", "status", "code", "facts"),
    [
        pytest.param(
            {"amount": "40.01"}, 409, "capture_exceeds_hold", {"capturable": "40.00", "amount": "40.01"}, id="refuse"
        ),
        pytest.param(
            {"amount": "50.01", "on_excess": "from_available"},
            402,
            "insufficient_funds",
            {"available": "10.00", "held": "40.00", "required": "10.01", "shortfall": "0.01", "available_at": None},
            id="not-available-either",
        ),
    ],
)
async def test_a_capture_of_more_than_there_is_is_refused_and_leaves_the_hold_open(
    user: User, body: Body, status: int, code: str, facts: Body
) -> None:
    hold = await user.hold("40.00")
    await user.refused(f"holds/{hold}/capture", status, code, facts=facts, **body)
    assert await user.has() == ("50.00", "40.00", "10.00")
    assert (await user.get(f"holds/{hold}"))["hold_status"] == "open"


# -- release and extend --------------------------------------------------------------------------------------------


async def test_a_release_makes_all_that_is_left_available_again(user: User) -> None:
    before = await user.lots()
    hold = await user.hold("40.00")
    await user.done(f"holds/{hold}/capture", amount="5", final=False)
    released = await user.done(f"holds/{hold}/release")
    assert (released["released"], released["hold_status"], released["type"]) == ("35.00", "released", "release")
    assert [each["amount"] for each in released["lots"]] == ["25.00", "10.00"]
    assert await user.has() == ("45.00", "0.00", "45.00")
    assert list(await user.lots()) == list(before)


async def test_extending_adds_lots_and_moves_the_deadline_also_to_before(user: User) -> None:
    first, second = await user.lots()
    hold = await user.hold("20.00", expires_in_seconds=900)
    more = await user.done(f"holds/{hold}/extend", amount="15.00")
    assert (more["hold_id"], more["hold_status"], more["amount"], more["type"]) == (hold, "open", "15.00", "extend")
    assert [(each["lot_id"], each["amount"]) for each in more["lots"]] == [(first, "10.00"), (second, "5.00")]
    assert await user.has() == ("50.00", "35.00", "15.00")
    for seconds in (3_600, 60):
        moved = await user.done(f"holds/{hold}/extend", expires_in_seconds=seconds)
        assert (moved["amount"], moved["lots"], moved["held"]) == ("0.00", [], "35.00")
        assert moment(moved["expires_at"]) - moment(moved["created_at"]) == timedelta(seconds=seconds)
    assert (await user.get(f"holds/{hold}"))["expires_at"] == moved["expires_at"]
    taken = await user.done(f"holds/{hold}/capture")
    assert taken["captured"] == "35.00"


@pytest.mark.parametrize(("end", "status"), [("capture", "captured"), ("release", "released")])
async def test_what_is_extended_and_ended_in_one_go_is_kept_with_both(user: User, end: str, status: str) -> None:
    hold = await user.hold("20.00")
    more = {"type": "extend", "hold_id": hold, "amount": "15.00", "expires_in_seconds": 60}
    members = (await user.done("groups", operations=[more, {"type": end, "hold_id": hold}]))["results"]
    kept = await user.get(f"holds/{hold}")
    assert (kept["amount"], kept["hold_status"], kept["expires_at"]) == ("35.00", status, members[0]["expires_at"])


async def test_extending_by_more_than_is_available_is_402_and_leaves_the_deadline(user: User) -> None:
    held = await user.done("holds", amount="40.00")
    call = f"holds/{held['hold_id']}/extend"
    facts = {"available": "10.00", "required": "10.01", "shortfall": "0.01"}
    await user.refused(call, 402, "insufficient_funds", amount="10.01", expires_in_seconds=5, facts=facts)
    assert (await user.get(f"holds/{held['hold_id']}"))["expires_at"] == held["expires_at"]


@pytest.mark.parametrize("end", ["captured", "released"])
@pytest.mark.parametrize(("call", "body"), [("capture", {}), ("release", {}), ("extend", {"amount": "1"})])
async def test_nothing_can_be_done_with_a_hold_that_has_ended(user: User, end: str, call: str, body: Body) -> None:
    hold = await user.hold("40.00")
    await user.done(f"holds/{hold}/{'capture' if end == 'captured' else 'release'}")
    before = await user.has()
    await user.refused(
        f"holds/{hold}/{call}", 409, "hold_not_open", facts={"hold_id": hold, "hold_status": end}, **body
    )
    assert await user.has() == before


# -- the deadline --------------------------------------------------------------------------------------------------


@alone
async def test_a_hold_is_over_at_its_deadline_to_the_microsecond(
    own_service: Service, set_clock: Callable[[str], Awaitable[None]]
) -> None:
    await set_clock("2030-01-01T00:00:00Z")
    user = await open_user(own_service.client, "exact", "10.00")
    hold = await user.hold("10.00", expires_in_seconds=60)
    await set_clock("2030-01-01T00:00:59.999999Z")
    await user.refused(
        "spend", 402, "insufficient_funds", amount="1", facts={"available_at": "2030-01-01T00:01:00.000000Z"}
    )
    assert await user.has() == ("10.00", "10.00", "0.00")
    await set_clock("2030-01-01T00:01:00Z")
    assert await user.has() == ("10.00", "0.00", "10.00")
    ended = {"hold_id": hold, "hold_status": "expired"}
    for call in ("capture", "release", "extend"):
        body = {"amount": "1"} if call == "extend" else {}
        await user.refused(f"holds/{hold}/{call}", 409, "hold_not_open", facts=ended, **body)
    await user.done("spend", amount="10.00")


@alone
async def test_the_deadline_is_booked_as_a_release_by_the_system_at_its_moment(
    sandbox_client: httpx2.AsyncClient,
) -> None:
    user = await open_user(sandbox_client, "late", "10.00")
    held = await user.done("holds", amount="4.00", expires_in_seconds=600)
    await advance(sandbox_client, 599 - 300)
    assert await user.has() == ("10.00", "4.00", "6.00")
    await advance(sandbox_client, 301)
    assert await user.has() == ("10.00", "0.00", "10.00")
    await user.done("spend", amount="10.00")
    released = (await user.booked(type="release"))[0]
    assert released["effective_at"] == held["expires_at"]
    assert (await user.get(f"holds/{held['hold_id']}"))["hold_status"] == "expired"


@alone
async def test_held_credits_outlive_their_expiry_and_are_captured_after_it(sandbox_client: httpx2.AsyncClient) -> None:
    user = await open_user(sandbox_client, "outliving")
    await user.done("bonus", amount="10.00", expires_in_days=1)
    hold = await user.hold("6.00", expires_in_seconds=3 * DAY)
    await advance(sandbox_client, 2 * DAY)
    assert await user.has() == ("6.00", "6.00", "0.00")
    taken = await user.done(f"holds/{hold}/capture", amount="4.00", final=False)
    assert (taken["captured"], taken["new_balance"]) == ("4.00", "2.00")


@alone
@pytest.mark.parametrize("end", ["release", "capture", "deadline"])
async def test_what_is_released_after_its_expiry_expires_at_once(sandbox_client: httpx2.AsyncClient, end: str) -> None:
    user = await open_user(sandbox_client, "expiring")
    await user.done("bonus", amount="10.00", expires_in_days=1)
    hold = await user.hold("6.00", expires_in_seconds=3 * DAY)
    await advance(sandbox_client, 2 * DAY)
    if end == "deadline":
        await advance(sandbox_client, 2 * DAY)
    else:
        answer = await user.done(f"holds/{hold}/{end}", **({"amount": "1.00"} if end == "capture" else {}))
        left = "5.00" if end == "capture" else "6.00"
        assert (answer["released"], answer["balance_after"]) == (left, left)
        assert (answer["new_balance"], answer["held"], answer["available"]) == ("0.00", "0.00", "0.00")
    assert await user.has() == ("0.00", "0.00", "0.00")
    await user.refused("spend", 402, "insufficient_funds", amount="0.01", facts={"available": "0.00"})
    await user.done("top-up", amount="1")
    expiries = await user.booked(type="expiry")
    assert [each["amount"] for each in expiries] == ["4.00", "5.00" if end == "capture" else "6.00"]


# -- when there will be enough -------------------------------------------------------------------------------------


@alone
@pytest.mark.parametrize(
    ("lots", "holds", "required", "after"),
    [
        pytest.param([("10", None)], [("6", 60)], "5", 60, id="the-only-hold"),
        pytest.param([("10", None)], [("3", 60), ("3", 90), ("3", 120)], "6", 90, id="the-second-of-three"),
        pytest.param([("10", None)], [("3", 120), ("3", 60)], "10", 120, id="all-of-them"),
        pytest.param([("10", None)], [("6", 60)], "10.01", None, id="more-than-there-is"),
        pytest.param([("10", 1), ("2", None)], [("10", 2 * DAY)], "5", None, id="expired-by-then"),
        pytest.param([("10", 1), ("2", None)], [("10", 60)], "12", 60, id="not-expired-yet-by-then"),
        pytest.param([("10", 1), ("9", None)], [("16", 2 * DAY)], "9", 2 * DAY, id="what-is-left-then-is-enough"),
        pytest.param([("10", None), ("10", 1, 90)], [("10", 2 * DAY)], "15", None, id="what-is-free-expires-before"),
        pytest.param([("10", None), ("10", 1, 90)], [("10", DAY - 1)], "15", DAY - 1, id="and-not-yet-expired"),
    ],
)
async def test_a_402_says_when_holds_will_have_released_enough(
    own_service: Service,
    set_clock: Callable[[str], Awaitable[None]],
    *,
    lots: list[tuple[Any, ...]],
    holds: list[tuple[str, int]],
    required: str,
    after: int | None,
) -> None:
    start = "2030-01-01T00:00:00.000000Z"
    await set_clock(start)
    user = await open_user(own_service.client, "waiting")
    for amount, days, *priority in lots:
        body = {} if days is None else {"expires_in_days": days}
        await user.done("top-up", amount=amount, priority=priority[0] if priority else 50, **body)
    for amount, seconds in holds:
        await user.done("holds", amount=amount, expires_in_seconds=seconds)
    problem = await user.refused("spend", 402, "insufficient_funds", amount=required)
    if after is None:
        assert "available_at" not in problem
        return
    assert moment(problem["available_at"]) - moment(start) == timedelta(seconds=after)
    await set_clock(problem["available_at"])
    await user.done("spend", amount=required)


# -- what is refused -----------------------------------------------------------------------------------------------

TOO_LARGE = "92233720368547758.08"
NO_BOOLEANS: list[Any] = [1, "true", None, []]
HOSTILE: list[tuple[str, Body, str, str]] = [
    *(
        (call, {"amount": amount}, code, "/amount")
        for call in ("holds", "capture", "extend")
        for amount, code in [
            ("0", "amount_zero"),
            ("-1", "amount_negative"),
            ("+1", "amount_signed"),
            ("0.001", "amount_too_precise"),
            ("1e2", "amount_exponent"),
            (TOO_LARGE, "amount_too_large"),
            (True, "validation_failed"),
            ([1], "validation_failed"),
            ({}, "validation_failed"),
        ]
    ),
    ("holds", {"amount": None}, "validation_failed", "/amount"),
    *(
        (call, {"amount": "1", "expires_in_seconds": seconds}, "validation_failed", "/expires_in_seconds")
        for call in ("holds", "extend")
        for seconds in (0, -1, 31_536_001, 10**30, "60", 1.5, True, [60])
    ),
    *(("capture", {"final": final}, "validation_failed", "/final") for final in NO_BOOLEANS),
    *(
        ("capture", {"on_excess": each}, "validation_failed", "/on_excess")
        for each in ("REFUSE", "", None, 1, "partial")
    ),
    ("extend", {}, "validation_failed", ""),
    *(
        (call, {"amount": "1", "unknown": 1}, "validation_failed", "/unknown")
        for call in ("holds", "capture", "extend")
    ),
    ("release", {"amount": "1"}, "validation_failed", "/amount"),
    ("release", {"final": True}, "validation_failed", "/final"),
    ("capture", {"asset_type_id": 1}, "validation_failed", "/asset_type_id"),
    ("capture", {"hold_id": NOWHERE}, "validation_failed", "/hold_id"),
    ("holds", {"amount": "1", "dry_run": "yes"}, "validation_failed", "/dry_run"),
    ("release", {"dry_run": None}, "validation_failed", "/dry_run"),
]


@pytest.mark.parametrize(("call", "body", "code", "pointer"), HOSTILE)
async def test_a_hostile_value_is_422_names_its_place_and_changes_nothing(
    user: User, service: Service, call: str, body: Body, code: str, pointer: str
) -> None:
    hold = await user.hold("5.00")
    size = await service.size()
    problem = await user.refused(call if call == "holds" else f"holds/{hold}/{call}", 422, code, **body)
    assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert (await service.size(), await user.has()) == (size, ("50.00", "5.00", "45.00"))


CALLS: list[tuple[str, Body]] = [("capture", {}), ("release", {}), ("extend", {"amount": "1"})]


@pytest.mark.parametrize(("call", "body"), CALLS)
async def test_nobody_reaches_the_hold_of_another_user(user: User, service: Service, call: str, body: Body) -> None:
    hold = await user.hold("5.00")
    for name in (neighbour_of(user.name), f"{user.name}-elsewhere"):
        other = User(service.client, name)
        assert (await service.client.put(other.path)).status_code in {200, 201}
        await other.done("top-up", amount="9")
        await other.refused(f"holds/{hold}/{call}", 404, "unknown_hold", facts={"hold_id": hold}, **body)
        by_stranger = {"type": call, "external_user_id": name, "hold_id": hold, **body}
        batch = await service.client.post("/api/v1/batch", json={"operations": [by_stranger]})
        assert [(each["status"], each["code"]) for each in batch.json()["results"]] == [(404, "unknown_hold")]
    assert (await user.get(f"holds/{hold}"))["hold_status"] == "open"


@pytest.mark.parametrize(("call", "body"), CALLS)
async def test_what_is_no_hold_is_a_404_or_422(user: User, call: str, body: Body) -> None:
    spent = (await user.done("spend", amount="1"))["transaction_id"]
    for other in (NOWHERE, spent):
        await user.refused(f"holds/{other}/{call}", 404, "unknown_hold", facts={"hold_id": other}, **body)
    for no_id in ("5", "x" * 300, "0198c0de00007000" * 2, "{" + NOWHERE + "}"):
        problem = await user.refused(f"holds/{no_id}/{call}", 422, "validation_failed", **body)
        assert [each["parameter"] for each in problem["errors"]] == ["hold_id"]


async def test_the_bodies_of_capture_and_release_may_be_left_out(user: User) -> None:
    for call, status in (("capture", "captured"), ("release", "released")):
        hold = await user.hold("5.00")
        answer = await user.client.post(f"{user.path}/holds/{hold}/{call}")
        assert (answer.status_code, answer.json()["hold_status"]) == (200, status)
    hold = await user.hold("5.00")
    assert_problem(await user.client.post(f"{user.path}/holds/{hold}/extend"), 422, "validation_failed")


async def test_the_order_of_checks_of_a_capture(service: Service) -> None:
    """Each of these is wrong in the way named and in all that follow."""
    user, asset = User(service.client, await service.user()), {"asset_type_id": await service.asset()}
    await user.done("top-up", amount="10", **asset)
    ended, hold = await user.hold("1", **asset), await user.hold("5", **asset)
    await user.done(f"holds/{ended}/release")
    await service.sql("UPDATE asset_types SET daily_spend_max = 600 WHERE id = :id", id=asset["asset_type_id"])
    much: dict[str, Any] = {"amount": "99"}
    await service.set_status(user.name, "frozen")
    await user.refused(f"holds/{NOWHERE}/capture", 404, "unknown_hold", **much)
    await user.refused(f"holds/{ended}/capture", 409, "account_frozen", **much)
    await service.set_status(user.name, "active")
    await user.refused(f"holds/{ended}/capture", 409, "hold_not_open", **much)
    await user.refused(f"holds/{hold}/capture", 409, "capture_exceeds_hold", **much)
    from_available = much | {"on_excess": "from_available"}
    await user.refused(f"holds/{hold}/capture", 409, "daily_limit_exceeded", **from_available)
    await service.sql("UPDATE asset_types SET daily_spend_max = NULL WHERE id = :id", id=asset["asset_type_id"])
    await user.refused(f"holds/{hold}/capture", 402, "insufficient_funds", **from_available)
