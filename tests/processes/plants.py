"""Secrets to be planted, and the search for them: whole or in parts, as they are or in another writing."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.sizes import choices

LETTERS = "GHJKMNPQRSTVWXZghjkmnpqrstvwxz"
"""No digits of hashes, and no vowels: nothing else that the service says has eight of them in a row."""

LENGTH = 24
SIZES = PLAIN, BASE64, HEX, PERCENT = 8, 11, 16, 24
"""Eight characters of a secret are too much: how long they are in each writing."""

_random = choices("plants")


@dataclass
class Plants:
    """What was planted, and where."""

    places: dict[str, str] = field(default_factory=dict)
    _secret_of: dict[str, str] = field(default_factory=dict)
    """By part, in any writing."""

    def plant(self, place: str) -> str:
        """Return a new secret."""
        return self.add(place, "".join(_random.choices(LETTERS, k=LENGTH)))

    def add(self, place: str, secret: str) -> str:
        """Look for a secret that is there already, too."""
        self.places[secret] = place
        self._secret_of |= dict.fromkeys(_parts(secret), secret)
        return secret

    def found_in(self, text: str | bytes, *, but: Iterable[str] = ()) -> set[str]:
        """Return where each secret was planted of which a part stands in `text`, except some."""
        if isinstance(text, bytes):
            text = text.decode("latin-1")
        found = {
            self._secret_of[part]
            for size in SIZES
            for at in range(len(text) - size + 1)
            if (part := text[at : at + size]) in self._secret_of
        }
        return {self.places[secret] for secret in found - set(but)}


def _parts(secret: str) -> set[str]:
    """Return what of a secret may not be seen, in each writing."""
    data = secret.encode()
    parts = _windows(secret, PLAIN)
    parts |= _windows(data.hex(), HEX) | _windows("".join(f"%{byte:02X}" for byte in data), PERCENT)
    for shift in range(3):  # where in its groups of three bytes base64 meets it
        encoded = base64.b64encode(bytes(shift) + data).decode()
        parts |= _windows(encoded[4:-4], BASE64)
    return parts


def _windows(text: str, size: int) -> set[str]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}
