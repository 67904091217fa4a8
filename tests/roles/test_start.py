"""What a service says when it starts: what its role can do too much, and what it can't do."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from app.config import ConfigurationError, LogFormat, Settings
from app.database import Database
from app.database_url import APPLICATION
from app.embedded_postgres import OWNER
from app.logs import configure_logs
from app.roles import apply_roles, check_role, warn_if_degraded
from tests.api.programs import SERVE, free_port, run
from tests.conftest import DIRECT_URL, TEMPLATE, as_owner, cloned_database, run_as_owner, serving

NOTICE = "runs_degraded"

with_other = pytest.mark.asyncio(loop_scope="module")
"""For tests that share `other`."""


def notices(err: str) -> list[str]:
    """Return the reasons of the notices among what was logged."""
    events = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    return [event["reason"] for event in events if (event["event"], event["level"]) == (NOTICE, "warning")]


async def started(url: str, **settings: object) -> None:
    """Start the service and stop it again."""
    shown = {"log_format": LogFormat.JSON, **settings}
    async with serving(Settings(database_url=SecretStr(url)).model_copy(update=shown)) as client:
        assert (await client.get("/health/ready")).status_code == 200


async def test_one_role_for_everything_is_one_notice_that_says_what_to_do(
    seeded_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await started(as_owner(seeded_url))
    (reason,) = notices(capsys.readouterr().err)
    assert "may change and remove what is in the ledger" in reason
    assert "`wallet roles`" in reason


async def test_the_application_starts_migrates_and_seeds_without_a_word(
    empty_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await started(empty_url, migrate_on_start=True, seed_on_start=True)
    assert notices(capsys.readouterr().err) == []


@dataclass(frozen=True)
class Other:
    """A database, and an application on it whose role is this module's own."""

    owner_url: str
    role: str
    database: Database


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other(pytestconfig: pytest.Config) -> AsyncIterator[Other]:
    role = f"other_{os.getpid()}"
    server_url = as_owner(pytestconfig.stash[DIRECT_URL])
    async with cloned_database(server_url, TEMPLATE) as url:
        owner = Database(url)
        await apply_roles(owner, app=role, password=role)
        await owner.close()
        database = Database(make_url(url).set(username=role, password=role).render_as_string(hide_password=False))
        yield Other(url, role, database)
        await database.close()
    await run_as_owner(server_url, f"DROP ROLE {role}")


MIGHT = [
    pytest.param(
        "GRANT UPDATE (actor) ON transactions TO {}", "REVOKE ALL (actor) ON transactions FROM {}", id="column"
    ),
    pytest.param("GRANT UPDATE ON ledger_entries TO {}", "REVOKE UPDATE ON ledger_entries FROM {}", id="update"),
    pytest.param("GRANT DELETE ON transactions TO {}", "REVOKE DELETE ON transactions FROM {}", id="delete"),
    pytest.param(
        "GRANT TRUNCATE ON lots TO {0}; GRANT TRUNCATE ON transactions TO PUBLIC",
        "REVOKE TRUNCATE ON transactions FROM PUBLIC",
        id="truncate",
    ),
    pytest.param("GRANT TRIGGER ON transactions TO {}", "REVOKE TRIGGER ON transactions FROM {}", id="trigger"),
    pytest.param(
        "ALTER TABLE ledger_entries OWNER TO {}",
        f"ALTER TABLE ledger_entries OWNER TO {OWNER}; GRANT SELECT, INSERT ON ledger_entries TO {{}}",
        id="owner",
    ),
    pytest.param(
        "ALTER SCHEMA public OWNER TO {}",
        "ALTER SCHEMA public OWNER TO pg_database_owner; GRANT USAGE ON SCHEMA public TO {}",
        id="schema",
    ),
    pytest.param("GRANT pg_write_all_data TO {}", "REVOKE pg_write_all_data FROM {}", id="all data"),
    pytest.param(f"GRANT {OWNER} TO {{}}", f"REVOKE {OWNER} FROM {{}}", id="member"),
    pytest.param("ALTER ROLE {} SUPERUSER", "ALTER ROLE {} NOSUPERUSER", id="superuser"),
]


@with_other
@pytest.mark.parametrize(("grant", "undo"), MIGHT)
async def test_whatever_lets_the_role_change_what_happened_is_noticed(
    other: Other, grant: str, undo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(Settings(log_format=LogFormat.JSON))
    found = []
    for statement in (grant, undo):
        await run_as_owner(other.owner_url, statement.format(other.role))
        await warn_if_degraded(other.database)
        found.append(len(notices(capsys.readouterr().err)))
    assert found == [1, 0]


LACKS = [
    pytest.param("INSERT ON lots", "INSERT on lots", id="table"),
    pytest.param("SELECT ON transactions", "SELECT on transactions", id="ledger"),
    pytest.param("UPDATE (held) ON wallets", "UPDATE on wallets", id="column"),
    pytest.param("SELECT ON alembic_version", "SELECT on alembic_version", id="revision"),
    pytest.param("USAGE ON SEQUENCE account_numbers", "USAGE on account_numbers", id="sequence"),
]


@with_other
@pytest.mark.parametrize(("privilege", "named"), LACKS)
async def test_a_privilege_that_is_missing_is_one_line_that_names_it(other: Other, privilege: str, named: str) -> None:
    await run_as_owner(other.owner_url, f"REVOKE {privilege} FROM {other.role}")
    with pytest.raises(ConfigurationError) as refused:
        await check_role(other.database)
    await run_as_owner(other.owner_url, f"GRANT {privilege} TO {other.role}")
    await check_role(other.database)
    assert str(refused.value) == (
        f"DATABASE_URL: the role {other.role} lacks {named}: run `wallet roles` as the owner of the tables"
    )


async def test_a_table_that_a_later_version_brings_is_not_missed_before_it_is_there(empty_url: str) -> None:
    """Without MIGRATE_ON_START the service may start before the migration has run; it is not ready until then."""
    await run_as_owner(empty_url, "DROP TABLE key_buckets; ALTER TABLE lots DROP COLUMN reversed CASCADE")
    database = Database(empty_url)
    await check_role(database)
    await database.close()


@pytest.mark.parametrize("revision", [None, "0002"])
async def test_the_application_can_not_migrate_and_says_who_has_to(server_url: str, revision: str | None) -> None:
    async with cloned_database(server_url, "template1" if revision is None else TEMPLATE) as url:
        if revision is not None:
            await run_as_owner(url, f"UPDATE alembic_version SET version_num = '{revision}'")
        with pytest.raises(
            ConfigurationError, match=r"^DATABASE_URL: [^\n]*`wallet migrate` as their owner[^\n]*`wallet roles`$"
        ):
            await started(url)


async def test_many_workers_that_lack_a_privilege_are_one_line_too(empty_url: str) -> None:
    await run_as_owner(empty_url, f"REVOKE INSERT ON lots FROM {APPLICATION}")
    ended = await run(*SERVE, DATABASE_URL=empty_url, PORT=str(free_port()), WORKERS="2")
    assert ended.code == 2
    assert ended.err.startswith("wallet: DATABASE_URL: ")
    assert ended.err.count("\n") == 1
