"""The service fails, or can't now: one shape, and an outage is never taken for a refusal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from pydantic import SecretStr
from starlette.types import Message

from app.config import Settings
from app.database import Database
from app.services import lanes
from tests.api.conftest import USERS, Service, alone, checked, post_scope, services_of, sharing
from tests.api.shapes import ANY_TEXT, assert_problem
from tests.faults.cutting_proxy import Fault, proxied

pytestmark = sharing

ALICE = f"{USERS}/user_alice"
GOLD = {"amount": "1.00", "asset_type_id": 1}


# -- the service fails ---------------------------------------------------------------------------------------------


@alone
@pytest.mark.parametrize(
    ("table", "method", "path"),
    [
        pytest.param("wallets", "GET", f"{ALICE}/balance?asset_type_id=1", id="read"),
        pytest.param("lots", "POST", f"{ALICE}/top-up", id="write"),
        pytest.param("accounts", "PUT", f"{USERS}/somebody", id="account"),
        pytest.param("asset_types", "GET", "/api/v1/asset-types", id="catalogue"),
    ],
)
async def test_a_crash_is_500_and_says_nothing_of_its_cause(
    own_service: Service, table: str, method: str, path: str
) -> None:
    before = await own_service.size()
    await own_service.as_owner(f"ALTER TABLE {table} RENAME TO gone")
    answer = await own_service.client.request(method, path, json=GOLD if method == "POST" else None)
    assert_problem(answer, 500, "internal_error")
    assert "gone" not in answer.text
    assert table not in answer.text.replace(USERS, "")
    await own_service.as_owner(f"ALTER TABLE gone RENAME TO {table}")
    assert await own_service.size() == before


@alone
async def test_a_crash_of_one_command_in_a_batch_leaves_the_others_alone(own_service: Service) -> None:
    operation = {"type": "spend", "amount": "1.00", "asset_type_id": 1}
    await own_service.sql(
        "UPDATE lots SET remaining = 0, open = false WHERE owner_id = "
        "(SELECT id FROM accounts WHERE external_user_id = 'user_alice')"
    )
    answer = await own_service.client.post(
        "/api/v1/batch",
        json={
            "operations": [{**operation, "external_user_id": user} for user in ("user_bob", "user_alice", "user_bob")]
        },
    )
    results = answer.json()["results"]
    await own_service.sql(
        "UPDATE lots SET remaining = granted, open = true WHERE owner_id = "
        "(SELECT id FROM accounts WHERE external_user_id = 'user_alice')"
    )
    assert [(each["status"], each.get("code")) for each in results] == [
        (200, None),
        (500, "ledger_corrupt"),
        (200, None),
    ]
    assert results[2]["new_balance"] == "498.00"


@alone
async def test_what_contradicts_itself_is_500_and_changes_nothing(own_service: Service) -> None:
    await own_service.sql("UPDATE wallets SET posted = posted + 1")
    before = await own_service.size()
    answer = await own_service.client.post(f"{ALICE}/spend", json={"amount": "1050.01", "asset_type_id": 1})
    await own_service.sql("UPDATE wallets SET posted = posted - 1")
    assert_problem(answer, 500, "ledger_corrupt")
    assert await own_service.size() == before


# -- not now -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _held(database: Database, user: str) -> AsyncIterator[None]:
    """Hold the lock of an account, as a forgotten session does."""
    async with database.engine.connect() as stranger:
        await stranger.exec_driver_sql(f"SELECT 1 FROM accounts WHERE external_user_id = '{user}' FOR UPDATE")
        yield
        await stranger.rollback()


@alone
async def test_a_write_that_can_get_no_lock_is_503_busy_and_never_runs(
    own_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "DEADLINE_SECONDS", 0.6)
    before = await own_service.size()
    async with checked(Settings(database_url=SecretStr(own_service.url))) as client:
        async with _held(own_service.database, "user_alice"):
            assert_problem(await client.post(f"{ALICE}/top-up", json=GOLD), 503, "busy")
        assert (await client.post(f"{ALICE}/spend", json=GOLD)).json()["new_balance"] == "1049.00"
    assert (await own_service.size())[1] == before[1] + 1


@alone
async def test_a_write_beyond_the_queue_is_503_busy_at_once(
    own_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "QUEUE_MAX", 0)
    before = await own_service.size()
    async with checked(Settings(database_url=SecretStr(own_service.url))) as client:
        assert_problem(await client.post(f"{ALICE}/top-up", json=GOLD), 503, "busy")
        assert_problem(await client.post("/api/v1/batch", json={"operations": []}), 503, "busy")
        assert (await client.get(f"{ALICE}/balance?asset_type_id=1")).status_code == 200
    assert await own_service.size() == before


@alone
async def test_a_write_whose_outcome_is_not_known_is_503_and_its_key_settles_it(
    seeded_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.COMMIT_SECONDS", 0.1)
    monkeypatch.setattr(lanes, "SETTLE_SECONDS", 0.2)
    body = {**GOLD, "idempotency_key": "settles"}
    async with proxied(seeded_url) as (proxy, url), checked(Settings(database_url=SecretStr(url))) as client:
        proxy.arm(Fault.STALL_REPLY, times=100)
        unknown = await client.post(f"{ALICE}/top-up", json=body)
        problem = assert_problem(unknown, 503, "outcome_unknown", transaction_id=ANY_TEXT)
        proxy.arm(Fault.STALL_REPLY, times=0)
        settled = await client.post(f"{ALICE}/top-up", json=body)
        assert (settled.status_code, settled.json()["new_balance"]) == (200, "1051.00")
        assert settled.json()["transaction_id"] == problem["transaction_id"]


@alone
async def test_after_shutdown_began_a_write_is_503_and_readiness_says_so(own_service: Service) -> None:
    services = services_of(own_service.client)
    services.readiness.draining = True
    ready = await own_service.client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (
        503,
        {"status": "unavailable", "checks": {"database": "ok", "migrations": "ok", "draining": "yes"}},
    )
    await services.wallets.close()
    assert_problem(await own_service.client.post(f"{ALICE}/top-up", json=GOLD), 503, "shutting_down")
    assert_problem(await own_service.client.get(f"{ALICE}/balance?asset_type_id=1"), 503, "shutting_down")


@alone
async def test_without_the_database_every_call_is_503_until_it_is_back(seeded_url: str) -> None:
    async with proxied(seeded_url) as (proxy, url), checked(Settings(database_url=SecretStr(url))) as client:
        assert (await client.post(f"{ALICE}/top-up", json=GOLD)).status_code == 200
        proxy.arm(Fault.CUT_BEFORE, trigger=b"", times=1_000_000)
        for method, path in (
            ("GET", f"{ALICE}/balance?asset_type_id=1"),
            ("POST", f"{ALICE}/top-up"),
            ("POST", f"{ALICE}/spend"),
            ("PUT", f"{USERS}/somebody"),
            ("GET", "/api/v1/asset-types"),
        ):
            answer = await client.request(method, path, json=GOLD if method == "POST" else None)
            assert_problem(answer, 503, "database_unavailable")
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "unreachable")
        assert (await client.get("/health/live")).status_code == 200
        proxy.arm(Fault.CUT_BEFORE, times=0)
        answer = await client.post(f"{ALICE}/spend", json=GOLD)
        assert (answer.status_code, answer.json()["new_balance"]) == (200, "1050.00")
        assert (await client.get("/health/ready")).status_code == 200


@alone
async def test_tables_of_an_older_version_are_not_ready(own_service: Service) -> None:
    await own_service.as_owner("UPDATE alembic_version SET version_num = '0000'")
    ready = await own_service.client.get("/health/ready")
    await own_service.as_owner("UPDATE alembic_version SET version_num = '0001'")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert "0000" in ready.json()["checks"]["migrations"]


async def test_health_is_answered(service: Service) -> None:
    live, ready = await service.client.get("/health/live"), await service.client.get("/health/ready")
    assert (live.status_code, live.json()) == (200, {"status": "ok", "checks": {}})
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "draining": "no"}},
    )


async def test_a_client_that_hangs_up_cancels_nothing(service: Service) -> None:
    user = await service.user("1.00")
    async with _held(service.database, user):
        request = asyncio.create_task(service.client.post(f"{USERS}/{user}/top-up", json=GOLD))
        async with asyncio.timeout(15):
            while not await service.sql("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    spent = await service.client.post(f"{USERS}/{user}/spend", json={**GOLD, "amount": "2.00"})
    assert (spent.status_code, spent.json()["new_balance"]) == (200, "0.00")


async def test_a_caller_who_hangs_up_while_sending_is_no_crash(service: Service) -> None:
    app = service.client._transport.app  # type: ignore[attr-defined]  # the transport is ours
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"amount": ', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    before = await service.size()
    with structlog.testing.capture_logs() as logs:
        await app(post_scope(f"{ALICE}/top-up"), receive, send)
    assert [each["event"] for each in logs if each["log_level"] == "error"] == []
    assert [each["event"] for each in logs] == ["request"]
    assert await service.size() == before
