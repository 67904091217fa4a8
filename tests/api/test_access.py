"""Who is answered, in each of the three ways to run; and what strangers learn, which is how to become callers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr
from starlette.types import ASGIApp, Message

from app.config import Access, Settings
from tests.api.conftest import USERS, Service, alone, checked, post_scope, sharing
from tests.api.shapes import assert_problem, check_answer

pytestmark = sharing

KEY = "a-key-of-32-characters-or-so-1234"
LAN = "192.168.1.20"
CALLS = [
    pytest.param("GET", f"{USERS}/user_alice/balance?asset_type_id=1", id="balance"),
    pytest.param("POST", f"{USERS}/user_alice/top-up", id="top-up"),
    pytest.param("POST", f"{USERS}/user_alice/bonus", id="bonus"),
    pytest.param("POST", f"{USERS}/user_alice/spend", id="spend"),
    pytest.param("PUT", f"{USERS}/user_alice", id="account"),
    pytest.param("GET", f"{USERS}/user_alice", id="show-account"),
    pytest.param("POST", "/api/v1/batch", id="batch"),
    pytest.param("GET", "/api/v1/asset-types", id="asset-types"),
]
GOLD = {"amount": "1.00", "asset_type_id": 1}
BALANCE = f"{USERS}/user_alice/balance?asset_type_id=1"


KEYED, OPEN, KEYED_AND_OPEN, LOCAL = "key", "off", "key-and-off", "local"
_SETTINGS: dict[str, dict[str, Any]] = {
    KEYED: {"wallet_api_key": SecretStr(KEY)},
    OPEN: {"auth": Access.OFF},
    KEYED_AND_OPEN: {"wallet_api_key": SecretStr(KEY), "auth": Access.OFF},
    LOCAL: {},
}


@dataclass(frozen=True)
class Doors:
    """The same service started in each way, to be called from any address."""

    apps: dict[str, ASGIApp]

    @asynccontextmanager
    async def called_from(self, caller: str, door: str = LOCAL) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app=self.apps[door], client=(caller, 50_000))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            client.event_hooks["response"].append(check_answer)
            yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(service: Service) -> AsyncIterator[Doors]:
    async with AsyncExitStack() as stack:
        apps = {}
        for door, settings in _SETTINGS.items():
            client = await stack.enter_async_context(checked(Settings(database_url=SecretStr(service.url), **settings)))
            apps[door] = client._transport.app  # type: ignore[attr-defined]  # the transport is ours
        yield Doors(apps)


def body_of(path: str) -> dict[str, object] | None:
    operation = {"type": "top_up", "external_user_id": "user_alice"} | GOLD
    return {"operations": [operation]} if path.endswith("batch") else GOLD if "/user_alice/" in path else None


# -- nobody without a key ----------------------------------------------------------------------------------------------


@alone
async def test_where_keys_are_required_callers_on_this_machine_need_one_too(own_service: Service) -> None:
    made = await own_service.client.post("/api/v1/keys", json={"name": "K", "scopes": ["wallets:read"]})
    settings = Settings(database_url=SecretStr(own_service.url), auth=Access.REQUIRED)
    async with checked(settings) as client:
        assert_problem(await client.get(BALANCE), 401, "unauthorized")
        headers = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await client.get(BALANCE, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
async def test_a_page_of_another_site_is_no_caller_on_this_machine(service: Service, headers: dict[str, str]) -> None:
    """A browser sends some requests without asking whether it may."""
    assert_problem(await service.client.get(BALANCE, headers=headers), 401, "unauthorized")


async def test_a_page_on_this_machine_is_one(service: Service) -> None:
    headers = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}
    assert (await service.client.get(BALANCE, headers=headers)).status_code == 200


@pytest.mark.parametrize("sent", ["Basic abc", "wk_", "Bearer WK_x", "Bearer not-a-key", "Bearer", "Token x"])
async def test_a_key_that_is_sent_wrongly_does_no_more_than_none(service: Service, sent: str) -> None:
    assert_problem(await service.client.get(BALANCE, headers={"Authorization": sent}), 401, "unauthorized")


# -- no key is set -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
async def test_without_a_key_callers_on_this_machine_are_answered(doors: Doors, caller: str) -> None:
    async with doors.called_from(caller) as client:
        assert (await client.get(BALANCE)).status_code == 200


@pytest.mark.parametrize(
    "caller",
    [
        LAN,
        "10.0.0.1",
        "203.0.113.7",
        "::ffff:192.168.1.20",
        "fe80::1",
        "192.0.2.1",
        "::",
        "128.0.0.1",
        "",
        "testclient",
    ],
)
async def test_without_a_key_others_are_told_what_to_set(doors: Doors, caller: str) -> None:
    async with doors.called_from(caller) as client:
        problem = assert_problem(await client.get(BALANCE), 401, "unauthorized")
        assert "WALLET_API_KEY" in problem["detail"]
        assert "AUTH=off" in problem["detail"]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_a_key_no_call_is_open_to_others(service: Service, doors: Doors, method: str, path: str) -> None:
    before = await service.size()
    async with doors.called_from(LAN) as client:
        assert_problem(await client.request(method, path, json=body_of(path)), 401, "unauthorized")
    assert await service.size() == before


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-For", LAN),
        ("X-Forwarded-For", ""),
        ("x-forwarded-host", "localhost"),
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("Via", "1.1 proxy"),
    ],
)
async def test_what_a_proxy_passes_on_is_not_from_this_machine(service: Service, header: str, value: str) -> None:
    answer = await service.client.get(BALANCE, headers={header: value})
    assert_problem(answer, 401, "unauthorized")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000"]
)
async def test_this_machine_may_be_called_by_each_of_its_names(service: Service, host: str) -> None:
    assert (await service.client.get(BALANCE, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil_name.example",
        "localhost@evil.example",
        "192.168.1.20:8000",
        "[fe80::1]:8000",
        "é.example",
        "[",
        "localhost:port",
    ],
)
async def test_a_page_of_another_name_that_was_made_to_mean_this_machine_is_not_answered(
    service: Service, host: str
) -> None:
    answer = await service.client.get(BALANCE, headers=httpx2.Headers([(b"Host", host.encode())]))
    assert_problem(answer, 401, "unauthorized")


# -- a key is set --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", ["127.0.0.1", LAN, "2001:db8::7"])
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} "])
async def test_with_the_key_everybody_is_answered_from_anywhere(doors: Doors, caller: str, form: str) -> None:
    async with doors.called_from(caller, KEYED) as client:
        headers = {"Authorization": form.format(KEY), "Host": "wallet.example", "X-Forwarded-For": "203.0.113.7"}
        assert (await client.get(BALANCE, headers=headers)).status_code == 200


async def test_with_the_key_every_other_key_is_refused(doors: Doors) -> None:
    async with doors.called_from("127.0.0.1", KEYED) as client:
        for given in (
            None,
            "",
            "Bearer",
            "Bearer ",
            KEY,
            f"Basic {KEY}",
            f"Token {KEY}",
            f"Bearer {KEY[:-1]}",
            f"Bearer {KEY}x",
            f"Bearer {KEY.upper()}",
            f"Bearer {KEY[:16]} {KEY[16:]}",
            f"Bearer Bearer {KEY}",
            f"Bearer {KEY},{KEY}",
            f"Bearer: {KEY}",
            f"Bearer {'ä' * 33}",
            "Bearer wrong",
        ):
            headers = httpx2.Headers([] if given is None else [(b"Authorization", given.encode())])
            problem = assert_problem(await client.get(BALANCE, headers=headers), 401, "unauthorized")
            assert KEY not in str(problem)
            assert "WALLET_API_KEY" not in problem["detail"]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_no_call_goes_without_the_key(service: Service, doors: Doors, method: str, path: str) -> None:
    before = await service.size()
    async with doors.called_from("127.0.0.1", KEYED) as client:
        assert_problem(await client.request(method, path, json=body_of(path)), 401, "unauthorized")
    assert await service.size() == before


# -- everybody is answered -----------------------------------------------------------------------------------------


async def test_with_auth_off_everybody_is_answered(doors: Doors) -> None:
    async with doors.called_from(LAN, OPEN) as client:
        headers = {"Host": "evil.example", "X-Forwarded-For": "203.0.113.7", "Authorization": "Bearer whatever"}
        assert (await client.get(BALANCE, headers=headers)).status_code == 200


async def test_a_key_counts_even_with_auth_off(doors: Doors) -> None:
    async with doors.called_from(LAN, KEYED_AND_OPEN) as client:
        assert_problem(await client.get(BALANCE), 401, "unauthorized")


# -- in each of them -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", [LOCAL, KEYED, OPEN])
async def test_health_and_documents_are_open_to_all(doors: Doors, door: str) -> None:
    async with doors.called_from(LAN, door) as client:
        for path in ("/health/live", "/health/ready", "/openapi.json", "/docs"):
            assert (await client.get(path, headers={"Host": "wallet.example"})).status_code == 200


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        pytest.param(b"{", {}, id="broken-json"),
        pytest.param(b'{"amount": "x", "unknown": 1}', {}, id="wrong-members"),
        pytest.param(b" " * (8 * 2**20 + 1), {}, id="too-large"),
        pytest.param(b"{}", {"Idempotency-Key": "k" * 256}, id="wrong-header"),
        pytest.param(b"x=1", {"Content-Type": "text/plain"}, id="wrong-type"),
        pytest.param(b"{}", {"Content-Length": str(2**40)}, id="declared-too-large"),
    ],
)
async def test_a_stranger_learns_nothing_of_what_else_is_wrong(
    doors: Doors, content: bytes, headers: dict[str, str]
) -> None:
    async with doors.called_from("127.0.0.1", KEYED) as client:
        for path in (
            f"{USERS}/user_alice/top-up",
            f"{USERS}/{'x' * 256}/spend",
            f"{USERS}/nobody/spend",
            "/api/v1/batch",
        ):
            sent = {"Content-Type": "application/json"} | headers
            problem = assert_problem(await client.post(path, content=content, headers=sent), 401, "unauthorized")
            assert "errors" not in problem


async def test_a_strangers_body_is_not_even_read(doors: Doors) -> None:
    received = 0
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b" " * 1_024, "more_body": received < 20_000}

    async def send(message: Message) -> None:
        sent.append(message)

    await doors.apps[LOCAL](post_scope("/api/v1/batch", caller=LAN), receive, send)
    assert (sent[0]["status"], received) == (401, 0)


@pytest.mark.parametrize(("door", "actor"), [(LOCAL, "local"), (KEYED, "key:bootstrap"), (OPEN, "anonymous")])
async def test_who_called_is_recorded_with_what_was_done(service: Service, doors: Doors, door: str, actor: str) -> None:
    user = await service.user("10.00")
    headers = {"Authorization": f"Bearer {KEY}"} if door == KEYED else {}
    async with doors.called_from("127.0.0.1", door) as client:
        for call, amount in (("top-up", "1"), ("bonus", "1"), ("spend", "1"), ("spend", "1000")):
            body = {"amount": amount, "asset_type_id": 1, "idempotency_key": f"{call}-{amount}"}
            await client.post(f"{USERS}/{user}/{call}", json=body, headers=headers)
        operation = {"type": "spend", "external_user_id": user, **GOLD}
        await client.post("/api/v1/batch", json={"operations": [operation]}, headers=headers)
    actors = await service.sql(
        "SELECT array_agg(actor ORDER BY seq) FROM transactions "
        "WHERE owner_id = (SELECT id FROM accounts WHERE external_user_id = :user)",
        user=user,
    )
    assert actors == ["local", actor, actor, actor, actor, actor]
