"""`wallet roles`: once, again, with new passwords, by those who may not, and where there is nothing yet."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from app.cli.main import main
from app.config import Settings, asyncpg_url
from app.database import Database
from app.database_url import APPLICATION
from app.embedded_postgres import OWNER
from app.migration import migrate
from tests.conftest import as_owner, cloned_database, run_as_owner
from tests.pooler.pgbouncer import PgBouncer
from tests.roles.conftest import Connection

URL = re.compile(r"^    DATABASE_URL=(postgresql://\S+)$", re.MULTILINE)
MISCONFIGURED = 2


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def urls(self) -> list[str]:
        return URL.findall(self.out)


Command = Callable[..., Awaitable[Said]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Lend what runs `wallet roles` with these arguments on this database."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def run_main() -> int:
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    async def run(url: str, *arguments: str, **settings: str) -> Said:
        for name, value in {"DATABASE_URL": url, **settings}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["wallet", "roles", *arguments])
        code = await asyncio.to_thread(run_main)  # it has an event loop of its own
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def own(names: Iterator[str]) -> list[str]:
    """The options that name roles of the test's own."""
    return ["--app", next(names), "--reader", next(names)]


def assert_refused(said: Said, pattern: str) -> None:
    """Check that a command ended with one line of ours and made nothing."""
    assert (said.code, said.out) == (MISCONFIGURED, "")
    assert re.fullmatch(rf"wallet: {pattern}[^\n]*\n", said.err), said.err


