"""What the state machine needs of a ledger that it judges, and the common form of what such a ledger tells.

What is told are mappings with the names of the model's members (`naive.py`); a member that a driver can't tell is
left out and not compared, but for those in `POSTED`, `REFUSED`, `ROW`, `LOT` and `HOLD`. Amounts are smallest units,
times microseconds, lots their numbers from 0 in order of creation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from app.domain.commands import Command
from app.domain.records import AssetType

Seen = Mapping[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
DAY = 86_400 * SECOND

POSTED = {"posted", "facts", "replayed", "seq", "members"}
POSTED_ON_WALLET = POSTED | {"amount", "uses", "balance", "held", "available", "balance_after"}
REFUSED = {"posted", "code", "facts", "replayed", "recorded"}
ROW = {"seq", "type", "posted", "asset", "amount", "effective_at", "lines"}
LOT = {"asset", "kind", "remaining", "held", "expires_at"}
HOLD = {"asset", "amount", "captured", "deadline", "status"}
FACTS = {
    "hold": {"deadline", "hold_status"},
    "extend": {"deadline", "hold_status"},
    "capture": {"hold_status", "released"},
    "release": {"hold_status"},
    "refund": {"refundable", "debt_paid"},
    "reversal": {"uncollected"},
}
"""What the answer to a posted operation has to say at least."""


@dataclass
class State:
    """What a user has now, with everything applied that is due."""

    balances: Mapping[int, Seen]
    """By asset: `balance`, `held`, `available`; an asset that is not there is zero."""

    lots: Mapping[int, Seen]
    """By number; one that is not there is empty."""

    holds: Sequence[Seen]
    """In the order in which they were placed."""

    status: str


class Driver(Protocol):
    """A ledger with one new user, who has a name and a bucket."""

    exact: bool
    """Whether its clock stands still until it is moved, and everything can be looked at."""

    user: str
    bucket: int

    def start(self, assets: Mapping[int, AssetType], now: int) -> None:
        """Begin with these asset types, at this moment if the clock can be set."""

    def fresh_id(self) -> UUID:
        """Return an id for a transaction or lot of the user."""

    def now(self) -> int:
        """Return the clock; where it does not stand still, the last moment that it was heard of."""

    def advance(self, microseconds: int) -> None:
        """Move the clock; where it is not exact, by whole seconds forward."""

    def run(self, commands: Sequence[Command]) -> list[Seen]:
        """Run them in one unit of work and return their answers.

        `at` is the created_at of what was posted or recorded. `facts` of what was posted are those of FACTS, and more
        of the model's if they are told.
        """

    def state(self) -> State:
        """Return what the user has; what is due may be booked by it."""

    def history(self, after: int) -> list[Seen]:
        """Return the transactions after that seq, in order.

        `lines` are (account: own, treasury or breakage; lot or None; amount; balance_after or None), `parent` is a seq.
        """

    def close(self) -> None:
        """Audit everything, and let go."""


def us(moment: datetime) -> int:
    """Return the microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)
