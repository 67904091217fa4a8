"""The states of an account: the table of docs/concepts.md, cell by cell, and the ways between them."""

import re
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from app.domain.records import AccountStatus, TransactionType
from tests.api.conftest import Service, advance, alone, sharing
from tests.api.kinds import KINDS
from tests.api.shapes import assert_problem
from tests.api.users import User, open_user

pytestmark = sharing

DOCUMENT = Path(__file__).parents[2] / "docs" / "concepts.md"
DAY = 86_400
STATES = [each.value for each in AccountStatus]
BY_TIME_ONLY = {TransactionType.EXPIRY}
"""What nobody can ask for."""


def table() -> dict[str, dict[str, str]]:
    """Return the document's table: for each operation and state what it says."""
    section = re.search(r"\n## States\n(.+?)\n## ", DOCUMENT.read_text(), re.DOTALL)
    assert section is not None
    rows = [
        [each.strip(" `") for each in line.strip("|").split("|")] for line in section[1].splitlines() if "|" in line
    ]
    (_, *states), _, *lines = rows
    return {operation: dict(zip(states, cells, strict=True)) for operation, *cells in lines}


KIND_OF = {"top_up": "top-up", "account_change": "account change"}
CELLS = [(operation, state, says) for operation, cells in table().items() for state, says in cells.items()]


@pytest_asyncio.fixture(loop_scope="module")
async def user(service: Service) -> User:
    return User(service.client, await service.user("100.00"))


async def test_the_table_has_every_operation_and_every_state() -> None:
    assert table().keys() == {each.value for each in TransactionType if each not in BY_TIME_ONLY}
    assert all(list(cells) == STATES for cells in table().values())


@pytest.mark.parametrize(("operation", "state", "says"), [each for each in CELLS if each[2] != "by its members"])
async def test_what_the_table_says_is_what_happens(
    service: Service, user: User, operation: str, state: str, says: str
) -> None:
    call = await KINDS[KIND_OF.get(operation, operation)](user)
    if state == "closed":
        for hold in (await user.get("holds", status="open"))["data"]:
            await user.done(f"holds/{hold['hold_id']}/release")
    await service.set_status(user.name, state)
    size, has = await service.size(), await user.has()
    answer = await call.send(user)
    if says == "yes":
        assert answer.status_code in {200, 201}, answer.text
        return
    assert_problem(answer, 409, says)
    assert (await service.size(), await user.has()) == (size, has)


@pytest.mark.parametrize(
    ("types", "refused"), [(["top_up", "adjustment"], None), (["top_up", "spend"], 1), (["bonus", "top_up"], 0)]
)
async def test_a_group_of_a_frozen_account_goes_through_when_all_its_members_would(
    service: Service, user: User, types: list[str], refused: int | None
) -> None:
    operations = [(await KINDS[KIND_OF.get(each, each)](user)).operation for each in types]
    await service.set_status(user.name, "frozen")
    if refused is None:
        await user.done("groups", operations=operations)
        return
    await user.refused("groups", 409, "account_frozen", operations=operations, facts={"operation": refused})
    assert await user.has() == ("100.00", "0.00", "100.00")


async def test_an_account_with_credits_free_or_held_is_not_closed(user: User) -> None:
    assert_problem(await user.change(status="closed"), 409, "account_not_empty")
    hold = await user.hold("100.00")
    assert_problem(await user.change(status="closed"), 409, "account_not_empty")
    await user.done(f"holds/{hold}/capture")
    assert (await user.change(status="closed")).json()["status"] == "closed"
    reopened = await user.change(status="active")
    assert (reopened.status_code, reopened.json()["status"]) == (200, "active")
    await user.done("top-up", amount="1")


@alone
async def test_what_is_due_is_booked_before_an_account_is_closed(sandbox_client: httpx2.AsyncClient) -> None:
    user = await open_user(sandbox_client, "leaving")
    await user.done("bonus", amount="5.00", expires_in_days=1)
    await user.done("holds", amount="2.00", expires_in_seconds=2 * DAY)
    assert_problem(await user.change(status="closed"), 409, "account_not_empty")
    await advance(sandbox_client, DAY)
    assert_problem(await user.change(status="closed"), 409, "account_not_empty")
    await advance(sandbox_client, DAY)
    assert (await user.change(status="closed")).status_code == 200
    assert [each["type"] for each in await user.booked()] == [
        *("bonus", "hold", "expiry", "release", "expiry", "account_change")
    ]


@alone
async def test_a_hold_that_has_nothing_left_ends_also_when_its_account_is_closed(
    sandbox_client: httpx2.AsyncClient,
) -> None:
    user = await open_user(sandbox_client, "left", "5.00")
    hold = await user.hold("5.00", expires_in_seconds=DAY)
    await user.done(f"holds/{hold}/capture", final=False)
    assert (await user.change(status="closed")).status_code == 200
    await advance(sandbox_client, DAY)
    assert (await user.get(f"holds/{hold}"))["hold_status"] == "expired"
    assert (await user.change(status="active")).status_code == 200
    assert [(each["type"], each["amount"]) for each in await user.booked(type="release")] == [("release", "0.00")]


@alone
async def test_credits_of_a_frozen_account_expire_and_its_holds_end(sandbox_client: httpx2.AsyncClient) -> None:
    user = await open_user(sandbox_client, "frozen", "10.00")
    await user.done("bonus", amount="5.00", expires_in_days=1)
    await user.done("holds", amount="12.00", expires_in_seconds=2 * DAY)
    await user.change(status="frozen")
    await advance(sandbox_client, 3 * DAY)
    assert await user.has() == ("10.00", "0.00", "10.00")
    await user.done("top-up", amount="1")
    assert [each["amount"] for each in await user.booked(type="expiry")] == ["5.00"]


async def test_every_change_of_state_is_in_the_history_with_its_reason(user: User) -> None:
    for status in ("frozen", "active", "frozen", "frozen"):
        changed = await user.change(status=status, reason=f"now {status}")
        assert (changed.status_code, changed.json()["status"]) == (200, status)
    changes = await user.booked(type="account_change")
    assert [each["reason"] for each in changes] == ["now frozen", "now active", "now frozen", "now frozen"]
