"""Which database is meant: DATABASE_URL, else the embedded server running in WALLET_HOME, else the usual local one.

And as whom. DATABASE_URL names one role for everything. The embedded server has two, so that the service on a laptop
may do no more than in production: the owner of the tables, and the application.
"""

import sys

from app.config import DEFAULT_DATABASE_URL, ConfigurationError, Settings

EMBEDDED_DATABASE = "wallet"
APPLICATION = "wallet_app"
READER = "wallet_reader"
"""The roles, by their usual names: see `app.roles` for what they may do."""


def database_url(settings: Settings) -> str:
    """Return the URL that the service connects to.

    Raises:
        ConfigurationError: an embedded server runs, and this user may not use it.
    """
    return _url(settings, as_owner=False)


def owner_url(settings: Settings) -> str:
    """Return the URL for what only the owner of the tables may do: migrations, and setting up the roles.

    Raises:
        ConfigurationError: an embedded server runs, and this user may not use it.
    """
    return _url(settings, as_owner=True)


def _url(settings: Settings, *, as_owner: bool) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return _embedded_url(settings, as_owner=as_owner) or DEFAULT_DATABASE_URL


def _embedded_url(settings: Settings, *, as_owner: bool) -> str | None:
    """Return the URL of the server that `wallet serve` runs in WALLET_HOME, None when none runs."""
    if sys.platform == "win32" or not settings.wallet_home.exists():
        return None
    from app.embedded_postgres import OWNER, EmbeddedPostgresError, running_url  # noqa: PLC0415 - POSIX only

    try:
        return running_url(settings.wallet_home, EMBEDDED_DATABASE, OWNER if as_owner else APPLICATION)
    except EmbeddedPostgresError as error:
        raise ConfigurationError(f"WALLET_HOME: {error}") from error


def unreachable(settings: Settings) -> str:
    """Return the line that says what to do when the database can't be reached."""
    if settings.database_url is not None:
        return "DATABASE_URL: the database can't be reached, or refuses this user and password"
    return (
        "no database: set DATABASE_URL, or start `make run` (or `wallet serve`), which brings its own PostgreSQL; "
        "without either, postgres:postgres@localhost:5432/wallet was tried"
    )
