"""Put the seed data in: `python -m scripts.seed`, or `make seed`.

Makes the tables first where they are missing, so it works before the service ever ran. Any number of times: what is
there stays as it is.
"""

import asyncio
import sys

from app.config import ConfigurationError, Settings, load_settings
from app.database import CommitUnconfirmed, Database
from app.database_url import database_url, unreachable
from app.domain.errors import DatabaseUnavailable, WalletError
from app.migration import SchemaTooNew, migrate
from app.services.seed_service import Seeded, seed

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2


def main() -> int:
    """Seed the database that the settings mean, and say in one line what was done or what is wrong."""
    try:
        settings = load_settings()
        seeded = asyncio.run(_seed(settings))
    except ConfigurationError as error:
        return _fail(error, EXIT_MISCONFIGURED)
    except DatabaseUnavailable:
        return _fail(unreachable(settings), EXIT_FAILED)
    except CommitUnconfirmed:
        return _fail("the connection to the database was lost: seed again", EXIT_FAILED)
    except (WalletError, SchemaTooNew) as error:
        return _fail(error, EXIT_FAILED)
    print(_sentence(seeded))
    return 0


async def _seed(settings: Settings) -> Seeded:
    database = Database(database_url(settings), pooler=settings.database_pooler)
    try:
        await migrate(database, sandbox=settings.sandbox)
        return await seed(database)
    finally:
        await database.close()


def _sentence(seeded: Seeded) -> str:
    if not (seeded.asset_types or seeded.accounts or seeded.credits):
        return "The seed was there already; nothing was changed."
    return f"Put in: {seeded.asset_types} asset types, {seeded.accounts} accounts, {seeded.credits} credits."


def _fail(problem: object, code: int) -> int:
    sys.stderr.write(f"seed: {problem}\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
