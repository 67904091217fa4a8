"""Races with real commits between two processes of the service, each with its own pool, over TCP."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import text

from app.database import Database
from app.services.verify_service import verify
from tests.conftest import SEEDED_TEMPLATE, SERVER_URL, cloned_database
from tests.processes.service import balance, give, started, wallet
from tests.sizes import choices, size

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNITS = 100
SPENDS = size(500, 5_000)
STORMS = size(1, 4)
"""One after the other: 20,000 calls at once keep their own sender so busy that bodies follow their heads 20 s late."""

KEYS = 100
COPIES = 50

Clients = list[httpx2.AsyncClient]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(pytestconfig: pytest.Config) -> AsyncIterator[Database]:
    """The database of both processes, verified when all tests are over."""
    async with cloned_database(pytestconfig.stash[SERVER_URL], SEEDED_TEMPLATE) as url:
        database = Database(url)
        yield database
        assert (await verify(database)).problem is None
        await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(database: Database) -> AsyncIterator[Clients]:
    """A caller of each of two processes."""
    url = database.engine.url.render_as_string(hide_password=False)
    async with started(url) as one, started(url) as other, one.client() as first, other.client() as second:
        yield [first, second]


def spend(user: str) -> dict[str, object]:
    """Return an operation of a batch."""
    return {"type": "spend", "external_user_id": user, "amount": "0.01", "asset_type_id": 1}


async def post(client: httpx2.AsyncClient, user: str, call: str, **body: object) -> httpx2.Response:
    return await client.post(f"{wallet(user)}/{call}", json=body)


async def test_of_many_spends_exactly_as_many_succeed_as_there_are_units(clients: Clients) -> None:
    await give(clients[0], "racer", f"{UNITS}.00")
    answers = await asyncio.gather(
        *(post(clients[number % 2], "racer", "spend", amount="1.00", asset_type_id=1) for number in range(SPENDS))
    )
    assert Counter(each.status_code for each in answers) == {200: UNITS, 402: SPENDS - UNITS}
    assert await balance(clients[1], "racer") == "0.00"


@pytest.mark.parametrize("storm", range(STORMS))
async def test_a_key_is_one_transaction_however_many_copies_of_it_race_in_whatever_form(
    clients: Clients, database: Database, storm: int
) -> None:
    """Of each key some copies are the same, some have another asset, some another amount; any of them may be first."""
    for asset in (1, 2):
        await give(clients[0], "stormy", "1000000", asset=asset)
    forms = [
        {"amount": "1", "asset_type_id": 1},
        {"amount": "1", "asset_type_id": 2},
        {"amount": "2", "asset_type_id": 1},
    ]
    sent = [(f"storm-{storm}-{key}", copy % len(forms), copy % 2) for key in range(KEYS) for copy in range(COPIES)]
    choices(f"storm {storm}").shuffle(sent)
    answers = await asyncio.gather(
        *(post(clients[at], "stormy", "spend", idempotency_key=key, **forms[form]) for key, form, at in sent)
    )
    outcomes: defaultdict[str, list[tuple[int, httpx2.Response]]] = defaultdict(list)
    for (key, form, _), answer in zip(sent, answers, strict=True):
        outcomes[key].append((form, answer))
    for some in outcomes.values():
        (first,) = (form for form, answer in some if answer.status_code == 200 and not answer.json()["replayed"])
        same = [answer for form, answer in some if form == first]
        other = [answer for form, answer in some if form != first]
        assert {each.status_code for each in same} == {200}
        assert len({each.json()["transaction_id"] for each in same}) == 1
        assert {(each.status_code, each.json()["code"]) for each in other} == {(422, "idempotency_mismatch")}
    async with database.engine.connect() as connection:
        booked = await connection.scalar(
            text("SELECT count(*) FROM transactions WHERE idempotency_key LIKE :like"), {"like": f"storm-{storm}-%"}
        )
    assert booked == KEYS


async def test_batches_over_the_same_owners_in_opposite_order_all_go_through(
    clients: Clients, database: Database
) -> None:
    users = [f"crossing_{number}" for number in range(40)]
    for user in users:
        await give(clients[0], user, "100.00")

    async def batch(client: httpx2.AsyncClient, order: list[str]) -> list[int]:
        answer = await client.post("/api/v1/batch", json={"operations": [spend(user) for user in order]})
        return [each["status"] for each in answer.json()["results"]]

    rounds = size(10, 200)
    orders = (users, users[::-1])
    answers = await asyncio.gather(*(batch(clients[at], orders[at]) for _ in range(rounds) for at in (0, 1)))
    assert {status for some in answers for status in some} == {200}
    assert {await balance(clients[0], user) for user in users} == {f"{100 - 2 * rounds * 0.01:.2f}"}
    async with database.engine.connect() as connection:
        deadlocks = await connection.scalar(
            text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    assert deadlocks == 0


async def test_a_key_twice_in_a_batch_and_in_two_batches_at_once_is_one_transaction(clients: Clients) -> None:
    await give(clients[0], "twice", "10.00")
    operations = [spend("twice") | {"idempotency_key": "same"}] * 3
    answers = await asyncio.gather(
        *(client.post("/api/v1/batch", json={"operations": operations}) for client in clients * 5)
    )
    results = [each for answer in answers for each in answer.json()["results"]]
    assert len({each["transaction_id"] for each in results}) == 1
    assert Counter(each["replayed"] for each in results) == {False: 1, True: 29}
    assert await balance(clients[0], "twice") == "9.99"


async def test_an_account_opened_at_once_in_every_way_is_one_account(clients: Clients) -> None:
    async def open_it(client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.put(wallet("newcomer"))

    async def top_up(client: httpx2.AsyncClient) -> httpx2.Response:
        return await post(client, "newcomer", "top-up", amount="1", asset_type_id=1, open_account=True)

    answers = await asyncio.gather(
        *(call(client) for call in (open_it, top_up) for client in clients for _ in range(10))
    )
    assert {each.status_code for each in answers} <= {200, 201}
    assert sum(each.status_code == 201 for each in answers) <= 1
    assert len({each.json()["account_id"] for each in answers}) == 1
    assert await balance(clients[1], "newcomer") == "20.00"
