"""Reads docs/errors.md."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"

_HEADING = re.compile(r"### (?:(\d+)\. .+|At any step)")
_ROW = re.compile(r"\| `([a-z0-9_]+)` \| (\d{3}) \| (.+) \| (.+) \|")


@dataclass(frozen=True)
class Documented:
    """What the document says of a code. `step` is None for what can happen at any step."""

    step: int | None
    status: int
    text: str


@cache
def documented() -> dict[str, Documented]:
    """Return what is said of every code."""
    found: dict[str, Documented] = {}
    step: int | None = None
    for line in DOCUMENT.read_text().splitlines():
        if heading := _HEADING.fullmatch(line):
            step = int(heading[1]) if heading[1] else None
        elif row := _ROW.fullmatch(line):
            assert row[1] not in found, f"{row[1]} stands there twice"
            found[row[1]] = Documented(step, int(row[2]), f"{row[3]} {row[4]}")
        else:
            assert not line.startswith(("| `", "##### ")), f"a line of another form: {line}"
    return found
