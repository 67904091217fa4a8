"""Which answers are right although Schemathesis can't know it: why a request that fits the document may be refused.

Everything that JSON Schema can say, the document says. What is left depends on what is stored, or is a rule that JSON
Schema has no words for. Each is agreed to by its own `code`, never by a status alone.
"""

import json
from typing import Any

from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

Body = dict[str, Any]

BY_STATE = {
    "amount_above_maximum",
    "amount_below_minimum",
    "expiry_invalid",
    "idempotency_mismatch",
    "insufficient_funds",
}
"""What is stored decides, or the clock."""

BY_SCALE = {"amount_too_large", "amount_too_precise"}
"""How many decimals fit depends on the asset type."""

BY_SPELLING = {"amount_exponent"}
"""To JSON Schema 1e22 is a number like any other."""

BETWEEN_LIMITS = {"amount_min_above_max"}
"""One of the two may be stored."""

BETWEEN_PARAMETERS = {"asset_ambiguous"}
"""OpenAPI has no rule between two parameters. (In bodies the document has it.)"""

BY_ORIGIN = {"bad_cursor"}
"""A cursor is good where it was given out."""

IN_WORDS = (
    "must have 1 to 255 bytes in UTF-8",  # JSON Schema counts characters
    "must have 1 to 255 printable characters",  # what is printable is in Unicode's tables, not in a pattern
    "must have at most 4096 bytes as JSON",
    "must be a time that exists",  # the leap seconds of RFC 3339 and the 30th of February
    "must be before 9999-12-31",
    "the clock does not go beyond",
)
"""Rules that the document states in its descriptions."""

AGREED = BY_STATE | BY_SCALE | BY_SPELLING | BETWEEN_LIMITS | BETWEEN_PARAMETERS | BY_ORIGIN


def is_finding(_context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Tell whether what a check complains about is wrong; a `filter_failure` hook."""
    if isinstance(failure, RejectedPositiveData):
        return not _is_agreed(json.loads(response.content), case)
    if isinstance(failure, AcceptedNegativeData) and case.operation.path == "/api/v1/batch":
        # Each operation of a batch is answered by itself: a wrong one is refused in the results.
        return all(each["status"] < 400 for each in json.loads(response.content)["results"])
    return True


def _is_agreed(problem: Body, case: Case[Any]) -> bool:
    code = problem["code"]
    if code == "validation_failed":
        return all(_is_agreed_error(each) for each in problem["errors"])
    if code == "field_invalid":
        return str(problem["reason"]).startswith((*IN_WORDS, "must be UTF-8"))
    return code in AGREED and not (code == "asset_ambiguous" and case.method != "GET")


def _is_agreed_error(error: Body) -> bool:
    return error["code"] in AGREED or str(error["detail"]).startswith(IN_WORDS)
