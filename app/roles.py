"""Who may do what in the database: declared here, set up by `wallet roles`, and looked at whenever the service starts.

The owner of the tables migrates. The application reads, appends to the ledger, and changes elsewhere exactly those
columns that its statements change; it removes nothing and makes no table. The reader is for reports: it sees all but
what proves a key. So what is in the two ledger tables stays as it was even if the service is made to send any SQL, and
what is changed beside them, `wallet verify` finds. Not API keys: whoever sends SQL as the service can make one.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import structlog

from app.config import ConfigurationError
from app.database import CommitUnconfirmed, Connection, Database, LockHeld
from app.database_url import APPLICATION, READER

log = structlog.get_logger(__name__)

Privileges: TypeAlias = Mapping[str, Mapping[str, tuple[str, ...]]]
"""By table and privilege the columns it is for: none named, all of them."""

ADVISORY_LOCK = 7_205_759_405
LOCK_TIMEOUT = "3s"
PASSWORD_BYTES = 24
SCRAM_ITERATIONS = 4096

_READ: Mapping[str, tuple[str, ...]] = {"SELECT": ()}
_APPEND: Mapping[str, tuple[str, ...]] = {"SELECT": (), "INSERT": ()}


def _append_and_change(*columns: str) -> Mapping[str, tuple[str, ...]]:
    return {**_APPEND, "UPDATE": columns}


APPLICATION_MAY: Privileges = {
    "transactions": _APPEND,
    "ledger_entries": _APPEND,
    "accounts": _append_and_change(
        "external_user_id", "last_at", "last_effective_at", "last_hash", "last_seq", "limits", "metadata", "status"
    ),
    "wallets": _append_and_change("day", "day_credited", "day_spent", "held", "next_due_at", "posted"),
    "lots": _append_and_change("debt", "expired", "held", "open", "remaining", "reversed"),
    "holds": _append_and_change("amount", "captured", "deadline", "lot_amounts", "lot_held_at", "lot_ids", "status"),
    "transaction_notes": _append_and_change("metadata", "operator", "reason", "reference", "salt"),
    "asset_types": _append_and_change(
        *("amount_max", "amount_min", "balance_max", "daily_credit_max", "daily_spend_max", "default_expiry_days"),
        *("hold_seconds", "name", "status"),
    ),
    "api_keys": _append_and_change("last_used_at", "revoked_at", "revoked_by"),
    "key_buckets": _append_and_change("filled_at", "granted", "tokens"),
    "sandbox_clock": {"SELECT": (), "UPDATE": ("offset_seconds",)},
    "alembic_version": _READ,
}
READER_MAY: Privileges = {
    **{table: _READ for table in APPLICATION_MAY if table not in {"api_keys", "key_buckets"}},
    "api_keys": {
        "SELECT": (
            *("burst", "created_at", "created_by", "ending", "expires_at", "id", "last_used_at", "name"),
            *("requests_per_second", "revoked_at", "revoked_by", "scopes"),
        )
    },
}
APPLICATION_SEQUENCE = "account_numbers"
"""The only one it takes numbers from: PostgreSQL itself takes those of the identity columns."""

OPTIONAL = {"sandbox_clock"}
"""Tables that only some databases have."""

LEDGER = ("transactions", "ledger_entries")

_NAME = re.compile(r"(?!pg_|public$|none$)[a-z_][a-z0-9_]{0,62}")

_OURS = "c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"

_CALLER = f"""
SELECT current_user AS name, current_database() AS database, c.relname AS table, o.rolname AS owner,
       pg_has_role(c.relowner, 'USAGE') AS is_owner
  FROM pg_class AS c
  JOIN pg_roles AS o ON o.oid = c.relowner
 WHERE {_OURS} AND c.relname = ANY ($1)
"""  # noqa: S608 - constants

_MISSING = """
SELECT r.role, d.relation, d.privilege
  FROM coalesce($1::name, current_user) AS r (role)
 CROSS JOIN unnest($2::text[], $3::text[], $4::text[]) AS d (relation, privilege, attribute)
  JOIN pg_class AS c ON c.relname = d.relation AND c.relnamespace = 'public'::regnamespace
  LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = d.attribute
 WHERE CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(r.role, c.oid, d.privilege)
            WHEN d.attribute IS NULL THEN NOT has_table_privilege(r.role, c.oid, d.privilege)
            ELSE NOT has_column_privilege(r.role, c.oid, a.attnum, d.privilege)
       END
"""

_HELD = f"""
SELECT c.relname AS relation, p.privilege, a.attname AS attribute
  FROM pg_class AS c
 CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p (privilege)
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE {_OURS} AND c.relname = ANY ($2) AND has_column_privilege($1::name, c.oid, a.attnum, p.privilege)
 UNION ALL
SELECT c.relname, p.privilege, NULL
  FROM pg_class AS c
 CROSS JOIN unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS p (privilege)
 WHERE {_OURS} AND c.relname = ANY ($2) AND has_table_privilege($1::name, c.oid, p.privilege)