@asynccontextmanager
async def logged_in(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def may(url: str, sql: str) -> bool:
    """Tell whether who logs in with this URL may do this. It is rolled back."""
    async with logged_in(url) as connection:
        try:
            await connection.execute(f"BEGIN; {sql}; ROLLBACK")
        except asyncpg.InsufficientPrivilegeError:
            return False
        return True


READ = "SELECT * FROM transactions"
APPEND = "INSERT INTO lots DEFAULT VALUES"
WRITTEN = "INSERT INTO accounts (id, bucket, external_user_id) VALUES (1024, 0, 'somebody')"


async def test_both_roles_are_made_and_log_in_with_the_urls_that_are_shown(
    command: Command, migrated_url: str, own: list[str]
) -> None:
    said = await command(migrated_url, *own)
    assert said.code == 0, said.err
    app, reader = said.urls
    assert [make_url(url).username for url in said.urls] == [own[1], own[3]]
    assert [await may(url, READ) for url in said.urls] == [True, True]
    assert [await may(url, WRITTEN) for url in said.urls] == [True, False]
    assert [await may(url, "CREATE TEMPORARY TABLE t (i integer)") for url in said.urls] == [False, False]
    for url in said.urls:
        assert make_url(asyncpg_url(url)).database == make_url(migrated_url).database  # the service takes it too
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(make_url(url).set(password="another").render_as_string(hide_password=False))
    assert make_url(app).password != make_url(reader).password


async def test_the_server_is_never_told_a_password(
    command: Command, migrated_url: str, own: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    execute = asyncpg.Connection.execute

    async def noting(self: Connection, query: str, *args: object, **options: float | None) -> str:
        sent.append(query)
        return await execute(self, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "execute", noting)
    said = await command(migrated_url, *own)
    assert sum("PASSWORD 'SCRAM-SHA-256$4096:" in each for each in sent) == 2
    for url in said.urls:
        assert not any(str(make_url(url).password) in each for each in sent)


async def test_again_it_puts_the_grants_right_and_leaves_the_passwords_alone(
    command: Command, owner_url: str, own: list[str]
) -> None:
    urls = (await command(owner_url, *own)).urls
    name = make_url(owner_url).database
    await run_as_owner(
        owner_url,
        f"GRANT DELETE ON lots TO {own[1]}; GRANT UPDATE (actor) ON transactions TO {own[1]}; "
        f"GRANT SELECT ON api_keys TO PUBLIC; REVOKE INSERT ON accounts FROM {own[1]}; "
        f"REVOKE USAGE ON SEQUENCE account_numbers FROM {own[1]}; GRANT CREATE ON SCHEMA public TO PUBLIC, {own[3]}; "
        f'GRANT ALL ON DATABASE "{name}" TO PUBLIC, {own[3]}',
    )
    again = await command(owner_url, *own)
    assert again.code == 0, again.err
    assert [make_url(url).password for url in again.urls] == [None, None]
    assert again.out.count("with the password that it has") == 2
    app, reader = urls
    assert await may(app, f"{WRITTEN}; SELECT nextval('account_numbers')")
    for taken in ("DELETE FROM lots", "UPDATE transactions SET actor = ''", "CREATE TABLE t (i integer)"):
        assert not await may(app, taken)
    for taken in ("SELECT digest FROM api_keys", "CREATE TABLE t (i integer)", "CREATE SCHEMA s"):
        assert not await may(reader, taken)
    assert not await may(reader, "CREATE TEMPORARY TABLE t (i integer)")


async def test_new_passwords_end_the_old_ones(command: Command, migrated_url: str, own: list[str]) -> None:
    old = (await command(migrated_url, *own)).urls
    new = (await command(migrated_url, *own, "--new-passwords")).urls
    assert [await may(url, READ) for url in new] == [True, True]
    for url in old:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url)


async def test_through_a_pooler_it_says_that_the_pooler_must_know_them(
    command: Command, migrated_url: str, own: list[str], pooler: PgBouncer
) -> None:
    said = await command(pooler.url(migrated_url), *own, DATABASE_POOLER="transaction")
    assert said.code == 0, said.err
    assert len(said.urls) == 2
    assert said.out.endswith("\nThe pooler has to know both.\n")


# -- who may not -----------------------------------------------------------------------------------------------------


async def test_the_application_can_not_set_up_roles(command: Command, sandbox: str, own: list[str]) -> None:
    said = await command(sandbox, *own)
    assert_refused(said, f"DATABASE_URL: only the owner of the tables, {OWNER}, .* not {APPLICATION}")


async def test_without_tables_it_says_what_to_run_first(command: Command, server_url: str, own: list[str]) -> None:
    async with cloned_database(as_owner(server_url), "template1") as url:
        assert_refused(await command(url, *own), "the tables are not there yet.*`wallet migrate`")


@pytest.fixture
async def plain_owner(names: Iterator[str], server_url: str) -> AsyncIterator[str]:
    """A database without tables, reached as its owner, who is no superuser and may make no roles."""
    name = next(names)
    await run_as_owner(server_url, f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    async with cloned_database(as_owner(server_url), "template1") as url:
        await run_as_owner(server_url, f'ALTER DATABASE "{make_url(url).database}" OWNER TO {name}')
        yield make_url(url).set(username=name, password=name).render_as_string(hide_password=False)


async def test_an_owner_who_is_no_superuser_needs_only_the_right_to_make_roles(
    command: Command, server_url: str, plain_owner: str, own: list[str]
) -> None:
    database = Database(plain_owner)
    await migrate(database)
    await database.close()
    owner = make_url(plain_owner).username
    refused = await command(plain_owner, *own)
    assert_refused(refused, f"DATABASE_URL: {owner} may not make or change roles.*CREATE ROLE {own[1]} LOGIN")
    await run_as_owner(server_url, f"ALTER ROLE {owner} CREATEROLE")
    said = await command(plain_owner, *own)
    assert said.code == 0, said.err
    app, _ = said.urls
    assert [await may(app, sql) for sql in (WRITTEN, f"SET ROLE {owner}")] == [True, False]
    await run_as_owner(server_url, f"ALTER ROLE {owner} NOCREATEROLE")
    assert (await command(plain_owner, *own)).code == 0  # there is nothing more to make
    assert_refused(await command(plain_owner, *own, "--new-passwords"), f".* give {own[1]} another password")


NAMES = [
    pytest.param('Robert"; DROP ROLE wallet; --', id="sql"),
    pytest.param("pg_application", id="reserved"),
    pytest.param("public", id="everybody"),
    pytest.param("", id="empty"),
    pytest.param("x" * 64, id="long"),
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_can_be_no_roles_is_refused(command: Command, migrated_url: str, name: str) -> None:
    assert_refused(await command(migrated_url, "--app", name), ".*can be no role's name")


async def test_the_one_password_of_the_postgresql_that_comes_along_is_left_alone(command: Command) -> None:
    assert_refused(await command("", "--new-passwords"), "--new-passwords: .* WALLET_HOME")


async def test_the_two_roles_are_two(command: Command, migrated_url: str, own: list[str]) -> None:
    assert_refused(await command(migrated_url, "--app", own[1], "--reader", own[1]), ".*two names")


async def test_a_word_of_sql_can_be_a_roles_name(command: Command, migrated_url: str, own: list[str]) -> None:
    try:
        said = await command(migrated_url, "--app", "select", "--reader", own[3])
        assert said.code == 0, said.err
        assert await may(said.urls[0], READ)
    finally:
        await run_as_owner(migrated_url, 'DROP OWNED BY "select"; DROP ROLE "select"')


MIGHTY = [
    pytest.param("CREATE ROLE {} LOGIN SUPERUSER", id="superuser"),
    pytest.param("CREATE ROLE {} LOGIN CREATEROLE", id="makes roles"),
    pytest.param("CREATE ROLE {} LOGIN BYPASSRLS", id="passes row security"),
    pytest.param(f"CREATE ROLE {{}} LOGIN IN ROLE {OWNER}", id="member of the owner"),
    pytest.param("CREATE ROLE {} LOGIN IN ROLE pg_write_all_data", id="writes all data"),
    pytest.param("CREATE ROLE {} LOGIN IN ROLE pg_execute_server_program", id="runs programs"),
    pytest.param(
        "CREATE ROLE {0} LOGIN; GRANT SET ON PARAMETER session_replication_role TO {0}", id="switches triggers off"
    ),
]


@pytest.mark.parametrize("made", MIGHTY)
@pytest.mark.parametrize("option", ["--app", "--reader"])
async def test_a_role_that_could_do_more_is_refused_and_given_nothing(
    command: Command, migrated_url: str, names: Iterator[str], made: str, option: str
) -> None:
    mighty, other = next(names), next(names)
    await run_as_owner(migrated_url, made.format(mighty))
    options = [option, mighty, "--reader" if option == "--app" else "--app", other]
    assert_refused(await command(migrated_url, *options), f"{mighty} can do more than it may: it ")
    async with logged_in(migrated_url.replace("+asyncpg", "")) as connection:
        assert not await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", other)


async def test_the_owner_itself_is_no_role_for_the_service(command: Command, migrated_url: str) -> None:
    assert_refused(await command(migrated_url, "--app", OWNER), f"{OWNER} can do more than it may: it owns")


async def test_what_only_the_owner_of_the_database_can_take_away_is_asked_for(
    command: Command, owner_url: str, own: list[str], names: Iterator[str]
) -> None:
    """The tables are another role's than the database, which lets everybody make temporary tables."""
    owner, database = next(names), make_url(owner_url).database
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    await run_as_owner(
        owner_url,
        f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{owner}'; GRANT CREATE ON SCHEMA public TO {owner}; "
        f"DO $$ DECLARE t text; BEGIN FOR t IN {tables} LOOP EXECUTE format('ALTER TABLE %I OWNER TO {owner}', t); "
        f"END LOOP; END $$; ALTER SEQUENCE account_numbers OWNER TO {owner}; "
        f'GRANT TEMPORARY ON DATABASE "{database}" TO PUBLIC',
    )
    url = make_url(owner_url).set(username=owner, password=owner).render_as_string(hide_password=False)
    assert_refused(await command(url, *own), f"{own[1]} can do more .*temporary tables.* FROM PUBLIC")
    await run_as_owner(owner_url, f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC')
    assert (await command(url, *own)).code == 0
    await run_as_owner(owner_url, f"DROP OWNED BY {owner} CASCADE")
