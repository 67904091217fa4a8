"""Who may call what: every operation of the OpenAPI document by every kind of key, good and bad."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import Response
from pydantic import SecretStr

import tests.conftest as root
from app.api.ledger_request import LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.config import Settings
from app.database import Database
from app.domain.api_keys import Scope, digest_of, write_key
from tests.api.conftest import Service, checked, sharing
from tests.api.shapes import assert_problem
from tests.api.test_openapi import OPERATIONS, operation
from tests.api.users import BY_HAND, GOLD, User


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(pytestconfig: pytest.Config) -> AsyncIterator[Service]:
    """A sandbox, so that everything can be called."""
    async with root.cloned_database(pytestconfig.stash[root.SERVER_URL], root.SANDBOX_TEMPLATE) as url:
        database = Database(url, pool_size=8)
        async with checked(Settings(database_url=SecretStr(url))) as client:
            yield Service(client, database, url)
        await database.close()


CONCEPTS = Path(__file__).parents[2] / "docs/concepts.md"
BOOTSTRAP = "the-bootstrap-key-of-this-test"
OPERATIONS_OF = {
    "wallets:read": (
        *("get_balance", "get_balances", "get_account", "list_accounts", "list_lots", "list_holds", "get_hold"),
        *("list_transactions", "get_transaction_by_key", "list_asset_types"),
    ),
    "ledger:read": ("find_transactions", "get_transaction"),
    "credits:write": ("top_up", "bonus", "execute_group", "execute_batch"),
    "spend:write": ("spend", "execute_group", "execute_batch"),
    "holds:write": ("place_hold", "capture_hold", "release_hold", "extend_hold", "execute_group", "execute_batch"),
    "refunds:write": ("refund", "reverse", "execute_group", "execute_batch"),
    "adjustments:write": ("adjust", "execute_group", "execute_batch"),
    "accounts:write": ("open_account", "change_account", "erase_account"),
    "assets:write": ("create_asset_type", "change_asset_type"),
    "keys:admin": ("create_key", "list_keys", "revoke_key"),
    "sandbox:write": ("advance_clock",),
}
"""What a key with one scope may call. What it may do in a group or batch is what it may do by single calls."""

NEEDED = {
    name: {scope for scope, names in OPERATIONS_OF.items() if name in names}
    for name in sorted(set().union(*OPERATIONS_OF.values()))
}
OPERATION_SCOPES = NEEDED["execute_batch"]
SPEND = {"amount": "1.00", **GOLD}
BODIES: dict[str, Any] = {
    **dict.fromkeys(("top_up", "bonus", "spend", "place_hold"), SPEND),
    "adjust": {"amount": "1.00", **GOLD, **BY_HAND},
    "extend_hold": {"amount": "1.00"},
    "change_account": {"status": "frozen", **BY_HAND},
    "execute_group": {"operations": [{"type": "spend", **SPEND}]},
    "get_balances": {"external_user_ids": ["user_alice"], **GOLD},
    "create_asset_type": {"asset_code": "GEM", "name": "Gems", "scale": 0, "dry_run": True},
    "change_asset_type": {"name": "Coins"},
    "create_key": {"name": "Another", "scopes": ["keys:admin"]},
    "advance_clock": {"advance_seconds": 1},
}
QUERIES = {"get_balance": "?asset_type_id=1", "list_lots": "?asset_type_id=1", "find_transactions": "?reference=order"}

each_operation = pytest.mark.parametrize("name", NEEDED)


@dataclass
class Keys:
    """A service that wants keys, and keys of every kind for it."""

    client: httpx2.AsyncClient
    good: dict[str, str] = field(default_factory=dict)
    """By scope, a key that has only this."""

    bad: dict[str, tuple[dict[str, str], str]] = field(default_factory=dict)
    """By what is wrong, the headers that are sent, and the code of the answer."""


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys(service: Service) -> AsyncIterator[Keys]:
    settings = Settings(database_url=SecretStr(service.url), wallet_api_key=SecretStr(BOOTSTRAP))
    async with checked(settings, caller="203.0.113.7") as client:
        made = Keys(client)
        for scope in Scope:
            made.good[scope] = (await _made(client, scope))["key"]
        revoked, expired = await _made(client, *Scope), write_key(token_bytes(32))
        await client.post(f"/api/v1/keys/{revoked['key_id']}/revoke", headers=bearer(BOOTSTRAP))
        await service.sql(
            "INSERT INTO api_keys (digest, ending, name, scopes, created_at, expires_at, created_by) VALUES "
            "(:digest, 'last', 'Expired', :scopes, now() - interval '2 days', now() - interval '1 second', 'a test')",
            digest=digest_of(expired),
            scopes=list(Scope),
        )
        mistyped = made.good[Scope.SPEND_WRITE].swapcase().replace("WK_", "wk_")
        made.bad = {
            "none": ({}, "unauthorized"),
            "empty": ({"Authorization": ""}, "unauthorized"),
            "no key after the scheme": ({"Authorization": "Bearer "}, "unauthorized"),
            "another scheme": ({"Authorization": f"Basic {BOOTSTRAP}"}, "unauthorized"),
            "wrong": (bearer("not-the-bootstrap-key"), "unauthorized"),
            "cut": (bearer(BOOTSTRAP[:-1]), "unauthorized"),
            "mistyped": (bearer(mistyped), "unauthorized"),
            "unknown": (bearer(write_key(token_bytes(32))), "unauthorized"),
            "revoked": (bearer(revoked["key"]), "key_revoked"),
            "expired": (bearer(expired), "key_expired"),
        }
        yield made


async def _made(client: httpx2.AsyncClient, *scopes: Scope) -> dict[str, Any]:
    answer = await client.post("/api/v1/keys", json={"name": "K", "scopes": scopes}, headers=bearer(BOOTSTRAP))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def request_of(service: Service, name: str) -> tuple[str, str, Any]:
    """Return a call of an operation that is right in every way: method, path and body."""
    user = User(service.client, await service.user())
    topped_up = await user.done("top-up", amount="100.00")
    spent = await user.done("spend", amount="10.00", idempotency_key="key")
    hold = await user.hold("10.00")
    if name == "erase_account":
        await user.done(f"holds/{hold}/release")
        await user.done("spend", amount="90.00")
        assert (await user.change(status="closed")).status_code == 200
    method, path = OPERATIONS[name]
    path = path.format(
        external_user_id=user.name,
        hold_id=hold,
        transaction_id=(topped_up if name == "reverse" else spent)["transaction_id"],
        idempotency_key="key",
        asset_type_id=3,
        key_id=await _key_to_revoke(service),
    )
    body = BODIES.get(name)
    if name == "reverse":
        body = {"on_shortfall": "partial"}
    if name == "execute_batch":
        body = {"operations": [SPEND | {"type": "spend", "external_user_id": user.name}]}
    return method, path + QUERIES.get(name, ""), body


async def _key_to_revoke(service: Service) -> int:
    answer = await service.client.post("/api/v1/keys", json={"name": "To be revoked", "scopes": ["spend:write"]})
    return int(answer.json()["key_id"])


# -- what each key may do --------------------------------------------------------------------------------------------


def test_every_operation_says_what_it_needs_and_nobody_forgot_one_here() -> None:
    declared = {
        name: {scope for each in operation(name)["security"] for scope in each["key"]}
        for name in OPERATIONS
        if "security" in operation(name)
    }
    assert declared == NEEDED
    assert OPERATIONS_OF.keys() == set(Scope)


def test_the_documentation_says_the_same() -> None:
    rows = re.findall(r"^\| `(\w+:\w+)` \| (.+) \|$", CONCEPTS.read_text(), re.MULTILINE)
    documented = {scope: set(re.findall(r"`(\w+)`", calls)) & OPERATIONS.keys() for scope, calls in rows}
    several = {"execute_batch", "execute_group"}
    assert documented == {scope: set(names) - several for scope, names in OPERATIONS_OF.items()}


def test_a_route_that_does_not_say_what_it_needs_can_not_be_made() -> None:
    async def endpoint(request: LedgerRequest) -> Response:
        raise AssertionError(str(request.url))

    with pytest.raises(TypeError, match="/api/v1/forgotten"):
        LedgerRoute("/api/v1/forgotten", endpoint)


@sharing
@each_operation
async def test_a_key_may_do_what_its_scope_says_and_nothing_else(service: Service, keys: Keys, name: str) -> None:
    method, path, body = await request_of(service, name)
    for scope in Scope:
        answer = await keys.client.request(method, path, json=body, headers=bearer(keys.good[scope]))
        if name == "execute_batch" and scope in OPERATION_SCOPES - {"spend:write"}:
            (result,) = answer.json()["results"]
            assert (result["status"], result["code"], result["scope"]) == (403, "insufficient_scope", "spend:write")
        elif name == "execute_group" and scope in OPERATION_SCOPES - {"spend:write"}:
            assert_problem(answer, 403, "insufficient_scope", scope="spend:write", operation=0)
        elif scope in NEEDED[name]:
            assert answer.status_code in {200, 201}, (scope, answer.text)
        else:
            problem = assert_problem(answer, 403, "insufficient_scope")
            assert set(problem["scope"].split()) == NEEDED[name]
            said = f'Bearer error="insufficient_scope", scope="{problem["scope"]}"'
            assert answer.headers["www-authenticate"] == said


@sharing
@each_operation
async def test_without_a_good_key_nothing_is_answered(service: Service, keys: Keys, name: str) -> None:
    method, path, body = await request_of(service, name)
    for headers, code in keys.bad.values():
        answer = await keys.client.request(method, path, json=body, headers=headers)
        assert_problem(answer, 401, code)
        assert answer.headers["www-authenticate"] == "Bearer"


@sharing
@each_operation
async def test_the_bootstrap_key_may_do_everything(service: Service, keys: Keys, name: str) -> None:
    method, path, body = await request_of(service, name)
    answer = await keys.client.request(method, path, json=body, headers=bearer(BOOTSTRAP))
    assert answer.status_code in {200, 201}, answer.text


@sharing
async def test_who_may_not_call_learns_nothing_of_what_is_there(service: Service, keys: Keys) -> None:
    """Unknown users, holds and asset types are answered as known ones are."""
    for name in ("get_balance", "spend", "capture_hold", "get_transaction"):
        method, path, body = await request_of(service, name)
        for headers in (bearer(keys.good[Scope.SANDBOX_WRITE]), {}):
            known = await keys.client.request(method, path, json=body, headers=headers)
            unknown = await keys.client.request(
                method, path.replace("user-", "nobody-"), json=(body or {}) | {"asset_type_id": 99}, headers=headers
            )
            same = ("status", "code", "detail")
            assert [known.json()[each] for each in same] == [unknown.json()[each] for each in same]


@sharing
async def test_two_keys_at_once_are_none(keys: Keys) -> None:
    twice = [("Authorization", f"Bearer {BOOTSTRAP}")] * 2
    answer = await keys.client.get("/api/v1/asset-types", headers=httpx2.Headers(twice))
    assert_problem(answer, 401, "unauthorized")
