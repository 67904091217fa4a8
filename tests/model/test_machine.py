"""The machine itself: it finds no fault in the model, and finds each of these in a ledger that has it."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from app.domain import commands as ask
from tests.model.machine import LedgerMachine, sized
from tests.model.naive import NaiveLedger
from tests.model.naive_driver import NaiveDriver
from tests.model.parts import Hold, Lot, Take, Transaction
from tests.sizes import LONG


class ModelAgainstItself(LedgerMachine):
    new_driver = NaiveDriver


TestModelAgainstItself = ModelAgainstItself.TestCase
TestModelAgainstItself.settings = sized(25, steps=20)


class BurnsOldestFirst(NaiveLedger):
    def _burn(self, asset: int, amount: int, hold: Hold | None = None) -> list[Take]:
        return sorted(super()._burn(asset, amount, hold), key=lambda each: each.lot.number)


class ForgetsDebt(NaiveLedger):
    @staticmethod
    def _give_back(hold: Hold, own: list[tuple[Lot, int]]) -> list[Take]:
        debts = [(part.lot, part.lot.debt) for part in hold.parts]
        for lot, _ in debts:
            lot.debt = 0
        parts = NaiveLedger._give_back(hold, own)
        for lot, debt in debts:
            lot.debt = debt
        return parts


class RefundsInOrder(NaiveLedger):
    def _refund(self, op: ask.Refund, parent: Transaction) -> Transaction:
        parent.takes.reverse()
        try:
            return super()._refund(op, parent)
        finally:
            parent.takes.reverse()


class GivesTheLifeLeftAtTheCapture(NaiveLedger):
    def _capture(self, op: ask.Capture, hold: Hold) -> Transaction:
        booked = super()._capture(op, hold)
        for take in booked.takes:
            take.at = booked.created_at
        return booked


class IsLateByAMicrosecond(NaiveLedger):
    def next_due(self) -> int | None:
        due = super().next_due()
        return None if due == self.moment else due


FAULTS = [
    BurnsOldestFirst,
    ForgetsDebt,
    RefundsInOrder,
    IsLateByAMicrosecond,
    *([GivesTheLifeLeftAtTheCapture] if LONG else []),  # takes about a minute to come by
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_found(fault: type[NaiveLedger]) -> None:
    class FaultyDriver(NaiveDriver):
        ledger_of = fault

    class Machine(LedgerMachine):
        new_driver = FaultyDriver

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Machine,
            settings=settings(
                sized(2000), phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck)
            ),
        )
