"""House rules that would decay if nothing ran them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = sorted((ROOT / "app").rglob("*.py"))
SQL = sorted((ROOT / "app/repositories/sql").glob("*.sql"))
SOURCE = [*APP, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "migrations").rglob("*.py")), *SQL]
ON_THE_WORLDS_CLOCK = {"insert_api_key", "find_api_keys", "list_api_keys", "revoke_api_key", "note_key_uses"}
"""Statements about callers: nobody's key lasts longer because a sandbox's clock was advanced, or shorter."""

LINES_MAX = {"app": 450, "migrations": 450, "tests": 600}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCE, ids=name_of)
def test_a_file_is_one_noun_and_leaves_nothing_unfinished(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES_MAX[path.relative_to(ROOT).parts[0]]
    unfinished = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X"))
    assert not re.search(rf"\b({unfinished})\b", text)


@pytest.mark.parametrize("path", APP, ids=name_of)
def test_only_the_settings_read_the_environment(path: Path) -> None:
    reads = re.search(r"os\.environ|getenv", path.read_text())
    assert not reads or path.name in {"config.py", "embedded_postgres.py"}, "app.config is the only reader"


@pytest.mark.parametrize("path", APP, ids=name_of)
def test_only_the_database_begins_and_commits(path: Path) -> None:
    if path.name in {"database.py", "migration.py"}:
        return
    assert not re.search(r"\.commit\(|\.rollback\(|[\"'](BEGIN|COMMIT|ROLLBACK)\b", path.read_text())


@pytest.mark.parametrize("path", APP, ids=name_of)
def test_only_repositories_hold_sql(path: Path) -> None:
    if path.parent.name == "repositories" or path.name in {"database.py", "migration.py", "roles.py"}:
        return
    assert not re.search(r"\b(SELECT .* FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", path.read_text())


@pytest.mark.parametrize("path", SQL, ids=name_of)
def test_a_statement_says_what_it_is_for_what_it_binds_and_what_it_locks(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("-- ")
    assert "Binds:" in text
    assert "Locks:" in text
    body = re.sub(r"--.*", "", text)
    assert not re.search(r"SELECT \*", body)
    if path.stem not in {"load_owners", "read_balances", "find_due", "advance_sandbox_clock"} | ON_THE_WORLDS_CLOCK:
        assert "now()" not in body, "the ledger's clock comes with the load"
    if path.stem != "take_tokens":  # of the world's clock too, by which time must not stand still while it waits
        assert not re.search(r"\b(clock_timestamp|current_timestamp|transaction_timestamp)\b", body)


@pytest.mark.parametrize("path", SQL, ids=name_of)
def test_every_statement_is_used(path: Path) -> None:
    assert any(f'statement("{path.stem}")' in each.read_text() for each in APP)


def test_no_folder_has_a_name_that_means_nothing() -> None:
    names = {part for path in APP for part in path.with_suffix("").relative_to(ROOT).parts}
    assert not names & {"utils", "helpers", "common", "core", "crud", "manager", "misc"}
