"""Every way a command can be refused, as one tree.

    WalletError
    ├── Malformed                      the request itself is wrong; nothing is recorded
    │   ├── AmountInvalid              AmountBlank, AmountExponent, AmountMalformed, AmountNegative, AmountNotANumber,
    │   │                              AmountNotAscii, AmountSigned, AmountTooLarge, AmountTooPrecise, AmountZero
    │   ├── AssetAmbiguous
    │   ├── ExpiryInvalid
    │   ├── FieldInvalid
    │   ├── ValidationFailed
    │   └── IdempotencyMismatch
    ├── BadRequest                     BadCursor, BodyNotJson, ContentTooLarge, HeadersTooLarge, IdempotencyKeysDiffer,
    │   │                              RequestUnreadable
    │   └── TooSlow                    BodyTooSlow, HeadersTooSlow
    ├── Unauthenticated                KeyExpired, KeyRevoked, Unauthorized
    ├── Forbidden                      InsufficientScope, ScopeNotHeld
    ├── RateLimited
    ├── NotFound                       NotASandbox, UnknownApiKey, UnknownAssetType, UnknownHold, UnknownTransaction,
    │                                  UnknownUser
    ├── StateRefusal                   decided on state; recorded when the command has a key
    │   ├── InsufficientFunds
    │   └── Conflict                   AccountClosed, AccountFrozen, AccountQuarantined, AssetCodeTaken,
    │                                  AssetTypeInactive, BalanceLimitExceeded
    ├── Unavailable                    try again: Busy, DatabaseUnavailable, OutcomeUnknown, ShuttingDown
    └── Failed                         our fault: InternalError; LedgerCorrupt, where what is stored contradicts itself

A class's docstring is its message; `{name}` in it is a fact. `code` is the class's name in snake_case. Facts are
smallest units, texts and times: the edge formats those named in `amount_facts` by the asset's scale.
"""

import re
from datetime import datetime
from typing import ClassVar
from uuid import UUID

Fact = int | str | bool | None | datetime


class WalletError(Exception):
    """The request could not be carried out."""

    code: ClassVar[str] = "wallet_error"
    amount_facts: ClassVar[frozenset[str]] = frozenset()
    moment_facts: ClassVar[frozenset[str]] = frozenset()
    """Facts that are times; stored, they are microseconds since 1970."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, **facts: Fact) -> None:
        super().__init__(facts)
        self.facts = facts

    def __str__(self) -> str:
        return self.message(self.facts)

    @classmethod
    def message(cls, facts: dict[str, Fact]) -> str:
        """Return the class's sentence with `facts` filled in."""
        return " ".join((cls.__doc__ or "").split()).format_map(facts)


# -- the request is wrong ------------------------------------------------------------------------------------------


class Malformed(WalletError):
    """The request is not well formed."""

    pointer: ClassVar[str] = ""
    """Which member of the body is wrong, as a JSON pointer."""


class AmountInvalid(Malformed):
    """The amount can't be read."""

    pointer = "/amount"


class AmountBlank(AmountInvalid):
    """An amount has no blanks and is not empty: write it as in "12.50"."""


class AmountExponent(AmountInvalid):
    """An amount is written without an exponent, as in "1500.00"."""


class AmountMalformed(AmountInvalid):
    """An amount is digits with at most one decimal point between them, as in "12.50"."""


class AmountNegative(AmountInvalid):
    """An amount is positive: the operation says in which direction it goes."""


class AmountNotANumber(AmountInvalid):
    """An amount is a finite number, as in "12.50"."""


class AmountNotAscii(AmountInvalid):
    """An amount is written with the digits 0 to 9."""


class AmountSigned(AmountInvalid):
    """An amount is written without a plus sign, as in "12.50"."""


class AmountTooLarge(AmountInvalid):
    """The amount is larger than the ledger can hold (63 bits of smallest units)."""


class AmountTooPrecise(AmountInvalid):
    """The amount has more digits after the point than the asset type's scale of {scale}."""


class AmountZero(AmountInvalid):
    """An amount is more than zero."""


class AmountAboveMaximum(AmountInvalid):
    """The amount is more than the most that one operation may move: {amount_max}."""

    amount_facts = frozenset({"amount_max"})


class AmountBelowMinimum(AmountInvalid):
    """The amount is less than the least that one operation may move: {amount_min}."""

    amount_facts = frozenset({"amount_min"})


class AssetAmbiguous(Malformed):
    """Give exactly one of asset_type_id and asset_code."""

    pointer = "/asset_type_id"


class ExpiryInvalid(Malformed):
    """Credits can only expire in the future: expires_at is not after {now}."""

    pointer = "/expires_at"


class FieldInvalid(Malformed):
    """The field {field} is not valid: {reason}."""


class ValidationFailed(Malformed):
    """The request does not have the form this call takes: see errors."""


class IdempotencyMismatch(Malformed):
    """This idempotency key was used before for a request that differs in {field}: a new request needs a new key."""

    pointer = "/idempotency_key"


class BadRequest(WalletError):
    """The request can't be read."""


class BadCursor(BadRequest):
    """The cursor is none that this list gave out for these filters: begin with the first page."""


class BodyNotJson(BadRequest):
    """The body is not valid JSON: {reason}."""


class ContentTooLarge(BadRequest):
    """The body has more than {bytes_max} bytes."""


class HeadersTooLarge(BadRequest):
    """The request line and the headers have more than {bytes_max} bytes together."""


class IdempotencyKeysDiffer(BadRequest):
    """Two idempotency keys are given that differ: in the header and in the body, or in two headers."""


class RequestUnreadable(BadRequest):
    """This can't be read as a request of HTTP/1.1."""


class TooSlow(BadRequest):
    """The request did not come in time."""


