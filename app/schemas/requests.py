"""Bodies that come in. Unknown members are refused by name: a typo in `expires_at` must not make credits immortal."""

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from app.domain.commands import GROUP_MAX, PRIORITY_DEFAULT
from app.schemas.fields import (
    Amount,
    AmountLimit,
    AssetCode,
    AssetTypeId,
    IdempotencyKey,
    Identifier,
    Metadata,
    Moment,
    Operator,
    Reason,
    Reference,
    SignedAmount,
    UserId,
)
from app.schemas.rules import NUMBER, ONE_ASSET, TEXT, Rule, none_of, together

BATCH_MAX = 1_000
HOLD_SECONDS_MAX = 31_536_000

HoldSeconds = Annotated[
    int, Field(ge=1, le=HOLD_SECONDS_MAX, description="In how many seconds the hold ends by itself, from now.")
]
Shortfall = Literal["refuse", "partial"]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    refused: ClassVar[tuple[Rule, ...]] = ()
    """What no body of this kind may be; the document says it of its subclasses too."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the rules between members, and leave out the examples of a parent that lacks some."""
        reference = handler(core)
        schema = handler.resolve_ref_schema(reference)
        if rules := [rule for each in cls.__mro__ for rule in vars(each).get("refused", ())]:
            schema["not"] = {"anyOf": rules}
        if any(not example.keys() >= set(schema.get("required", ())) for example in schema.get("examples", ())):
            del schema["examples"]
        return reference


class WriteRequest(Request):
    """What every write takes."""

    idempotency_key: IdempotencyKey | None = None
    reference: Reference | None = None
    metadata: Metadata | None = None
    dry_run: bool = Field(default=False, description="Only say what it would come to; nothing is changed or recorded.")

    @property
    def target(self) -> UUID | None:
        """The hold or transaction that an operation of a group or batch is about."""
        return None


class AssetRequest(WriteRequest):
    """What a write on a wallet takes that names no earlier transaction."""

    refused = ONE_ASSET

    asset_type_id: AssetTypeId | None = None
    asset_code: AssetCode | None = None


class SpendRequest(AssetRequest):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "30.00", "asset_type_id": 1}]})

    amount: Amount
    on_shortfall: Shortfall = Field(default="refuse", description="`partial` takes what there is, if it is less.")


