"""How much the tests of failures and races do: a share in every run, the long sizes by `make soak`.

SEED repeats a run's random choices; the run prints it.
"""

import os
import random
import secrets

LONG = bool(os.environ.get("LONG"))
SEED = int(os.environ.setdefault("SEED", str(secrets.randbits(32))))  # set for the processes that share the tests


def size(usual: int, long: int) -> int:
    """Return how much is done: `usual` in every run, `long` by `make soak`."""
    return long if LONG else usual


def choices(name: str) -> random.Random:
    """Return the source of a test's random choices, the same for the same SEED."""
    return random.Random(f"{SEED} {name}")  # noqa: S311 - repeatable on purpose
