"""Rules between the members of a body, for the OpenAPI document: a list of members can't say them."""

from typing import Any

Rule = dict[str, Any]
"""The JSON Schema of what no body may be."""

TEXT: Rule = {"type": "string"}
NUMBER: Rule = {"type": "integer"}


def none_of(*names: str) -> Rule:
    """Return the rule that not all of these are missing or null."""
    return {"properties": {each: {"type": "null"} for each in names}}


def together(**members: Rule) -> Rule:
    """Return the rule that these are not given together, each like its schema."""
    return {"properties": members, "required": list(members)}


ONE_ASSET: tuple[Rule, ...] = (
    none_of("asset_type_id", "asset_code"),
    together(asset_type_id=NUMBER, asset_code=TEXT),
)
"""The asset type is named in exactly one way."""
