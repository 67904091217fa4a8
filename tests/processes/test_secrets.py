"""Nothing secret in any output: secrets are planted wherever one can be put, and all that the service says is searched.

A caller may be told its own data again: the path that it asked for, the names of members that nobody knows, and what it
stored. Nobody else is, and the log never.
"""

import asyncio
import base64
import gc
import json
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from app.api.ledger_request import BODY_BYTES_MAX
from app.cli.main import main
from app.config import LogFormat
from app.database import Connection, Database
from app.domain.api_keys import PREFIX, write_key
from app.services.wallet_service import WalletService
from tests.api.programs import Ended, end_of, free_port, served
from tests.commands import note, top_up
from tests.conftest import SEEDED_TEMPLATE, SERVER_URL, cloned_database, owner_connection, run_as_owner
from tests.processes.plants import Plants
from tests.processes.service import wallet

sharing = pytest.mark.asyncio(loop_scope="module")

Header = tuple[str, str | bytes]
GOLD = {"amount": "1.00", "asset_type_id": 1}
LOST = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'wallet' AND pid <> pg_backend_pid()
"""
TABLES = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"


class Form(bytes):
    """What is not sent as JSON."""


@dataclass
class Spy:
    """A caller who has planted something in every request, and looks for everything planted in every answer."""

    client: httpx2.AsyncClient
    port: int
    url: str
    plants: Plants
    key: str
    statuses: list[tuple[str, int]] = field(default_factory=list)
    told: list[tuple[str, set[str]]] = field(default_factory=list)
    """What was planted where, and yet is in the answer to which request."""

    stored: set[str] = field(default_factory=set)
    """What is data of users: it is kept, and told to whoever may read it."""

    def plant(self, place: str) -> str:
        return self.plants.plant(place)

    def keep(self, place: str) -> str:
        """Plant what is data of a user."""
        secret = self.plant(place)
        self.stored.add(secret)
        return secret

    def right(self) -> list[Header]:
        return [("Authorization", f"Bearer {self.key}")]

    def carriers(self, what: str) -> list[Header]:
        """Return headers that no answer and no log has anything of."""
        names = ("Cookie", "Proxy-Authorization", "X-Api-Key", "X-Unknown", "Referer", "User-Agent", "tracestate")
        headers = [(name, self.plant(f"{name} of {what}")) for name in names]
        wrong = (
            self.plant(f"a request id that is none, of {what}"),
            self.plant(f"a traceparent that is none, of {what}"),
        )
        return [*headers, ("X-Request-Id", f"{wrong[0]} {wrong[0]}"), ("traceparent", f"00-{wrong[1]}-01")]

    async def ask(
        self,
        what: str,
        method: str,
        path: str,
        *,
        sent: object = None,
        headers: Sequence[Header] | None = None,
        own: Iterable[str] = (),
    ) -> httpx2.Response:
        """Send a request, with the right key unless it has its own headers, and note what is in the answer.

        `own` is what may be told to this caller, as it was the one to send it.
        """
        headers = [*(self.right() if headers is None else headers), *self.carriers(what)]
        content = sent if isinstance(sent, bytes) else b"" if sent is None else json.dumps(sent).encode()
        if sent is not None and not isinstance(sent, Form):
            headers.append(("Content-Type", "application/json"))
        raw = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
        answer = await self.client.request(method, path, headers=raw, content=content)
        self.note(what, answer.status_code, repr(answer.headers.raw).encode() + answer.content, own)
        return answer

    async def ask_badly(self, what: str, content: bytes) -> None:
        """Send what is hardly a request, and note what is in the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(content)
        answer = await reader.read()
        writer.close()
        self.note(what, int(answer.split()[1]), answer, ())

    def note(self, what: str, status: int, answer: bytes, own: Iterable[str]) -> None:
        self.statuses.append((what, status))
        if found := self.plants.found_in(answer, but=own):
            self.told.append((what, found))


