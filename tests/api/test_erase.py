"""Erasing a user: no text of theirs stays anywhere, what was booked does, and the ledger still verifies."""

import httpx2
import pytest
import pytest_asyncio

from app.services.verify_service import verify
from tests.api.conftest import Service, sharing
from tests.api.shapes import MOMENT, UUID, assert_problem
from tests.api.users import GOLD, Body, User

pytestmark = sharing

SECRETS = ("Zlatka-Personal", "zlatka.reference", "zlatka-metadata", "zlatka-operator", "zlatka-reason", "zlatka-plan")


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    """Lend a user of whom something personal stands wherever it can: in notes of every kind, refused ones too."""
    count = await service.sql("SELECT count(*) FROM accounts")
    user = User(service.client, f"Zlatka-Personal-{count}")
    await service.client.put(user.path, json={"metadata": {"plan": "zlatka-plan"}})
    notes: Body = {"reference": "zlatka.reference", "metadata": {"note": "zlatka-metadata"}}
    by_hand = {"operator": "zlatka-operator", "reason": "zlatka-reason"}
    await user.done("top-up", amount="10.00", **notes)
    hold = await user.hold("5.00", **notes)
    await user.done(f"holds/{hold}/capture", **notes)
    await user.refused("spend", 402, "insufficient_funds", amount="99", idempotency_key="refused", **notes)
    await user.done("adjustments", amount="-1.00", **by_hand, **notes)
    await user.done("groups", operations=[{"type": "spend", "amount": "4.00", **GOLD, **notes}], **notes)
    await user.change(status="closed", **by_hand, **notes)
    return user


async def places_of(service: Service, secret: str) -> list[str]:
    """Search every text-like and bytea column of every table, and return where `secret` stands."""
    columns = await service.sql(
        "SELECT json_agg(json_build_array(table_name, column_name)) FROM information_schema.columns "
        "WHERE table_schema = 'public' AND (data_type IN ('text', 'bytea', 'character varying', 'ARRAY', 'json', "
        "'jsonb', 'character') OR data_type = 'USER-DEFINED')"
    )
    assert len(columns) > 10
    found = []
    for table, column in columns:
        hits = await service.sql(
            f"SELECT count(*) FROM {table} WHERE {column}::text ILIKE '%' || :secret || '%' "
            f"OR {column}::text ILIKE '%' || encode(convert_to(:secret, 'UTF8'), 'hex') || '%'",
            secret=secret,
        )
        found += [f"{table}.{column}"] * bool(hits)
    return found


async def test_no_text_of_an_erased_user_stays_anywhere(service: Service, user: User) -> None:
    for secret in SECRETS:
        assert await places_of(service, secret), f"the test has planted no {secret}"
    answer = await user.post("erase")
    assert answer.json() == {
        "transaction_id": UUID,
        "type": "account_change",
        "account_id": answer.json()["account_id"],
        "seq": answer.json()["seq"],
        "created_at": MOMENT,
        "replayed": False,
        "dry_run": False,
        "status": "closed",
    }
    for secret in SECRETS:
        assert await places_of(service, secret) == []
    kept = "SELECT count(*) FROM transaction_notes WHERE owner_id = :id AND salt IS NOT NULL"
    assert await service.sql(kept, id=answer.json()["account_id"]) == 0
    assert (await verify(service.database)).problem is None


async def test_what_was_booked_stays_and_can_be_read_by_its_id(service: Service, user: User) -> None:
    booked = (await user.booked())[0]
    await user.done("erase")
    whole = (await service.client.get(f"/api/v1/transactions/{booked['transaction_id']}")).json()
    assert (whole["type"], whole["amount"], whole.get("reference"), whole.get("metadata")) == (
        "top_up",
        "10.00",
        None,
        None,
    )


async def test_after_it_the_user_is_unknown_and_the_name_is_free(service: Service, user: User) -> None:
    erased = await user.done("erase")
    assert_problem(await service.client.get(user.path), 404, "unknown_user")
    await user.refused("top-up", 404, "unknown_user", amount="1")
    await user.refused("erase", 404, "unknown_user")
    assert (await service.client.put(user.path)).status_code == 201
    again = await user.get("")
    assert again["account_id"] != erased["account_id"]
    assert (again["metadata"], again["wallets"], again["status"]) == ({}, [], "active")
    assert await user.booked() == []
    await user.done("top-up", amount="1", idempotency_key="refused")


async def test_the_tombstone_is_no_users_name(service: Service, user: User) -> None:
    erased = await user.done("erase")
    stone = await service.sql("SELECT external_user_id FROM accounts WHERE id = :id", id=erased["account_id"])
    assert stone == f"erased/{erased['account_id']}"
    answer = await service.client.get(f"/api/v1/wallets/users/{stone.replace('/', '%2F')}")
    assert answer.status_code == 404
    operation = {"type": "top_up", "external_user_id": stone, "amount": "1", **GOLD}
    batch = await service.client.post("/api/v1/batch", json={"operations": [operation]})
    assert [each["status"] for each in batch.json()["results"]] == [422]


@pytest.mark.parametrize("status", ["active", "frozen", "quarantined"])
async def test_only_a_closed_account_is_erased(service: Service, status: str) -> None:
    user = User(service.client, await service.user())
    await user.done("top-up", amount="1", reference="stays")
    await service.set_status(user.name, status)
    size = await service.size()
    for body in ({}, {"dry_run": True}):
        await user.refused("erase", 409, "account_not_closed", facts={"account_status": status}, **body)
    assert await service.size() == size
    assert (await user.booked(type="top_up"))[0]["reference"] == "stays"


async def test_a_dry_run_erases_nothing(service: Service, user: User) -> None:
    size = await service.size()
    answer = await user.done("erase", dry_run=True)
    assert (answer["dry_run"], answer["transaction_id"], answer["seq"]) == (True, None, None)
    assert await service.size() == size
    assert [await places_of(service, each) != [] for each in SECRETS] == [True] * len(SECRETS)
    await user.done("erase")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"unknown": 1}, "/unknown"), ({"dry_run": "yes"}, "/dry_run"), ({"idempotency_key": "k"}, "/idempotency_key")],
)
async def test_a_hostile_body_erases_nothing(user: User, body: dict[str, object], pointer: str) -> None:
    answer: httpx2.Response = await user.post("erase", **body)
    problem = assert_problem(answer, 422, "validation_failed")
    assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert (await user.get(""))["status"] == "closed"
    await user.done("erase")
