"""Advancing the clock of a sandbox: what obeys it, its bounds, and where there is none."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from pydantic import SecretStr

from app.config import Settings
from tests.api.conftest import CLOCK, USERS, Service, advance, alone, checked, insist, sharing
from tests.api.shapes import ANY_TEXT, assert_problem

pytestmark = alone

DAY_SECONDS = 86_400
ADVANCE_MAX = 3_155_760_000
A_WHILE = timedelta(minutes=5)


async def gold_of(client: httpx2.AsyncClient, user: str) -> str:
    answer = await client.get(f"{USERS}/{user}/balance", params={"asset_type_id": 1})
    return str(answer.json()["balance"])


@pytest.fixture
async def both(sandbox_url: str) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Callers of two services on one sandbox, each with a pool of its own."""
    settings = Settings(database_url=SecretStr(sandbox_url))
    async with checked(settings) as one, checked(settings) as other:
        yield one, other


async def test_the_clock_is_told_and_advanced(sandbox_client: httpx2.AsyncClient) -> None:
    now = datetime.now(UTC)
    assert abs(await advance(sandbox_client, 0) - now) < A_WHILE
    assert abs(await advance(sandbox_client, DAY_SECONDS) - now - timedelta(days=1)) < A_WHILE
    assert abs(await advance(sandbox_client, ADVANCE_MAX) - now - timedelta(days=36_526)) < A_WHILE
    first, second = await advance(sandbox_client, 0), await advance(sandbox_client, 0)
    assert first < second


async def test_credits_expire_when_the_clock_passes_their_expiry_whichever_process_is_asked(
    both: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
) -> None:
    one, other = both
    body = {"amount": "5", "asset_type_id": 1, "expires_in_days": 10}
    assert (await other.post(f"{USERS}/user_bob/bonus", json=body)).json()["new_balance"] == "505.00"
    await advance(one, 10 * DAY_SECONDS - 600)
    assert await gold_of(other, "user_bob") == "505.00"
    await advance(one, 600)
    assert [await gold_of(each, "user_bob") for each in both] == ["500.00", "500.00"]
    too_much = {"amount": "500.01", "asset_type_id": 1}
    assert_problem(await other.post(f"{USERS}/user_bob/spend", json=too_much), 402, "insufficient_funds")


async def test_what_is_booked_has_the_time_of_the_sandbox(sandbox_client: httpx2.AsyncClient) -> None:
    now = await advance(sandbox_client, 365 * DAY_SECONDS)
    answer = await sandbox_client.post(f"{USERS}/user_bob/spend", json={"amount": "1", "asset_type_id": 1})
    assert timedelta(0) <= datetime.fromisoformat(answer.json()["created_at"]) - now < A_WHILE


async def test_advances_that_come_at_once_add_up(both: tuple[httpx2.AsyncClient, httpx2.AsyncClient]) -> None:
    start = await advance(both[0], 0)
    times = await asyncio.gather(*(advance(both[number % 2], DAY_SECONDS) for number in range(20)))
    assert sorted(round((each - start) / timedelta(days=1)) for each in times) == list(range(1, 21))


async def test_the_clock_stays_before_the_year_9999(both: tuple[httpx2.AsyncClient, httpx2.AsyncClient]) -> None:
    one, other = both
    end = datetime(9999, 1, 1, tzinfo=UTC)
    while (now := await advance(one, 0)) < end - timedelta(seconds=ADVANCE_MAX):
        await advance(one, ADVANCE_MAX)
    left = int((end - now).total_seconds())
    for client in both:
        answer = await client.post(CLOCK, json={"advance_seconds": left + 1})
        problem = assert_problem(answer, 422, "field_invalid", reason=ANY_TEXT)
        assert [each["pointer"] for each in problem["errors"]] == ["/advance_seconds"]
    last = left - 3_600
    answers = await asyncio.gather(
        *(insist(each, "POST", CLOCK, {"advance_seconds": last}) for each in (one, other) * 3)
    )
    assert sorted(each.status_code for each in answers) == [200, 422, 422, 422, 422, 422]
    assert end - timedelta(hours=2) < await advance(other, 0) < end


@pytest.mark.parametrize("seconds", [-1, ADVANCE_MAX + 1, "60", 1.5, True, None])
async def test_what_can_be_no_advance_is_refused(sandbox_client: httpx2.AsyncClient, seconds: object) -> None:
    answer = await sandbox_client.post(CLOCK, json={"advance_seconds": seconds})
    problem = assert_problem(answer, 422, "validation_failed")
    assert [each["pointer"] for each in problem["errors"]] == ["/advance_seconds"]


async def test_an_advance_says_how_far_and_nothing_else(sandbox_client: httpx2.AsyncClient) -> None:
    for body, pointer in (({}, "/advance_seconds"), ({"advance_seconds": 1, "to": "2030"}, "/to")):
        problem = assert_problem(await sandbox_client.post(CLOCK, json=body), 422, "validation_failed")
        assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert abs(await advance(sandbox_client, 0) - datetime.now(UTC)) < A_WHILE


@sharing
@pytest.mark.parametrize("seconds", [0, 60])
async def test_elsewhere_there_is_no_such_clock(service: Service, seconds: int) -> None:
    assert_problem(await service.client.post(CLOCK, json={"advance_seconds": seconds}), 404, "not_a_sandbox")
    assert await service.sql("SELECT abs(extract(epoch FROM ledger_now() - clock_timestamp())) < 1")


async def test_a_stranger_can_not_move_the_clock(sandbox_url: str) -> None:
    settings = Settings(database_url=SecretStr(sandbox_url))
    async with checked(settings, caller="192.0.2.1") as stranger:
        assert_problem(await stranger.post(CLOCK, json={"advance_seconds": 60}), 401, "unauthorized")
