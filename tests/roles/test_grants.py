"""What the catalogue says that the roles may do is what is declared, and what is declared is what the service needs."""

import re
from collections import defaultdict
from itertools import chain

import pytest

from app.database_url import APPLICATION, READER
from app.models import metadata
from app.repositories.statements import _SQL
from app.roles import APPLICATION_MAY, APPLICATION_SEQUENCE, LEDGER, READER_MAY, Privileges
from tests.roles.conftest import Connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRANTED = """
    WITH acl AS (
        SELECT c.oid, c.relowner, x.grantee, x.privilege_type, NULL::smallint AS attnum
          FROM pg_class AS c
         CROSS JOIN LATERAL aclexplode(c.relacl) AS x
         UNION ALL
        SELECT c.oid, c.relowner, x.grantee, x.privilege_type, a.attnum
          FROM pg_class AS c
          JOIN pg_attribute AS a ON a.attrelid = c.oid
         CROSS JOIN LATERAL aclexplode(a.attacl) AS x
    )
    SELECT coalesce(r.rolname, 'PUBLIC') AS role, c.relname, acl.privilege_type, a.attname
      FROM acl
      JOIN pg_class AS c ON c.oid = acl.oid
      LEFT JOIN pg_roles AS r ON r.oid = acl.grantee
      LEFT JOIN pg_attribute AS a ON a.attrelid = acl.oid AND a.attnum = acl.attnum
     WHERE c.relnamespace = 'public'::regnamespace AND acl.grantee <> acl.relowner
"""
TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'S', 'c')"
CHANGED_TABLE = re.compile(r"^ *(?:UPDATE|INSERT INTO) (\w+)", re.MULTILINE)
CHANGES = re.compile(r"^ *SET +(.*?)(?=^ *(?:FROM|WHERE|RETURNING)\b|\Z)", re.MULTILINE | re.DOTALL)
CHANGED_COLUMNS = re.compile(r"\A\(([^)]*)\)|^ *(\w+) = ", re.MULTILINE)


def _rows(role: str, may: Privileges) -> set[tuple[str, str, str, str | None]]:
    return {
        (role, table, privilege, column)
        for table, privileges in may.items()
        for privilege, columns in privileges.items()
        for column in columns or (None,)
    }


async def test_what_is_granted_is_what_is_declared_and_nothing_else(owner: Connection) -> None:
    declared = _rows(APPLICATION, APPLICATION_MAY) | _rows(READER, READER_MAY)
    declared.add((APPLICATION, APPLICATION_SEQUENCE, "USAGE", None))
    assert {tuple(row) for row in await owner.fetch(GRANTED)} == declared


async def test_every_table_says_who_may_do_what_with_it(owner: Connection) -> None:
    tables = {row["relname"] for row in await owner.fetch(TABLES)}
    assert tables == {*APPLICATION_MAY} == {*metadata.tables, "alembic_version", "sandbox_clock"}
    assert tables - {*READER_MAY} == {"key_buckets"}


async def test_the_application_may_change_what_its_statements_change_and_nothing_else() -> None:
    changed: defaultdict[str, set[str]] = defaultdict(set)
    for sql in _SQL.values():
        for changes in CHANGES.finditer(sql):
            *_, table = CHANGED_TABLE.findall(sql[: changes.start()])
            names = chain.from_iterable(CHANGED_COLUMNS.findall(changes[1]))
            changed[table] |= {name.strip() for each in names for name in each.split(",") if name}
    may = {table: set(privileges["UPDATE"]) for table, privileges in APPLICATION_MAY.items() if "UPDATE" in privileges}
    assert may == changed


async def test_nobody_may_remove_anything_and_only_the_owner_changes_the_ledger() -> None:
    for may in (APPLICATION_MAY, READER_MAY):
        assert {privilege for privileges in may.values() for privilege in privileges} <= {"SELECT", "INSERT", "UPDATE"}
    for table in LEDGER:
        assert {*APPLICATION_MAY[table]} == {"SELECT", "INSERT"}
    assert {privilege for privileges in READER_MAY.values() for privilege in privileges} == {"SELECT"}


async def test_no_function_of_the_owners_lends_its_rights(owner: Connection) -> None:
    lent = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    assert await owner.fetch(lent) == []


@pytest.mark.parametrize("role", [APPLICATION, READER])
async def test_a_role_can_log_in_and_nothing_more(owner: Connection, role: str) -> None:
    row = await owner.fetchrow(
        "SELECT rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS more, "
        "EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid) AS is_member "
        "FROM pg_roles AS r WHERE rolname = $1",
        role,
    )
    assert row is not None
    assert tuple(row) == (True, False, False)
