"""Work on the database that the settings mean."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from app.config import ConfigurationError, Settings
from app.database import Database
from app.database_url import database_url, owner_url, unreachable
from app.domain.errors import DatabaseUnavailable

T = TypeVar("T")


def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]], *, as_owner: bool = False) -> T:
    """Run `work` on the database that the settings mean, as the service or as the owner of the tables.

    Raises:
        ConfigurationError: the database can't be reached or used.
    """

    async def run() -> T:
        url = owner_url(settings) if as_owner else database_url(settings)
        database = Database(url, pooler=settings.database_pooler)
        try:
            return await work(database)
        except DatabaseUnavailable as error:
            raise ConfigurationError(unreachable(settings)) from error
        except asyncpg.UndefinedTableError as error:
            raise ConfigurationError("the tables are not there, or not up to date: run `wallet migrate`") from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise ConfigurationError(f"DATABASE_URL: this role may not do that: {error}") from error
        finally:
            await database.close()

    return asyncio.run(run())
