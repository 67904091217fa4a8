"""Dry runs over HTTP: the answer that would be given, and nothing written, locked or remembered."""

import asyncio

import httpx2
import pytest
import pytest_asyncio

from tests.api.conftest import Service, advance, alone, sharing
from tests.api.kinds import KINDS
from tests.api.shapes import assert_problem
from tests.api.users import GOLD, Body, User, open_user

pytestmark = sharing

MADE_UP = {"transaction_id", "seq", "created_at", "lots", "hold_id", "group_id", "expires_at", "dry_run", "results"}
"""What an answer has of its own, or that of a dry run says otherwise."""


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    return User(service.client, await service.user("100.00"))


def plain(members: Body) -> Body:
    return {name: each for name, each in members.items() if name not in MADE_UP}


async def everything(service: Service) -> str:
    """Return all that is stored."""
    tables = ("accounts", "wallets", "transactions", "ledger_entries", "lots", "holds", "transaction_notes")
    return "".join([str(await service.sql(f"SELECT json_agg(t ORDER BY t::text) FROM {each} AS t")) for each in tables])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_dry_run_answers_what_would_be_and_changes_nothing(service: Service, user: User, kind: str) -> None:
    call = await KINDS[kind](user)
    before = await everything(service)
    dry = await call.send(user, dry_run=True, idempotency_key="k", reference="dry")
    assert await everything(service) == before
    real = await call.send(user, idempotency_key="k", reference="real")
    assert (dry.status_code, real.json()["replayed"]) == (real.status_code, False)
    assert (dry.json()["dry_run"], dry.json()["transaction_id"], dry.json()["seq"]) == (True, None, None)
    same = {"limits", "status"} if kind == "account change" else set()
    assert {name: each for name, each in plain(dry.json()).items() if name not in same} == {
        name: each for name, each in plain(real.json()).items() if name not in same
    }
    assert [each["amount"] for each in dry.json().get("lots", ())] == [
        each["amount"] for each in real.json().get("lots", ())
    ]
    for one, other in zip(dry.json().get("results", ()), real.json().get("results", ()), strict=True):
        assert plain(one) == plain(other)
        assert (one["dry_run"], one["transaction_id"]) == (True, None)
    if kind == "hold":
        assert dry.json()["hold_id"] is None
    elif "hold_id" in dry.json():
        assert dry.json()["hold_id"] == real.json()["hold_id"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("spend", {"amount": "999"}, 402),
        ("hold", {"amount": "999"}, 402),
        ("capture", {"amount": "999"}, 409),
        ("refund", {"amount": "999"}, 409),
        ("group", {"operations": [{"type": "spend", "amount": "999", **GOLD}]}, 402),
        ("account change", {"status": "closed"}, 409),
        ("spend", {"amount": "0"}, 422),
    ],
)
async def test_a_refusal_of_a_dry_run_is_the_real_one_and_is_not_recorded(
    service: Service, user: User, *, kind: str, body: Body, status: int
) -> None:
    call = await KINDS[kind](user)
    before = await everything(service)
    problem = assert_problem(await call.send(user, dry_run=True, idempotency_key="k", **body), status)
    assert "transaction_id" not in problem
    assert await everything(service) == before
    real = assert_problem(await call.send(user, idempotency_key="k", **body), status)
    assert {name: real[name] for name in problem if name != "request_id"} == {
        name: problem[name] for name in problem if name != "request_id"
    }


@pytest.mark.parametrize("kind", ["spend", "hold", "group", "account change"])
async def test_a_dry_run_under_a_used_key_is_a_replay_or_a_mismatch(user: User, kind: str) -> None:
    call = await KINDS[kind](user)
    first = (await call.send(user, idempotency_key="k")).json()
    again = await call.send(user, idempotency_key="k", dry_run=True)
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.json()["replayed"], again.json()["dry_run"]) == (True, True)
    assert (again.json()["transaction_id"], again.json()["seq"]) == (first["transaction_id"], first["seq"])
    other = await KINDS["top-up"](user)
    assert_problem(await other.send(user, idempotency_key="k", dry_run=True), 422, "idempotency_mismatch", field="type")


async def test_a_dry_run_opens_no_account(service: Service) -> None:
    user = User(service.client, "never-opened")
    size = await service.size()
    for call in ("top-up", "bonus"):
        answer = await user.done(call, amount="5", open_account=True, dry_run=True)
        assert (answer["account_id"], answer["new_balance"], answer["dry_run"]) == (None, "5.00", True)
        await user.refused(call, 404, "unknown_user", amount="5", dry_run=True)
    await user.refused("spend", 404, "unknown_user", amount="5", dry_run=True)
    assert await service.size() == size


async def test_dry_runs_in_a_batch_stand_among_real_ones_and_see_them(service: Service, user: User) -> None:
    spend = {"type": "spend", "external_user_id": user.name, "amount": "60.00", **GOLD}
    operations = [spend | {"dry_run": True}, spend, spend | {"dry_run": True}]
    answer = await service.client.post("/api/v1/batch", json={"operations": operations})
    assert [each["status"] for each in answer.json()["results"]] == [402, 200, 402]
    assert await user.has() == ("40.00", "0.00", "40.00")


async def test_a_dry_run_waits_for_nobodys_lock(service: Service, user: User) -> None:
    async with service.database.engine.begin() as connection:
        await connection.exec_driver_sql("SELECT id FROM accounts FOR UPDATE")
        answer = await asyncio.wait_for(user.post("spend", amount="1", dry_run=True), 10)
    assert (answer.status_code, answer.json()["new_balance"]) == (200, "99.00")


@alone
async def test_a_dry_run_counts_what_is_due_and_books_none_of_it(sandbox_client: httpx2.AsyncClient) -> None:
    user = await open_user(sandbox_client, "due", "10.00")
    await user.done("bonus", amount="5.00", expires_in_days=1)
    await user.done("holds", amount="9.00", expires_in_seconds=600)
    await advance(sandbox_client, 2 * 86_400)
    answer = await user.done("spend", amount="10.00", dry_run=True)
    assert answer["new_balance"] == "0.00"
    await user.refused("spend", 402, "insufficient_funds", amount="10.01", dry_run=True)
