"""What a caller can ask for, as frozen values: ids made up front, amounts in smallest units, text already checked."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from app.domain.chain import canonical, microseconds
from app.domain.record import record
from app.domain.records import AccountStatus, LotKind, Note, TransactionType

PRIORITY_DEFAULT = 50
GROUP_MAX = 100
"""How many operations a group has at most."""


class OnShortfall(StrEnum):
    """What a spend or a reversal does when there is less than it wants."""

    REFUSE = "refuse"
    PARTIAL = "partial"


class OnExcess(StrEnum):
    """What a capture does that wants more than its hold has."""

    REFUSE = "refuse"
    FROM_AVAILABLE = "from_available"


@record
class Command:
    """One request that concerns one user's account.

    `transaction_id` carries `bucket` in its low ten bits. `idempotency_key` belongs to the owner: the same key of
    another user is another key.
    """

    type: ClassVar[TransactionType]

    transaction_id: UUID
    external_user_id: str
    bucket: int
    actor: str
    idempotency_key: str | None = None
    note: Note | None = None
    dry_run: bool = False
    """Whether it is only to be told what it would come to."""

    @property
    def stated(self) -> Mapping[str, Any]:
        """What was asked for beyond type, asset, amount and target, where it is not the default."""
        return {}

    @property
    def terms(self) -> str | None:
        """`stated` as canonical JSON; None when nothing was."""
        stated = self.stated
        return canonical(stated) if stated else None

    @property
    def opens_account(self) -> bool:
        """Whether an unknown user gets an account instead of a refusal."""
        return False

    @property
    def operations(self) -> "Sequence[Operation]":
        """What is to be done to wallets, in order."""
        return ()

    def meaning(self) -> str:
        """Return what must be the same for a replay."""
        return f"{self.type} {self.terms or ''}"

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of what the command means."""
        return hashlib.sha256(self.meaning().encode()).digest()


@record
class Operation(Command):
    """A command on one wallet. `amount` None stands for all that there is to take."""

    asset_type_id: int
    amount: int | None = None

    @property
    def target(self) -> UUID | None:
        """The earlier transaction that this one is about."""
        return None

    @property
    def takes(self) -> int:
        """How much of what is available it may take, at most."""
        return 0

    @property
    def takes_part(self) -> bool:
        """Whether less than that will do."""
        return False

    @property
    def operations(self) -> "Sequence[Operation]":
        """See `Command.operations`."""
        return (self,)

    def meaning(self) -> str:
        """See `Command.meaning`."""
        target = self.target
        plain = f"{self.type} {self.asset_type_id} {self.amount} {self.terms or ''}"
        return plain if target is None else f"{plain} {target}"


@record
class Credit(Operation):
    """Gives credits: makes one lot, of the type's kind.

    At most one of `expires_at`, `expires_in_days` and `never_expires` is given; without any, the asset type's default
    holds. A lower `priority` (0 to 100) burns first.
    """

    lot_kind: ClassVar[LotKind]

    amount: int
    lot_id: UUID
    expires_at: datetime | None = None
    expires_in_days: int | None = None
    never_expires: bool = False
    priority: int = PRIORITY_DEFAULT
    open_account: bool = False

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        stated: dict[str, Any] = {}
        if self.expires_at is not None:
            stated["expires_at"] = microseconds(self.expires_at)
        if self.expires_in_days is not None:
            stated["expires_in_days"] = self.expires_in_days
        if self.never_expires:
            stated["never_expires"] = True
        if self.priority != PRIORITY_DEFAULT:
            stated["priority"] = self.priority
        return stated

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
class Spend(Operation):
    """Takes credits in burn order: all or nothing, unless part of it will do."""

    type: ClassVar[TransactionType] = TransactionType.SPEND

    amount: int
    on_shortfall: OnShortfall = OnShortfall.REFUSE

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        return {} if self.on_shortfall is OnShortfall.REFUSE else {"on_shortfall": self.on_shortfall.value}

    @property
    def takes(self) -> int:
        """See `Operation.takes`."""
        return self.amount

    @property
    def takes_part(self) -> bool:
        """See `Operation.takes_part`."""
        return self.on_shortfall is OnShortfall.PARTIAL


@record
class PlaceHold(Operation):
    """Sets credits aside, in burn order, until a deadline. The hold's id is the transaction's."""

    type: ClassVar[TransactionType] = TransactionType.HOLD

    amount: int
    expires_in_seconds: int | None = None

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        return {} if self.expires_in_seconds is None else {"expires_in_seconds": self.expires_in_seconds}

    @property
    def takes(self) -> int:
        """See `Operation.takes`."""
        return self.amount


