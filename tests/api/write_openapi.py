"""Writes docs/openapi.json: `python -m tests.api.write_openapi`. A test compares it with what the service serves."""

import json
from pathlib import Path

from tests.api.shapes import document

SNAPSHOT = Path(__file__).parents[2] / "docs" / "openapi.json"


def snapshot() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot())
