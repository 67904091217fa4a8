"""Which database is meant: DATABASE_URL, else the embedded server running in WALLET_HOME, else the usual local one."""

import sys

from app.config import DEFAULT_DATABASE_URL, ConfigurationError, Settings

EMBEDDED_DATABASE = "wallet"


def database_url(settings: Settings) -> str:
    """Return the URL to connect to.

    Raises:
        ConfigurationError: an embedded server runs, and this user may not use it.
    """
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return embedded_url(settings) or DEFAULT_DATABASE_URL


def embedded_url(settings: Settings) -> str | None:
    """Return the URL of the server that `wallet serve` runs in WALLET_HOME, None when none runs."""
    if sys.platform == "win32" or not settings.wallet_home.exists():
        return None
    from app.embedded_postgres import EmbeddedPostgresError, running_url  # noqa: PLC0415 - POSIX only

    try:
        return running_url(settings.wallet_home, EMBEDDED_DATABASE)
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
