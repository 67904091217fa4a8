"""What is rewritten in place, though the ledger says it all: where histories stand, wallets, lots, and ended holds."""

from collections.abc import Sequence

from app.database import Connection
from app.domain.account import Account
from app.domain.hold import Hold
from app.domain.wallet import Lot, Wallet
from app.repositories.literals import digests, literal, texts, times
from app.repositories.statements import statement
from app.repositories.wallet_repo import wallet_columns

UPDATE_PROJECTIONS = statement("update_projections")


async def update(
    connection: Connection,
    accounts: Sequence[Account],
    wallets: Sequence[tuple[Account, Wallet]],
    lots: Sequence[tuple[Account, Lot]],
    ended_holds: Sequence[tuple[Account, Hold]],
) -> None:
    """Write what has changed in these, which were there before.

    Raises:
        AssertionError: the database wrote other rows than were meant.
    """
    if not (accounts or wallets):
        return
    written = await connection.fetchrow(
        UPDATE_PROJECTIONS, *_histories(accounts), *wallet_columns(wallets), *_lots(lots), *_ended(ended_holds)
    )
    meant = (len(accounts), len(wallets), len(lots), len(ended_holds))
    if written is None or tuple(written) != meant:
        raise AssertionError(f"{meant} accounts, wallets, lots and holds were to be written, {written} were")


def _histories(accounts: Sequence[Account]) -> tuple[str, ...]:
    histories = [each.history for each in accounts]
    return (
        literal([each.owner_id for each in histories]),
        literal([each.bucket for each in histories]),
        literal([each.last_seq for each in histories]),
        digests([each.last_hash for each in histories]),
        times([each.last_at for each in histories]),
        times([each.last_effective_at for each in histories]),
    )


def _lots(pairs: Sequence[tuple[Account, Lot]]) -> tuple[str, ...]:
    return (
        literal([lot.row.id for _, lot in pairs]),
        literal([account.bucket for account, _ in pairs]),
        literal([lot.remaining for _, lot in pairs]),
        literal([lot.held for _, lot in pairs]),
    )


def _ended(pairs: Sequence[tuple[Account, Hold]]) -> tuple[str, ...]:
    return (
        literal([hold.row.id for _, hold in pairs]),
        literal([account.bucket for account, _ in pairs]),
        literal([hold.captured for _, hold in pairs]),
        texts([hold.status for _, hold in pairs]),
    )
