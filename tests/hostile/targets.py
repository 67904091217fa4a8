"""The document, aimed: with names that exist, since random users, holds and transactions would never get past 404.

The copies say no less than the document does. A `format` of their own is unknown to every validator: it only tells the
generator what to take.
"""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import schemathesis
from hypothesis import strategies as st

Body = dict[str, Any]

USER = "user_alice"
MADE = 12
"""So many holds and transactions that some are still open after others were ended."""

_FORMATS = {
    "amount": "amount",
    "asset_code": "asset",
    "external_user_id": "user",
    "external_user_ids": "user",
    "hold_id": "hold",
    "idempotency_key": "key",
    "Idempotency-Key": "header-key",
    "prefix": "user",
    "transaction_id": "transaction",
}
_USER_TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\N{REPLACEMENT CHARACTER}"),
    min_size=1,
    max_size=60,
)
_PRINTABLE = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"]) | st.just(" ")


class Targets:
    """What can be named in a running service."""

    def __init__(self, url: str, key: str) -> None:
        """Make holds and transactions of a user."""
        kinds = {"top_up": "100.00", "spend": "1.00", "hold": "1.00"}
        operations = [
            {"type": each, "external_user_id": USER, "amount": amount, "asset_type_id": 1}
            for each, amount in kinds.items()
        ]
        request = Request(
            f"{url}/api/v1/batch",
            json.dumps({"operations": operations * MADE}).encode(),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        with urlopen(request) as answer:
            results = json.load(answer)["results"]
        self._made = {name: [each[name] for each in results if name in each] for name in ("hold_id", "transaction_id")}

    def listed(self, document: Body) -> Body:
        """Return a copy with ids that exist as examples, for what goes through a schema value by value."""
        document = copy.deepcopy(document)
        for name, schema in _named(document):
            if name in self._made:
                schema["examples"] = self._made[name][-3:]
        return document

    def drawn(self, document: Body) -> Body:
        """Return a copy with formats that are mostly of what exists, for what draws at random."""
        register = schemathesis.openapi.format
        register("amount", st.integers(1, 9_999).map(lambda units: f"{units // 100}.{units % 100:02}"))
        register("asset", st.sampled_from(["GOLD", "GOLD", "DMND"]) | st.from_regex(r"\A[A-Z][A-Z0-9_]{0,15}\Z"))
        register("header-key", st.from_regex(r"\A[!#-~]([ !#-~]{0,30}[!#-~])?\Z"))
        register("hold", st.sampled_from(self._made["hold_id"]) | st.uuids().map(str))
        register("key", st.text(_PRINTABLE, min_size=1, max_size=60))
        register("transaction", st.sampled_from(self._made["transaction_id"]) | st.uuids().map(str))
        register("user", st.sampled_from([USER, USER, "user_bob"]) | _USER_TEXT)
        document = copy.deepcopy(document)
        for name, schema in _named(document):
            if name in _FORMATS:
                for each in _texts(schema):
                    each["format"] = _FORMATS[name]
        return document


def of_one_user(document: Body) -> Body:
    """Return a copy with the calls on one user's gold alone, none of them a dry run: chains can begin, and go on."""
    document = copy.deepcopy(document)
    for name, schema in document["components"]["schemas"].items():
        if name.endswith(("Request", "Operation")):
            members = schema["properties"]
            members.pop("dry_run", None)
            if members.pop("asset_type_id", None) is not None:
                members["asset_code"] = {"const": "GOLD"}
    document["paths"] = {path.replace("{external_user_id}", USER): item for path, item in document["paths"].items()}
    for operation in (each for operations in document["paths"].values() for each in operations.values()):
        operation["parameters"] = [
            each for each in operation.get("parameters", ()) if each["name"] != "external_user_id"
        ]
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                link["parameters"].pop("external_user_id", None)
    return document


def with_few_kinds(document: Body, choice: random.Random, count: int) -> Body:
    """Return a copy whose groups and batches have so many kinds of operations; each has an operation of its own too."""
    document = copy.deepcopy(document)
    for name in ("GroupRequest", "BatchRequest"):
        items = document["components"]["schemas"][name]["properties"]["operations"]["items"]
        items["oneOf"] = choice.sample(items["oneOf"], count)
        items.pop("discriminator", None)
    return document


def _named(node: Any) -> Iterator[tuple[str, Body]]:
    """Yield the schema of every member and parameter, with its name."""
    if isinstance(node, list):
        for each in node:
            yield from _named(each)
    elif isinstance(node, dict):
        if "in" in node and "schema" in node:
            yield node["name"], node["schema"]
        if isinstance(node.get("properties"), dict):
            yield from node["properties"].items()
        for each in node.values():
            yield from _named(each)


def _texts(schema: Body) -> Iterator[Body]:
    """Yield the parts of a schema that are texts."""
    if schema.get("type") == "string":
        yield schema
    for each in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from _texts(each)
