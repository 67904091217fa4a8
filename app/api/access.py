"""Who is answered, and what each may do.

A caller sends an API key, or the bootstrap key of the settings, which may do everything. Where no key is needed (AUTH
is off, or none is set and the caller is on this machine) everything may be done without one; but an API key that is
sent counts there too.
"""

import hmac
import re
from functools import lru_cache
from ipaddress import ip_address

from fastapi import Request

from app.api.dependencies import Services
from app.api.headers import first_headers
from app.config import Access
from app.domain.api_keys import ALL_SCOPES, PREFIX, Scope
from app.domain.errors import InsufficientScope, Unauthorized
from app.domain.record import record
from app.domain.records import TransactionType

FORWARDING_HEADERS = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
)
_LOOPBACK = rb"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"
_LOOPBACK_ORIGIN = re.compile(b"https?://" + _LOOPBACK, re.IGNORECASE)
_LOOPBACK_HOST = re.compile(_LOOPBACK, re.IGNORECASE)

SCOPE_OF = {
    TransactionType.TOP_UP: Scope.CREDITS_WRITE,
    TransactionType.BONUS: Scope.CREDITS_WRITE,
    TransactionType.SPEND: Scope.SPEND_WRITE,
    TransactionType.HOLD: Scope.HOLDS_WRITE,
    TransactionType.CAPTURE: Scope.HOLDS_WRITE,
    TransactionType.RELEASE: Scope.HOLDS_WRITE,
    TransactionType.EXTEND: Scope.HOLDS_WRITE,
    TransactionType.REFUND: Scope.REFUNDS_WRITE,
    TransactionType.REVERSAL: Scope.REFUNDS_WRITE,
    TransactionType.ADJUSTMENT: Scope.ADJUSTMENTS_WRITE,
}
"""What each operation needs, sent by itself or in a group or batch."""

OPERATION_SCOPES = tuple(dict.fromkeys(SCOPE_OF.values()))

_NO_KEY_SET = (
    "Only callers on this machine are answered without a key: send an API key (`wallet keys create` makes one) as "
    "'Authorization: Bearer <key>', or set WALLET_API_KEY and send that, or set AUTH=off to answer everybody"
)
_NO_KEY_SENT = "This call needs the header 'Authorization: Bearer <key>'"
_TWO_KEYS_SENT = "Two Authorization headers were sent: send one"
_WRONG_KEY = "The key in the Authorization header is neither an API key nor the one that is set"


@record
class Caller:
    """Who is calling, as recorded with what they do; and what they may do."""

    actor: str
    scopes: frozenset[Scope]
    key: str | None = None
    """The API key that was sent, if it was one."""

    def expect(self, *scopes: Scope) -> None:
        """Let a caller pass who has one of `scopes`.

        Raises:
            InsufficientScope: this one has none of them.
        """
        if self.scopes.isdisjoint(scopes):
            raise InsufficientScope(scope=" ".join(scopes))


_BOOTSTRAP = Caller(actor="key:bootstrap", scopes=ALL_SCOPES)
_ANYBODY = Caller(actor="anonymous", scopes=ALL_SCOPES)
_LOCAL = Caller(actor="local", scopes=ALL_SCOPES)


async def caller_of(request: Request, services: Services) -> Caller:
    """Return who is calling.

    Raises:
        Unauthenticated: the caller may not be answered; the message says what to do.
        RateLimited: the key is used too often.
        Unavailable: it can't be told now who is calling.
    """
    sent = [value for name, value in request.scope["headers"] if name == b"authorization"]
    key, settings = _key_in(sent), services.settings
    set_key = None if settings.wallet_api_key is None else settings.wallet_api_key.get_secret_value()
    if key is not None and set_key is not None and hmac.compare_digest(key.encode(), set_key.encode()):
        return _BOOTSTRAP
    if key is not None and key.startswith(PREFIX):
        return await _bearer_of(key, services)
    if set_key is not None or settings.auth is Access.REQUIRED:
        raise Unauthorized(reason=_NO_KEY_SENT if key is None else _WRONG_KEY)
    if settings.auth is Access.OFF:
        return _ANYBODY
    if not _is_local(request):
        raise Unauthorized(reason=_NO_KEY_SET)
    if sent:
        raise Unauthorized(reason=_WRONG_KEY)  # a key that is sent wrongly must not do more than one sent rightly
    return _LOCAL


async def still_good(caller: Caller, services: Services) -> None:
    """Look at the caller's key again: while a body came in, which may take long, it may have been revoked.

    Raises:
        Unauthenticated: it is good no more.
        Unavailable: that can't be told now.
    """
    if caller.key is not None:
        await services.keys.find(caller.key)


async def _bearer_of(key: str, services: Services) -> Caller:
    found = await services.keys.find(key)
    if found.rate is not None:
        await services.rates.take(found.id, found.rate)
    return Caller(actor=f"key:{found.id}", scopes=found.scopes, key=key)


def _key_in(sent: list[bytes]) -> str | None:
    """Return what is sent as a key in Authorization headers, None when nothing is."""
    if not sent:
        return None
    if len(sent) > 1:
        raise Unauthorized(reason=_TWO_KEYS_SENT)
    scheme, _, key = sent[0].decode("latin-1").partition(" ")
    return (key.strip() or None) if scheme.lower() == "bearer" else None


def _is_local(request: Request) -> bool:
    """Tell whether the caller itself is on this machine: no proxy in between, and no page of another site."""
    client, headers = request.client, first_headers(request.scope)
    if client is None or not FORWARDING_HEADERS.isdisjoint(headers):
        return False
    if headers.get(b"sec-fetch-site") == b"cross-site":
        return False
    if (origin := headers.get(b"origin")) is not None and not _LOOPBACK_ORIGIN.fullmatch(origin):
        return False
    return _is_loopback(client.host) and _LOOPBACK_HOST.fullmatch(headers.get(b"host", b"")) is not None


@lru_cache(maxsize=1_024)
def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
