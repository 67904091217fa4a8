"""The headers of a request, by name."""

from starlette.types import Scope


def first_headers(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers by name, of several of one name the first. They are put together once a request."""
    headers: dict[bytes, bytes] | None = scope.get("first_headers")
    if headers is None:
        headers = scope["first_headers"] = dict(reversed(scope["headers"]))
    return headers
