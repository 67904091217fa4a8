"""The naive model as a ledger to be judged: to try the machine itself, with models that have a fault."""

from collections.abc import Mapping, Sequence
from itertools import count
from uuid import UUID

from app.domain.commands import Command
from app.domain.placement import bucket_of, with_bucket
from app.domain.records import AssetType
from tests.model.driver import Seen, State
from tests.model.naive import NaiveLedger
from tests.model.parts import Answer, Transaction

_ids = count(1)


class NaiveDriver:
    exact = True
    user = "user_test"
    bucket = bucket_of(user)
    ledger_of: type[NaiveLedger] = NaiveLedger

    def start(self, assets: Mapping[int, AssetType], now: int) -> None:
        self.ledger = self.ledger_of(assets, now)

    def fresh_id(self) -> UUID:
        return with_bucket((next(_ids) << 80) | (7 << 76) | (2 << 62), self.bucket)

    def now(self) -> int:
        return self.ledger.now

    def advance(self, microseconds: int) -> None:
        self.ledger.now += microseconds

    def run(self, commands: Sequence[Command]) -> list[Seen]:
        return [_told(self.ledger.run(each)) for each in commands]

    def state(self) -> State:
        ledger = self.ledger
        ledger.settle()
        return State(
            balances={
                each: {"balance": ledger.posted(each), "held": ledger.held(each), "available": ledger.available(each)}
                for each in ledger.assets
            },
            lots={each.number: dict(vars(each)) for each in ledger.lots},
            holds=[
                dict(vars(hold)) | {"parts": [(each.lot.number, each.amount, each.at) for each in hold.parts]}
                for hold in ledger.holds
            ],
            status=ledger.status.value,
        )

    def history(self, after: int) -> list[Seen]:
        posted = dict.fromkeys(self.ledger.assets, 0)
        return [_row(self.ledger, each, posted) for each in self.ledger.transactions][after:]

    def close(self) -> None:
        pass


def _told(answer: Answer) -> Seen:
    return vars(answer) | {"members": tuple(_told(each) for each in answer.members)}


def _row(ledger: NaiveLedger, transaction: Transaction, posted: dict[int, int]) -> Seen:
    lines: list[tuple[str, int | None, int, int | None]] = []
    for lot, amount in transaction.own:
        posted[lot.asset] += amount
        lines.append(("own", lot.number, amount, posted[lot.asset]))
    lines += [(transaction.counter, None, -amount, None) for _, amount in transaction.own]
    parents = [each.seq for each in ledger.transactions if each.id is not None and each.id == transaction.parent]
    return {
        "seq": transaction.seq,
        "type": transaction.type.value,
        "posted": transaction.posted,
        "asset": transaction.asset,
        "amount": transaction.amount,
        "created_at": transaction.created_at,
        "effective_at": transaction.effective_at,
        "parent": parents[0] if parents else None,
        "facts": transaction.facts,
        "lines": lines,
    }
