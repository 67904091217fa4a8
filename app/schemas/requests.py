"""Bodies that come in. Unknown members are refused by name: a typo in `expires_at` must not make credits immortal."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.domain.commands import PRIORITY_DEFAULT
from app.schemas.fields import (
    Amount,
    AssetCode,
    AssetTypeId,
    IdempotencyKey,
    Metadata,
    Moment,
    Reference,
    UserId,
)

BATCH_MAX = 1_000


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WriteRequest(Request):
    """What every write on a wallet takes."""

    amount: Amount
    asset_type_id: AssetTypeId | None = None
    asset_code: AssetCode | None = None
    idempotency_key: IdempotencyKey | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None


class SpendRequest(WriteRequest):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "30.00", "asset_type_id": 1}]})


class CreditRequest(WriteRequest):
    """What a top-up and a bonus take."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "50.00", "asset_type_id": 1}]})

    expires_at: Moment | None = Field(default=None, description="From this moment on the credits are gone.")
    expires_in_days: int | None = Field(default=None, ge=1, le=36_500, description="The same, counted from now.")
    never_expires: bool = Field(default=False, description="Overrules the asset type's default expiry.")
    priority: int = Field(
        default=PRIORITY_DEFAULT, ge=0, le=100, description="Credits with a lower number are spent first."
    )
    open_account: bool = Field(default=False, description="Open an account for an unknown user instead of a 404.")

    @model_validator(mode="after")
    def _one_expiry(self) -> Self:
        stated = (self.expires_at is not None) + (self.expires_in_days is not None) + self.never_expires
        if stated > 1:
            raise ValueError("give at most one of expires_at, expires_in_days and never_expires")
        return self


class OpenAccountRequest(Request):
    metadata: Metadata | None = None


class BatchTopUp(CreditRequest):
    type: Literal["top_up"]
    external_user_id: UserId


class BatchBonus(CreditRequest):
    type: Literal["bonus"]
    external_user_id: UserId


class BatchSpend(SpendRequest):
    type: Literal["spend"]
    external_user_id: UserId


BatchOperation = Annotated[BatchTopUp | BatchBonus | BatchSpend, Field(discriminator="type")]


class BatchRequest(Request):
    """Operations of any users. Each is read, decided and answered on its own."""

    operations: list[Any] = Field(
        min_length=1,
        max_length=BATCH_MAX,
        json_schema_extra={
            "items": {
                "oneOf": [
                    {"$ref": f"#/components/schemas/{model.__name__}"} for model in (BatchTopUp, BatchBonus, BatchSpend)
                ]
            },
            "examples": [
                [
                    {"type": "top_up", "external_user_id": "user_alice", "amount": "5.00", "asset_type_id": 1},
                    {"type": "spend", "external_user_id": "user_bob", "amount": "1.00", "asset_code": "GOLD"},
                ]
            ],
        },
    )