class BodyTooSlow(TooSlow):
    """The body did not come whole within {seconds_max} seconds: send it again, faster or in smaller batches."""


class HeadersTooSlow(TooSlow):
    """The request line and the headers did not come whole within {seconds_max} seconds."""


# -- who and what --------------------------------------------------------------------------------------------------


class Unauthenticated(WalletError):
    """It is not known who the caller is."""


class KeyExpired(Unauthenticated):
    """This API key has expired, at {expires_at}: use another one."""


class KeyRevoked(Unauthenticated):
    """This API key was revoked, at {revoked_at}: use another one."""


class Unauthorized(Unauthenticated):
    """{reason}."""


class Forbidden(WalletError):
    """The caller may not do this."""


class InsufficientScope(Forbidden):
    """This API key has not the scope for this: {scope}."""


class ScopeNotHeld(Forbidden):
    """A key can be given no scope that the key which makes it has not: {scope}."""


class RateLimited(WalletError):
    """This API key may be used {requests_per_second} times a second: wait {retry_after_seconds} s."""


class NotFound(WalletError):
    """There is no such thing."""


class NotASandbox(NotFound):
    """This database was not created as a sandbox: its clock is that of the world."""


class UnknownApiKey(NotFound):
    """There is no API key {key_id}."""


class UnknownAssetType(NotFound):
    """There is no asset type {asset}."""


class UnknownHold(NotFound):
    """The user has no hold {hold_id}."""


class UnknownTransaction(NotFound):
    """There is no such transaction, or it is another user's."""


class UnknownUser(NotFound):
    """There is no account for user {external_user_id}: open one, or say open_account with the top-up or bonus."""


# -- the state refuses ---------------------------------------------------------------------------------------------


class StateRefusal(WalletError):
    """The state of the account or wallet forbids it."""

    transaction_id: UUID | None = None
    """The refused transaction, when the command had a key under which it was recorded."""
    decided_at: datetime | None = None
    replayed: bool = False


class InsufficientFunds(StateRefusal):
    """This needs {required} and {available} is available: {shortfall} is missing."""

    amount_facts = frozenset({"available", "held", "required", "shortfall"})
    moment_facts = frozenset({"available_at"})


class Conflict(StateRefusal):
    """The state forbids it."""


class AccountClosed(Conflict):
    """The account is closed: nothing can be booked on it."""


class AccountFrozen(Conflict):
    """The account is frozen: it can't spend, hold, capture, extend a hold or be given a bonus."""


class AccountNotClosed(Conflict):
    """The account is {account_status}: only a closed account's personal data can be erased."""


class AccountNotEmpty(Conflict):
    """The account still has credits: only an empty account can be closed."""


class AccountQuarantined(Conflict):
    """The account is quarantined because its records need examination: nothing can be booked on it."""


class AlreadyReversed(Conflict):
    """Nothing that transaction {parent_id} gave is left to take back: it was reversed, or has expired."""


class AssetCodeTaken(Conflict):
    """There is an asset type {asset_code} already."""


class AssetTypeInactive(Conflict):
    """The asset type {asset_code} is inactive: no new credits are given out in it."""


class BalanceLimitExceeded(Conflict):
    """The wallet would hold more than its largest balance of {balance_max}."""

    amount_facts = frozenset({"balance", "balance_max", "amount"})


class CaptureExceedsHold(Conflict):
    """The hold has {capturable} left, and {amount} was to be captured."""

    amount_facts = frozenset({"capturable", "amount"})


class DailyLimitExceeded(Conflict):
    """Only {daily_max} may be moved in a UTC day, and {today} was today: {amount} more is too much."""

    amount_facts = frozenset({"daily_max", "today", "amount"})


class HoldNotOpen(Conflict):
    """Hold {hold_id} is {hold_status}: there is nothing to capture, release or extend."""


class NotRefundable(Conflict):
    """Only spends and captures that were posted can be refunded, and {parent_id} is none."""


class NotReversible(Conflict):
    """Only top-ups and bonuses that were posted can be reversed, and {parent_id} is none."""


class RefundExceedsRemaining(Conflict):
    """Of what was taken {refundable} is not given back yet, and {amount} was to be refunded."""

    amount_facts = frozenset({"refundable", "amount"})


class ReversalShortfall(Conflict):
    """{uncollected} of it is spent or held, and only {free} is free: say on_shortfall partial to take that."""

    amount_facts = frozenset({"free", "uncollected"})


class TooManyLots(Conflict):
    """This would touch more than {lots_max} lots, which is the most for one transaction: ask for less at a time."""


# -- not now -------------------------------------------------------------------------------------------------------


class Unavailable(WalletError):
    """The service can't answer now: try again."""


class Busy(Unavailable):
    """The service is at its limit, or a lock is held that this request needs; it was not begun: try again."""


class DatabaseUnavailable(Unavailable):
    """The database can't be reached now: try again, with the same idempotency key."""


class OutcomeUnknown(Unavailable):
    """Transaction {transaction_id} is not confirmed: retry with the same idempotency key to learn its outcome."""


class ShuttingDown(Unavailable):
    """This instance is shutting down, and this request was not begun: try again."""


class Failed(WalletError):
    """The service failed on this request, and nothing was changed."""


class InternalError(Failed):
    """The service failed on this request, and nothing was changed: its log says why, under the request's id."""


class LedgerCorrupt(Failed):
    """What is stored contradicts itself: {problem}."""


def _descendants(cls: type[WalletError]) -> list[type[WalletError]]:
    return [cls, *(each for child in cls.__subclasses__() for each in _descendants(child))]


ERRORS_BY_CODE: dict[str, type[WalletError]] = {cls.code: cls for cls in _descendants(WalletError)}
"""Finds the class of a recorded refusal."""
