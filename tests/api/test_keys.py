"""API keys over HTTP: making, listing and revoking them, what each records, and how soon a change is obeyed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from secrets import token_bytes
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from app.config import Access, Settings
from app.domain.api_keys import Scope, digest_of, is_key, write_key
from app.services.key_service import NOT_A_KEY, UNKNOWN_KEY
from tests.api.conftest import USERS, Service, alone, checked, post_scope, services_of, sharing
from tests.api.shapes import MOMENT, Like, assert_problem
from tests.api.users import GOLD
from tests.conftest import own_sessions

KEYS = "/api/v1/keys"
BALANCE = f"{USERS}/user_alice/balance?asset_type_id=1"
ALL = sorted(Scope)
STRANGER = "203.0.113.7"


def bearer(made: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['key']}"}


async def made(client: httpx2.AsyncClient, *scopes: str, **more: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json={"name": "Shop", "scopes": scopes or ALL} | more)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


# -- making ----------------------------------------------------------------------------------------------------------


@sharing
async def test_a_key_is_shown_once_and_only_its_digest_is_kept(service: Service) -> None:
    key = await made(service.client, "spend:write", "wallets:read")
    assert key == {
        "key_id": key["key_id"],
        "key": Like(r"wk_[0-9A-Za-z]{49}"),
        "name": "Shop",
        "ending": key["key"][-4:],
        "scopes": ["spend:write", "wallets:read"],
        "status": "active",
        "requests_per_second": None,
        "burst": None,
        "created_at": MOMENT,
        "created_by": "local",
        "expires_at": None,
        "revoked_at": None,
        "revoked_by": None,
        "last_used_at": None,
    }
    assert is_key(key["key"])
    listed = (await service.client.get(KEYS, params={"limit": 200})).json()["data"][-1]
    assert listed == {name: value for name, value in key.items() if name != "key"}
    kept = await service.sql("SELECT digest FROM api_keys WHERE id = :id", id=key["key_id"])
    assert kept == digest_of(key["key"])
    row = await service.sql("SELECT to_jsonb(k)::text FROM api_keys AS k WHERE id = :id", id=key["key_id"])
    assert key["key"][3:-4] not in row


@sharing
async def test_a_mistyped_key_is_told_from_an_unknown_one_without_asking(service: Service) -> None:
    text = write_key(token_bytes(32))
    unknown = await service.client.get(BALANCE, headers=bearer({"key": text}))
    assert assert_problem(unknown, 401, "unauthorized")["reason"] == UNKNOWN_KEY
    for mistyped in (text[:-1], text + "0", text[:9] + ("a" if text[9] != "a" else "b") + text[10:], text.lower()):
        answer = await service.client.get(BALANCE, headers=bearer({"key": mistyped}))
        assert assert_problem(answer, 401, "unauthorized")["reason"] == NOT_A_KEY


@sharing
async def test_no_two_keys_are_the_same(service: Service) -> None:
    keys = [(await made(service.client))["key"] for _ in range(20)]
    assert len(set(keys)) == len({each[3:13] for each in keys}) == 20


@sharing
async def test_a_rate_and_an_end_can_be_set(service: Service) -> None:
    key = await made(service.client, expires_in_days=1, requests_per_second=5)
    assert (key["requests_per_second"], key["burst"]) == (5, 5)
    days = await service.sql("SELECT expires_at - created_at FROM api_keys WHERE id = :id", id=key["key_id"])
    assert days.total_seconds() == 86_400
    key = await made(service.client, requests_per_second=5, burst=20)
    assert (key["requests_per_second"], key["burst"]) == (5, 20)


@sharing
@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": 101 * "x"}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": 7}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": "spend:write"}, "/scopes"),
        ({"scopes": ["spend:all"]}, "/scopes/0"),
        ({"scopes": [None]}, "/scopes/0"),
        ({"expires_in_days": 0}, "/expires_in_days"),
        ({"expires_in_days": 3_651}, "/expires_in_days"),
        ({"expires_in_days": 1.5}, "/expires_in_days"),
        ({"requests_per_second": 0}, "/requests_per_second"),
        ({"requests_per_second": 1_000_001}, "/requests_per_second"),
        ({"requests_per_second": 1, "burst": 0}, "/burst"),
        ({"burst": 10}, "/burst"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, "/expires_at"),
        ({"key": "wk_mine"}, "/key"),
    ],
    ids=str,
)
async def test_what_can_not_be_a_key_is_refused_and_none_is_made(service: Service, wrong: Any, pointer: str) -> None:
    before = await service.sql("SELECT count(*) FROM api_keys")
    answer = await service.client.post(KEYS, json={"name": "Shop", "scopes": ["spend:write"]} | wrong)
    assert assert_problem(answer, 422)["errors"][0]["pointer"] == pointer
    assert await service.sql("SELECT count(*) FROM api_keys") == before


@sharing
async def test_a_key_makes_none_that_may_do_more_than_itself(service: Service) -> None:
    admin = await made(service.client, "keys:admin", "spend:write")
    for scopes in (["spend:write"], ["keys:admin", "spend:write"]):
        answer = await service.client.post(KEYS, json={"name": "K", "scopes": scopes}, headers=bearer(admin))
        assert (answer.status_code, answer.json()["created_by"]) == (201, f"key:{admin['key_id']}")
    body = {"name": "K", "scopes": ["spend:write", "wallets:read", "assets:write"]}
    before = await service.sql("SELECT count(*) FROM api_keys")
    answer = await service.client.post(KEYS, json=body, headers=bearer(admin))
    assert_problem(answer, 403, "scope_not_held", scope="assets:write wallets:read")
    assert await service.sql("SELECT count(*) FROM api_keys") == before


# -- listing and revoking --------------------------------------------------------------------------------------------


@alone
async def test_keys_are_listed_in_pages_the_oldest_first(client: httpx2.AsyncClient) -> None:
    ids = [(await made(client, name=f"K{number}"))["key_id"] for number in range(5)]
    found, cursor = [], None
    for _ in range(3):
        page = (await client.get(KEYS, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        found += [each["key_id"] for each in page["data"]]
        cursor = page["next_cursor"]
    assert (found, cursor) == (ids, None)
    assert_problem(await client.get(KEYS, params={"cursor": "forged"}), 400, "bad_cursor")


@sharing
async def test_a_revoked_key_is_good_no_more_and_stays_revoked(service: Service) -> None:
    key = await made(service.client)
    assert (await service.client.get(BALANCE, headers=bearer(key))).status_code == 200
    first = await service.client.post(f"{KEYS}/{key['key_id']}/revoke")
    assert (first.status_code, first.json()["status"], first.json()["revoked_by"]) == (200, "revoked", "local")
    answer = await service.client.get(BALANCE, headers=bearer(key))  # on the process that revoked it, at once
    assert_problem(answer, 401, "key_revoked", revoked_at=first.json()["revoked_at"])
    again = await service.client.post(f"{KEYS}/{key['key_id']}/revoke", json={})
    assert again.json() == first.json() | {"last_used_at": again.json()["last_used_at"]}


@sharing
@pytest.mark.parametrize("key_id", ["999999", "2147483647"])
async def test_a_key_that_is_not_there_can_not_be_revoked(service: Service, key_id: str) -> None:
    assert_problem(await service.client.post(f"{KEYS}/{key_id}/revoke"), 404, "unknown_api_key", key_id=int(key_id))


@sharing
@pytest.mark.parametrize("key_id", ["0", "-1", "+1", "1.0", "2147483648", "x", "%00", "１"])
async def test_what_is_no_number_of_a_key_is_refused(service: Service, key_id: str) -> None:
    assert_problem(await service.client.post(f"{KEYS}/{key_id}/revoke"), 422, "validation_failed")


@sharing
async def test_a_revocation_takes_no_members(service: Service) -> None:
    key = await made(service.client)
    answer = await service.client.post(f"{KEYS}/{key['key_id']}/revoke", json={"reason": "lost"})
    assert assert_problem(answer, 422)["errors"][0]["pointer"] == "/reason"


# -- using -----------------------------------------------------------------------------------------------------------


@sharing
async def test_what_a_key_did_names_it(service: Service) -> None:
    user, key = await service.user("10.00"), await made(service.client)
    spent = await service.client.post(f"{USERS}/{user}/spend", json={"amount": "1", **GOLD}, headers=bearer(key))
    adjusted = await service.client.post(
        f"{USERS}/{user}/adjustments",
        json={"amount": "1", **GOLD, "reason": "found", "operator": "olga"},
        headers=bearer(key),
    )
    actors = {}
    for answer in (spent, adjusted):
        found = await service.client.get(f"/api/v1/transactions/{answer.json()['transaction_id']}")
        actors[found.json()["type"]] = (found.json()["actor"], found.json()["operator"])
    assert actors == {"spend": (f"key:{key['key_id']}", None), "adjustment": (f"key:{key['key_id']}", "olga")}


@sharing
async def test_every_operation_of_a_batch_or_group_names_the_key(service: Service) -> None:
    user, key = await service.user("10.00"), await made(service.client)
    spend = {"type": "spend", "amount": "1", **GOLD}
    await service.client.post(f"{USERS}/{user}/groups", json={"operations": [spend, spend]}, headers=bearer(key))
    operation = spend | {"external_user_id": user}
    await service.client.post("/api/v1/batch", json={"operations": [operation] * 2}, headers=bearer(key))
    actor = f"key:{key['key_id']}"
    done = await service.sql("SELECT count(*) FROM transactions WHERE actor = :actor", actor=actor)
    assert done == 5  # the group's header too


@alone
async def test_the_last_use_of_a_key_is_noted_once_a_minute(own_service: Service) -> None:
    key, other = await made(own_service.client), await made(own_service.client)
    keys = services_of(own_service.client).keys
    await own_service.client.get(BALANCE, headers=bearer(key))
    await keys.note_uses()
    noted = "SELECT last_used_at FROM api_keys WHERE id = :id"
    first = await own_service.sql(noted, id=key["key_id"])
    assert first is not None
    assert await own_service.sql(noted, id=other["key_id"]) is None
    await own_service.client.get(BALANCE, headers=bearer(key))
    await keys.note_uses()
    assert await own_service.sql(noted, id=key["key_id"]) == first
    ago = "UPDATE api_keys SET last_used_at = last_used_at - interval '61 s' WHERE id = :id"
    await own_service.sql(ago, id=key["key_id"])
    await own_service.client.get(BALANCE, headers=bearer(key))
    await keys.note_uses()
    assert await own_service.sql(noted, id=key["key_id"]) >= first


@alone
async def test_a_key_whose_time_is_up_is_believed_no_longer(own_service: Service) -> None:
    """Also by a process that found it good a moment ago."""
    text = write_key(token_bytes(32))
    await own_service.sql(
        "INSERT INTO api_keys (digest, ending, name, scopes, created_by, expires_at) "
        "VALUES (:digest, 'last', 'Short', :scopes, 'a test', clock_timestamp() + interval '250 ms')",
        digest=digest_of(text),
        scopes=ALL,
    )
    began = time.monotonic()
    answers = []
    while time.monotonic() < began + 0.25 + 0.2:  # less than it would have been believed otherwise
        answers.append(await own_service.client.get(BALANCE, headers=bearer({"key": text})))
    assert answers[0].status_code == 200
    assert_problem(answers[-1], 401, "key_expired")


@alone
async def test_a_key_that_is_revoked_while_a_body_comes_in_books_nothing(own_service: Service) -> None:
    key = await made(own_service.client)
    began, revoked = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"amount": "1",'
        began.set()
        await revoked.wait()
        yield b'"asset_type_id": 1}'

    headers = bearer(key) | {"Content-Type": "application/json"}
    app = own_service.client._transport.app  # type: ignore[attr-defined]  # the transport is ours
    before = await own_service.balance("user_alice")
    received = body()
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        chunk = await anext(received, b"")
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def send(message: Any) -> None:
        answered.append(message)

    scope = post_scope(f"{USERS}/user_alice/spend")
    scope["headers"] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    sending = asyncio.create_task(app(scope, receive, send))
    await began.wait()
    await own_service.client.post(f"{KEYS}/{key['key_id']}/revoke")
    revoked.set()
    await sending
    assert answered[0]["status"] == 401
    assert await own_service.balance("user_alice") == before


@alone
@own_sessions
async def test_where_nothing_can_be_written_reads_with_a_rate_are_told_so(own_service: Service) -> None:
    key = await made(own_service.client, requests_per_second=5)
    name = await own_service.sql("SELECT current_database()")
    await own_service.as_owner(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    async with checked(Settings(database_url=SecretStr(own_service.url))) as client:
        assert (await client.get(BALANCE)).status_code == 200
        assert_problem(await client.get(BALANCE, headers=bearer(key)), 503, "database_unavailable")
        assert_problem(await client.post(KEYS, json={"name": "K", "scopes": ALL}), 503, "database_unavailable")
    await own_service.as_owner(f'BEGIN READ WRITE; ALTER DATABASE "{name}" RESET default_transaction_read_only; COMMIT')


@pytest.fixture
async def doors(seeded_url: str) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    """The same service, called by strangers: started without a key, with one, and open to everybody."""
    kinds: dict[str, dict[str, Any]] = {
        "no key set": {},
        "key set": {"wallet_api_key": SecretStr("a-key-of-32-characters-or-so-1234")},
        "open": {"auth": Access.OFF},
    }
    async with AsyncExitStack() as stack:
        yield {
            kind: await stack.enter_async_context(
                checked(Settings(database_url=SecretStr(seeded_url), **settings), caller=STRANGER)
            )
            for kind, settings in kinds.items()
        }


@alone
async def test_a_key_is_good_whichever_way_the_service_was_started(
    doors: dict[str, httpx2.AsyncClient], client: httpx2.AsyncClient
) -> None:
    reader = await made(client, "wallets:read")
    for kind, door in doors.items():
        assert (await door.get(BALANCE, headers=bearer(reader))).status_code == 200, kind
        refused = await door.post(f"{USERS}/user_bob/spend", json={"amount": "1", **GOLD}, headers=bearer(reader))
        assert_problem(refused, 403, "insufficient_scope")  # also where nobody needs a key
        wrong = await door.get(BALANCE, headers={"Authorization": f"Bearer {reader['key']}x"})
        assert_problem(wrong, 401, "unauthorized")


@alone
async def test_every_process_obeys_a_revocation_within_a_second(
    doors: dict[str, httpx2.AsyncClient], client: httpx2.AsyncClient
) -> None:
    key = await made(client)

    async def until_refused(door: httpx2.AsyncClient) -> float:
        while (await door.get(BALANCE, headers=bearer(key))).status_code == 200:  # noqa: ASYNC110 - asking is the test
            await asyncio.sleep(0.005)
        return time.monotonic()

    waiting = [asyncio.create_task(until_refused(door)) for door in doors.values()]
    await asyncio.sleep(0.3)
    assert not any(each.done() for each in waiting)
    await client.post(f"{KEYS}/{key['key_id']}/revoke")
    revoked_at = time.monotonic()
    for each in waiting:
        assert await each - revoked_at < 1
