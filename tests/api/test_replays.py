"""Every kind of operation under a key: a replay says the same again, another meaning is named."""

from typing import Any

import pytest
import pytest_asyncio

from tests.api.conftest import Service, sharing
from tests.api.kinds import KINDS
from tests.api.shapes import MOMENT, UUID, assert_problem
from tests.api.users import GOLD, Body, User

pytestmark = sharing

OF_NOW = {"new_balance", "available", "held"}


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    return User(service.client, await service.user("100.00"))


def without(members: Body, names: set[str]) -> Body:
    return {name: each for name, each in members.items() if name not in names}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_replay_answers_the_same_but_for_the_balance_of_now(service: Service, user: User, kind: str) -> None:
    call = await KINDS[kind](user)
    first = await call.send(user, idempotency_key="k")
    assert first.json()["replayed"] is False
    assert "idempotent-replayed" not in first.headers
    await user.done("top-up", amount="1000.00")
    await user.hold("11.00")
    size = await service.size()
    again = await call.send(user, idempotency_key="k", reference="another")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (first.status_code, "true")
    of_now = {"account change": {"wallets"}, "group": {"results"}}.get(kind, OF_NOW)
    assert without(again.json(), of_now) == without(first.json(), of_now) | {"replayed": True}
    for one, other in zip(again.json().get("results", ()), first.json().get("results", ()), strict=True):
        assert without(one, OF_NOW) == without(other, OF_NOW) | {"replayed": True}
    if kind not in {"group", "account change"}:
        balance, held, available = await user.has()
        now = {"new_balance": balance, "available": available, "held": held}
        assert {name: again.json()[name] for name in now} == now
    assert await service.size() == size


OTHER_MEANINGS: list[tuple[str, Body, str]] = [
    ("top-up", {"amount": "7.01"}, "amount"),
    ("bonus", {"expires_in_days": 31}, "expires_in_days"),
    ("spend", {"on_shortfall": "partial"}, "on_shortfall"),
    ("partial spend", {"amount": "901.00"}, "amount"),
    ("partial spend", {"on_shortfall": "refuse"}, "on_shortfall"),
    ("hold", {"amount": "8"}, "amount"),
    ("hold", {"expires_in_seconds": 901}, "expires_in_seconds"),
    ("hold", {"expires_in_seconds": None}, "expires_in_seconds"),
    ("hold", {"asset_type_id": 2}, "asset_type_id"),
    ("capture", {"amount": "8"}, "amount"),
    ("capture", {"amount": None}, "amount"),
    ("capture", {"final": False}, "final"),
    ("capture", {"on_excess": "from_available"}, "on_excess"),
    ("capture of all", {"amount": "20"}, "amount"),
    ("capture of all", {"amount": "19"}, "amount"),
    ("extend", {"amount": "8"}, "amount"),
    ("extend", {"amount": None}, "amount"),
    ("extend", {"expires_in_seconds": 901}, "expires_in_seconds"),
    ("refund", {"amount": "8"}, "amount"),
    ("refund", {"amount": None}, "amount"),
    ("reversal", {"on_shortfall": "partial"}, "on_shortfall"),
    ("partial reversal", {"on_shortfall": "refuse"}, "on_shortfall"),
    ("adjustment", {"amount": "-7"}, "amount"),
    ("adjustment", {"kind": "paid"}, "kind"),
    ("group", {"operations": [{"type": "spend", "amount": "7", **GOLD}]}, "operations"),
    (
        "group",
        {
            "operations": [
                {"type": "spend", "amount": "7", **GOLD},
                {"type": "bonus", "amount": "4", "asset_type_id": 2},
            ]
        },
        "operations/1/amount",
    ),
    (
        "group",
        {
            "operations": [
                {"type": "bonus", "amount": "7", **GOLD},
                {"type": "bonus", "amount": "3", "asset_type_id": 2},
            ]
        },
        "operations/0/type",
    ),
    (
        "group",
        {"operations": [{"type": "spend", "amount": "7", **GOLD}, {"type": "bonus", "amount": "3", **GOLD}]},
        "operations/1/asset_type_id",
    ),
    ("account change", {"status": "active"}, "status"),
    ("account change", {"limits": {"GOLD": {"balance_max": None}}}, "limits"),
    ("account change", {"limits": {"DMND": {"balance_max": "5000"}}}, "limits"),
]