async def ask_as_somebody_else(spy: Spy) -> None:
    path = f"{wallet('user_alice')}/balance?asset_type_id=1"
    wrong, digits = spy.plant("a wrong key"), spy.plant("a mistyped API key")
    unknown = write_key(bytes(range(32)))
    spy.plants.add("an unknown API key", unknown.removeprefix(PREFIX))
    basic = base64.b64encode(f"user:{spy.plant('a password')}".encode()).decode()
    for what, sent in {
        "wrong key": [f"Bearer {wrong}"],
        "right key and something": [f"Bearer {spy.key} {spy.plant('something behind the key')}"],
        "no scheme": [spy.key],
        "another scheme": [f"Token {spy.key}"],
        "basic": [f"Basic {basic}"],
        "digest": [f'Digest username="{spy.plant("a name")}", response="{spy.plant("a response")}"'],
        "two keys": [f"Bearer {spy.key}", f"Bearer {spy.plant('a second key')}"],
        "mistyped API key": [f"Bearer {PREFIX}{digits}"],
        "unknown API key": [f"Bearer {unknown}"],
        "other characters": [f"Bearer ü{spy.plant('a key in other characters')}"],
    }.items():
        await spy.ask(what, "GET", path, headers=[("Authorization", each) for each in sent])


async def ask_with_secrets_in_the_url(spy: Spy) -> None:
    for path in (
        f"{wallet('user_alice')}/balance",
        "/api/v1/nowhere",
        "/health/live",
        "/docs",
        "/metrics",
        "/api/v1/keys",
    ):
        secret = spy.plant(f"the query of {path}")
        await spy.ask(f"query of {path}", "GET", f"{path}?asset_type_id=1&api_key={secret}&key={spy.key}")
    name, user, part = spy.plant("a parameter's name"), spy.plant("an unknown user"), spy.plant("a part of a path")
    number = spy.plant("a number that is none")
    await spy.ask("parameter", "GET", f"{wallet('user_alice')}/balance?asset_type_id={number}&{name}=1", own=[name])
    await spy.ask("cursor", "GET", f"/api/v1/wallets/users?cursor={spy.plant('a cursor')}")
    await spy.ask("unknown user", "GET", f"{wallet(user)}/balance?asset_type_id=1", own=[user])
    await spy.ask("method", "DELETE", f"{wallet(user)}/balance", own=[user])
    await spy.ask("path", "GET", f"/api/v1/{part}/{part}", own=[part])
    await spy.ask("hold", "POST", f"{wallet(user)}/holds/{part}/capture", own=[user, part])


async def ask_with_wrong_bodies(spy: Spy) -> None:
    path = f"{wallet('user_alice')}/top-up"
    name = spy.plant("a member's name")
    for what, sent in {
        "text for an amount": GOLD | {"amount": spy.plant("an amount")},
        "list for an amount": GOLD | {"amount": [spy.plant("an amount in a list")]},
        "unknown asset": {"amount": "1", "asset_code": spy.plant("an asset code")},
        "unknown member": GOLD | {"password": spy.plant("an unknown member")},
        "unknown name": GOLD | {name: 1},
        "key with a line": GOLD | {"idempotency_key": f"{spy.plant('a key with a line')}\n"},
        "long reference": GOLD | {"reference": spy.plant("a long reference") * 20},
        "nested metadata": GOLD | {"metadata": {"a": {"b": spy.plant("nested metadata")}}},
        "expiry": GOLD | {"expires_at": spy.plant("an expiry")},
        "broken": b'{"amount": "' + spy.plant("broken JSON").encode(),
        "member twice": b'{"a": "%b", "a": 1}' % spy.plant("a member that is there twice").encode(),
        "not UTF-8": b'{"amount": "%b\xff"}' % spy.plant("what is not UTF-8").encode(),
        "too large": b'{"amount": "%b"}' % spy.plant("what is too large").encode() + b" " * BODY_BYTES_MAX,
    }.items():
        await spy.ask(what, "POST", path, sent=sent, own=[name])
    await spy.ask("form", "POST", path, sent=Form(f"amount={spy.plant('a form')}".encode()))
    for what, key in {
        "key in a header": b"\xff" + spy.plant("a key in a header that is no key").encode(),
        "key too long": spy.plant("a key in a header that is too long").encode() * 20,
    }.items():
        await spy.ask(what, "POST", path, sent=GOLD, headers=[*spy.right(), ("Idempotency-Key", key)])
    user = spy.plant("a user of a batch")
    operations = [{"type": "spend", "external_user_id": user, **GOLD}, {"type": spy.plant("a type")}]
    await spy.ask("batch", "POST", "/api/v1/batch", sent={"operations": operations}, own=[user])


