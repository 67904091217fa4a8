"""What a caller can ask for, as frozen values: ids made up front, amounts in smallest units, text already checked."""

import hashlib
import json
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.domain.chain import microseconds
from app.domain.record import record
from app.domain.records import LotKind, Note, TransactionType

PRIORITY_DEFAULT = 50


@record
class Command:
    """One operation on one wallet of one user.

    `transaction_id` carries `bucket` in its low ten bits. `idempotency_key` belongs to the owner: the same key of
    another user is another key.
    """

    type: ClassVar[TransactionType]

    transaction_id: UUID
    external_user_id: str
    bucket: int
    asset_type_id: int
    amount: int
    actor: str
    idempotency_key: str | None = None
    note: Note | None = None

    @property
    def terms(self) -> str | None:
        """What was stated beyond type, asset and amount, as canonical JSON; None when nothing was."""
        return None

    @property
    def opens_account(self) -> bool:
        """Whether an unknown user gets an account instead of a refusal."""
        return False

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of what the command means: what must be the same for a replay."""
        meaning = f"{self.type.value} {self.asset_type_id} {self.amount} {self.terms or ''}"
        return hashlib.sha256(meaning.encode()).digest()


@record
class Credit(Command):
    """Gives credits: makes one lot, of the type's kind.

    At most one of `expires_at`, `expires_in_days` and `never_expires` is given; without any, the asset type's default
    holds. A lower `priority` (0 to 100) burns first.
    """

    lot_kind: ClassVar[LotKind]

    lot_id: UUID
    expires_at: datetime | None = None
    expires_in_days: int | None = None
    never_expires: bool = False
    priority: int = PRIORITY_DEFAULT
    open_account: bool = False

    @property
    def terms(self) -> str | None:
        """See `Command.terms`."""
        stated: dict[str, int | bool] = {}
        if self.expires_at is not None:
            stated["expires_at"] = microseconds(self.expires_at)
        if self.expires_in_days is not None:
            stated["expires_in_days"] = self.expires_in_days
        if self.never_expires:
            stated["never_expires"] = True
        if self.priority != PRIORITY_DEFAULT:
            stated["priority"] = self.priority
        return json.dumps(stated, sort_keys=True, separators=(",", ":")) if stated else None

    @property
    def opens_account(self) -> bool:
        """See `Command.opens_account`."""
        return self.open_account


@record
class TopUp(Credit):
    """Credits that were bought."""

    type: ClassVar[TransactionType] = TransactionType.TOP_UP
    lot_kind: ClassVar[LotKind] = LotKind.PAID


@record
class Bonus(Credit):
    """Credits that were given."""

    type: ClassVar[TransactionType] = TransactionType.BONUS
    lot_kind: ClassVar[LotKind] = LotKind.PROMO


@record
class Spend(Command):
    """Takes credits in burn order, all or nothing."""

    type: ClassVar[TransactionType] = TransactionType.SPEND
