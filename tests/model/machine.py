"""Drives a ledger and the naive model with the same commands, and finds the first difference.

The amounts are small, the moments few and the assets three, so that lots are shared, deadlines meet expiries, and
balances just do not suffice. Where the driver's clock is exact, it also lands on the moments themselves and one
microsecond beside them.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from math import inf
from typing import Any, ClassVar, TypeVar, cast
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.domain import commands as ask
from app.domain.records import AccountStatus, AssetStatus, AssetType, Limits, LotKind
from app.domain.records import TransactionType as Kind
from tests.model import compare
from tests.model.driver import DAY, EPOCH, SECOND, Driver, Seen
from tests.model.naive import NaiveLedger, Thing

Choice = TypeVar("Choice", bound=StrEnum)

START = 1_893_455_880 * SECOND
"""2029-12-31T23:58:00Z: two minutes before a midnight."""

CLEAR = 5 * SECOND
"""How far a clock that runs stays away from what it might pass."""

ASSETS = {
    1: AssetType(id=1, code="GOLD", name="Gold", scale=2, status=AssetStatus.ACTIVE, hold_seconds=120),
    2: AssetType(
        id=2,
        code="DMND",
        name="Diamonds",
        scale=0,
        status=AssetStatus.ACTIVE,
        default_expiry_days=1,
        limits=Limits(amount_max=25, balance_max=60, daily_spend_max=40, daily_credit_max=70),
    ),
    3: AssetType(id=3, code="PTS", name="Points", scale=2, status=AssetStatus.INACTIVE),
}
_WITHOUT_LIFE: dict[str, dict[str, Any]] = {
    "expires_in_days": {"expires_at": None, "never_expires": False},
    "never_expires": {"expires_at": None, "expires_in_days": None},
}
"""What else changes with a part of a request: a lot's life is given in one way."""

LIMITS = ["amount_min", "amount_max", "balance_max", "daily_spend_max", "daily_credit_max"]


@dataclass(frozen=True)
class Wish:
    """A command before it is known what there is to aim at: `pick` chooses among that."""

    kind: Kind
    asset: int = 1
    amount: int | None = None
    seconds: int | None = None
    days: int | None = None
    never: bool = False
    priority: int = 50
    pick: int = 0
    partial: bool = False
    final: bool = True
    paid: bool = False
    wild: bool = False
    """Aims at something that the operation is not for."""


ASSET = st.sampled_from([1, 1, 1, 2, 2, 3])
AMOUNT = st.integers(1, 12)
SECONDS = st.sampled_from([60, 120, 180, 3600])
PICK = st.integers(0, 7)
RARELY = st.sampled_from([False] * 9 + [True])
AMOUNT_OR_ALL = st.one_of(st.none(), AMOUNT)

GIVE = st.builds(
    Wish,
    kind=st.sampled_from([Kind.TOP_UP, Kind.BONUS]),
    asset=ASSET,
    amount=st.integers(1, 30),
    seconds=st.none() | SECONDS,
    days=st.sampled_from([None, None, 1, 2]),
    never=RARELY,
    priority=st.sampled_from([50, 50, 50, 10, 90]),
)
SPEND = st.builds(Wish, kind=st.just(Kind.SPEND), asset=ASSET, amount=AMOUNT, partial=st.booleans())
PLACE = st.builds(Wish, kind=st.just(Kind.HOLD), asset=ASSET, amount=AMOUNT, seconds=st.none() | SECONDS)
CAPTURE = st.builds(
    Wish,
    kind=st.just(Kind.CAPTURE),
    amount=AMOUNT_OR_ALL,
    pick=PICK,
    partial=st.booleans(),
    final=st.booleans(),
    wild=RARELY,
)
RELEASE = st.builds(Wish, kind=st.just(Kind.RELEASE), pick=PICK, wild=RARELY)
EXTEND = st.one_of(
    st.builds(Wish, kind=st.just(Kind.EXTEND), amount=AMOUNT, seconds=st.none() | SECONDS, pick=PICK, wild=RARELY),
    st.builds(Wish, kind=st.just(Kind.EXTEND), seconds=SECONDS, pick=PICK),
)
REFUND = st.builds(Wish, kind=st.just(Kind.REFUND), amount=AMOUNT_OR_ALL, pick=PICK, wild=RARELY)
REVERSE = st.builds(Wish, kind=st.just(Kind.REVERSAL), pick=PICK, partial=st.booleans(), wild=RARELY)
ADJUST = st.builds(
    Wish,
    kind=st.just(Kind.ADJUSTMENT),
    asset=ASSET,
    amount=st.integers(-10, 10).filter(bool),
    paid=st.booleans(),
)
ANY = st.one_of(GIVE, SPEND, PLACE, CAPTURE, RELEASE, EXTEND, REFUND, REVERSE, ADJUST)
BESIDE = st.sampled_from([-1, 0, 0, 1])


