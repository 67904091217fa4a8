"""`wallet serve` as a person runs it: from nothing, again, killed, twice at once, and beside the other commands."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from app.config import Settings
from app.database_url import APPLICATION, READER, database_url, owner_url
from tests.conftest import owner_connection, run_as_owner

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
HURT_A_WALLET = """
import asyncio, asyncpg
from app.config import load_settings
from app.database_url import owner_url

async def hurt():
    connection = await asyncpg.connect(owner_url(load_settings()).replace("+asyncpg", ""))
    await connection.execute("UPDATE wallets SET posted = posted + 1 WHERE asset_type_id = 2")
    await connection.close()

asyncio.run(hurt())
"""
WITHOUT_ROLES = f"DROP OWNED BY {APPLICATION}, {READER}; DROP ROLE {APPLICATION}, {READER}"
"""What makes a home one of a version before the roles."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that an unprivileged server can enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="wallet-serve-"))
    folder.chmod(0o755)
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(home: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return kept | {"WALLET_HOME": str(home), "PYTHONPATH": str(ROOT)} | settings


def wallet(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run(home, "app.cli", *arguments, **settings)


def run(home: Path, module: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment(home, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def call(url: str, body: object = None) -> Any:
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@contextmanager
def served(home: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the service and lend its URL and process once it has said where it is."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve"],
        env=environment(home, PORT=str(port), LOG_LEVEL="warning", **settings),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = ""
        assert process.stdout is not None
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, f"ended before it was up: {said}"
            said += line
        assert "runs_degraded" not in said
        assert f"http://localhost:{port}/api/v1" in said
        yield f"http://localhost:{port}/api/v1/wallets/users/user_alice", process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=START_SECONDS)


def users_of_the_service(home: Path) -> set[str]:
    """Return as whom the service is connected to its database."""

    async def ask() -> set[str]:
        async with owner_connection(owner_url(Settings(wallet_home=home))) as connection:
            sql = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'wallet'"
            return {row["usename"] for row in await connection.fetch(sql)}

    return asyncio.run(ask())


def test_from_nothing_it_serves_the_seed_and_keeps_what_was_written(home: Path) -> None:
    with served(home) as (alice, process):
        assert call(f"{alice}/balance?asset_type_id=1")["balance"] == "1050.00"
        assert call(f"{alice}/top-up", {"amount": "50.00", "asset_type_id": 1})["new_balance"] == "1100.00"
        assert users_of_the_service(home) == {APPLICATION}
        asyncio.run(run_as_owner(owner_url(Settings(wallet_home=home)), WITHOUT_ROLES))
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_SECONDS) == 0
    assert not list((home / "data").glob("postmaster.pid"))
    with served(home) as (alice, process):
        assert call(f"{alice}/balance?asset_type_id=1")["balance"] == "1100.00"
        process.send_signal(signal.SIGINT)
        assert process.wait(START_SECONDS) == 0


def test_killed_outright_it_leaves_nothing_that_hinders_the_next_start(home: Path) -> None:
    with served(home, WORKERS="2") as (alice, process):
        spent = call(f"{alice}/spend", {"amount": "30.00", "asset_type_id": 1})["new_balance"]
        process.kill()
        process.wait(START_SECONDS)
    with served(home) as (alice, _):
        assert call(f"{alice}/balance?asset_type_id=1")["balance"] == spent == "1020.00"


def test_the_other_commands_find_the_server_that_runs(home: Path) -> None:
    with served(home):
        verified = wallet(home, "verify")
        assert verified.returncode == 0, verified.stderr
        assert "2 accounts, 7 transactions, 14 entries" in verified.stdout
        seeded = run(home, "scripts.seed")
        assert "was there already" in seeded.stdout, seeded.stderr
        assert wallet(home, "migrate").returncode == 0
        roles = wallet(home, "roles")
        assert (roles.returncode, roles.stdout.count("with the password that it has")) == (0, 2), roles.stderr
        assert make_url(database_url(Settings(wallet_home=home))).username == APPLICATION
        second = wallet(home, "serve", PORT=str(free_port()))
        assert second.returncode == 2
        assert len(second.stderr.strip().splitlines()) == 1
        assert "another process" in second.stderr


def test_verify_names_the_wrong_row_and_exits_with_one(home: Path) -> None:
    with served(home) as (alice, _):
        assert call(f"{alice}/balance?asset_type_id=1")["balance"] == "1050.00"
        hurt = subprocess.run(
            [
                sys.executable,
                "-c",
                HURT_A_WALLET,
            ],
            env=environment(home),
            cwd=ROOT,
            check=False,
        )
        assert hurt.returncode == 0
        verified = wallet(home, "verify")
        assert verified.returncode == 1
        assert "wallet of account" in verified.stderr.splitlines()[-1]


def test_a_taken_port_is_one_clear_line(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = wallet(home, "serve", PORT=str(taken.getsockname()[1]))
    assert refused.returncode == 2
    assert refused.stderr.startswith("wallet: PORT: ")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not home.exists()


def test_settings_are_all_shown_and_secrets_are_not(home: Path) -> None:
    shown = wallet(home, "settings", WALLET_API_KEY="a-secret-of-sixteen", DATABASE_URL="postgres://u:hidden@h/d")
    assert shown.returncode == 0
    assert "WALLET_API_KEY = (set)" in shown.stdout
    assert "secret" not in shown.stdout
    assert "hidden" not in shown.stdout


def test_a_drained_service_answers_what_it_had_accepted(home: Path) -> None:
    with served(home) as (alice, process):
        with socket.create_connection(("localhost", int(alice.split(":")[2].split("/")[0]))) as connection:
            body = b'{"amount": "1.00", "asset_type_id": 1}'
            head = "\r\n".join(
                (
                    "POST /api/v1/wallets/users/user_alice/spend HTTP/1.1",
                    "Host: localhost",
                    "Content-Type: application/json",
                    f"Content-Length: {len(body)}",
                    "",
                    "",
                )
            ).encode()
            connection.sendall(head)
            time.sleep(0.2)  # the server has read the head; there is no signal for that
            process.send_signal(signal.SIGTERM)
            connection.sendall(body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert process.wait(START_SECONDS) == 0
