"""Bodies that go out. No member has a default: what is declared is always there."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

AmountOut = Annotated[str, Field(examples=["50.00"], description="With exactly the asset type's scale.")]
MomentOut = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-22T18:00:00.000000Z"])]
HoldStatusOut = Annotated[str, Field(description="`open`, `captured`, `released` or `expired`.")]


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
    lot_id: str | None = Field(description="null in a dry run, of a lot that it would make.")
    kind: str = Field(description="`paid` or `promo`.")
    amount: AmountOut
    expires_at: MomentOut | None


class DecidedResponse(Response):
    """What every answer to a write says. In a dry run there is no transaction, so it has no id and no number."""

    transaction_id: str | None = Field(description="null in a dry run.")
    type: str
    account_id: int | None = Field(description="null in a dry run for an account that is not open yet.")
    seq: int | None = Field(description="The how-manieth transaction of this user it is; null in a dry run.")
    created_at: MomentOut
    replayed: bool = Field(description="Whether this repeats an earlier answer: nothing was booked now.")
    dry_run: bool


class TransactionResponse(DecidedResponse):
    asset_type_id: int
    asset_code: str
    amount: AmountOut
    new_balance: AmountOut = Field(description="The balance now; of a replay too.")
    balance_after: AmountOut = Field(description="The balance right after this transaction.")
    available: AmountOut
    held: AmountOut
    lots: list[LotResponse] = Field(description="Which lots it made, took from or gave back to, in that order.")


class SpendResponse(TransactionResponse):
    requested: AmountOut = Field(description="What was asked for; `amount` is what was taken.")


class HoldResponse(TransactionResponse):
    hold_id: str | None = Field(description="null in the dry run of a new hold.")
    hold_status: HoldStatusOut
    expires_at: MomentOut = Field(description="From this moment on the hold is over.")


class CaptureResponse(TransactionResponse):
    hold_id: str
    hold_status: HoldStatusOut
    captured: AmountOut = Field(description="What this capture took.")
    released: AmountOut = Field(description="What it gave back to the wallet because it was final.")


class ReleaseResponse(TransactionResponse):
    hold_id: str
    hold_status: HoldStatusOut
    released: AmountOut


class RefundResponse(TransactionResponse):
    parent_id: str = Field(description="The transaction that it gives back.")
    refunded: AmountOut
    refundable: AmountOut = Field(description="What of the transaction can still be given back.")
    debt_paid: AmountOut = Field(description="How much of `refunded` went to what a reversal could not take.")


class ReversalResponse(TransactionResponse):
    parent_id: str = Field(description="The transaction that it takes back.")
    reversed: AmountOut
    uncollected: AmountOut = Field(description="What is spent or held: it is owed by what returns to the lot.")


class GroupResponse(DecidedResponse):
    group_id: str | None = Field(description="The same as `transaction_id`.")
    results: list[dict[str, Any]] = Field(description="The operations' answers, in order.")


class WalletResponse(Response):
    asset_type_id: int
    asset_code: str
    balance: AmountOut
    held: AmountOut
    available: AmountOut


class AccountResponse(Response):
    account_id: int
    external_user_id: str
    status: str = Field(description="`active`, `frozen`, `quarantined` or `closed`.")
    metadata: dict[str, str | bool | int]
    limits: dict[str, dict[str, AmountOut]] = Field(
        description="This account's own limits, by asset code; for all others the asset type's hold."
    )
    wallets: list[WalletResponse]


class ChangedAccountResponse(DecidedResponse, AccountResponse):
    account_id: int


class ErasedAccountResponse(DecidedResponse):
    account_id: int
    status: str


class BatchResponse(Response):
    results: list[dict[str, Any]] = Field(
        description="One for each operation, in order: its `status`, and below 300 the answer of the single call, "
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
