"""The seed: three asset types, and two users with something in every wallet.

Any number of times, in any order with seed.sql, beside a running service or not: what is there stays as it is. The
balances come in as ordinary top-ups and bonuses under fixed idempotency keys.
"""

from dataclasses import dataclass

from app.database import Connection, Database
from app.domain.commands import Bonus, Command, TopUp
from app.domain.errors import WalletError
from app.domain.placement import bucket_of
from app.repositories import asset_repo
from app.services.account_service import AccountService
from app.services.ids import new_id
from app.services.wallet_service import WalletService

ASSET_TYPES = ((1, "GOLD", "Gold Coins", 2), (2, "DMND", "Diamonds", 2), (3, "PTS", "Loyalty Points", 2))

CREDITS: tuple[tuple[str, type[TopUp | Bonus], int, int], ...] = (
    ("user_alice", TopUp, 1, 100_000),
    ("user_alice", Bonus, 1, 5_000),
    ("user_alice", TopUp, 2, 20_000),
    ("user_alice", Bonus, 3, 250_000),
    ("user_bob", TopUp, 1, 50_000),
    ("user_bob", Bonus, 2, 1_000),
    ("user_bob", Bonus, 3, 75_000),
)
"""User, operation, asset type, smallest units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seeded:
    """What a seeding found missing and put in."""

    asset_types: int
    accounts: int
    credits: int


async def seed(database: Database) -> Seeded:
    """Put in what is missing of the seed.

    Raises:
        WalletError: a part could not be put in; seeding again goes on from there.
    """

    async def add_asset_types(connection: Connection) -> int:
        return await asset_repo.insert_missing(connection, ASSET_TYPES)

    asset_types = await database.run(add_asset_types)
    wallets = WalletService(database)
    accounts = AccountService(database, wallets)
    try:
        opened = [await accounts.open(user, None) for user in sorted({user for user, *_ in CREDITS})]
        answers = await wallets.execute_all([_credit(*each) for each in CREDITS])
    finally:
        await wallets.close()
    for answer in answers:
        if isinstance(answer, WalletError):
            raise answer
    return Seeded(
        asset_types=asset_types,
        accounts=sum(was_opened for _, was_opened in opened),
        credits=sum(not each.replayed for each in answers if not isinstance(each, WalletError)),
    )


def _credit(user: str, kind: type[TopUp | Bonus], asset_type_id: int, amount: int) -> Command:
    bucket = bucket_of(user)
    return kind(
        transaction_id=new_id(bucket),
        lot_id=new_id(bucket),
        external_user_id=user,
        bucket=bucket,
        asset_type_id=asset_type_id,
        amount=amount,
        actor="seed",
        idempotency_key=f"seed:{kind.type.value}:{asset_type_id}",
    )
