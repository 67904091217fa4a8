"""Bodies that go out. No member has a default: what is declared is always there."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

AmountOut = Annotated[str, Field(examples=["50.00"], description="With exactly the asset type's scale.")]
MomentOut = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-22T18:00:00.000000Z"])]


class Response(BaseModel):
    model_config = ConfigDict(frozen=True)


class BalanceResponse(Response):
    account_id: int
    asset_type_id: int
    asset_code: str
    balance: AmountOut = Field(description="What the user has: everything posted, less what has expired.")
    held: AmountOut = Field(description="What open holds reserve of it.")
    available: AmountOut = Field(description="What can be spent now: balance less held.")


class LotResponse(Response):
    lot_id: str
    kind: str = Field(description="`paid` or `promo`.")
    amount: AmountOut
    expires_at: MomentOut | None


class TransactionResponse(Response):
    transaction_id: str
    type: str
    account_id: int
    asset_type_id: int
    asset_code: str
    amount: AmountOut
    new_balance: AmountOut = Field(description="The balance now; of a replay too.")
    balance_after: AmountOut = Field(description="The balance right after this transaction.")
    available: AmountOut
    held: AmountOut
    seq: int = Field(description="The how-manieth transaction of this user it is.")
    created_at: MomentOut
    replayed: bool = Field(description="Whether this repeats an earlier answer: nothing was booked now.")
    lots: list[LotResponse] = Field(description="Which lots it made or took from, in that order.")


class WalletResponse(Response):
    asset_type_id: int
    asset_code: str
    balance: AmountOut
    held: AmountOut
    available: AmountOut


class AccountResponse(Response):
    account_id: int
    external_user_id: str
    status: str
    metadata: dict[str, str | bool | int]
    wallets: list[WalletResponse]


class AssetTypeResponse(Response):
    asset_type_id: int
    asset_code: str
    name: str
    scale: int = Field(description="Digits after the decimal point.")
    status: str
    default_expiry_days: int | None


class AssetTypesResponse(Response):
    data: list[AssetTypeResponse]


class BatchResponse(Response):
    results: list[dict[str, Any]] = Field(
        description="One for each operation, in order: its `status`, and with 200 the answer of the single call, "
        "otherwise its problem."
    )


class HealthResponse(Response):
    status: str
    checks: dict[str, str]


class Problem(BaseModel):
    """RFC 9457 problem details, with a stable `code`. The facts of an error are members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[dict[str, str]] = []
