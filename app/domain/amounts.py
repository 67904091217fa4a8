"""Amounts: exact integers in an asset's smallest unit inside, decimal text outside.

Nothing here ever touches a float or a Decimal: the text is checked by its shape, then read as digits.
"""

import re
from functools import lru_cache

from app.domain.errors import (
    AmountBlank,
    AmountExponent,
    AmountMalformed,
    AmountNegative,
    AmountNotANumber,
    AmountNotAscii,
    AmountSigned,
    AmountTooLarge,
    AmountTooPrecise,
    AmountZero,
)

UNITS_MAX = 2**63 - 1
"""The largest amount, and the largest balance, in smallest units: what a `bigint` holds."""

_DIGITS_MAX = 19  # len(str(UNITS_MAX))
_TEXT_REMEMBERED_MAX = 32
"""What is longer has zeros that say nothing, and could have any number of them."""

_PLAIN = re.compile(r"([0-9]+)(?:\.([0-9]+))?", re.ASCII)
_EXPONENT = re.compile(r"[+-]?[0-9]*(?:\.[0-9]*)?[eE][+-]?[0-9]+", re.ASCII)
_NOT_A_NUMBER = re.compile(r"[+-]?(nan|snan|inf|infinity)", re.IGNORECASE | re.ASCII)


def parse_amount(text: str, scale: int) -> int:
    """Read `text` as a positive amount and return it in smallest units (`"1.5"` at scale 2 is 150).

    Raises:
        AmountInvalid: the subclass says what is wrong. The cost is linear in the text's length.
    """
    return _parsed(text, scale) if len(text) <= _TEXT_REMEMBERED_MAX else _parsed.__wrapped__(text, scale)


@lru_cache(maxsize=1024)  # prices repeat
def _parsed(text: str, scale: int) -> int:
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        raise _why_not_plain(text)
    whole, fraction = plain[1].lstrip("0"), (plain[2] or "").rstrip("0")
    if len(fraction) > scale:
        raise AmountTooPrecise(scale=scale)
    if len(whole) + scale > _DIGITS_MAX:
        raise AmountTooLarge
    units = int(whole + fraction.ljust(scale, "0") or "0")
    if units == 0:
        raise AmountZero
    if units > UNITS_MAX:
        raise AmountTooLarge
    return units


def parse_signed_amount(text: str, scale: int) -> int:
    """Read `text` as an amount that may be negative, but not zero.

    Raises:
        AmountInvalid: as of `parse_amount`.
    """
    if not text.startswith("-"):
        return parse_amount(text, scale)
    if text[1:2] in {"", "-", "+"}:
        raise AmountMalformed
    return -parse_amount(text[1:], scale)


def parse_limit(text: str, scale: int) -> int:
    """Read `text` as an amount that may be zero, but not negative.

    Raises:
        AmountInvalid: as of `parse_amount`.
    """
    try:
        return parse_amount(text, scale)
    except AmountZero:
        return 0


@lru_cache(maxsize=1024)  # an answer says most of its amounts more than once
def format_amount(units: int, scale: int) -> str:
    """Write `units` with exactly `scale` digits after the point (150 at scale 2 is `"1.50"`)."""
    if scale == 0:
        return str(units)
    digits = str(units).zfill(scale + 1 if units >= 0 else scale + 2)
    return f"{digits[:-scale]}.{digits[-scale:]}"


def _why_not_plain(text: str) -> Exception:
    """Return the most telling error for a text that is not plain digits."""
    if not text or text != text.strip() or " " in text:
        return AmountBlank()
    if not text.isascii():
        return AmountNotAscii()
    if _NOT_A_NUMBER.fullmatch(text):
        return AmountNotANumber()
    if _EXPONENT.fullmatch(text):
        return AmountExponent()
    if text.startswith("-"):
        return AmountNegative()
    if text.startswith("+"):
        return AmountSigned()
    return AmountMalformed()
