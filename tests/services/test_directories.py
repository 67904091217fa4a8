"""What is kept in memory of accounts and transactions is bounded: the oldest goes first, and is asked for again."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from app.database import Connection, Database
from app.repositories import ledger_repo
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


async def test_who_asks_about_transactions_at_once_is_answered_by_one_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[UUID]] = []

    async def find(_: Connection, ids: Sequence[tuple[UUID, int]]) -> dict[UUID, int | None]:
        asked.append({each for each, _ in ids})
        return {each: 1 for each, _ in ids if each != nowhere}

    monkeypatch.setattr(ledger_repo, "find_asset_types", find)
    directory = TransactionDirectory(database)
    first, second, nowhere = (new_id(0) for _ in range(3))
    found = await asyncio.gather(
        directory.find([(first, 0)]), directory.find([(nowhere, 0)]), directory.find([(second, 0), (first, 0)])
    )
    assert list(found) == [{first: 1}, {}, {second: 1, first: 1}]
    assert asked == [{first, second, nowhere}]
    assert await directory.find([(second, 0), (nowhere, 0)]) == {second: 1}
    assert asked[1:] == [{nowhere}]  # what is there is remembered, what is not is asked for again
    await directory.close()
