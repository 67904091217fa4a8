"""The naive model as a ledger to be judged: to try the machine itself, with models that have a fault."""

from collections.abc import Mapping, Sequence
from itertools import count
from uuid import UUID

from app.domain.commands import Command
from app.domain.placement import bucket_of, with_bucket
from app.domain.records import AssetType
from tests.model import compare
from tests.model.driver import POSTED_ON_WALLET, REFUSED, Seen, State
from tests.model.naive import NaiveLedger, Thing

_ids = count(1)


class NaiveDriver:
    exact = True
    user = "user_test"
    bucket = bucket_of(user)
    ledger_of: type[NaiveLedger] = NaiveLedger

    def start(self, assets: Mapping[int, AssetType], now: int) -> None:
        self.ledger = self.ledger_of(assets, now)
        self._now = now

    def fresh_id(self) -> UUID:
        return UUID(int=with_bucket((next(_ids) << 80) | (7 << 76) | (2 << 62), self.bucket))

    def now(self) -> int:
        return self._now

    def advance(self, microseconds: int) -> None:
        self._now += microseconds

    def run(self, commands: Sequence[Command]) -> list[Seen]:
        self.ledger.now = self._now
        return [_told(self.ledger.run(each)) for each in commands]

    def state(self) -> State:
        ledger = self.ledger
        ledger.now = self._now
        ledger.settle()
        return State(
            balances={each: compare.balances(ledger, each) for each in ledger.assets},
            lots={each.number: vars(each) | {"expires_at": compare.moment(each.expires_at)} for each in ledger.lots},
            holds=[
                vars(hold) | {"parts": [(lot.number, amount, at) for lot, amount, at in hold.parts]}
                for hold in ledger.holds
            ],
            status=ledger.status,
        )

    def history(self, after: int) -> list[Seen]:
        posted = dict.fromkeys(self.ledger.assets, 0)
        return [_row(self.ledger, each, posted) for each in self.ledger.transactions][after:]

    def close(self) -> None:
        pass


def _told(answer: Thing) -> Seen:
    told = {name: each for name, each in vars(answer).items() if name in POSTED_ON_WALLET | REFUSED | {"asset"}}
    members = tuple(_told(each) for each in answer.members)
    return told | {"at": answer.created_at, "uses": compare.uses(answer), "members": members}


def _row(ledger: NaiveLedger, transaction: Thing, posted: dict[int, int]) -> Seen:
    lines: list[tuple[str, int | None, int, int | None]] = []
    for lot, amount in transaction.lines:
        posted[lot.asset] += amount
        lines.append(("own", lot.number, amount, posted[lot.asset]))
    lines += [(transaction.counter, None, -amount, None) for _, amount in transaction.lines]
    parents = [each.seq for each in ledger.transactions if each.id is not None and each.id == transaction.parent]
    return {
        "seq": transaction.seq,
        "type": transaction.type,
        "posted": transaction.posted,
        "asset": transaction.asset,
        "amount": transaction.amount,
        "created_at": transaction.created_at,
        "effective_at": transaction.effective_at,
        "parent": parents[0] if parents else None,
        "facts": compare.written_facts(transaction),
        "lines": lines,
    }
