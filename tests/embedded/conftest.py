from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.embedded.harness import IS_ROOT, PLAIN_UID, Place

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
USERS = [
    pytest.param(None, id="as-root" if IS_ROOT else "as-this-user"),
    pytest.param(PLAIN_UID, id="as-plain-user", marks=needs_root),
]


class Homes:
    """Finished homes, one a user, made when they are first asked for."""

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
def homes() -> Iterator[Homes]:
    with ExitStack() as stack:
        yield Homes(stack)


@pytest.fixture
def empty_place() -> Iterator[Place]:
    """Where nothing was started yet, for the user who runs the tests."""
    with Place() as place:
        yield place


@pytest.fixture
def place(homes: Homes) -> Iterator[Place]:
    """Where a server ran before and stopped, for the user who runs the tests."""
    with Place() as place:
        yield place.copy_of(homes.of(None).home)


@pytest.fixture(params=USERS)
def each_empty_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where nothing was started yet: once for root and once for a plain user."""
    with Place(request.param) as place:
        yield place


@pytest.fixture(params=USERS)
def each_place(request: pytest.FixtureRequest, homes: Homes) -> Iterator[Place]:
    """Where a server ran before and stopped: once for root and once for a plain user."""
    with Place(request.param) as place:
        yield place.copy_of(homes.of(request.param).home)
