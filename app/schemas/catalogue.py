"""Bodies about asset types, that come in and go out."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from app.domain.records import HOLD_SECONDS_DEFAULT, AssetStatus
from app.schemas.fields import PLAIN_TEXT, check_text
from app.schemas.requests import HOLD_SECONDS_MAX, LimitsRequest, Request
from app.schemas.responses import AmountOut, Response

NewAssetCode = Annotated[
    str,
    Field(pattern=r"^[A-Z][A-Z0-9_]{0,15}$", description="Its name in calls; it never changes.", examples=["GEM"]),
]
AssetName = Annotated[
    str,
    AfterValidator(check_text),
    Field(min_length=1, max_length=100, description="Its name for people.", json_schema_extra=PLAIN_TEXT),
]
Status = Annotated[
    AssetStatus,
    Field(strict=False, description="Of an `inactive` one no new credits are given out; they can be spent."),
]
ExpiryDays = Annotated[
    int, Field(ge=1, le=36_500, description="After so many days credits expire, unless their top-up says otherwise.")
]
HoldSeconds = Annotated[
    int, Field(ge=1, le=HOLD_SECONDS_MAX, description="So long a hold lasts, unless the hold says otherwise.")
]
DryRun = Annotated[bool, Field(description="Answer what would be, and change nothing.")]

_LEFT_OUT: Any = Field(default_factory=lambda: None)
"""For what may be left out but not be null: `model_fields_set` tells whether it was."""


class CreateAssetTypeRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"asset_code": "GEM", "name": "Gems", "scale": 0, "limits": {"daily_spend_max": "500"}}]
        }
    )

    asset_code: NewAssetCode
    name: AssetName
    scale: int = Field(ge=0, le=18, description="Digits after the decimal point; it never changes.")
    status: Status = AssetStatus.ACTIVE
    default_expiry_days: ExpiryDays | None = None
    hold_seconds: HoldSeconds = HOLD_SECONDS_DEFAULT
    limits: LimitsRequest = Field(default_factory=LimitsRequest)
    dry_run: DryRun = False


class ChangeAssetTypeRequest(Request):
    """What is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Gems", "default_expiry_days": 365, "limits": {"amount_max": None}}]}
    )

    name: AssetName = _LEFT_OUT
    status: Status = _LEFT_OUT
    default_expiry_days: ExpiryDays | None = None
    hold_seconds: HoldSeconds = _LEFT_OUT
    limits: LimitsRequest = Field(default_factory=LimitsRequest)
    dry_run: DryRun = False


class LimitsResponse(Response):
    """What callers may do; null: no limit. The daily ones count UTC days."""

    amount_min: AmountOut | None
    amount_max: AmountOut | None
    balance_max: AmountOut | None
    daily_spend_max: AmountOut | None
    daily_credit_max: AmountOut | None


class AssetTypeResponse(Response):
    asset_type_id: int
    asset_code: str
    name: str
    scale: int = Field(description="Digits after the decimal point.")
    status: str
    default_expiry_days: int | None
    hold_seconds: int
    limits: LimitsResponse


class AssetTypesResponse(Response):
    data: list[AssetTypeResponse]