"""  # noqa: S608 - constants

_POWERS = f"""
(SELECT CASE WHEN r.rolname = $1 THEN 'it owns the database or its tables, or may make roles or more'
             ELSE format('it can become %s', r.rolname)
        END AS power
   FROM pg_roles AS r
  WHERE pg_has_role($1::name, r.oid, 'MEMBER')
    AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
         OR r.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files',
                         'pg_signal_backend', 'pg_maintain', 'pg_create_subscription')
         OR r.oid IN (SELECT c.relowner FROM pg_class AS c WHERE {_OURS} AND c.relname = ANY ($2))
         OR r.oid = (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = 'public')
         OR r.oid = (SELECT d.datdba FROM pg_database AS d WHERE d.datname = current_database()))
  ORDER BY r.rolname <> $1
  LIMIT 1)
 UNION ALL
SELECT 'it begins its sessions with a setting of its own that endangers the ledger: ALTER ROLE … RESET ' || s.name
  FROM pg_db_role_setting AS d
  JOIN pg_roles AS r ON r.oid = d.setrole
 CROSS JOIN LATERAL (SELECT split_part(c.line, '=', 1) AS name FROM unnest(d.setconfig) AS c (line)) AS s
 WHERE r.rolname = $1 AND s.name IN ('search_path', 'session_replication_role', 'synchronous_commit')
 UNION ALL
SELECT 'it may switch triggers off: REVOKE SET ON PARAMETER session_replication_role'
 WHERE has_parameter_privilege($1::name, 'session_replication_role', 'SET')
 UNION ALL
SELECT 'it may make objects: let the owner of the schema public REVOKE CREATE ON SCHEMA public FROM PUBLIC'
 WHERE has_schema_privilege($1::name, 'public', 'CREATE')
 UNION ALL
SELECT 'it may make schemas or temporary tables: let the owner of the database REVOKE CREATE, TEMPORARY … FROM PUBLIC'
 WHERE has_database_privilege($1::name, current_database(), 'CREATE, TEMPORARY')
