"""`wallet keys`: keys for whoever has the database."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.domain.api_keys import is_key

ROOT = Path(__file__).parents[2]
USER = "/api/v1/wallets/users/user_alice"


def wallet_keys(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "keys", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_a_key_is_made_used_listed_and_revoked(client: httpx2.AsyncClient, seeded_url: str) -> None:
    made = wallet_keys(
        seeded_url,
        *("create", "The shop", "--scope", "spend:write", "--scope", "wallets:read"),
        *("--expires-in-days", "30", "--requests-per-second", "50", "--burst", "80"),
    )
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert is_key(key), "nothing but the key is on standard output"
    assert "Key 1, 'The shop': spend:write, wallets:read" in made.stderr

    headers = {"Authorization": f"Bearer {key}"}
    body = {"amount": "1", "asset_type_id": 1}
    assert (await client.post(f"{USER}/spend", json=body, headers=headers)).status_code == 200
    assert (await client.post(f"{USER}/bonus", json=body, headers=headers)).status_code == 403

    listed = wallet_keys(seeded_url, "list")
    assert listed.returncode == 0
    for shown in ("The shop", key[-4:], "spend:write wallets:read", "active", "50 (80)"):
        assert shown in listed.stdout
    assert key[:-4] not in listed.stdout

    revoked = wallet_keys(seeded_url, "revoke", "1")
    assert (revoked.returncode, revoked.stdout[:34]) == (0, "Key 1, 'The shop', is revoked sinc")
    assert "revoked" in wallet_keys(seeded_url, "list").stdout


async def test_a_key_may_do_everything_if_that_is_said(client: httpx2.AsyncClient, seeded_url: str) -> None:
    made = wallet_keys(seeded_url, "create", "Operations", "--all-scopes")
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
    listed = wallet_keys(seeded_url, "list")
    assert listed.returncode == 0, listed.stderr
    for shown in ("[/x]", "[bold]Shop[/bold]", "back\\u202ewards"):
        assert shown in listed.stdout


def test_a_key_that_is_not_there_can_not_be_revoked(empty_url: str) -> None:
    answer = wallet_keys(empty_url, "revoke", "1")
    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "", "wallet: There is no API key 1.\n")


def test_without_a_database_one_line_says_so() -> None:
    answer = wallet_keys("postgresql://nobody:secret@127.0.0.1:1/none", "create", "Shop", "--all-scopes")
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert answer.stderr.startswith("wallet: DATABASE_URL: ")
