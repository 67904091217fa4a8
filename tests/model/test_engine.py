"""The engine in memory against the naive model."""

from tests.model.engine_driver import EngineDriver
from tests.model.machine import LedgerMachine, sized
from tests.sizes import size


class EngineAgainstModel(LedgerMachine):
    new_driver = EngineDriver


TestEngineAgainstModel = EngineAgainstModel.TestCase
TestEngineAgainstModel.settings = sized(size(200, 20_000), steps=20)