"""  # noqa: S608 - constants

_MAY_REWRITE = f"""
SELECT coalesce(bool_or(
           pg_has_role(c.relowner, 'MEMBER')
           OR pg_has_role(n.nspowner, 'MEMBER')
           OR has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER')
           OR has_any_column_privilege(c.oid, 'UPDATE')
       ), false)
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE {_OURS} AND c.relname = ANY ($1)
"""  # noqa: S608 - constants


async def check_role(database: Database) -> None:
    """See to it that the role that we are connected as can do the work of the service.

    Raises:
        ConfigurationError: it lacks a privilege; one line names the first.
        DatabaseUnavailable: it can't be told.
    """
    declared = _declared(APPLICATION_MAY, APPLICATION_SEQUENCE)
    binds = [list(each) for each in zip(*declared, strict=True)]
    lacking = await database.read(lambda connection: connection.fetch(f"{_MISSING} LIMIT 1", None, *binds))
    for row in lacking:
        raise ConfigurationError(
            f"DATABASE_URL: the role {row['role']} lacks {row['privilege']} on {row['relation']}: run `wallet roles` "
            "as the owner of the tables"
        )


async def warn_if_degraded(database: Database) -> None:
    """Say so when the role that we are connected as could change what happened.

    Raises:
        DatabaseUnavailable: it can't be told.
    """
    if await database.read(lambda connection: connection.fetchval(_MAY_REWRITE, LEDGER)):
        log.warning(
            "runs_degraded",
            reason="the database role of this service may change and remove what is in the ledger: run `wallet roles`, "
            "and give the service the role that it makes",
        )


async def apply_roles(
    database: Database,
    *,
    app: str = APPLICATION,
    reader: str = READER,
    new_passwords: bool = False,
    password: str | None = None,
) -> dict[str, str | None]:
    """Make the roles that are missing, and let both do what is declared and no more; return their new passwords.

    `database` is reached as the owner of the tables. A role that is there keeps its password, unless it is to have a
    new one or `password` is given, which both get. PostgreSQL is never told a password, only how to check it.

    Raises:
        ConfigurationError: it can't be done; one line says why. Nothing was changed.
        DatabaseUnavailable: nothing was changed.
    """
    for name in (app, reader):
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} can be no role's name here: take small letters, digits and underscores")
    if app == reader:
        raise ConfigurationError("the service and the reports need roles of their own: give two names")
    work = partial(
        _apply, may={app: APPLICATION_MAY, reader: READER_MAY}, app=app, renew=new_passwords, password=password
    )
    try:
        return await database.run(work)
    except LockHeld as error:
        raise ConfigurationError("somebody else is changing the roles or the tables: run this again") from error
    except CommitUnconfirmed as error:
        raise ConfigurationError(
            "the connection was lost, and with it the passwords: run this again with --new-passwords"
        ) from error
    except asyncpg.PostgresError as error:
        raise ConfigurationError(f"DATABASE_URL: the roles can't be set up: {error}".splitlines()[0]) from error


async def _apply(
    connection: Connection, *, may: Mapping[str, Privileges], app: str, renew: bool, password: str | None
) -> dict[str, str | None]:
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    await connection.execute(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
    caller = await _caller(connection)
    passwords = {
        role: await _log_in(connection, role, renew=renew, password=password, caller=caller["name"]) for role in may
    }
    tables = caller["tables"]
    await connection.execute(";\n".join(_grants(may, app=app, tables=tables, database=caller["database"])))
    for role, privileges in may.items():
        await _check(connection, role, privileges, sequence=APPLICATION_SEQUENCE if role == app else None)
    return passwords


async def _caller(connection: Connection) -> dict[str, Any]:
    """Return who is connected to what, and which of the tables are there.

    Raises:
        ConfigurationError: not all of them are, or they are somebody else's.
    """
    rows = await connection.fetch(_CALLER, list(APPLICATION_MAY))
    tables = {row["table"] for row in rows}
    if not tables >= APPLICATION_MAY.keys() - OPTIONAL:
        raise ConfigurationError("the tables are not there yet, or not up to date: run `wallet migrate` first")
    for row in rows:
        if not row["is_owner"]:
            raise ConfigurationError(
                f"DATABASE_URL: only the owner of the tables, {row['owner']}, can set up the roles, not {row['name']}"
            )
    return {"name": rows[0]["name"], "database": rows[0]["database"], "tables": tables}


async def _log_in(connection: Connection, role: str, *, renew: bool, password: str | None, caller: str) -> str | None:
    """Let a role log in, with a password that is given or new; return it, None when the role keeps the one it has."""
    is_there = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    if is_there and not renew and password is None:
        return None
    chosen = password or secrets.token_urlsafe(PASSWORD_BYTES)
    statement = (
        f'ALTER ROLE "{role}" LOGIN'
        if is_there
        else f'CREATE ROLE "{role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
    )
    try:
        await connection.execute(f"{statement} PASSWORD '{scram_verifier(chosen)}'")
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            f"DATABASE_URL: {caller} may not make or change roles: let an administrator of the server "
            f"{f'give {role} another password' if is_there else f'CREATE ROLE {role} LOGIN with a password'}, "
            "then run this again"
        ) from error
    return chosen


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL keeps of a password to check it by (RFC 5802): so no log of the server ever shows it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(each).decode() for each in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


def _grants(may: Mapping[str, Privileges], *, app: str, tables: set[str], database: str) -> Iterator[str]:
    """Yield the statements that take everything from the roles, and from everybody else, and give what is declared."""
    roles, quoted = ", ".join(f'"{role}"' for role in may), '"' + database.replace('"', '""') + '"'
    yield f"REVOKE ALL ON TABLE {', '.join(f'public.{table}' for table in sorted(tables))} FROM PUBLIC, {roles}"
    yield f"REVOKE ALL ON SEQUENCE public.{APPLICATION_SEQUENCE} FROM PUBLIC, {roles}"
    yield f"REVOKE ALL ON SCHEMA public FROM {roles}"
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield f"REVOKE ALL ON DATABASE {quoted} FROM {roles}"
    yield f"REVOKE CREATE, TEMPORARY ON DATABASE {quoted} FROM PUBLIC"
    yield f"GRANT CONNECT ON DATABASE {quoted} TO {roles}"
    yield f"GRANT USAGE ON SCHEMA public TO {roles}"
    yield f'GRANT USAGE ON SEQUENCE public.{APPLICATION_SEQUENCE} TO "{app}"'
    for role, privileges in may.items():
        for table in privileges.keys() & tables:
            for privilege, columns in privileges[table].items():
                narrowed = f" ({', '.join(columns)})" if columns else ""
                yield f'GRANT {privilege}{narrowed} ON TABLE public.{table} TO "{role}"'


async def _check(connection: Connection, role: str, may: Privileges, *, sequence: str | None) -> None:
    """Look at what a role can do now, however it came by that.

    Raises:
        ConfigurationError: less or more than is declared.
    """
    declared = set(_declared(may, sequence))
    for row in await connection.fetch(_MISSING, role, *zip(*declared, strict=True)):
        raise ConfigurationError(f"{role} was not given {row['privilege']} on {row['relation']}")
    held = await connection.fetch(_HELD, role, list(APPLICATION_MAY))
    found = [row["power"] for row in await connection.fetch(_POWERS, role, list(APPLICATION_MAY))]
    for relation, privilege, column in held:
        if not declared & {(relation, privilege, None), (relation, privilege, column)}:
            found.append(f"it has {privilege} on {relation}")
    if found:
        raise ConfigurationError(f"{role} can do more than it may: {found[0]}; or choose another name for it")


def _declared(may: Privileges, sequence: str | None) -> Iterator[tuple[str, str, str | None]]:
    """Yield each privilege by table, name and column, None for all columns."""
    if sequence is not None:
        yield sequence, "USAGE", None
    for table, privileges in may.items():
        for privilege, columns in privileges.items():
            yield from ((table, privilege, column) for column in columns or (None,))
