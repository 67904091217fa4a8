"""What is kept in memory of accounts and transactions is bounded: the oldest goes first, and is asked for again."""

import pytest

from app.database import Database
from app.services import account_directory, transaction_directory
from app.services.account_directory import AccountDirectory
from app.services.ids import new_id
from app.services.transaction_directory import TransactionDirectory

NOBODY = {"first": 1, "second": 2, "third": 3}


async def test_the_account_met_first_is_forgotten_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_directory, "REMEMBERED_MAX", 2)
    directory = AccountDirectory()
    directory.remember(NOBODY)
    found = await database.read(lambda connection: directory.find(connection, dict.fromkeys(NOBODY, 0)))
    assert found == {"second": 2, "third": 3}  # the first was asked for, and there is no such account


async def test_the_transaction_met_first_is_forgotten_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_directory, "REMEMBERED_MAX", 2)
    directory = TransactionDirectory(database)
    ids = [new_id(0) for _ in range(3)]
    for number, each in enumerate(ids):
        directory.remember(each, number)
    assert await directory.find((each, 0) for each in ids) == {ids[1]: 1, ids[2]: 2}
