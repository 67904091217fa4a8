"""The engine against a naive model: a list of lots, sorted anew for each spend, and nothing else."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from app.domain.commands import Bonus, Command, Spend, TopUp
from app.domain.errors import IdempotencyMismatch, InsufficientFunds
from app.domain.records import LotKind, Receipt, TransactionType
from tests.domain.memory_ledger import ASSETS, BUCKET, USER, MemoryLedger, fresh_id

START = datetime(2030, 1, 1, tzinfo=UTC)
ASSET_IDS = st.sampled_from(sorted(ASSETS))
AMOUNTS = st.integers(min_value=1, max_value=100)
DAYS = st.none() | st.integers(min_value=1, max_value=60)
PRIORITIES = st.sampled_from([0, 50, 50, 100])


@dataclass
class ModelLot:
    """What the model knows of a lot."""

    asset: int
    order: int
    kind: LotKind
    priority: int
    expires_at: datetime | None
    left: int


class Model:
    def __init__(self) -> None:
        self.lots: list[ModelLot] = []

    def alive(self, asset: int, now: datetime) -> list[ModelLot]:
        """Return the lots that can be spent, in the order in which they burn."""
        found = [
            lot for lot in self.lots if lot.asset == asset and lot.left and (not lot.expires_at or lot.expires_at > now)
        ]
        by_age = sorted(found, key=lambda lot: lot.order)
        by_kind = sorted(by_age, key=lambda lot: 0 if lot.kind is LotKind.PROMO else 1)
        by_expiry = sorted(by_kind, key=lambda lot: lot.expires_at.timestamp() if lot.expires_at else float("inf"))
        return sorted(by_expiry, key=lambda lot: lot.priority)

    def balance(self, asset: int, now: datetime) -> int:
        return sum(lot.left for lot in self.alive(asset, now))

    def spend(self, asset: int, amount: int, now: datetime) -> list[int] | None:
        """Return how much of each lot was taken, None when the credits do not suffice."""
        if self.balance(asset, now) < amount:
            return None
        taken = []
        for lot in self.alive(asset, now):
            part = min(lot.left, amount)
            if part:
                lot.left -= part
                amount -= part
                taken.append(part)
        return taken


class EngineAgainstModel(RuleBasedStateMachine):
    """Drives both; after each step they agree and the audit finds nothing."""

    sent: Bundle[tuple[Command, Receipt | Exception]] = Bundle("sent")

    @initialize()
    def begin(self) -> None:
        self.now = START
        self.ledger = MemoryLedger()
        self.model = Model()
        self.keys = 0

    def _key(self, wanted: bool) -> str | None:
        self.keys += 1
        return f"key-{self.keys}" if wanted else None

    @rule(
        target=sent,
        kind=st.sampled_from([TopUp, Bonus]),
        asset=ASSET_IDS,
        amount=AMOUNTS,
        days=DAYS,
        never=st.booleans(),
        priority=PRIORITIES,
        keyed=st.booleans(),
    )
    def give(
        self,
        kind: type[TopUp | Bonus],
        asset: int,
        amount: int,
        days: int | None,
        never: bool,
        priority: int,
        keyed: bool,
    ) -> tuple[Command, Receipt | Exception]:
        command = kind(
            transaction_id=fresh_id(),
            lot_id=fresh_id(),
            external_user_id=USER,
            bucket=BUCKET,
            asset_type_id=asset,
            amount=amount,
            actor="test",
            idempotency_key=self._key(keyed),
            expires_in_days=None if never else days,
            never_expires=never,
            priority=priority,
        )
        days = None if never else days or ASSETS[asset].default_expiry_days
        expires_at = None if days is None else self.now + timedelta(days=days)
        lot_kind = LotKind.PAID if kind is TopUp else LotKind.PROMO
        (answer,) = self.ledger.unit([command], self.now)
        self.model.lots.append(ModelLot(asset, len(self.model.lots), lot_kind, priority, expires_at, amount))
        assert isinstance(answer, Receipt)
        assert answer.balance.available == self.model.balance(asset, self.now)
        assert [use.expires_at for use in answer.lots] == [expires_at]
        return command, answer

    @rule(target=sent, asset=ASSET_IDS, amounts=st.lists(AMOUNTS, min_size=1, max_size=4), keyed=st.booleans())
    def spend(self, asset: int, amounts: list[int], keyed: bool) -> tuple[Command, Receipt | Exception]:
        commands = [
            Spend(
                transaction_id=fresh_id(),
                external_user_id=USER,
                bucket=BUCKET,
                asset_type_id=asset,
                amount=amount,
                actor="test",
                idempotency_key=self._key(keyed),
            )
            for amount in amounts
        ]
        answers = self.ledger.unit(commands, self.now)
        for command, answer in zip(commands, answers, strict=True):
            available = self.model.balance(asset, self.now)
            taken = self.model.spend(asset, command.amount, self.now)
            if taken is None:
                assert isinstance(answer, InsufficientFunds)
                assert answer.facts["available"] == available
                assert answer.facts["shortfall"] == command.amount - available
            else:
                assert isinstance(answer, Receipt)
                assert [use.amount for use in answer.lots] == taken
                assert answer.balance_after == self.model.balance(asset, self.now)
        return commands[-1], answers[-1]

    @rule(each=sent)
    def send_again(self, each: tuple[Command, Receipt | Exception]) -> None:
        command, before = each
        if command.idempotency_key is None:
            return
        (answer,) = self.ledger.unit([replace(command, transaction_id=fresh_id())], self.now)
        if isinstance(before, Receipt):
            assert isinstance(answer, Receipt)
            assert answer.replayed
            assert (answer.transaction_id, answer.seq, answer.lots, answer.balance_after, answer.created_at) == (
                before.transaction_id,
                before.seq,
                before.lots,
                before.balance_after,
                before.created_at,
            )
            assert answer.balance.available == self.model.balance(command.asset_type_id, self.now)
        else:
            assert isinstance(answer, InsufficientFunds)
            assert answer.replayed

    @rule(each=sent)
    def run_the_very_same_command_after_its_answer_was_lost(self, each: tuple[Command, Receipt | Exception]) -> None:
        command, before = each
        if not isinstance(before, Receipt):
            return
        (answer,) = self.ledger.unit([command], self.now)
        assert isinstance(answer, Receipt)
        assert replace(answer, balance=before.balance) == before

    @rule(each=sent, more=AMOUNTS)
    def send_another_under_the_same_key(self, each: tuple[Command, Receipt | Exception], more: int) -> None:
        command, _ = each
        if command.idempotency_key is None:
            return
        other = Spend(
            transaction_id=fresh_id(),
            external_user_id=USER,
            bucket=BUCKET,
            asset_type_id=command.asset_type_id,
            amount=command.amount + more,
            actor="test",
            idempotency_key=command.idempotency_key,
        )
        (answer,) = self.ledger.unit([other], self.now)
        assert isinstance(answer, IdempotencyMismatch)
        assert answer.facts["field"] == ("amount" if command.type is TransactionType.SPEND else "type")

    @rule(hours=st.integers(min_value=-24, max_value=24 * 40))
    def let_time_pass(self, hours: int) -> None:
        """The database's clock may also jump back, after a failover; the owner's time does not."""
        self.now = max(self.now + timedelta(hours=hours), self.ledger.account.last_at)

    @rule(lot=st.integers(min_value=0), past=st.sampled_from([-1, 0, 1]))
    def go_to_an_expiry(self, lot: int, past: int) -> None:
        """To the microsecond before a lot expires, to the moment, and to the microsecond after."""
        expiries = [each.expires_at for each in self.model.lots if each.expires_at and each.expires_at > self.now]
        if expiries:
            self.now = max(self.now, expiries[lot % len(expiries)] + timedelta(microseconds=past))

    @invariant()
    def nothing_differs(self) -> None:
        if not hasattr(self, "ledger"):
            return
        self.ledger.audit()
        self.ledger.unit([], self.now)
        self.ledger.audit()
        for asset in ASSETS:
            wallet = self.ledger.wallets.get(asset)
            left = sum(each.remaining for each in self.ledger.lots.values() if each.asset_type_id == asset)
            assert (wallet.posted if wallet else 0) == left == self.model.balance(asset, self.now)


TestEngineAgainstModel = EngineAgainstModel.TestCase
TestEngineAgainstModel.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
