"""Limits in requests and answers: their amounts get smallest units, and their scale again."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from fastapi.exceptions import RequestValidationError

from app.domain.amounts import format_amount, parse_amount, parse_limit
from app.domain.errors import AmountInvalid
from app.domain.records import Limits
from app.schemas.requests import LimitsRequest

READ: dict[str, Callable[[str, int], int]] = {
    "amount_min": parse_amount,
    "amount_max": parse_amount,
    "balance_max": parse_amount,
    "daily_spend_max": parse_limit,
    "daily_credit_max": parse_limit,
}


def changed_limits(limits: Limits, given: LimitsRequest, scale: int) -> Limits:
    """Return an asset type's `limits` with those that are given; one that is null is taken away.

    Raises:
        RequestValidationError: it names every limit that can't be.
    """
    changes = given_limits(given, scale, place=("limits",))
    changed = replace(limits, **changes)
    _expect_in_order(changed.amount_min, changed.amount_max, changes, scale, place=("limits",))
    return changed


def given_limits(given: LimitsRequest, scale: int, *, place: tuple[str, ...]) -> dict[str, int | None]:
    """Return the limits that are given, by name, in smallest units; None takes one away.

    `place` is where in the body `given` stands.

    Raises:
        RequestValidationError: it names every limit that can't be.
    """
    limits: dict[str, int | None] = {}
    errors: list[dict[str, Any]] = []
    for name, read in READ.items():
        if name not in given.model_fields_set:
            continue
        text: str | None = getattr(given, name)
        try:
            limits[name] = None if text is None else read(text, scale)
        except AmountInvalid as error:
            errors.append({"type": error.code, "loc": ("body", *place, name), "msg": str(error)})
    if errors:
        raise RequestValidationError(errors)
    _expect_in_order(limits.get("amount_min"), limits.get("amount_max"), limits, scale, place=place)
    return limits


def _expect_in_order(
    least: int | None, most: int | None, given: Collection[str], scale: int, *, place: tuple[str, ...]
) -> None:
    """Raise RequestValidationError, at the one that is given, when the smallest amount is more than the largest."""
    if least is None or most is None or least <= most:
        return
    name = "amount_min" if "amount_min" in given else "amount_max"
    msg = f"amount_min must not be more than amount_max, which is {format_amount(most, scale)}"
    raise RequestValidationError([{"type": "amount_min_above_max", "loc": ("body", *place, name), "msg": msg}])


def limit_members(limits: Limits, scale: int) -> dict[str, str | None]:
    """Return the members of a `LimitsResponse`."""
    units: dict[str, int | None] = {name: getattr(limits, name) for name in READ}
    return {name: None if each is None else format_amount(each, scale) for name, each in units.items()}
