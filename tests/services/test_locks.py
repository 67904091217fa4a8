"""The one lock: a unit of work holds its owners' rows from its first statement to its commit, and nobody else's."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.database import Connection, Database
from app.repositories import account_repo

TRY = "SELECT 1 FROM accounts WHERE id = :id FOR NO KEY UPDATE NOWAIT"


async def is_locked(database: Database, account_id: int) -> bool:
    async with database.engine.connect() as stranger:
        try:
            await stranger.execute(text(TRY), {"id": account_id})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            return True
        return False


@pytest.mark.parametrize("skip_locked", [False, True], ids=["waiting", "skipping"])
async def test_the_owners_of_a_unit_are_locked_until_it_ends_and_nobody_else_is(
    database: Database, skip_locked: bool
) -> None:
    async def work(connection: Connection) -> dict[str, int]:
        ids = await account_repo.find_ids(connection, [("user_alice", 92), ("user_bob", 869)])
        await account_repo.lock(connection, [(ids["user_alice"], 92)], skip_locked=skip_locked)
        assert await is_locked(database, ids["user_alice"])
        assert not await is_locked(database, ids["user_bob"])
        assert not await is_locked(database, 1)
        assert not await is_locked(database, 2)
        return ids

    ids = await database.run(work)
    assert not await is_locked(database, ids["user_alice"])
