"""`make audit`: what was not looked up is no success."""

import json
from typing import Any

import pytest

from scripts.audit import CLEAN, NOT_AUDITED, VULNERABLE, verdict

FINE = {"name": "fine", "version": "1", "vulns": []}
HOLED = {"name": "holed", "version": "2", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        pytest.param([FINE], CLEAN, "1 of 1 packages of requirements.lock were looked up", id="clean"),
        pytest.param([FINE, HOLED], VULNERABLE, "holed 2: CVE-2026-1, fixed in 3", id="vulnerable"),
        pytest.param([UNKNOWN, HOLED], VULNERABLE, "for unknown", id="vulnerable-and-not-all-looked-up"),
        pytest.param([FINE, UNKNOWN], NOT_AUDITED, "for unknown", id="not-all-looked-up"),
        pytest.param([], NOT_AUDITED, "for anything", id="nothing"),
    ],
)
def test_an_audit_says_what_is_known_and_what_was_not_looked_up(
    packages: list[dict[str, Any]], status: int, said: str
) -> None:
    found = verdict(json.dumps({"dependencies": packages, "fixes": []}))
    assert (found.status, said in "\n".join(found.lines)) == (status, True)


def test_an_audit_that_failed_is_no_success() -> None:
    assert verdict("Traceback …").status == NOT_AUDITED
