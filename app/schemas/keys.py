"""Bodies about API keys, that come in and go out."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from app.domain.api_keys import DAYS_MAX, NAME_LENGTH_MAX, RATE_MAX, Scope
from app.schemas.fields import PLAIN_TEXT, check_text
from app.schemas.lists import PageResponse
from app.schemas.requests import Request
from app.schemas.responses import MomentOut, Response
from app.schemas.rules import NUMBER

KeyName = Annotated[
    str,
    AfterValidator(check_text),
    Field(
        min_length=1,
        max_length=NAME_LENGTH_MAX,
        description="Who uses it, for people; it need not be unique.",
        json_schema_extra=PLAIN_TEXT,
    ),
]
Scopes = Annotated[
    frozenset[Annotated[Scope, Field(strict=False)]],
    Field(min_length=1, strict=False, description="What it may do.", json_schema_extra={"uniqueItems": False}),
]
ExpiresInDays = Annotated[
    int, Field(ge=1, le=DAYS_MAX, description="After so many days it is good no more; without, it lasts until revoked.")
]
RequestsPerSecond = Annotated[
    int, Field(ge=1, le=RATE_MAX, description="How often it may be used, over all processes; without, any number.")
]
Burst = Annotated[
    int, Field(ge=1, le=RATE_MAX, description="How many requests may come at once; without, those of one second.")
]


class CreateKeyRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Shop", "scopes": ["wallets:read", "spend:write"], "expires_in_days": 90}]
        }
    )

    refused = ({"properties": {"burst": NUMBER, "requests_per_second": {"type": "null"}}, "required": ["burst"]},)

    name: KeyName
    scopes: Scopes
    expires_in_days: ExpiresInDays | None = None
    requests_per_second: RequestsPerSecond | None = None
    burst: Burst | None = None


class RevokeKeyRequest(Request):
    """Nothing: whatever is sent beside is refused by name."""


class KeyResponse(Response):
    key_id: int
    name: str
    ending: str = Field(description="The last four characters of the key, to tell it from others.")
    scopes: list[Scope]
    status: str = Field(description="`active`, `expired` or `revoked`.")
    requests_per_second: int | None
    burst: int | None
    created_at: MomentOut
    created_by: str
    expires_at: MomentOut | None
    revoked_at: MomentOut | None
    revoked_by: str | None
    last_used_at: MomentOut | None = Field(description="When it was used last, exact to some two minutes.")


class CreatedKeyResponse(KeyResponse):
    key: str = Field(description="The key itself. It is shown this once: nobody can find it out again.")


class KeyPageResponse(PageResponse):
    data: list[KeyResponse]
