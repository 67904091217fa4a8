"""`wallet keys`: keys for whoever has the database."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner, Result

from app.cli.main import cli
from app.config import ConfigurationError
from app.domain.api_keys import is_key
from app.domain.errors import UnknownApiKey

ROOT = Path(__file__).parents[2]
USER = "/api/v1/wallets/users/user_alice"


async def wallet_keys(url: str, *arguments: str) -> Result:
    """Run the command in a thread of its own, as it runs a loop of its own."""
    environment = {"DATABASE_URL": url, "NO_COLOR": "1"}
    return await asyncio.to_thread(lambda: CliRunner().invoke(cli, ["keys", *arguments], env=environment))


async def test_a_key_is_made_used_listed_and_revoked(client: httpx2.AsyncClient, seeded_url: str) -> None:
    made = await wallet_keys(
        seeded_url,
        *("create", "The shop", "--scope", "spend:write", "--scope", "wallets:read"),
        *("--expires-in-days", "30", "--requests-per-second", "50", "--burst", "80"),
    )
    assert made.exit_code == 0, made.stderr
    key = made.stdout.strip()
    assert is_key(key), "nothing but the key is on standard output"
    assert "Key 1, 'The shop': spend:write, wallets:read" in made.stderr

    headers = {"Authorization": f"Bearer {key}"}
    body = {"amount": "1", "asset_type_id": 1}
    assert (await client.post(f"{USER}/spend", json=body, headers=headers)).status_code == 200
    assert (await client.post(f"{USER}/bonus", json=body, headers=headers)).status_code == 403

    listed = await wallet_keys(seeded_url, "list")
    assert listed.exit_code == 0
    for shown in ("The shop", key[-4:], "spend:write wallets:read", "active", "50 (80)"):
        assert shown in listed.stdout
    assert key[:-4] not in listed.stdout

    revoked = await wallet_keys(seeded_url, "revoke", "1")
    assert (revoked.exit_code, revoked.stdout[:34]) == (0, "Key 1, 'The shop', is revoked sinc")
    assert "revoked" in (await wallet_keys(seeded_url, "list")).stdout


async def test_a_key_may_do_everything_if_that_is_said(client: httpx2.AsyncClient, seeded_url: str) -> None:
    made = await wallet_keys(seeded_url, "create", "Operations", "--all-scopes")
    answer = await client.get("/api/v1/keys", headers={"Authorization": f"Bearer {made.stdout.strip()}"})
    (key,) = answer.json()["data"]
    assert (key["name"], len(key["scopes"]), key["created_by"]) == ("Operations", 11, "cli")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create",), "{name}"),
        (("create", "Shop"), "--all-scopes"),
        (("create", "Shop", "--scope", "spend:write", "--all-scopes"), "--all-scopes"),
        (("create", "Shop", "--scope", "spend:all"), "spend:write"),
        (("create", "", "--all-scopes"), "1 to 100 printable characters"),
        (("create", "a\nb", "--all-scopes"), "1 to 100 printable characters"),
        (("create", "x" * 101, "--all-scopes"), "1 to 100 printable characters"),
        (("create", "Shop", "--all-scopes", "--expires-in-days", "0"), "greater than or equal to 1"),
        (("create", "Shop", "--all-scopes", "--burst", "9"), "--requests-per-second"),
        (("revoke", "x"), "{key_id}"),
        (("revoke", "0"), "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said_and_no_key_is_made(arguments: tuple[str, ...], said: str) -> None:
    answer = CliRunner().invoke(cli, ["keys", *arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in answer.stderr


async def test_a_name_is_shown_as_it_is_written(client: httpx2.AsyncClient, seeded_url: str) -> None:
    for name in ("[/x]", "[bold]Shop[/bold]", "back\u202ewards"):
        body = {"name": name, "scopes": ["spend:write"]}
        assert (await client.post("/api/v1/keys", json=body)).status_code == 201
    listed = await wallet_keys(seeded_url, "list")
    assert listed.exit_code == 0, listed.stderr
    for shown in ("[/x]", "[bold]Shop[/bold]", "back\\u202ewards"):
        assert shown in listed.stdout


async def test_a_key_that_is_not_there_can_not_be_revoked(empty_url: str) -> None:
    answer = await wallet_keys(empty_url, "revoke", "1")
    assert answer.stdout == ""
    assert isinstance(answer.exception, UnknownApiKey)


def test_without_a_database_one_line_says_so() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "app.cli", "keys", "create", "Shop", "--all-scopes"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": "postgresql://nobody:secret@127.0.0.1:1/none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert answer.stderr.startswith("wallet: DATABASE_URL: ")


async def test_without_tables_one_line_says_what_to_do(server_url: str) -> None:
    answer = await wallet_keys(server_url, "list")
    assert isinstance(answer.exception, ConfigurationError)
    assert "wallet migrate" in str(answer.exception)