@pytest.mark.parametrize(("kind", "changed", "field"), OTHER_MEANINGS)
async def test_a_key_that_meant_something_else_names_the_field(
    service: Service, user: User, *, kind: str, changed: Body, field: str
) -> None:
    call = await KINDS[kind](user)
    assert (await call.send(user, idempotency_key="k")).status_code < 300
    size, has = await service.size(), await user.has()
    assert_problem(await call.send(user, idempotency_key="k", **changed), 422, "idempotency_mismatch", field=field)
    assert (await service.size(), await user.has()) == (size, has)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("capture", "hold_id"),
        ("release", "hold_id"),
        ("extend", "hold_id"),
        ("refund", "transaction_id"),
        ("reversal", "transaction_id"),
    ],
)
async def test_a_key_used_for_another_target_names_it(user: User, kind: str, field: str) -> None:
    one, other = await KINDS[kind](user), await KINDS[kind](user)
    assert (await one.send(user, idempotency_key="k")).status_code == 200
    assert_problem(await other.send(user, idempotency_key="k"), 422, "idempotency_mismatch", field=field)


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "spend"])
async def test_a_key_of_a_spend_means_no_other_kind(user: User, kind: str) -> None:
    call = await KINDS[kind](user)
    await user.done("spend", amount="7.00", idempotency_key="k")
    field = "on_shortfall" if call.type == "spend" else "type"
    if kind == "partial spend":
        field = "amount"
    assert_problem(await call.send(user, idempotency_key="k"), 422, "idempotency_mismatch", field=field)


async def test_reason_and_operator_are_no_part_of_the_meaning(user: User) -> None:
    for kind in ("adjustment", "account change"):
        call = await KINDS[kind](user)
        await call.send(user, idempotency_key=kind)
        again = await call.send(user, idempotency_key=kind, reason="another", operator="oskar")
        assert again.json()["replayed"] is True


REFUSALS: list[tuple[str, Body, str]] = [
    ("spend", {"amount": "999"}, "insufficient_funds"),
    ("hold", {"amount": "999"}, "insufficient_funds"),
    ("capture", {"amount": "21"}, "capture_exceeds_hold"),
    ("capture of more", {"amount": "999"}, "insufficient_funds"),
    ("extend", {"amount": "999"}, "insufficient_funds"),
    ("refund", {"amount": "21"}, "refund_exceeds_remaining"),
    ("adjustment", {"amount": "-999"}, "insufficient_funds"),
    ("account change", {"status": "closed"}, "account_not_empty"),
]


@pytest.mark.parametrize(("kind", "body", "code"), REFUSALS)
async def test_a_refusal_of_any_kind_replays_when_it_would_be_decided_otherwise(
    user: User, *, kind: str, body: Body, code: str
) -> None:
    call = await KINDS[kind](user)
    first = assert_problem(await call.send(user, idempotency_key="k", **body), None, None, transaction_id=UUID)
    assert first["code"] == code
    await user.done("top-up", amount="5000.00")
    size = len(await user.booked(outcome="any"))
    again = await call.send(user, idempotency_key="k", **body)
    replayed = assert_problem(again, first["status"], code, replayed=True, decided_at=MOMENT)
    assert again.headers["idempotent-replayed"] == "true"
    changing = {"detail", "request_id", "replayed", "decided_at"}
    assert without(replayed, changing) == without(first, changing)
    assert len(await user.booked(outcome="any")) == size


async def test_what_is_refused_by_its_form_or_its_target_uses_no_key_up(user: User) -> None:
    call = await KINDS["capture"](user)
    bad: list[Any] = [{"amount": "0"}, {"amount": "1e3"}, {"unknown": 1}]
    for body in bad:
        assert_problem(await call.send(user, idempotency_key="k", **body), 422)
    nowhere = "holds/0198c0de-0000-7000-8000-000000000000/capture"
    await user.refused(nowhere, 404, "unknown_hold", idempotency_key="k")
    assert (await call.send(user, idempotency_key="k")).json()["replayed"] is False
