"""API keys: how one is written, and what its bearer may do.

A key is `wk_`, 43 digits of base 62 that are 256 random bits, and 6 that are their CRC-32, as in GitHub's tokens: a
mistyped key is known without asking anybody, and a leaked one is found by its form. Only its SHA-256 is kept. That is
enough because nobody can guess 256 bits; slow hashes are for what people choose.
"""

import hashlib
import re
import zlib
from datetime import datetime
from enum import StrEnum

from app.domain.record import record

PREFIX = "wk_"
SECRET_BYTES = 32
ENDING_CHARACTERS = 4
"""So much of a key is shown after it was made, to tell it from others."""

NAME_LENGTH_MAX = 100
DAYS_MAX = 3_650
RATE_MAX = 1_000_000

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_DIGITS, _CHECKSUM_DIGITS = 43, 6
_FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_SECRET_DIGITS}}})([0-9A-Za-z]{{{_CHECKSUM_DIGITS}}})", re.ASCII)


class Scope(StrEnum):
    """One thing that a key can be allowed to do."""

    WALLETS_READ = "wallets:read"
    CREDITS_WRITE = "credits:write"
    SPEND_WRITE = "spend:write"
    HOLDS_WRITE = "holds:write"
    REFUNDS_WRITE = "refunds:write"
    ADJUSTMENTS_WRITE = "adjustments:write"
    ACCOUNTS_WRITE = "accounts:write"
    ASSETS_WRITE = "assets:write"
    LEDGER_READ = "ledger:read"
    KEYS_ADMIN = "keys:admin"
    SANDBOX_WRITE = "sandbox:write"


ALL_SCOPES = frozenset(Scope)


class KeyStatus(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@record
class Rate:
    """How often a key may be used: a bucket of `burst` requests that fills with so many a second."""

    requests_per_second: int
    burst: int

    @classmethod
    def of(cls, requests_per_second: int, burst: int | None) -> "Rate":
        """Return a rate whose bucket, unless it is said, holds what one second brings."""
        return cls(requests_per_second=requests_per_second, burst=burst or requests_per_second)


@record
class KeyTerms:
    """What a key is made for. Without `expires_in_days` it lasts until it is revoked."""

    name: str
    scopes: frozenset[Scope]
    rate: Rate | None
    expires_in_days: int | None


@record
class ApiKey:
    """A key as it is kept: everything but the secret."""

    id: int
    name: str
    ending: str
    scopes: frozenset[Scope]
    rate: Rate | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    has_expired: bool
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None

    @property
    def status(self) -> KeyStatus:
        """Whether it is good, and why not."""
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        return KeyStatus.EXPIRED if self.has_expired else KeyStatus.ACTIVE


def write_key(secret: bytes) -> str:
    """Write 32 random bytes as a key."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a key is made of {SECRET_BYTES} bytes")
    digits = _base62(int.from_bytes(secret), _SECRET_DIGITS)
    return f"{PREFIX}{digits}{_checksum(digits)}"


def is_key(text: str) -> bool:
    """Tell whether `text` is written as a key is, with the right checksum."""
    match = _FORM.fullmatch(text)
    return match is not None and _checksum(match[1]) == match[2]


def digest_of(key: str) -> bytes:
    """Return the SHA-256 of a key, by which it is found."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(digits: str) -> str:
    return _base62(zlib.crc32(digits.encode()), _CHECKSUM_DIGITS)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
