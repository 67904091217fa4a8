"""Who is answered: holders of the key, or, when no key is set, callers on this machine."""

import hmac
import re
from functools import lru_cache
from ipaddress import ip_address

from fastapi import Request

from app.config import Access, Settings
from app.domain.errors import Unauthorized

FORWARDING_HEADERS = frozenset(
    {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"}
)
_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?", re.ASCII | re.IGNORECASE)

_NO_KEY_SET = (
    "No key is set, so only callers on this machine are answered: set WALLET_API_KEY and send it as "
    "'Authorization: Bearer <key>', or set AUTH=off to answer everybody"
)
_NO_KEY_SENT = "This call needs the header 'Authorization: Bearer <key>'"
_WRONG_KEY = "The key in the Authorization header is not the one that is set"


def actor_of(request: Request, settings: Settings) -> str:
    """Return who is calling, as recorded with what they do.

    Raises:
        Unauthorized: the caller may not be answered; the message says what to do.
    """
    if settings.wallet_api_key is not None:
        _check_key(request, settings.wallet_api_key.get_secret_value())
        return "key:bootstrap"
    if settings.auth is Access.OFF:
        return "anonymous"
    if not _is_local(request):
        raise Unauthorized(reason=_NO_KEY_SET)
    return "local"


def _check_key(request: Request, key: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Unauthorized(reason=_NO_KEY_SENT)
    if not hmac.compare_digest(given.strip().encode(), key.encode()):
        raise Unauthorized(reason=_WRONG_KEY)


def _is_local(request: Request) -> bool:
    """Tell whether the caller itself is on this machine: no proxy in between, and no page of another site's name."""
    if request.client is None or not FORWARDING_HEADERS.isdisjoint(request.headers.keys()):
        return False
    return _is_loopback(request.client.host) and _LOOPBACK_HOST.fullmatch(request.headers.get("host", "")) is not None


@lru_cache(maxsize=1_024)
def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
