"""The documents say what the program has, and nothing else."""

import re
from pathlib import Path

from app.cli.main import cli
from app.config import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_in_the_operating_guide_with_its_default() -> None:
    table = dict(
        re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
    )
    defaults = {
        name.upper(): "" if field.default is None else str(field.default).lower().replace("posixpath", "")
        for name, field in Settings.model_fields.items()
    }
    assert {name: default.lower() for name, default in table.items()} == defaults


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md"))
        for target in re.findall(r"`make ([a-z-]+)|^\s*make ([a-z-]+)", path.read_text(), re.MULTILINE)
        for target in target
        if target
    }
    assert named
    assert named <= targets


def test_every_path_that_the_readme_names_exists() -> None:
    text = (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
    for name in ("seed.sql", "render.yaml", "docker-compose.yml", "scripts/seed.py"):
        assert (ROOT / name).exists(), name


def test_every_command_has_a_help_text() -> None:
    for command in cli.registered_commands:
        assert command.callback is not None
        assert command.callback.__doc__


def test_the_changelog_has_something_for_users() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()
