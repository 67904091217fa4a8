"""The machine itself: it finds no fault in the model, and finds each of these in a ledger that has it."""

from math import inf
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from app.domain import commands as ask
from tests.model.machine import LedgerMachine, sized
from tests.model.naive import NaiveLedger, Takes, Thing
from tests.model.naive_driver import NaiveDriver
from tests.sizes import LONG


class ModelAgainstItself(LedgerMachine):
    new_driver = NaiveDriver


TestModelAgainstItself = ModelAgainstItself.TestCase
TestModelAgainstItself.settings = sized(25, steps=20)


class BurnsOldestFirst(NaiveLedger):
    def _burn(self, asset: int, amount: int, until: float = inf) -> Takes:
        return sorted(super()._burn(asset, amount, until), key=lambda each: each[0].number)


class ForgetsDebt(NaiveLedger):
    """When a hold gives credits back."""

    def _book(self, op: Any, amount: Any, takes: Takes, facts: Any, lines: Any = None, back: Any = ()) -> Thing:
        debts = [(lot, lot.debt) for lot, _, _ in back]
        for lot, _ in debts:
            lot.debt = 0
        booked = super()._book(op, amount, takes, facts, lines, back)
        for lot, debt in debts:
            lot.debt = debt
        return booked


class RefundsInOrder(NaiveLedger):
    def _refund(self, op: ask.Refund, parent: Thing) -> Thing:
        parent.takes.reverse()
        try:
            return super()._refund(op, parent)
        finally:
            parent.takes.reverse()


class GivesTheLifeLeftAtTheCapture(NaiveLedger):
    def _capture(self, op: ask.Capture, hold: Thing) -> Thing:
        booked = super()._capture(op, hold)
        booked.takes = [(lot, amount, booked.created_at) for lot, amount, _ in booked.takes]
        return booked


class IsLateByAMicrosecond(NaiveLedger):
    def next_due(self) -> float:
        due = super().next_due()
        return inf if due == self.now else due


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
