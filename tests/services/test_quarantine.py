"""A user whose books are found wrong can be quarantined: nothing more is booked until an operator has looked."""

import pytest
from sqlalchemy import text

from app.database import Database
from app.domain.errors import AccountQuarantined
from app.domain.records import AccountStatus
from app.services.verify_service import quarantine, verify
from app.services.wallet_service import WalletService
from tests.commands import change_account, spend, top_up


async def test_the_user_whose_books_are_wrong_is_quarantined_until_the_status_is_set_again(
    database: Database, wallets: WalletService
) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE wallets SET posted = posted + 1 WHERE asset_type_id = 2 "
                "AND owner_id = (SELECT id FROM accounts WHERE external_user_id = 'user_bob')"
            )
        )
    verdict = await verify(database)
    assert verdict.external_user_id == "user_bob"
    await quarantine(database, verdict)
    for command in (spend("user_bob", 1), top_up("user_bob", 1)):
        with pytest.raises(AccountQuarantined):
            await wallets.execute(command)
    await wallets.execute(spend("user_alice", 1))
    async with database.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE wallets SET posted = posted - 1 WHERE asset_type_id = 2 "
                "AND owner_id = (SELECT id FROM accounts WHERE external_user_id = 'user_bob')"
            )
        )
    await wallets.execute(change_account("user_bob", status=AccountStatus.ACTIVE))
    await wallets.execute(spend("user_bob", 1))
    assert (await verify(database)).external_user_id is None


async def test_where_nothing_is_wrong_nobody_is_quarantined(database: Database) -> None:
    with pytest.raises(ValueError, match="no user"):
        await quarantine(database, await verify(database))