class CreditRequest(AssetRequest):
    """What a top-up and a bonus take."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "50.00", "asset_type_id": 1}]})

    refused = (
        together(expires_at=TEXT, expires_in_days=NUMBER),
        together(expires_at=TEXT, never_expires={"const": True}),
        together(expires_in_days=NUMBER, never_expires={"const": True}),
    )

    amount: Amount
    expires_at: Moment | None = Field(
        default=None, description="From this moment on the credits are gone; in the future, and before 9999-12-31."
    )
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


class HoldRequest(AssetRequest):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": "20.00", "asset_type_id": 1, "expires_in_seconds": 900}]}
    )

    amount: Amount
    expires_in_seconds: HoldSeconds | None = Field(
        default=None, description="In how many seconds the hold ends by itself; else the asset type says it."
    )


class CaptureRequest(WriteRequest):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "12.50"}]})

    amount: Amount | None = Field(default=None, description="How much of the hold is taken; without it, all.")
    final: bool = Field(default=True, description="Release what is left. `false` keeps the hold open for more.")
    on_excess: Literal["refuse", "from_available"] = Field(
        default="refuse", description="`from_available` takes what the hold does not have from what is available."
    )


class ReleaseRequest(WriteRequest):
    pass


class ExtendRequest(WriteRequest):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "5.00", "expires_in_seconds": 900}]})

    refused = (none_of("amount", "expires_in_seconds"),)

    amount: Amount | None = Field(default=None, description="How much more is set aside.")
    expires_in_seconds: HoldSeconds | None = None

    @model_validator(mode="after")
    def _extends_something(self) -> Self:
        if self.amount is None and self.expires_in_seconds is None:
            raise ValueError("give amount or expires_in_seconds, or both")
        return self


class RefundRequest(WriteRequest):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "10.00"}]})

    amount: Amount | None = Field(default=None, description="How much is given back; without it, all that is left.")


class ReversalRequest(WriteRequest):
    on_shortfall: Shortfall = Field(
        default="refuse", description="`partial` takes what is free; the rest is owed by what returns to the lot."
    )


class AdjustmentRequest(AssetRequest):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"amount": "-2.50", "asset_type_id": 1, "reason": "counted twice in case 4711", "operator": "olga"}
            ]
        }
    )

    amount: SignedAmount
    kind: Literal["paid", "promo"] = Field(default="promo", description="What a positive amount counts as.")
    reason: Reason
    operator: Operator


class LimitsRequest(Request):
    """Limits to set; null takes one away, and what is left out stays. They bind callers, not corrections."""

    amount_min: Amount | None = Field(
        default=None, description="The smallest amount of a top-up, bonus, spend or hold."
    )
    amount_max: Amount | None = Field(default=None, description="The largest amount of a top-up, bonus, spend or hold.")
    balance_max: Amount | None = Field(default=None, description="What a wallet holds at most.")
    daily_spend_max: AmountLimit | None = Field(default=None, description="What is spent of it in a UTC day at most.")
    daily_credit_max: AmountLimit | None = Field(default=None, description="What is put in in a UTC day at most.")


class ChangeAccountRequest(WriteRequest):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "frozen", "reason": "chargeback in case 4711", "operator": "olga"}]}
    )

    refused = (
        {"properties": {"status": {"type": "null"}, "limits": {"anyOf": [{"type": "null"}, {"maxProperties": 0}]}}},
    )

    status: Literal["active", "frozen", "closed"] | None = None
    limits: (
        Annotated[dict[AssetCode, LimitsRequest], Field(json_schema_extra={"additionalProperties": False})] | None
    ) = Field(
        default=None, description="By asset code; they take the place of the asset type's own. null takes one away."
    )
    reason: Reason
    operator: Operator | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.status is None and not self.limits:
            raise ValueError("give status or limits, or both")
        return self


class OpenAccountRequest(Request):
    metadata: Metadata | None = None


class EraseRequest(Request):
    dry_run: bool = Field(default=False, description="Only say whether it could be done.")


# -- operations of groups and batches ------------------------------------------------------------------------------


class OnHoldOperation(WriteRequest):
    hold_id: Identifier

    @property
    def target(self) -> UUID | None:
        """See `WriteRequest.target`."""
        return self.hold_id


class OnTransactionOperation(WriteRequest):
    transaction_id: Identifier

    @property
    def target(self) -> UUID | None:
        """See `WriteRequest.target`."""
        return self.transaction_id


class TopUpOperation(CreditRequest):
    type: Literal["top_up"]


class BonusOperation(CreditRequest):
    type: Literal["bonus"]


class SpendOperation(SpendRequest):
    type: Literal["spend"]


class HoldOperation(HoldRequest):
    type: Literal["hold"]


class CaptureOperation(OnHoldOperation, CaptureRequest):
    type: Literal["capture"]


class ReleaseOperation(OnHoldOperation, ReleaseRequest):
    type: Literal["release"]


class ExtendOperation(OnHoldOperation, ExtendRequest):
    type: Literal["extend"]


class RefundOperation(OnTransactionOperation, RefundRequest):
    type: Literal["refund"]


class ReversalOperation(OnTransactionOperation, ReversalRequest):
    type: Literal["reversal"]


class AdjustmentOperation(AdjustmentRequest):
    type: Literal["adjustment"]


OPERATIONS = (
    TopUpOperation,
    BonusOperation,
    SpendOperation,
    HoldOperation,
    CaptureOperation,
    ReleaseOperation,
    ExtendOperation,
    RefundOperation,
    ReversalOperation,
    AdjustmentOperation,
)
AnyOperation = Annotated[
    TopUpOperation
    | BonusOperation
    | SpendOperation
    | HoldOperation
    | CaptureOperation
    | ReleaseOperation
    | ExtendOperation
    | RefundOperation
    | ReversalOperation
    | AdjustmentOperation,
    Field(discriminator="type"),
]


class GroupRequest(WriteRequest):
    """Operations of one user, all or nothing. They have no keys of their own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operations": [
                        {"type": "spend", "amount": "10.00", "asset_code": "GOLD"},
                        {"type": "bonus", "amount": "1.00", "asset_code": "DMND"},
                    ],
                    "idempotency_key": "exchange-1",
                }
            ]
        }
    )

    refused = (
        {
            "properties": {
                "operations": {
                    "contains": {"anyOf": [together(idempotency_key=TEXT), together(dry_run={"const": True})]}
                }
            },
            "required": ["operations"],
        },
    )

    operations: list[AnyOperation] = Field(min_length=1, max_length=GROUP_MAX)


class GroupOperation(GroupRequest):
    type: Literal["group"]


class ForUser(Request):
    external_user_id: UserId


class BatchTopUp(ForUser, TopUpOperation):
    pass


class BatchBonus(ForUser, BonusOperation):
    pass


class BatchSpend(ForUser, SpendOperation):
    pass


class BatchHold(ForUser, HoldOperation):
    pass


class BatchCapture(ForUser, CaptureOperation):
    pass


class BatchRelease(ForUser, ReleaseOperation):
    pass


class BatchExtend(ForUser, ExtendOperation):
    pass


class BatchRefund(ForUser, RefundOperation):
    pass


class BatchReversal(ForUser, ReversalOperation):
    pass


class BatchAdjustment(ForUser, AdjustmentOperation):
    pass


class BatchGroup(ForUser, GroupOperation):
    pass


BATCH_OPERATIONS = (
    BatchTopUp,
    BatchBonus,
    BatchSpend,
    BatchHold,
    BatchCapture,
    BatchRelease,
    BatchExtend,
    BatchRefund,
    BatchReversal,
    BatchAdjustment,
    BatchGroup,
)
BatchOperation = Annotated[
    BatchTopUp
    | BatchBonus
    | BatchSpend
    | BatchHold
    | BatchCapture
    | BatchRelease
    | BatchExtend
    | BatchRefund
    | BatchReversal
    | BatchAdjustment
    | BatchGroup,
    Field(discriminator="type"),
]


class BatchRequest(Request):
    """Operations of any users. Each is read, decided and answered on its own."""

    operations: list[Any] = Field(
        min_length=1,
        max_length=BATCH_MAX,
        json_schema_extra={
            "items": {"oneOf": [{"$ref": f"#/components/schemas/{model.__name__}"} for model in BATCH_OPERATIONS]},
            "examples": [
                [
                    {"type": "top_up", "external_user_id": "user_alice", "amount": "5.00", "asset_type_id": 1},
                    {"type": "spend", "external_user_id": "user_bob", "amount": "1.00", "asset_code": "GOLD"},
                ]
            ],
        },
    )
