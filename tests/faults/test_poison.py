"""One command that breaks its batch fails alone, and costs few units of work."""

from collections.abc import Awaitable, Callable

import pytest

from app.database import Connection, Database
from app.domain.errors import InternalError
from app.domain.records import Receipt
from app.services.wallet_service import WalletService
from tests.commands import spend, top_up
from tests.conftest import run_as_owner, url_of

USERS = [f"user_{number}" for number in range(500)]


@pytest.mark.parametrize("position", [0, 137, 499])
async def test_one_bad_command_in_500_fails_alone_and_costs_a_dozen_units(
    database: Database, wallets: WalletService, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    await wallets.execute_all([top_up(user, 10, open_account=True) for user in USERS])
    await run_as_owner(
        url_of(database),
        "ALTER TABLE transactions ADD CONSTRAINT ck_transactions_poison CHECK (idempotency_key <> 'poison') NOT VALID",
    )
    units = 0
    run = Database.run

    async def counted(self: Database, work: Callable[[Connection], Awaitable[object]]) -> object:
        nonlocal units
        units += 1
        return await run(self, work)

    monkeypatch.setattr(Database, "run", counted)
    commands = [spend(user, 1, key="poison" if number == position else None) for number, user in enumerate(USERS)]
    answers = await wallets.execute_all(commands)
    assert isinstance(answers.pop(position), InternalError)
    assert all(isinstance(each, Receipt) for each in answers)
    assert units <= 2 + 12  # one for each lane, and a dozen more
