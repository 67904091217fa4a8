"""What transactions say in JSON, terms and facts, with the scales and times that callers read."""

import json
from collections.abc import Mapping
from typing import Any

from app.domain.amounts import format_amount
from app.domain.chain import moment
from app.domain.errors import ERRORS_BY_CODE
from app.schemas.fields import rfc3339
from app.services.catalogue import Catalogue

Facts = frozenset[str]
"""Names of facts."""

_AMOUNTS = frozenset({"debt_paid", "refundable", "released", "requested", "uncollected"})
_MOMENTS = frozenset({"deadline"})


async def facts_members(facts: str | None, asset_type_id: int | None, catalogue: Catalogue) -> dict[str, Any] | None:
    """Return the facts of a transaction of this asset type, or of its refusal.

    A refused group is of no asset type: what refused it says of which its amounts are.
    """
    if facts is None:
        return None
    members: dict[str, Any] = json.loads(facts)
    asset_type_id = members.get("asset_type_id", asset_type_id)
    scale = None if asset_type_id is None else (await catalogue.by_id(asset_type_id)).scale
    refusal = ERRORS_BY_CODE.get(members.get("code", ""))
    amounts = _AMOUNTS if refusal is None else refusal.amount_facts
    moments = _MOMENTS if refusal is None else refusal.moment_facts
    return {name: _fact(name, each, amounts, moments, scale) for name, each in members.items()}


async def terms_members(terms: str | None, catalogue: Catalogue) -> dict[str, Any] | None:
    """Return what was asked for."""
    if terms is None:
        return None
    members: dict[str, Any] = json.loads(terms)
    if "limits" in members:
        members["limits"] = await _limits(members["limits"], catalogue)
    if "operations" in members:
        members["operations"] = [await _operation(each, catalogue) for each in members["operations"]]
    return _with_times(members)


def _fact(name: str, fact: Any, amounts: Facts, moments: Facts, scale: int | None) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(fact, list):
        return [_lot(*each, scale=scale) if name == "lots" else _time(each) for each in fact]
    if not isinstance(fact, int):
        return fact
    if name in amounts and scale is not None:
        return format_amount(fact, scale)
    return _time(fact) if name in moments else fact


def _lot(lot_id: str, amount: int, kind: str, expires_at: int | None, *, scale: int | None) -> dict[str, Any]:
    """Return a lot of a hold in the form that lots have in answers."""
    return {
        "lot_id": lot_id,
        "kind": kind,
        "amount": format_amount(amount, scale or 0),
        "expires_at": None if expires_at is None else _time(expires_at),
    }


async def _limits(limits: Mapping[str, Mapping[str, int | None]], catalogue: Catalogue) -> dict[str, Any]:
    shown = {}
    for asset_type_id, each in limits.items():
        asset = await catalogue.by_id(int(asset_type_id))
        shown[asset.code] = {
            name: None if limit is None else format_amount(limit, asset.scale) for name, limit in each.items()
        }
    return shown


async def _operation(operation: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    asset = await catalogue.by_id(operation["asset_type_id"])
    amount = operation.get("amount")
    shown = {**operation, "asset_code": asset.code}
    return _with_times(shown if amount is None else shown | {"amount": format_amount(amount, asset.scale)})


def _with_times(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _time(each) if name == "expires_at" else each for name, each in members.items()}


def _time(microseconds_since_1970: int) -> str:
    return rfc3339(moment(microseconds_since_1970))