@record
class OnHold(Operation):
    """A command on a hold that was placed before."""

    hold_id: UUID

    @property
    def target(self) -> UUID | None:
        """See `Operation.target`."""
        return self.hold_id


@record
class Capture(OnHold):
    """Takes what a hold reserves: `amount`, or all that is left. `final` releases the rest."""

    type: ClassVar[TransactionType] = TransactionType.CAPTURE

    final: bool = True
    on_excess: OnExcess = OnExcess.REFUSE

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        stated: dict[str, Any] = {}
        if not self.final:
            stated["final"] = False
        if self.on_excess is not OnExcess.REFUSE:
            stated["on_excess"] = self.on_excess.value
        return stated

    @property
    def takes(self) -> int:
        """See `Operation.takes`."""
        return self.amount or 0 if self.on_excess is OnExcess.FROM_AVAILABLE else 0


@record
class Release(OnHold):
    """Gives all that a hold still reserves back to the wallet."""

    type: ClassVar[TransactionType] = TransactionType.RELEASE


@record
class Extend(OnHold):
    """Adds `amount` to a hold, or moves its deadline, or both."""

    type: ClassVar[TransactionType] = TransactionType.EXTEND

    expires_in_seconds: int | None = None

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        return {} if self.expires_in_seconds is None else {"expires_in_seconds": self.expires_in_seconds}

    @property
    def takes(self) -> int:
        """See `Operation.takes`."""
        return self.amount or 0


@record
class OnTransaction(Operation):
    """A command on a transaction that was booked before."""

    parent_id: UUID

    @property
    def target(self) -> UUID | None:
        """See `Operation.target`."""
        return self.parent_id


@record
class Refund(OnTransaction):
    """Gives back what a spend or capture took: `amount`, or all that is left of it."""

    type: ClassVar[TransactionType] = TransactionType.REFUND


@record
class Reversal(OnTransaction):
    """Takes back what a top-up or bonus gave."""

    type: ClassVar[TransactionType] = TransactionType.REVERSAL

    on_shortfall: OnShortfall = OnShortfall.REFUSE

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        return {} if self.on_shortfall is OnShortfall.REFUSE else {"on_shortfall": self.on_shortfall.value}


@record
class Adjustment(Operation):
    """An operator's correction: a positive `amount` makes a lot, a negative one burns like a spend."""

    type: ClassVar[TransactionType] = TransactionType.ADJUSTMENT

    amount: int
    lot_id: UUID
    kind: LotKind = LotKind.PROMO

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        return {} if self.kind is LotKind.PROMO else {"kind": self.kind.value}

    @property
    def takes(self) -> int:
        """See `Operation.takes`."""
        return max(0, -self.amount)


@record
class Group(Command):
    """Several operations of one user, all or nothing. They have no keys of their own."""

    type: ClassVar[TransactionType] = TransactionType.GROUP

    members: tuple[Operation, ...]

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        return {"operations": [_stated_of(each) for each in self.members]}

    @property
    def opens_account(self) -> bool:
        """See `Command.opens_account`."""
        return any(each.opens_account for each in self.members)

    @property
    def operations(self) -> "Sequence[Operation]":
        """See `Command.operations`."""
        return self.members


@record
class ChangeAccount(Command):
    """Changes the state of an account, or what limits it has of its own: by asset type, those given replaced."""

    type: ClassVar[TransactionType] = TransactionType.ACCOUNT_CHANGE

    status: AccountStatus | None = None
    limits: Mapping[int, Mapping[str, int | None]] = field(default_factory=dict)
    """By asset type id and name of the limit, in smallest units; None takes it away."""

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        stated: dict[str, Any] = {}
        if self.status is not None:
            stated["status"] = self.status.value
        if self.limits:
            stated["limits"] = {str(asset_type_id): dict(each) for asset_type_id, each in self.limits.items()}
        return stated


@record
class EraseAccount(Command):
    """Replaces the user's name by a tombstone. The texts of the transactions are emptied apart from it, before."""

    type: ClassVar[TransactionType] = TransactionType.ACCOUNT_CHANGE

    @property
    def stated(self) -> Mapping[str, Any]:
        """See `Command.stated`."""
        return {"erased": True}


@record
class BookDue(Command):
    """Books what time has decided, and nothing else."""

    type: ClassVar[TransactionType] = TransactionType.EXPIRY


def _stated_of(operation: Operation) -> dict[str, Any]:
    """Return everything that a member of a group means."""
    stated: dict[str, Any] = {"type": operation.type.value, "asset_type_id": operation.asset_type_id}
    if operation.amount is not None:
        stated["amount"] = operation.amount
    if operation.target is not None:
        stated["target"] = str(operation.target)
    return stated | dict(operation.stated)
