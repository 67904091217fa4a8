"""Changes of an account itself: its state, the limits of its own, and the end of its name."""

import json
from collections.abc import Iterable, Mapping

from app.domain.chain import canonical
from app.domain.commands import ChangeAccount, EraseAccount
from app.domain.errors import AccountNotClosed, AccountNotEmpty
from app.domain.records import AccountStatus
from app.domain.wallet import Wallet

ERASED_PREFIX = "erased/"
"""What the name of an erased user begins with. No user's own name has a slash."""


def tombstone(account_id: int) -> str:
    """Return what stands for the name of an erased user."""
    return f"{ERASED_PREFIX}{account_id}"


def expect_change_allowed(
    command: ChangeAccount | EraseAccount, status: AccountStatus, wallets: Iterable[Wallet]
) -> None:
    """Raise AccountNotClosed or AccountNotEmpty when the change has to wait for something else."""
    if isinstance(command, EraseAccount):
        if status is not AccountStatus.CLOSED:
            raise AccountNotClosed(account_status=status.value)
    elif command.status is AccountStatus.CLOSED and any(wallet.posted for wallet in wallets):
        raise AccountNotEmpty


def changed_limits(before: str | None, changes: Mapping[int, Mapping[str, int | None]]) -> str | None:
    """Return the limits of an account, as stored, with `changes` made; None when there are none left."""
    limits: dict[str, dict[str, int]] = json.loads(before or "{}")
    for asset_type_id, names in changes.items():
        own: dict[str, int | None] = {**limits.get(str(asset_type_id), {}), **names}
        limits[str(asset_type_id)] = {name: value for name, value in own.items() if value is not None}
    kept = {asset_type_id: own for asset_type_id, own in limits.items() if own}
    return canonical(kept) if kept else None