async def ask_at_the_door(spy: Spy) -> None:
    right = f"Host: localhost\r\nAuthorization: Bearer {spy.key}\r\n".encode()
    for what, content in {
        "garbage": f"{spy.plant('garbage')}\r\n\r\n".encode(),
        "wrong header": b"GET / HTTP/1.1\r\n" + right + f"A {spy.plant('a wrong header')}: b\r\n\r\n".encode(),
        "wrong version": f"GET /{spy.plant('a wrong version')} HTTP/9.9\r\n".encode() + right + b"\r\n",
        "large header": b"GET / HTTP/1.1\r\n" + right + f"A: {spy.plant('a large header') * 1_000}\r\n\r\n".encode(),
        "connect": f"CONNECT {spy.plant('a host')}:1 HTTP/1.1\r\n".encode() + right + b"\r\n",
        "broken chunk": b"POST /api/v1/batch HTTP/1.1\r\n"
        + right
        + f"Transfer-Encoding: chunked\r\n\r\n{spy.plant('a broken chunk')}\r\n".encode(),
    }.items():
        await spy.ask_badly(what, content)


async def write_and_read(spy: Spy, user: str) -> None:
    """Store what users store, and read it as one who may."""
    body = GOLD | {
        "open_account": True,
        "reference": spy.keep("a reference"),
        "metadata": {spy.keep("a name in metadata"): spy.keep("metadata")},
        "idempotency_key": spy.keep("an idempotency key"),
    }
    path = wallet(user)
    await spy.ask("top-up", "POST", f"{path}/top-up", sent=body, own=spy.stored)
    await spy.ask("replay", "POST", f"{path}/top-up", sent=body, own=spy.stored)
    await spy.ask("mismatch", "POST", f"{path}/top-up", sent=body | {"amount": "2"}, own=[user])
    await spy.ask("declined", "POST", f"{path}/spend", sent=GOLD | {"amount": "417"}, own=[user])
    await spy.ask("history", "GET", f"{path}/transactions", own=spy.stored)
    await spy.ask("somebody else", "GET", f"{wallet('user_bob')}/transactions")
    reason = {"reason": spy.keep("a reason"), "operator": spy.keep("an operator")}
    await spy.ask("adjustment", "POST", f"{path}/adjustments", sent=GOLD | reason, own=spy.stored)


async def use_an_api_key(spy: Spy) -> None:
    """Make a key, use it, read of it, and revoke it: its own answer alone shows it."""
    name = spy.keep("the name of a key")
    made = await spy.ask("new key", "POST", "/api/v1/keys", sent={"name": name, "scopes": ["keys:admin"]}, own=[name])
    key: str = made.json()["key"]
    spy.plants.add("an API key", key.removeprefix(PREFIX))
    headers: list[Header] = [("Authorization", f"Bearer {key}")]
    await spy.ask("keys", "GET", "/api/v1/keys", headers=headers, own=[name])
    await spy.ask("no scope", "GET", f"{wallet('user_alice')}/balance?asset_type_id=1", headers=headers)
    await spy.ask("key as a name", "POST", "/api/v1/keys", sent={"name": key, "scopes": [key]}, headers=headers)
    await spy.ask("revoke", "POST", f"/api/v1/keys/{made.json()['key_id']}/revoke", own=[name])
    await spy.ask("revoked", "GET", "/api/v1/keys", headers=headers)


