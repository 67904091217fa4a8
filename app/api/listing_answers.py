"""Listed records to answers: the members of what stands in `schemas/lists.py`."""

import json
from typing import Any

from app.api.answers import balance_members
from app.api.problems import problem_of
from app.api.stated import facts_members, terms_members
from app.domain.amounts import format_amount
from app.domain.errors import UnknownUser
from app.domain.records import AssetType, Balance, EntryRecord, LotRow, Outcome, RefundPart
from app.domain.shown import FoundTransaction, ListedAccount, ListedHold, ListedTransaction, WholeTransaction
from app.schemas.fields import rfc3339
from app.services.catalogue import Catalogue


def balance_result(external_user_id: str, balance: Balance | None, asset: AssetType) -> dict[str, Any]:
    """Return one result of a `BalancesResponse`."""
    if balance is None:
        return problem_of(UnknownUser(external_user_id=external_user_id))
    return {"status": 200, "external_user_id": external_user_id, **balance_members(balance, asset)}


def listed_account_members(account: ListedAccount) -> dict[str, Any]:
    """Return the members of a `ListedAccountResponse`."""
    return {
        "account_id": account.id,
        "external_user_id": account.external_user_id,
        "erased": account.external_user_id is None,
        "status": account.status.value,
        "opened_at": rfc3339(account.opened_at),
    }


def listed_lot_members(lot: LotRow, asset: AssetType) -> dict[str, Any]:
    """Return the members of a `ListedLotResponse`."""
    return {
        **_made_lot_members(lot, asset),
        "remaining": format_amount(lot.remaining, asset.scale),
        "held": format_amount(lot.held, asset.scale),
        "debt": format_amount(lot.debt, asset.scale),
        "seq": lot.seq,
    }


def listed_hold_members(listed: ListedHold, asset: AssetType) -> dict[str, Any]:
    """Return the members of a `ListedHoldResponse`."""
    hold = listed.hold
    return {
        "hold_id": str(hold.id),
        "asset_type_id": asset.id,
        "asset_code": asset.code,
        "amount": format_amount(hold.amount, asset.scale),
        "captured": format_amount(hold.captured, asset.scale),
        "remaining": format_amount(sum(each.amount for each in hold.parts), asset.scale),
        "hold_status": hold.status.value,
        "expires_at": rfc3339(hold.deadline),
        "created_at": rfc3339(listed.created_at),
        "seq": hold.seq,
        "lots": [
            {"lot_id": str(each.lot_id), "amount": format_amount(each.amount, asset.scale)} for each in hold.parts
        ],
    }


async def listed_transaction_members(transaction: ListedTransaction, catalogue: Catalogue) -> dict[str, Any]:
    """Return the members of a `ListedTransactionResponse`."""
    asset = None if transaction.asset_type_id is None else await catalogue.by_id(transaction.asset_type_id)
    facts = await facts_members(transaction.facts, transaction.asset_type_id, catalogue)
    refusal = facts if transaction.outcome is Outcome.REFUSED else None
    return {
        "transaction_id": str(transaction.id),
        "type": transaction.type.value,
        "outcome": transaction.outcome.value,
        "seq": transaction.seq,
        "asset_type_id": transaction.asset_type_id,
        "asset_code": None if asset is None else asset.code,
        "amount": _amount(transaction.amount, asset),
        "balance_after": _amount(transaction.balance_after, asset),
        "created_at": rfc3339(transaction.created_at),
        "effective_at": rfc3339(transaction.effective_at),
        "parent_id": _text(transaction.parent_id),
        "group_id": _text(transaction.group_id),
        "idempotency_key": transaction.idempotency_key,
        "reference": transaction.reference,
        "metadata": None if transaction.metadata is None else json.loads(transaction.metadata),
        "operator": transaction.operator,
        "reason": transaction.reason,
        "actor": transaction.actor,
        "code": None if refusal is None else refusal.pop("code", None),
        "facts": facts,
    }


async def found_transaction_members(found: FoundTransaction, catalogue: Catalogue) -> dict[str, Any]:
    """Return the members of a `FoundTransactionResponse`."""
    return {
        **await listed_transaction_members(found.transaction, catalogue),
        "account_id": found.transaction.owner_id,
        "external_user_id": found.external_user_id,
    }


async def whole_transaction_members(whole: WholeTransaction, catalogue: Catalogue) -> dict[str, Any]:
    """Return the members of a `WholeTransactionResponse`."""
    header = whole.transaction
    asset = None if header.asset_type_id is None else await catalogue.by_id(header.asset_type_id)
    return {
        **await listed_transaction_members(header, catalogue),
        "account_id": header.owner_id,
        "external_user_id": whole.external_user_id,
        "terms": await terms_members(whole.terms, catalogue),
        "hash": whole.hash.hex(),
        "refund": None if whole.refund is None else _refund_members(whole.refund, asset),
        "refunded": _amount(whole.refunded, asset),
        "entries": [_entry_members(each, await catalogue.by_id(each.asset_type_id)) for each in whole.entries],
        "lots": [_made_lot_members(each, await catalogue.by_id(each.asset_type_id)) for each in whole.lots],
    }


def _refund_members(refund: RefundPart, asset: AssetType | None) -> dict[str, Any]:
    return {
        "number": refund.number,
        "parent_amount": _amount(refund.parent_amount, asset),
        "refunded_after": _amount(refund.refunded_after, asset),
    }


def _entry_members(entry: EntryRecord, asset: AssetType) -> dict[str, Any]:
    return {
        "line": entry.line,
        "account_id": entry.account_id,
        "asset_type_id": asset.id,
        "asset_code": asset.code,
        "lot_id": _text(entry.lot_id),
        "amount": format_amount(entry.amount, asset.scale),
        "balance_after": _amount(entry.balance_after, asset),
    }


def _made_lot_members(lot: LotRow, asset: AssetType) -> dict[str, Any]:
    return {
        "lot_id": str(lot.id),
        "kind": lot.kind.value,
        "priority": lot.priority,
        "granted": format_amount(lot.granted, asset.scale),
        "expires_at": None if lot.expires_at is None else rfc3339(lot.expires_at),
    }


def _amount(units: int | None, asset: AssetType | None) -> str | None:
    return None if units is None or asset is None else format_amount(units, asset.scale)


def _text(identifier: object) -> str | None:
    return None if identifier is None else str(identifier)
