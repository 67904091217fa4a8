"""The settings, read once from the environment: nothing else in the program reads it."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_DATABASE_URL = "postgresql+asyncpg://postgres:postgres@localhost:5432/wallet"

_SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg")
_PARAMETERS = frozenset({"host", "port", "ssl", "target_session_attrs"})
_LIBPQ_ONLY = frozenset({"application_name", "channel_binding", "connect_timeout", "gssencmode"})
"""What hosts put into their URLs and asyncpg does by itself, or we do."""

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class ConfigurationError(Exception):
    """A setting is wrong. The message is one line that names it."""


class Access(StrEnum):
    """Who is answered without a key."""

    KEY = "key"
    REQUIRED = "required"
    OFF = "off"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class Pooler(StrEnum):
    """What stands between the service and PostgreSQL."""

    NONE = "none"
    TRANSACTION = "transaction"


def _lower(value: Any) -> Any:  # noqa: ANN401 - whatever the environment holds
    return value.strip().lower() if isinstance(value, str) else value


class Settings(BaseSettings):
    """Every setting, as an environment variable of the same name in capitals. All have a default."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL 15 or newer, as postgresql://user:password@host:port/database. Without it: the server "
        "that `wallet serve` runs in WALLET_HOME, else postgres:postgres@localhost:5432/wallet.",
    )
    database_pooler: Annotated[Pooler, BeforeValidator(_lower)] = Field(
        default=Pooler.NONE,
        description="`transaction` when DATABASE_URL is a pooler in transaction mode (pgbouncer); else `none`.",
    )
    database_pool_size: int = Field(
        default=10, ge=8, le=200, description="Connections to PostgreSQL that each worker process keeps at most."
    )
    wallet_home: Path = Field(
        default=Path(".wallet"), description="The folder of the PostgreSQL that `wallet serve` starts by itself."
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on; 0.0.0.0 for all.")
    port: int = Field(default=8000, ge=1, le=65535, description="The port to listen on.")
    workers: int = Field(default=1, ge=1, le=64, description="How many processes serve.")
    wallet_api_key: SecretStr | None = Field(
        default=None,
        description="The bootstrap key, which may do everything: when set, every call under /api/v1 needs this or an "
        "API key, as `Authorization: Bearer <key>`. At least 16 characters.",
    )
    auth: Annotated[Access, BeforeValidator(_lower)] = Field(
        default=Access.KEY,
        description="`key`: without WALLET_API_KEY callers on this machine need no key. `required`: every caller needs "
        "one. `off`: while WALLET_API_KEY is not set nobody needs one.",
    )
    migrate_on_start: bool = Field(default=True, description="Bring the database's tables up to date at start.")
    seed_on_start: bool = Field(default=False, description="Put the seed data in at start, if it is not there yet.")
    sandbox: bool = Field(
        default=False,
        description="Make a database that has no tables yet a sandbox, whose clock can be advanced; refuse any other. "
        "What was created as a sandbox stays one, whatever this says.",
    )
    due_job: bool = Field(
        default=True,
        description="Book expired credits and ended holds in the background, in one process at a time. Balances are "
        "exact without it.",
    )
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = Field(
        default=LogFormat.JSON, description="`json`, or `console` for reading along."
    )
    log_level: Annotated[str, BeforeValidator(_lower)] = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="`debug`, `info`, `warning` or `error`."
    )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else SecretStr(asyncpg_url(value.get_secret_value()))

    @field_validator("wallet_api_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        if not re.fullmatch(r"[\x21-\x7e]{16,}", value.get_secret_value()):
            raise ValueError("must have at least 16 characters, all printable ASCII and no blanks")
        return value


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigurationError: one line that names the first wrong setting; it never shows the value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "the settings"
        raise ConfigurationError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None


def asyncpg_url(url: str) -> str:
    """Rewrite a PostgreSQL URL to the one SQLAlchemy wants: the driver asyncpg, its `ssl` for libpq's `sslmode`.

    Raises:
        ValueError: it is not the URL of a PostgreSQL database; the message does not show it.
    """
    try:
        parts = urlsplit(url.strip())
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok = False
    if not port_ok or parts.scheme not in _SCHEMES or not parts.path.strip("/"):
        raise ValueError("must be a PostgreSQL URL, as in postgresql://user:password@host:5432/database")
    if "@" in parts.netloc.rpartition("@")[0] + parts.path + parts.query + parts.fragment:  # readers differ about it
        raise ValueError("has an @ that separates nothing: in a password, write / as %2F, ? as %3F, # as %23, @ as %40")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.netloc and "host" not in query:
        raise ValueError("must name a host, as in postgresql://user:password@host:5432/database")
    if (mode := query.pop("sslmode", None)) is not None:
        if mode not in _SSL_MODES:
            raise ValueError(f"sslmode must be one of {', '.join(_SSL_MODES)}")
        query["ssl"] = mode
    query = {name: value for name, value in query.items() if name not in _LIBPQ_ONLY}
    if unknown := sorted(query.keys() - _PARAMETERS):
        raise ValueError(f"has a parameter that is not known here: {unknown[0]}")
    netloc = parts.netloc.removesuffix(":")  # an empty port, which SQLAlchemy can't read
    return urlunsplit(("postgresql+asyncpg", netloc, parts.path, urlencode(query, safe="/"), ""))
