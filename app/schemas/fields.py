"""The fields that requests share: amounts read from their text, keys, names, notes, times."""

import json
import re
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from app.services.ids import read_id

USER_ID_BYTES_MAX = 255
METADATA_BYTES_MAX = 4096
PAGE_MAX = 200
INT64_MAX = 2**63 - 1
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
"""The driver takes the last microsecond of Python's time for "never"."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NOT_ZERO = r"0*[1-9][0-9]*(\.[0-9]+)?|0+\.0*[1-9][0-9]*"
PLAIN_TEXT: dict[str, Any] = {"pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
"""What `check_text` takes, for the document; halves of surrogate pairs can't be sent as UTF-8 anyway."""

_USER_TEXT: dict[str, Any] = {
    "minLength": 1,
    "maxLength": USER_ID_BYTES_MAX,
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f/\ufffd]+$",
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class NumberText:
    """A JSON number with a fraction or exponent, kept as it was written: floats never come into being."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _amount_text(value: Any) -> str:  # noqa: ANN401 - whatever the JSON holds
    if isinstance(value, str):
        return value
    if isinstance(value, NumberText):
        return value.text
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError('must be a string or a number, as in "12.50"')


def check_user_id(value: str) -> str:
    """Return `value` when it can be a user's id: 1 to 255 bytes of UTF-8, no control characters, no slash.

    Raises:
        ValueError: it can't; the message says why.
    """
    check_text(value)
    if not 1 <= len(value.encode()) <= USER_ID_BYTES_MAX:
        raise ValueError("must have 1 to 255 bytes in UTF-8")
    if "/" in value or "\N{REPLACEMENT CHARACTER}" in value:
        raise ValueError("must have no slash and only valid UTF-8")
    return value


def check_text(value: str) -> str:
    """Return `value` when it is plain text.

    Raises:
        ValueError: it has control characters or halves of surrogate pairs.
    """
    if not value.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise ValueError("must have no control characters and only valid UTF-8")
    return value


def check_key(value: str) -> str:
    """Return `value` when it can be an idempotency key.

    Raises:
        ValueError: it can't; the message says why.
    """
    if not 1 <= len(value) <= 255 or not value.isprintable():  # noqa: PLR2004 - the contract's number
        raise ValueError("must have 1 to 255 printable characters")
    return value


def _metadata_text(value: Any) -> str:  # noqa: ANN401 - whatever the JSON holds
    """Return the metadata as canonical JSON: keys sorted, no blanks."""
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - pydantic turns ValueError into a validation error
    for key, each in value.items():
        if not isinstance(each, str | bool | int) or (
            isinstance(each, int) and not -INT64_MAX - 1 <= each <= INT64_MAX
        ):
            raise ValueError("must be flat: each value a string, a boolean or a 64-bit integer")
        for text in (key, each):
            if isinstance(text, str) and any(unicodedata.category(character) == "Cs" for character in text):
                raise ValueError("must be valid UTF-8")
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > METADATA_BYTES_MAX:
        raise ValueError(f"must have at most {METADATA_BYTES_MAX} bytes as JSON")
    return text


def _plain_digits(value: str) -> str:
    if not (value.isascii() and value.isdigit()):
        raise ValueError("must be a whole number, in digits")
    return value


def _plain_uuid(value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    """Take a UUID in its one usual form: Python's own reader takes braces, URNs and no hyphens too."""
    if isinstance(value, str) and not _UUID.fullmatch(value):
        raise ValueError("must be a UUID, as in 0198c0de-0000-7000-8000-000000000000")
    return read_id(value) if isinstance(value, str) else value


def _moment(value: Any) -> datetime:  # noqa: ANN401 - whatever the JSON holds
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 time, as in 2027-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists, as in 2027-01-31T12:00:00Z") from None
    if moment >= END_OF_TIME:
        raise ValueError(f"must be before {rfc3339(END_OF_TIME)}")
    return moment


@lru_cache(maxsize=256)  # all transactions of a unit of work have the same moment
def rfc3339(moment: datetime) -> str:
    """Write a UTC time with Z and microseconds."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


Amount = Annotated[
    str,
    BeforeValidator(_amount_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": rf"^({_NOT_ZERO})$"}, {"type": "number", "exclusiveMinimum": 0}],
            "description": "Positive, with at most as many decimals as the asset type's scale. Strings and numbers are "
            "both read from their text, exactly.",
            "examples": ["50.00"],
        }
    ),
]
SignedAmount = Annotated[
    str,
    BeforeValidator(_amount_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": rf"^-?({_NOT_ZERO})$"},
                {"type": "number", "not": {"const": 0}},
            ],
            "description": "Positive or negative, not zero, with at most as many decimals as the asset type's scale.",
            "examples": ["-2.50"],
        }
    ),
]
AmountLimit = Annotated[
    str,
    BeforeValidator(_amount_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}, {"type": "number", "minimum": 0}],
            "description": "Zero or more, with at most as many decimals as the asset type's scale.",
            "examples": ["100.00"],
        }
    ),
]
IdempotencyKey = Annotated[
    str,
    AfterValidator(check_key),
    Field(
        description="Names this attempt, in printable characters: sent again, it is answered, not repeated.",
        json_schema_extra={"minLength": 1, "maxLength": 255, **PLAIN_TEXT},
    ),
]
UserId = Annotated[
    str,
    AfterValidator(check_user_id),
    Field(
        description="Your app's id of the user: at most 255 bytes of UTF-8.",
        examples=["user_alice"],
        json_schema_extra=_USER_TEXT,
    ),
]
Reference = Annotated[
    str,
    AfterValidator(check_text),
    Field(
        max_length=255,
        description="Your own reference, such as an order number; kept with the transaction.",
        json_schema_extra=PLAIN_TEXT,
    ),
]
Reason = Annotated[
    str,
    AfterValidator(check_text),
    Field(min_length=1, max_length=500, description="Why; kept with the transaction.", json_schema_extra=PLAIN_TEXT),
]
Operator = Annotated[
    str,
    AfterValidator(check_text),
    Field(
        min_length=1,
        max_length=100,
        description="Who decided it; kept with the transaction.",
        json_schema_extra=PLAIN_TEXT,
    ),
]
Metadata = Annotated[
    str,
    BeforeValidator(_metadata_text),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "boolean"},
                    {"type": "integer", "format": "int64"},
                ]
            },
            "description": "A flat object, at most 4,096 bytes as JSON; kept with the transaction.",
        }
    ),
]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(rfc3339),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
AssetTypeId = Annotated[int, Field(ge=1, le=2**31 - 1, description="Which credits, by number.", examples=[1])]
AssetCode = Annotated[
    str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,15}$", description="Which credits, by code; instead of asset_type_id.")
]
QueryAssetTypeId = Annotated[AssetTypeId, BeforeValidator(_plain_digits)]
"""In a query everything is text."""

KeyNumber = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_plain_digits)]
PageLimit = Annotated[int, Field(ge=1, le=PAGE_MAX), BeforeValidator(_plain_digits)]
NamePrefix = Annotated[
    str,
    AfterValidator(check_user_id),
    Field(json_schema_extra=_USER_TEXT),
]
Identifier = Annotated[UUID, BeforeValidator(_plain_uuid), Field(description="An id that an answer gave.")]
PlainText = Annotated[str, AfterValidator(check_text)]
PositionNumber = Annotated[int, Field(strict=True, ge=1, le=INT64_MAX)]
Priority = Annotated[int, Field(strict=True, ge=0, le=100)]