async def let_the_database_fail(spy: Spy, user: str) -> None:
    """Have what is sent refused by the database, its tables gone, and its connections lost."""
    path = wallet(user)

    def body() -> dict[str, Any]:
        return GOLD | {"reference": spy.plant("a reference in vain"), "idempotency_key": spy.plant("a key in vain")}

    await run_as_owner(spy.url, "ALTER TABLE transaction_notes ADD CONSTRAINT none CHECK (reference IS NULL) NOT VALID")
    await spy.ask("refused notes", "POST", f"{path}/top-up", sent=body(), own=[user])
    await run_as_owner(spy.url, "ALTER TABLE transaction_notes DROP CONSTRAINT none")
    await run_as_owner(spy.url, "ALTER TABLE accounts ADD CONSTRAINT none CHECK (false) NOT VALID")
    refused = spy.plant("a user in vain")
    await spy.ask("refused account", "PUT", wallet(refused), own=[refused])
    await run_as_owner(spy.url, "ALTER TABLE accounts DROP CONSTRAINT none")
    for table in ("lots", "transactions"):
        await run_as_owner(spy.url, f"ALTER TABLE {table} RENAME TO gone")
        await spy.ask(f"write without {table}", "POST", f"{path}/top-up", sent=body(), own=[user])
        filters = f"reference={spy.plant('a filter in vain')}"
        await spy.ask(f"read without {table}", "GET", f"{path}/transactions?{filters}", own=[user])
        await run_as_owner(spy.url, f"ALTER TABLE gone RENAME TO {table}")
    async with owner_connection(spy.url) as owner, owner.transaction():
        await owner.execute("SELECT FROM accounts WHERE external_user_id = $1 FOR UPDATE", user)
        waiting = asyncio.create_task(spy.ask("lost", "POST", f"{path}/spend", sent=body(), own=[user]))
        while not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - theirs
            await asyncio.sleep(0.01)
        await owner.execute(LOST)
    await waiting


@dataclass(frozen=True)
class Record:
    """All that was said, and by whom."""

    spy: Spy
    service: Ended
    command_line: bytes
    stored: str


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=LogFormat)
async def record(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> AsyncIterator[Record]:
    plants = Plants()
    key = plants.plant("WALLET_API_KEY")
    async with cloned_database(pytestconfig.stash[SERVER_URL], SEEDED_TEMPLATE) as url:
        plants.add("the password in DATABASE_URL", str(make_url(url).password))
        settings = {"LOG_FORMAT": request.param, "LOG_LEVEL": "debug", "WALLET_API_KEY": key, "DATABASE_URL": url}
        async with served(**settings, DUE_JOB="false") as (at, process):
            async with httpx2.AsyncClient(base_url=at) as client:
                spy = Spy(client, int(at.rpartition(":")[2]), url, plants, key)
                user = spy.keep("a user")
                await write_and_read(spy, user)
                await ask_as_somebody_else(spy)
                await ask_with_secrets_in_the_url(spy)
                await ask_with_wrong_bodies(spy)
                await ask_at_the_door(spy)
                await use_an_api_key(spy)
                await let_the_database_fail(spy, user)
            command_line = await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_bytes)
            process.terminate()
            ended = await end_of(process)
        yield Record(spy, ended, command_line, await everything_in(url))


async def everything_in(url: str) -> str:
    """Return all rows of all tables as text, bytes in hexadecimal."""
    async with owner_connection(url) as owner:
        tables = [row["relname"] for row in await owner.fetch(TABLES)]
        rows = [await owner.fetch(f'SELECT each::text AS row FROM "{table}" AS each') for table in tables]
    return "\n".join(row["row"] for found in rows for row in found)


@sharing
async def test_no_answer_tells_a_secret(record: Record) -> None:
    assert record.spy.told == []


@sharing
async def test_no_log_tells_a_secret(record: Record) -> None:
    assert record.service.code == 0
    assert "request_crashed" in record.service.err
    assert "refused" in record.service.err
    assert record.spy.plants.found_in(record.service.err) == set()
    assert record.spy.plants.found_in(record.service.out) == set()
    assert record.spy.plants.found_in(record.command_line) == set()