class LedgerMachine(RuleBasedStateMachine):
    """To be given a driver by a subclass."""

    new_driver: ClassVar[type[Any]]
    new_model: ClassVar[type[NaiveLedger]] = NaiveLedger

    @initialize(wishes=st.lists(GIVE, min_size=1, max_size=4))
    def begin(self, wishes: list[Wish]) -> None:
        self.driver: Driver = self.new_driver()
        self.driver.start(ASSETS, START)
        self.model = self.new_model(ASSETS, self.driver.now())
        self.sent: list[ask.Command] = []
        self.rows: list[Seen] = []
        self.numbers = 0
        self.agreed = False
        self._send([self._command(wish, None) for wish in wishes])

    # -- what can happen ---------------------------------------------------------------------------------------------

    @rule(wish=GIVE, keyed=st.booleans())
    def give(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @rule(wish=SPEND, keyed=st.booleans())
    def spend(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @rule(wish=PLACE, keyed=RARELY)
    def place(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @precondition(lambda self: self.model.holds)
    @rule(wish=CAPTURE, keyed=RARELY)
    def capture(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @precondition(lambda self: self.model.holds)
    @rule(wish=RELEASE, keyed=RARELY)
    def release(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @precondition(lambda self: self.model.holds)
    @rule(wish=EXTEND, keyed=RARELY)
    def extend(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @precondition(lambda self: any(each.type in {Kind.SPEND, Kind.CAPTURE} for each in self.model.transactions))
    @rule(wish=REFUND, keyed=RARELY)
    def refund(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @rule(wish=REVERSE, keyed=RARELY)
    def reverse(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @rule(wish=ADJUST, keyed=RARELY)
    def adjust(self, wish: Wish, keyed: bool) -> None:
        self._one(wish, keyed=keyed)

    @rule(wishes=st.lists(ANY, min_size=2, max_size=4), keyed=RARELY)
    def send_several_in_one_unit(self, wishes: list[Wish], keyed: bool) -> None:
        self._send([self._command(wish, self._key(keyed)) for wish in wishes])

    @rule(wishes=st.lists(ANY, min_size=1, max_size=4), keyed=st.booleans())
    def send_a_group(self, wishes: list[Wish], keyed: bool) -> None:
        members = tuple(self._command(wish, None) for wish in wishes)
        self._send([ask.Group(**self._common(self._key(keyed)), members=members)])

    @rule(
        give=GIVE,
        place=st.one_of(PLACE, PLACE, SPEND),
        extend=st.none() | EXTEND,
        reverse=st.none() | REVERSE,
        beside=st.none() | BESIDE,
        capture=st.none() | CAPTURE,
        refund=st.none() | REFUND,
        release=st.none() | RELEASE,
    )
    def follow_a_lot(
        self,
        give: Wish,
        place: Wish,
        extend: Wish | None,
        reverse: Wish | None,
        beside: int | None,
        capture: Wish | None,
        refund: Wish | None,
        release: Wish | None,
    ) -> None:
        """Through all that can become of it, with some of that left out."""
        self._send([self._command(replace(give, priority=0), None)])
        self._send([self._command(replace(place, asset=give.asset), None)])
        for wish in (extend, reverse):
            if wish is not None:
                self._send([self._command(replace(wish, pick=0), None)])
        expiries = [each.expires_at for each in self.model.lots[-1:] if each.expires_at < inf]
        if beside is not None and expiries:
            self._go_to(expiries[0] + beside)
        for wish in (capture, refund, release, reverse):
            if wish is not None:
                self._send([self._command(replace(wish, pick=0), None)])

    @precondition(lambda self: self.sent)
    @rule(pick=PICK, wish=ANY, other=RARELY, twice=RARELY)
    def send_again(self, pick: int, wish: Wish, other: bool, twice: bool) -> None:
        """The same under the same key, or another."""
        first = self.sent[-1 - pick % len(self.sent)]
        again = [self._command(wish, first.idempotency_key) if other else self._anew(first)]
        self._send(again + [self._anew(each) for each in again if twice and isinstance(each, ask.Operation)])

    @precondition(lambda self: self._keyed_operations())
    @rule(pick=PICK, which=PICK)
    def send_again_with_one_thing_changed(self, pick: int, which: int) -> None:
        """Under the same key: whatever a key remembers, a change of it must be noticed."""
        keyed = self._keyed_operations()
        first = keyed[-1 - pick % len(keyed)]
        changes = list(_changes(first))
        name, value = changes[which % len(changes)]
        self._send([replace(self._anew(first), **_WITHOUT_LIFE.get(name, {}), **{name: value})])

    @rule(
        asset=ASSET,
        name=st.sampled_from(LIMITS),
        value=st.sampled_from([3, 10, 20, 50]),
        wishes=st.lists(ANY, min_size=1, max_size=3),
        keeps=RARELY,
    )
    def limit(self, asset: int, name: str, value: int, wishes: list[Wish], keeps: bool) -> None:
        self._send([ask.ChangeAccount(**self._common(None), limits={asset: {name: value}})])
        self._send([self._command(wish, None) for wish in wishes])
        if not keeps:
            cleared = dict.fromkeys(LIMITS)
            self._send([ask.ChangeAccount(**self._common(self._key(wanted=True)), limits={asset: cleared})])

    @rule(
        status=st.sampled_from([AccountStatus.FROZEN, AccountStatus.FROZEN, AccountStatus.CLOSED]),
        wishes=st.lists(ANY, min_size=1, max_size=3),
        seconds=st.none() | SECONDS,
        keyed=st.booleans(),
    )
    def stop_for_a_while(self, status: AccountStatus, wishes: list[Wish], seconds: int | None, keyed: bool) -> None:
        self._send([ask.ChangeAccount(**self._common(self._key(keyed)), status=status)])
        for wish in wishes:
            self._one(wish, keyed=keyed)
        if seconds is not None:
            self._go_to(self.driver.now() + seconds * SECOND)
        self._send([ask.ChangeAccount(**self._common(None), status=AccountStatus.ACTIVE)])

    @rule(seconds=st.sampled_from([1, 30, 60, 120, 3600, 86_400, -1, -100]))
    def let_time_pass(self, seconds: int) -> None:
        """Or set the clock back, as after a failover: the owner's time does not follow."""
        if seconds > 0:
            self._go_to(self.driver.now() + seconds * SECOND)
        elif self.driver.exact:
            self.agreed = False
            self.driver.advance(seconds * SECOND)

    @rule(pick=PICK, beside=BESIDE)
    def go_to_what_comes(self, pick: int, beside: int) -> None:
        coming = sorted({each for each in self._moments() if each > self.driver.now()})
        self._go_to(coming[pick % min(len(coming), 3)] + beside)

    # -- from wishes to commands -------------------------------------------------------------------------------------

    def _key(self, wanted: bool) -> str | None:
        self.numbers += 1
        return f"key-{self.numbers}" if wanted else None

    def _common(self, key: str | None) -> dict[str, Any]:
        return {
            "transaction_id": self.driver.fresh_id(),
            "external_user_id": self.driver.user,
            "bucket": self.driver.bucket,
            "actor": "test",
            "idempotency_key": key,
        }

    def _keyed_operations(self) -> list[ask.Operation]:
        return [each for each in self.sent if isinstance(each, ask.Operation) and list(_changes(each))]

    def _anew(self, command: ask.Command) -> Any:
        """Return the same request as it is sent once more: with ids of its own."""
        changed: dict[str, Any] = {"transaction_id": self.driver.fresh_id()}
        if hasattr(command, "lot_id"):
            changed["lot_id"] = self.driver.fresh_id()
        if isinstance(command, ask.Group):
            changed["members"] = tuple(self._anew(member) for member in command.members)
        return replace(command, **changed)

    def _command(self, wish: Wish, key: str | None) -> ask.Operation:
        common = self._common(key)
        if wish.kind in {Kind.CAPTURE, Kind.RELEASE, Kind.EXTEND}:
            return self._on_hold(wish, common)
        if wish.kind in {Kind.REFUND, Kind.REVERSAL}:
            return self._on_transaction(wish, common)
        shortfall = ask.OnShortfall.PARTIAL if wish.partial else ask.OnShortfall.REFUSE
        common |= {"asset_type_id": wish.asset, "amount": wish.amount}
        match wish.kind:
            case Kind.SPEND:
                return ask.Spend(**common, on_shortfall=shortfall)
            case Kind.HOLD:
                return ask.PlaceHold(**common, expires_in_seconds=wish.seconds)
            case Kind.ADJUSTMENT:
                kind = LotKind.PAID if wish.paid else LotKind.PROMO
                return ask.Adjustment(**common, lot_id=self.driver.fresh_id(), kind=kind)
        life: dict[str, Any] = {"priority": wish.priority}
        if wish.never:
            life["never_expires"] = True
        elif wish.days is not None:
            life["expires_in_days"] = wish.days
        elif wish.seconds is not None:
            life["expires_at"] = EPOCH + timedelta(microseconds=self.driver.now() + wish.seconds * SECOND)
        kind_of = ask.TopUp if wish.kind is Kind.TOP_UP else ask.Bonus
        return kind_of(**common, lot_id=self.driver.fresh_id(), **life)

    def _on_hold(self, wish: Wish, common: dict[str, Any]) -> ask.Operation:
        holds = sorted(self.model.holds, key=lambda each: each.status == "open")
        target: Thing | None = holds[-1 - wish.pick % len(holds)] if holds else None
        if target is None or wish.wild:
            if (nothing := self._no_hold(wish.pick)) is None:
                return ask.Spend(**common, asset_type_id=1, amount=1)
            common |= {"hold_id": nothing[0], "asset_type_id": nothing[1]}
        else:
            common |= {"hold_id": target.id, "asset_type_id": target.asset}
        if wish.kind is Kind.RELEASE:
            return ask.Release(**common)
        common["amount"] = wish.amount
        if wish.kind is Kind.EXTEND:
            return ask.Extend(**common, expires_in_seconds=wish.seconds)
        excess = ask.OnExcess.FROM_AVAILABLE if wish.partial else ask.OnExcess.REFUSE
        return ask.Capture(**common, final=wish.final, on_excess=excess)

    def _on_transaction(self, wish: Wish, common: dict[str, Any]) -> ask.Operation:
        suits = {Kind.SPEND, Kind.CAPTURE} if wish.kind is Kind.REFUND else {Kind.TOP_UP, Kind.BONUS}
        ours = [each for each in self.model.transactions if each.id is not None and each.asset is not None]
        targets = [each for each in ours if wish.wild or (each.posted and each.type in suits)]
        target: Thing | None = targets[-1 - wish.pick % len(targets)] if targets else None
        if target is None and not self.driver.exact:
            return ask.Spend(**common, asset_type_id=1, amount=1)
        common |= {"parent_id": target.id if target else self.driver.fresh_id()}
        common |= {"asset_type_id": target.asset if target else 1}
        if wish.kind is Kind.REFUND:
            return ask.Refund(**common, amount=wish.amount)
        shortfall = ask.OnShortfall.PARTIAL if wish.partial else ask.OnShortfall.REFUSE
        return ask.Reversal(**common, on_shortfall=shortfall)

    def _no_hold(self, pick: int) -> tuple[UUID, int] | None:
        """Return an id of something that is no hold, or of nothing, and the asset that it is about.

        Over HTTP what an id is of is looked up first of all, before keys and the other members of a group: there only
        ids of something are compared.
        """
        others = [each for each in self.model.transactions if each.type != Kind.HOLD]
        known = [(each.id, each.asset) for each in others if each.id is not None and each.asset is not None]
        if known and (pick or not self.driver.exact):
            return known[pick % len(known)]
        return (self.driver.fresh_id(), 1) if self.driver.exact else None

    # -- both do it, and are compared --------------------------------------------------------------------------------

    def _one(self, wish: Wish, *, keyed: bool) -> None:
        self._send([self._command(wish, self._key(keyed))])

    def _send(self, commands: Sequence[ask.Command]) -> None:
        self.agreed = False
        if not self.driver.exact:
            self._stay_clear()
        answers = self.driver.run(commands)
        assert len(answers) == len(commands)
        for command, seen in zip(commands, answers, strict=True):
            self.model.now = self.driver.now() if self.driver.exact else self._heard_at(seen)
            expected = self.model.run(command)
            found = list(compare.answers(expected, seen, command.type, exact=self.driver.exact))
            assert not found, f"{command}: {'; '.join(found)}"
        self.sent += [each for each in commands if each.idempotency_key is not None]
        self.nothing_differs()

    def _heard_at(self, seen: Seen) -> int:
        at = seen.get("at")
        return self.model.now if at is None or seen["replayed"] else cast("int", at)

    def _moments(self) -> Iterator[int]:
        yield (self.driver.now() // DAY + 1) * DAY
        yield from (each.deadline for each in self.model.holds if each.status == "open")
        yield from (each.expires_at for each in self.model.lots if each.expires_at < inf)

    def _go_to(self, moment: int) -> None:
        """Move the clock; one that runs comes to rest at a distance from everything, in whole seconds."""
        if not self.driver.exact:
            ahead = max(1, -(-(moment - self.driver.now()) // SECOND)) * SECOND
            while any(abs(each - self.driver.now() - ahead) < CLEAR for each in self._moments()):
                ahead += SECOND
            moment = self.driver.now() + ahead
        self.agreed = False
        self.driver.advance(moment - self.driver.now())
        self.model.now = self.driver.now()

    def _stay_clear(self) -> None:
        if any(0 <= each - self.driver.now() < CLEAR - SECOND for each in self._moments()):
            self._go_to(self.driver.now() + SECOND)

    @invariant()
    def nothing_differs(self) -> None:
        """After every command, and every move of the clock."""
        if getattr(self, "agreed", True):
            return
        self.model.now = max(self.model.now, self.driver.now()) if not self.driver.exact else self.driver.now()
        state, new = self.driver.state(), self.driver.history(len(self.rows))
        self.rows += new
        settled = self.model
        if settled.next_due() <= settled.now:
            settled = deepcopy(settled)
            settled.settle()
        found = [*compare.rows(settled, new, exact=self.driver.exact), *compare.states(settled, state)]
        if not len(self.model.transactions) <= len(self.rows) <= len(settled.transactions):
            found.append(f"{len(self.rows)} transactions, not {len(settled.transactions)}")
        assert not found, "; ".join(found)
        if len(self.rows) > len(self.model.transactions):
            self.model = settled
        self.agreed = True

    def teardown(self) -> None:
        if getattr(self, "agreed", False):
            assert self.driver.history(0) == self.rows, "what was told of the history has changed"
            if self.driver.exact:
                assert list(compare.sums(self.rows, self.driver.state())) == []
            self.driver.close()


def _changes(command: ask.Operation) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a request that have a meaning, each with another value."""
    if command.amount is not None:
        yield "amount", command.amount + (1 if command.amount > 0 else -1)
    if not isinstance(command, ask.OnHold | ask.OnTransaction):
        yield "asset_type_id", command.asset_type_id % len(ASSETS) + 1
    match command:
        case ask.Credit():
            yield "priority", command.priority + 1
            yield "expires_in_days", 5
            yield "never_expires", not command.never_expires
        case ask.Spend() | ask.Reversal():
            yield "on_shortfall", _other(command.on_shortfall)
        case ask.PlaceHold() | ask.Extend():
            yield "expires_in_seconds", (command.expires_in_seconds or 0) + 90
        case ask.Capture():
            yield "final", not command.final
            yield "on_excess", _other(command.on_excess)
        case ask.Adjustment():
            yield "kind", _other(command.kind)


def _other(value: Choice) -> Choice:
    return next(each for each in type(value) if each is not value)


def sized(examples: int, steps: int = 40) -> settings:
    """Return the settings of a run of so many examples."""
    return settings(max_examples=examples, stateful_step_count=steps, deadline=None)
