"""What is logged: one line a request, by the route's template, and nothing of what users sent."""

import asyncio
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import structlog
from sqlalchemy.engine import make_url

from app.config import LogFormat, Settings
from app.logs import configure_logs
from tests.api.conftest import Service
from tests.api.programs import served

API_KEY = "planted-api-key-0123456789"
USER = "planted-user"
SECRETS = (
    "planted",
    "417.43",
    "41743",
    "0.0417",
    "Bearer",
)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
BASE = "/api/v1/wallets/users/{external_user_id}"


@dataclass(frozen=True)
class Transcript:
    """What was answered to which request, and what the service logged meanwhile."""

    answers: list[tuple[str, str | None, httpx2.Response]]
    log: str
    exit_code: int
    database_password: str

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        """Return the lines of requests, without the one by which the program finds out that it is up."""
        return [each for each in self.lines() if each["event"] == "request" and each["route"] != "/health/live"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def transcript(service: Service) -> Transcript:
    body = {
        "amount": "417.43",
        "asset_type_id": 1,
        "idempotency_key": "planted-key",
        "reference": "planted-reference",
        "metadata": {"planted-name": "planted-value"},
    }
    key = {"Authorization": f"Bearer {API_KEY}"}
    path = f"/api/v1/wallets/users/{USER}"
    spend = {"type": "spend", "external_user_id": USER, **body, "idempotency_key": "planted-key-2"}
    answers: list[tuple[str, str | None, httpx2.Response]] = []
    async with served(DATABASE_URL=service.url, WALLET_API_KEY=API_KEY, LOG_LEVEL="debug") as (url, process):
        async with httpx2.AsyncClient(base_url=url, headers=key) as client:

            async def ask(method: str, path: str, route: str | None, **more: Any) -> None:
                answers.append((method, route, await client.request(method, path, **more)))

            await ask("PUT", path, BASE, json={"metadata": {"planted": "planted"}})
            traced = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01", "X-Request-Id": "mine-1"}
            await ask("POST", f"{path}/top-up", f"{BASE}/top-up", json=body, headers=traced)
            await ask("GET", f"{path}/balance?asset_type_id=1", f"{BASE}/balance")
            await ask("GET", f"{path}/balance?asset_type_id=1&planted=planted", f"{BASE}/balance")
            await ask("POST", f"{path}/spend", f"{BASE}/spend", json=spend | {"type": None})
            await ask("POST", f"{path}/spend", f"{BASE}/spend", json={"amount": "99999417.43", "asset_type_id": 1})
            await ask(
                "POST", f"{path}/bonus", f"{BASE}/bonus", content=b"planted", headers={"Content-Type": "text/plain"}
            )
            await ask(
                "POST", "/api/v1/batch", "/api/v1/batch", json={"operations": [spend, spend | {"amount": "planted"}]}
            )
            await ask("GET", "/api/v1/planted/planted?planted=planted", None)
            await ask("DELETE", path, BASE)
            await ask(
                "GET", f"{path}/balance", f"{BASE}/balance", headers={"Authorization": "Bearer planted-wrong-key"}
            )
            await service.as_owner("ALTER TABLE lots RENAME TO gone")
            await ask("POST", f"{path}/top-up", f"{BASE}/top-up", json=body | {"idempotency_key": "planted-key-3"})
            await service.as_owner("ALTER TABLE gone RENAME TO lots")
            await service.as_owner("ALTER TABLE wallets RENAME TO gone")
            await ask("GET", f"{path}/balance?asset_type_id=1", f"{BASE}/balance")
            await service.as_owner("ALTER TABLE gone RENAME TO wallets")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            _, err = await process.communicate()
    password = make_url(service.url).password
    return Transcript(answers, err.decode(), process.returncode or 0, str(password))


def test_the_answers_were_those_to_be_logged(transcript: Transcript) -> None:
    statuses = [answer.status_code for _, _, answer in transcript.answers]
    assert statuses[:3] == [201, 200, 200]
    assert statuses[3:6] + statuses[7:] == [422, 422, 402, 200, 404, 405, 401, 500, 500]
    assert transcript.exit_code == 0


def test_each_request_is_one_line_by_the_template_of_its_route(transcript: Transcript) -> None:
    assert [(each["method"], each["route"], each["status"]) for each in transcript.requests()] == [
        (method, route, answer.status_code) for method, route, answer in transcript.answers
    ]


def test_a_line_has_the_id_that_was_answered_and_the_code_of_the_problem(transcript: Transcript) -> None:
    for line, (_, _, answer) in zip(transcript.requests(), transcript.answers, strict=True):
        assert line["request_id"] == answer.headers["x-request-id"]
        assert line.get("code") == (answer.json()["code"] if answer.status_code >= 400 else None)
        assert line["milliseconds"] > 0
        assert line["level"] == "info"
        assert line["timestamp"].endswith("Z")


def test_the_trace_of_a_traceparent_is_logged_with_its_request_alone(transcript: Transcript) -> None:
    traced = [each["request_id"] for each in transcript.lines() if each.get("trace_id") == TRACE_ID]
    assert traced == ["mine-1"]


def test_nothing_that_users_sent_is_logged_not_even_with_a_crash(transcript: Transcript) -> None:
    for secret in (*SECRETS, transcript.database_password):
        assert secret not in transcript.log
    crashes = [each for each in transcript.lines() if each["level"] == "error"]
    assert [each["event"] for each in crashes] == ["command_failed", "request_crashed"]
    assert all("UndefinedTableError" in each["exception"] for each in crashes)
    assert [each["request_id"] for each in crashes] == [
        answer.headers["x-request-id"] for _, _, answer in transcript.answers[-2:]
    ]


@pytest.fixture
def logs_restored() -> Iterator[None]:
    yield
    configure_logs(Settings())


@pytest.mark.usefixtures("logs_restored")
@pytest.mark.parametrize("log_format", LogFormat)
def test_a_traceback_shows_no_local_variables(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(Settings(log_format=log_format))

    def crash(held: str) -> None:
        raise RuntimeError(f"of {len(held)} characters")

    try:
        crash("plan" + "ted")
    except RuntimeError:
        structlog.get_logger("test").exception("crashed")
    shown = capsys.readouterr().err
    assert "of 7 characters" in shown
    assert "in crash" in shown
    assert "planted" not in shown
