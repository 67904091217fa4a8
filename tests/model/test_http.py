"""The service over HTTP against the naive model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from pydantic import SecretStr

from app.config import Settings
from tests.api.conftest import checked
from tests.conftest import SANDBOX_TEMPLATE, _verified_database
from tests.model.http_driver import HttpDriver, HttpSession
from tests.model.machine import LedgerMachine, sized
from tests.sizes import LONG, size


def test_the_service_agrees_with_the_model(server_url: str) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[httpx2.AsyncClient]:
        async with (
            _verified_database(server_url, SANDBOX_TEMPLATE) as url,
            checked(Settings(database_url=SecretStr(url))) as client,
        ):
            yield client

    with HttpSession(opened) as service:

        class Driver(HttpDriver):
            session = service

        class ServiceAgainstModel(LedgerMachine):
            new_driver = Driver

        phases = tuple(Phase) if LONG else (Phase.generate,)  # making a failure small takes minutes over HTTP
        much = sized(size(12, 1_000), steps=10)
        run_state_machine_as_test(
            ServiceAgainstModel, settings=settings(much, phases=phases, suppress_health_check=[HealthCheck.too_slow])
        )
