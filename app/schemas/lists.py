"""Lists and what stands in them. No member of an answer has a default: what is declared is always there."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.schemas.fields import AssetCode, AssetTypeId, UserId
from app.schemas.requests import Request
from app.schemas.responses import AmountOut, MomentOut, Response
from app.schemas.rules import ONE_ASSET

BALANCES_MAX = 1_000

UserIdOut = Annotated[str | None, Field(description="Your app's id of the user; null once it is erased.")]


class BalancesRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"external_user_ids": ["user_alice", "user_bob"], "asset_type_id": 1}]}
    )

    refused = ONE_ASSET

    external_user_ids: list[UserId] = Field(min_length=1, max_length=BALANCES_MAX)
    asset_type_id: AssetTypeId | None = None
    asset_code: AssetCode | None = None


class BalancesResponse(Response):
    data: list[dict[str, Any]] = Field(
        description="One for each user, in order: its `status` and `external_user_id`, and with 200 the answer of the "
        "single call, otherwise its problem.",
        examples=[
            [
                {
                    "status": 200,
                    "external_user_id": "user_alice",
                    "account_id": 1024,
                    "asset_type_id": 1,
                    "asset_code": "GOLD",
                    "balance": "50.00",
                    "held": "0.00",
                    "available": "50.00",
                }
            ]
        ],
    )


class PageResponse(Response):
    """What every page says of the one after it."""

    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last one.")
    has_more: bool


class ListedAccountResponse(Response):
    account_id: int
    external_user_id: UserIdOut
    erased: bool
    status: str
    opened_at: MomentOut


class AccountPageResponse(PageResponse):
    data: list[ListedAccountResponse]


class ListedLotResponse(Response):
    lot_id: str
    kind: str = Field(description="`paid` or `promo`.")
    priority: int = Field(description="Lots with a lower number are spent first.")
    granted: AmountOut = Field(description="What came in with it.")
    remaining: AmountOut = Field(description="What is left of that, held or not.")
    held: AmountOut = Field(description="What open holds reserve of what is left.")
    debt: AmountOut = Field(description="What a reversal could not take back: what returns to the lot pays it first.")
    expires_at: MomentOut | None
    seq: int = Field(description="The number of the transaction, of this user's, that made it.")


class LotPageResponse(PageResponse):
    data: list[ListedLotResponse]


class HeldLotResponse(Response):
    lot_id: str
    amount: AmountOut


class ListedHoldResponse(Response):
    hold_id: str
    asset_type_id: int
    asset_code: str
    amount: AmountOut = Field(description="What was set aside, extensions included.")
    captured: AmountOut
    remaining: AmountOut = Field(description="What can still be captured.")
    hold_status: str = Field(description="`open`, `captured`, `released` or `expired`.")
    expires_at: MomentOut = Field(description="From this moment on an open hold counts as released.")
    created_at: MomentOut
    seq: int = Field(description="The number of the transaction, of this user's, that placed it.")
    lots: list[HeldLotResponse] = Field(description="The lots that it reserves.")


class HoldPageResponse(PageResponse):
    data: list[ListedHoldResponse]


class ListedTransactionResponse(Response):
    transaction_id: str
    type: str
    outcome: str = Field(description="`posted` or `refused`.")
    seq: int = Field(description="The how-manieth transaction of this user it is.")
    asset_type_id: int | None
    asset_code: str | None
    amount: AmountOut | None = Field(description="Null where it is about no credits. Of an adjustment, signed.")
    balance_after: AmountOut | None = Field(description="The balance, of this asset type, right after it.")
    created_at: MomentOut = Field(description="When it was booked.")
    effective_at: MomentOut = Field(description="Since when it is true: what expires is booked later.")
    parent_id: str | None = Field(description="The transaction it is about, such as the one that is refunded.")
    group_id: str | None = Field(description="The group it is a member of.")
    idempotency_key: str | None
    reference: str | None
    metadata: dict[str, str | bool | int] | None
    operator: str | None
    reason: str | None
    actor: str = Field(description="Who asked for it; `system` for what time decided.")
    code: str | None = Field(description="Why it was refused.")
    facts: dict[str, Any] | None = Field(description="The facts of the refusal, or what beyond the usual it came to.")


class TransactionPageResponse(PageResponse):
    data: list[ListedTransactionResponse]


class FoundTransactionResponse(ListedTransactionResponse):
    account_id: int
    external_user_id: UserIdOut


class FoundTransactionPageResponse(PageResponse):
    data: list[FoundTransactionResponse]


class EntryResponse(Response):
    line: int
    account_id: int = Field(description="The user's account, or a system account: 1 is Treasury, 2 Breakage.")
    asset_type_id: int
    asset_code: str
    lot_id: str | None = Field(description="Where the user's account is concerned.")
    amount: AmountOut = Field(description="Signed. The lines of a transaction sum to zero.")
    balance_after: AmountOut | None = Field(description="Where the user's account is concerned.")


class MadeLotResponse(Response):
    lot_id: str
    kind: str
    priority: int
    granted: AmountOut
    expires_at: MomentOut | None


class RefundStateResponse(Response):
    number: int = Field(description="The how-manieth refund of its parent it is.")
    parent_amount: AmountOut
    refunded_after: AmountOut = Field(description="How much of its parent is given back, this refund included.")


class WholeTransactionResponse(FoundTransactionResponse):
    terms: dict[str, Any] | None = Field(description="What was asked for beyond the amount, where not the default.")
    hash: str = Field(description="The link of this user's hash chain, in hexadecimal.")
    refund: RefundStateResponse | None
    refunded: AmountOut | None = Field(description="How much of it was given back since.")
    entries: list[EntryResponse]
    lots: list[MadeLotResponse] = Field(description="The lots it made.")
