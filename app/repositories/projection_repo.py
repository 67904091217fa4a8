"""What is rewritten in place, though the ledger says it all: where histories stand, wallets, lots, and ended holds."""

from collections.abc import Sequence

from app.database import Connection
from app.domain.account import Account
from app.domain.hold import Hold
from app.domain.wallet import Lot
from app.repositories.literals import literal, times
from app.repositories.statements import statement
from app.repositories.wallet_repo import wallet_columns

UPDATE_PROJECTIONS = statement("update_projections")


async def update(connection: Connection, accounts: Sequence[Account]) -> None:
    """Write what has changed in what was there.

    Raises:
        AssertionError: the database wrote other rows than were meant.
    """
    moved = [each for each in accounts if each.history.appended and not each.is_new]
    wallets = [
        (account, each)
        for account in accounts
        for each in account.books.wallets.values()
        if each.changed and not each.is_new
    ]
    lots = [(account, lot) for account, wallet in wallets for lot in wallet.lots_changed if not lot.is_new]
    ended = [(account, hold) for account in moved for hold in account.books.holds.values() if hold.is_only_ended]
    if not (moved or wallets):
        return
    written = await connection.fetchrow(
        UPDATE_PROJECTIONS,
        *_histories(moved),
        *wallet_columns(wallets),
        *_lots(lots),
        *_ended(ended),
    )
    meant = (len(moved), len(wallets), len(lots), len(ended))
    if written is None or tuple(written) != meant:
        raise AssertionError(f"{meant} accounts, wallets, lots and holds were to be written, {written} were")


def _histories(accounts: Sequence[Account]) -> tuple[str | list[bytes], ...]:
    histories = [each.history for each in accounts]
    return (
        literal([each.owner_id for each in histories]),
        literal([each.bucket for each in histories]),
        literal([each.last_seq for each in histories]),
        [each.last_hash for each in histories],
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


def _ended(pairs: Sequence[tuple[Account, Hold]]) -> tuple[str | list[str], ...]:
    return (
        literal([hold.row.id for _, hold in pairs]),
        literal([account.bucket for account, _ in pairs]),
        literal([hold.captured for _, hold in pairs]),
        [hold.status for _, hold in pairs],
    )
