"""Spending updates the hot rows in their pages, without touching an index."""

from app.database import Database
from app.domain.commands import Spend
from app.domain.placement import bucket_of
from app.services.ids import new_id
from app.services.wallet_service import WalletService

SPENDS = 120
"""Enough that the versions of one row fill more than a page, so that the room must be used again."""

USER = "user_alice"


async def test_updates_by_spends_are_heap_only(seeded_url: str) -> None:
    database = Database(seeded_url, pool_size=1)  # one connection, whose statistics can be asked for
    wallets = WalletService(database)
    bucket = bucket_of(USER)
    for _ in range(SPENDS):
        await wallets.execute(
            Spend(
                transaction_id=new_id(bucket),
                external_user_id=USER,
                bucket=bucket,
                asset_type_id=1,
                amount=1,
                actor="a test",
            )
        )
    await wallets.close()
    await database.read(lambda connection: connection.fetch("SELECT pg_stat_force_next_flush()"))
    rows = await database.read(
        lambda connection: connection.fetch("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables")
    )
    await database.close()
    updates = {row["relname"]: (row["n_tup_upd"], row["n_tup_hot_upd"]) for row in rows}
    for table in ("accounts", "wallets", "lots"):
        updated, heap_only = updates[table]
        assert updated == SPENDS
        assert heap_only >= 0.9 * updated, f"{heap_only} of {updated} updates of {table} were heap-only"
