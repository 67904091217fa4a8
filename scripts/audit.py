"""Asks whether locked versions have known vulnerabilities: `make audit`. Needs the network.

pip-audit reports success when it could not look up a single package. Here what could not be looked up is named, and is
no success: exit status 0 is "all were looked up, and nothing is known", 1 "something is known", 2 "not all were".
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

LOCK = "requirements.lock"
CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 2
COMMAND = ("pip_audit", "--requirement", LOCK, "--disable-pip", "--progress-spinner", "off", "--format", "json")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    status: int
    lines: list[str]


def verdict(report: str) -> Verdict:
    """Return what a report of pip-audit, in JSON, comes to. One that is no JSON is of a run that failed."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except ValueError:
        packages = []
    audited = [each for each in packages if "vulns" in each]
    lines = [_line(each, found) for each in audited for found in each["vulns"]]
    status = VULNERABLE if lines else CLEAN
    if not packages or len(audited) < len(packages):
        status = status or NOT_AUDITED
        names = ", ".join(each["name"] for each in packages if each not in audited) or "anything"
        lines.append(f"NOT AUDITED: what is known about vulnerabilities can't be reached from here for {names}")
    lines.append(f"{len(audited)} of {len(packages)} packages of {LOCK} were looked up")
    return Verdict(status=status, lines=lines)


def _line(package: dict[str, Any], found: dict[str, Any]) -> str:
    fixed = ", ".join(found["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"


def main() -> int:
    """Run pip-audit and say what its report comes to."""
    run = subprocess.run([sys.executable, "-m", *COMMAND], check=False, capture_output=True, text=True)  # noqa: S603
    found = verdict(run.stdout)
    print("\n".join(found.lines))
    return found.status


if __name__ == "__main__":
    sys.exit(main())
