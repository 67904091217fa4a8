"""What the tests over HTTP share: clients whose every answer is checked for its shape, and a service to a module.

Starting a service costs more than asking it, so most tests share one and bring users of their own.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from itertools import count
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text
from starlette.types import Scope

import tests.conftest as root
from app.api.dependencies import Services
from app.config import Settings
from app.database import Database
from app.domain.commands import ChangeAccount
from app.domain.placement import bucket_of
from app.domain.records import AccountStatus
from app.services.ids import new_id
from app.services.verify_service import verify
from tests.api.shapes import check_answer

USERS = "/api/v1/wallets/users"
CLOCK = "/api/v1/sandbox/clock"

sharing = pytest.mark.asyncio(loop_scope="module")
"""For modules whose tests share `service`."""

alone = pytest.mark.asyncio(loop_scope="function")
"""For tests in such modules that have a service of their own."""


@asynccontextmanager
async def checked(settings: Settings, *, caller: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    """Serve, and lend a client that checks the shape of every answer."""
    async with root.serving(settings, caller=caller) as client:
        client.event_hooks["response"].append(check_answer)
        yield client


def services_of(client: httpx2.AsyncClient) -> Services:
    """Return the services below a client's application."""
    services: Services = client._transport.app.application.state.services  # type: ignore[attr-defined]
    return services


async def insist(client: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any]) -> httpx2.Response:
    """Send a request until it is not answered with "busy", which says that it was not begun."""
    while True:
        answer = await client.request(method, path, json=body)
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or answer.json()["code"] != "busy":
            return answer


async def advance(client: httpx2.AsyncClient, seconds: int) -> datetime:
    """Advance the clock of a sandbox, and return what it shows then."""
    answer = await insist(client, "POST", CLOCK, {"advance_seconds": seconds})
    assert answer.status_code == HTTPStatus.OK, answer.text
    return datetime.fromisoformat(answer.json()["now"])


def post_scope(path: str, *, caller: str = "127.0.0.1") -> Scope:
    """Return a POST with a JSON body as a server hands it to an application."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": (caller, 50_000),
        "server": ("localhost", 8000),
    }


@dataclass(frozen=True)
class Service:
    """A running service: a client, and the database below it."""

    client: httpx2.AsyncClient
    database: Database
    url: str
    _numbers: Iterator[int] = field(default_factory=count)

    async def sql(self, statement: str, **binds: object) -> Any:
        """Run a statement and return the first value it returns."""
        async with self.database.engine.begin() as connection:
            result = await connection.execute(text(statement), binds)
            return result.scalar() if result.returns_rows else None

    async def as_owner(self, statement: str) -> None:
        """Run a statement that the service itself may not."""
        await root.run_as_owner(self.url, statement)

    async def user(self, amount: str | None = None) -> str:
        """Open an account for a new user, with so much gold, and return the user's id."""
        name = f"user-{next(self._numbers)}"
        await self.client.put(f"{USERS}/{name}")
        if amount is not None:
            answer = await self.client.post(f"{USERS}/{name}/top-up", json={"amount": amount, "asset_type_id": 1})
            assert answer.status_code == 200
        return name

    async def asset(self, scale: int = 2) -> int:
        """Add an asset type and return its id; its code is `A` and the id."""
        number = 1_000 + next(self._numbers)
        await self.sql(
            "INSERT INTO asset_types (id, code, name, scale, status, hold_seconds, created_at) "
            "VALUES (:id, :code, 'Made for a test', :scale, 'active', 60, now())",
            id=number,
            code=f"A{number}",
            scale=scale,
        )
        return number

    async def set_status(self, user: str, status: str) -> None:
        """Change the state of an account, by the way it goes: one that is to be closed is emptied before."""
        if status == AccountStatus.CLOSED:
            await self.empty(user)
        bucket = bucket_of(user)
        await services_of(self.client).wallets.execute(
            ChangeAccount(
                transaction_id=new_id(bucket),
                external_user_id=user,
                bucket=bucket,
                actor="a test",
                status=AccountStatus(status),
            )
        )

    async def empty(self, user: str) -> None:
        """Take all that a user has, of every asset type."""
        for wallet in (await self.client.get(f"{USERS}/{user}")).json()["wallets"]:
            if wallet["balance"].strip("0.") == "":
                continue
            body = {"amount": f"-{wallet['balance']}", "asset_type_id": wallet["asset_type_id"]}
            body |= {"reason": "emptied for a test", "operator": "a test"}
            answer = await self.client.post(f"{USERS}/{user}/adjustments", json=body)
            assert answer.status_code == 200, answer.text

    async def balance(self, user: str, asset_type_id: int = 1) -> str:
        answer = await self.client.get(f"{USERS}/{user}/balance", params={"asset_type_id": asset_type_id})
        return str(answer.json()["balance"])

    async def size(self) -> tuple[int, ...]:
        """Return how much is written in the ledger: the same before and after, when nothing was written."""
        return tuple(
            [
                int(await self.sql(f"SELECT count(*) FROM {table}"))
                for table in ("accounts", "transactions", "ledger_entries", "lots", "wallets", "transaction_notes")
            ]
        )


@pytest.fixture
async def client(seeded_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The service over HTTP, for one test."""
    async with checked(Settings(database_url=SecretStr(seeded_url))) as client:
        yield client


@pytest.fixture
async def sandbox_client(sandbox_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The service over HTTP on a sandbox, for one test."""
    async with checked(Settings(database_url=SecretStr(sandbox_url))) as client:
        yield client


@pytest.fixture
def own_service(client: httpx2.AsyncClient, database: Database, seeded_url: str) -> Service:
    """A service for one test, which may break it."""
    return Service(client, database, seeded_url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(pytestconfig: pytest.Config) -> AsyncIterator[Service]:
    """A service for all tests of a module, its ledger verified when they are over."""
    async with root.cloned_database(pytestconfig.stash[root.SERVER_URL], root.SEEDED_TEMPLATE) as url:
        database = Database(url, pool_size=4)
        try:
            async with checked(Settings(database_url=SecretStr(url))) as client:
                yield Service(client, database, url)
            assert (await verify(database)).problem is None
        finally:
            await database.close()