@sharing
async def test_nothing_is_stored_but_what_users_store(record: Record) -> None:
    assert record.spy.plants.found_in(record.stored) == {record.spy.plants.places[each] for each in record.spy.stored}


@sharing
async def test_each_kind_of_answer_was_searched(record: Record) -> None:
    statuses = {status for _, status in record.spy.statuses}
    assert statuses == {200, 201, 400, 401, 402, 403, 404, 405, 413, 422, 431, 500, 503}


async def ask(query: str, value: str, connection: Connection) -> object:
    return await connection.fetchval(query, value)


async def test_an_error_of_the_database_has_nothing_of_what_it_is_about(database: Database) -> None:
    plants = Plants()
    secret = plants.plant("a value")
    for query in ("SELECT $1::text::integer", "SELECT $1::integer"):
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as failed:
            await database.read(partial(ask, query, secret))
        assert plants.found_in("".join(traceback.format_exception(failed.value))) == set()


@pytest.fixture
def as_a_program() -> Iterator[None]:
    """Let commands run in this process, and clear away what a program that ends leaves to the system."""
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the socket that it listened on
        yield
        gc.collect()
    for each, handler in before.items():
        signal.signal(each, handler)


async def spoil_the_books_of(url: str, user: str, reference: str) -> None:
    database = Database(url)
    wallets = WalletService(database)
    await wallets.execute(top_up(user, 100, note=note(reference=reference), open_account=True))
    await wallets.close()
    await database.close()
    await run_as_owner(url, "UPDATE wallets SET posted = posted + 1 WHERE posted = 100")


async def mend_the_books(url: str) -> None:
    await run_as_owner(url, "UPDATE wallets SET posted = posted - 1 WHERE posted = 101")


@pytest.mark.usefixtures("as_a_program")
def test_no_command_tells_a_secret(
    seeded_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plants = Plants()
    key, password, other = (plants.plant(each) for each in ("WALLET_API_KEY", "a wrong password", "a wrong setting"))
    plants.add("the password in DATABASE_URL", str(make_url(seeded_url).password))
    wrong = make_url(seeded_url).set(password=password).render_as_string(hide_password=False)
    asyncio.run(spoil_the_books_of(seeded_url, plants.plant("a user"), plants.plant("a reference")))

    def said(command: str, code: int, line: str, **settings: str) -> None:
        usual = {"DATABASE_URL": seeded_url, "WALLET_API_KEY": key, "PORT": str(free_port())}
        with monkeypatch.context() as environment:
            for name, value in (usual | settings).items():
                environment.setenv(name, value)
            environment.setattr(sys, "argv", ["wallet", command])
            with pytest.raises(SystemExit) as ended:
                main()
        told = capfd.readouterr()
        assert (ended.value.code, line in told.out + told.err) == (code, True), told
        assert plants.found_in(told.out + told.err) == set()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said("serve", 2, "PORT: can't listen", PORT=str(taken.getsockname()[1]))
    said("serve", 2, "refuses this user and password", DATABASE_URL=wrong)
    said("serve", 2, "can't be reached", DATABASE_URL=f"postgresql://wallet:{password}@127.0.0.1:1/wallet")
    said("migrate", 2, "can't be reached", DATABASE_URL=f"postgresql://wallet:{password}@127.0.0.1:1/wallet")
    said("serve", 2, "DATABASE_URL: ", DATABASE_URL=f"postgresql://wallet:{password}@[:1/wallet")
    said("serve", 2, "DATABASE_URL: ", DATABASE_URL=f"{seeded_url}&sslpassword={password}")
    said("serve", 2, "WALLET_API_KEY: ", WALLET_API_KEY=key[:15])
    said("serve", 2, "LOG_LEVEL: ", LOG_LEVEL=other)
    said("settings", 0, "WALLET_API_KEY = (set)")
    said("verify", 1, "the ledger is wrong")
    asyncio.run(mend_the_books(seeded_url))
