"""The OpenAPI document is good enough to make a client from, and the docs page needs nobody else's server."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from jsonschema import Draft202012Validator

from tests.api.conftest import USERS, Service, sharing
from tests.api.shapes import document
from tests.api.write_openapi import SNAPSHOT, snapshot

OPERATIONS = {
    "get_balance": ("get", "/api/v1/wallets/users/{external_user_id}/balance"),
    "top_up": ("post", "/api/v1/wallets/users/{external_user_id}/top-up"),
    "bonus": ("post", "/api/v1/wallets/users/{external_user_id}/bonus"),
    "spend": ("post", "/api/v1/wallets/users/{external_user_id}/spend"),
    "open_account": ("put", "/api/v1/wallets/users/{external_user_id}"),
    "get_account": ("get", "/api/v1/wallets/users/{external_user_id}"),
    "change_account": ("patch", "/api/v1/wallets/users/{external_user_id}"),
    "erase_account": ("post", "/api/v1/wallets/users/{external_user_id}/erase"),
    "adjust": ("post", "/api/v1/wallets/users/{external_user_id}/adjustments"),
    "execute_group": ("post", "/api/v1/wallets/users/{external_user_id}/groups"),
    "place_hold": ("post", "/api/v1/wallets/users/{external_user_id}/holds"),
    "capture_hold": ("post", "/api/v1/wallets/users/{external_user_id}/holds/{hold_id}/capture"),
    "release_hold": ("post", "/api/v1/wallets/users/{external_user_id}/holds/{hold_id}/release"),
    "extend_hold": ("post", "/api/v1/wallets/users/{external_user_id}/holds/{hold_id}/extend"),
    "refund": ("post", "/api/v1/wallets/users/{external_user_id}/transactions/{transaction_id}/refund"),
    "reverse": ("post", "/api/v1/wallets/users/{external_user_id}/transactions/{transaction_id}/reverse"),
    "execute_batch": ("post", "/api/v1/batch"),
    "list_accounts": ("get", "/api/v1/wallets/users"),
    "get_balances": ("post", "/api/v1/balances"),
    "list_lots": ("get", "/api/v1/wallets/users/{external_user_id}/lots"),
    "list_holds": ("get", "/api/v1/wallets/users/{external_user_id}/holds"),
    "get_hold": ("get", "/api/v1/wallets/users/{external_user_id}/holds/{hold_id}"),
    "list_transactions": ("get", "/api/v1/wallets/users/{external_user_id}/transactions"),
    "get_transaction_by_key": (
        "get",
        "/api/v1/wallets/users/{external_user_id}/transactions/by-key/{idempotency_key}",
    ),
    "find_transactions": ("get", "/api/v1/transactions"),
    "get_transaction": ("get", "/api/v1/transactions/{transaction_id}"),
    "list_asset_types": ("get", "/api/v1/asset-types"),
    "create_asset_type": ("post", "/api/v1/asset-types"),
    "change_asset_type": ("patch", "/api/v1/asset-types/{asset_type_id}"),
    "create_key": ("post", "/api/v1/keys"),
    "list_keys": ("get", "/api/v1/keys"),
    "revoke_key": ("post", "/api/v1/keys/{key_id}/revoke"),
    "advance_clock": ("post", "/api/v1/sandbox/clock"),
    "health_live": ("get", "/health/live"),
    "health_ready": ("get", "/health/ready"),
}
TAKING = ("spend", "adjust", "execute_group", "place_hold", "capture_hold", "extend_hold")
"""What there may be too little for."""

KEYED = (*TAKING, "top_up", "bonus", "release_hold", "refund", "reverse", "change_account")
WRITES = (*KEYED, "erase_account")
PAGES = ("list_accounts", "list_lots", "list_holds", "list_transactions", "find_transactions", "list_keys")
MAKING = ("open_account", "create_asset_type")
"""Both make what a 201 answers; the first answers 200 when it was there, the second to a dry run."""

each_operation = pytest.mark.parametrize("name", OPERATIONS)
each_api_operation = pytest.mark.parametrize("name", [name for name in OPERATIONS if not name.startswith("health")])


def operation(name: str) -> dict[str, Any]:
    method, path = OPERATIONS[name]
    found: dict[str, Any] = document()["paths"][path][method]
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference."""
    if "$ref" not in schema:
        return schema
    found: Any = document()
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return resolved(found)


def everything(node: Any) -> list[dict[str, Any]]:
    """Return every object in a document."""
    if isinstance(node, dict):
        return [node, *(each for value in node.values() for each in everything(value))]
    return [each for value in node for each in everything(value)] if isinstance(node, list) else []


def test_the_committed_document_is_the_services() -> None:
    assert SNAPSHOT.read_text() == snapshot(), "write it anew: python -m tests.api.write_openapi"


def test_it_is_an_openapi_document_whose_references_all_lead_somewhere() -> None:
    OpenAPI.model_validate(document())
    references = [each["$ref"] for each in everything(document()) if isinstance(each.get("$ref"), str)]
    assert references
    for each in references:
        assert resolved({"$ref": each})


def test_operations_have_stable_ids() -> None:
    assert {
        each["operationId"]: (method, path)
        for path, operations in document()["paths"].items()
        for method, each in operations.items()
    } == OPERATIONS


@each_operation
def test_an_operation_is_described_and_filed_under_a_tag(name: str) -> None:
    assert operation(name)["tags"]
    assert len(operation(name)["description"]) > 10
    assert operation(name)["summary"]


@each_operation
def test_only_calls_of_the_api_need_a_key(name: str) -> None:
    """Which scope each needs, tests/api/test_scopes.py says."""
    assert ("security" in operation(name)) is not name.startswith("health")
    (scheme,) = document()["components"]["securitySchemes"].items()
    assert (scheme[0], scheme[1]["type"], scheme[1]["scheme"]) == ("key", "http", "bearer")


@each_api_operation
def test_every_error_is_declared_as_a_problem(name: str) -> None:
    declared = {int(status): answer for status, answer in operation(name)["responses"].items()}
    errors = {status: answer for status, answer in declared.items() if status >= 400}
    expected = {401, 403, 429, 500, 503}
    if "requestBody" in operation(name):
        expected |= {400, 408, 413, 422}
    if "{external_user_id}" in OPERATIONS[name][1]:
        expected |= {422} if name == "open_account" else {404, 422}
    if name in {"get_balances", "get_transaction"}:
        expected |= {404, 422}
    if name in PAGES:
        expected |= {400, 422}
    if name in {"change_asset_type", "advance_clock", "revoke_key"}:
        expected |= {404}
    if name in {*WRITES, "create_asset_type"}:
        expected |= {409}
    if name in TAKING:
        expected |= {402}
    assert errors.keys() == expected
    for answer in errors.values():
        assert answer["description"]
        assert answer["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


@each_operation
def test_every_success_is_declared_with_a_schema_of_its_own(name: str) -> None:
    successes = {status: each for status, each in operation(name)["responses"].items() if status < "300"}
    expected = {"200", "201"} if name in MAKING else {"201"} if name in {"place_hold", "create_key"} else {"200"}
    assert successes.keys() == expected
    for each in successes.values():
        assert resolved(each["content"]["application/json"]["schema"])["type"] == "object"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_how_to_get_the_next_one(name: str) -> None:
    parameters = {each["name"]: each for each in operation(name)["parameters"]}
    limit = parameters["limit"]["schema"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 200, 50)
    assert not parameters["cursor"]["required"]
    answer = operation(name)["responses"]["200"]
    assert answer["headers"].keys() == {"Link"}
    page = resolved(answer["content"]["application/json"]["schema"])
    assert page["properties"].keys() == {"data", "next_cursor", "has_more"}


def test_every_answer_says_that_each_of_its_members_is_always_there() -> None:
    for name, schema in document()["components"]["schemas"].items():
        if name.endswith("Response"):
            assert set(schema["required"]) == set(schema["properties"]), name


def test_every_request_refuses_members_it_does_not_know() -> None:
    requests = {
        name: schema
        for name, schema in document()["components"]["schemas"].items()
        if name.endswith(("Request", "Operation")) or (name.startswith("Batch") and not name.endswith("Response"))
    }
    assert len(requests) > 30
    for name, schema in requests.items():
        assert schema["additionalProperties"] is False, name


@pytest.mark.parametrize("name", KEYED)
def test_the_writes_take_their_key_as_a_header_too(name: str) -> None:
    headers = [each["name"].lower() for each in operation(name)["parameters"] if each["in"] == "header"]
    assert headers == ["idempotency-key"]


@each_api_operation
def test_every_parameter_is_described(name: str) -> None:
    for each in operation(name).get("parameters", ()):
        assert each.get("description") or each["schema"].get("description"), each["name"]


def bodies() -> dict[str, dict[str, Any]]:
    return {name: body_schema(name) for name in OPERATIONS if "requestBody" in operation(name)}


def body_schema(name: str) -> dict[str, Any]:
    """Return what a body must be, where there is one."""
    schema = operation(name)["requestBody"]["content"]["application/json"]["schema"]
    return resolved(next((each for each in schema.get("anyOf", ()) if "$ref" in each), schema))


async def path_of(service: Service, name: str) -> tuple[str, str]:
    """Return method and path of an operation, on a user who has enough for it."""
    user = await service.user("100.00")
    made = {}
    for member, call in (("hold_id", "holds"), ("transaction_id", "spend")):
        answer = await service.client.post(f"{USERS}/{user}/{call}", json={"amount": "20", "asset_type_id": 1})
        made[member] = answer.json()[member]
    method, path = OPERATIONS[name]
    return method, path.format(external_user_id=user, asset_type_id=3, key_id=1, **made)


@sharing
@pytest.mark.parametrize(
    "name",
    [
        *TAKING,
        *("top_up", "bonus", "refund", "change_account", "execute_batch", "get_balances"),
        *("create_asset_type", "change_asset_type", "create_key"),
    ],
)
async def test_the_example_of_a_body_fits_its_schema_and_works(service: Service, name: str) -> None:
    schema = bodies()[name]
    examples = schema.get("examples") or [{"operations": schema["properties"]["operations"]["examples"][0]}]
    for example in examples:
        Draft202012Validator({**schema, "components": document()["components"]}).validate(example)
        method, path = await path_of(service, name)
        answer = await service.client.request(method, path, json=example)
        assert answer.status_code in {200, 201}, answer.text
        assert all(each["status"] == 200 for each in answer.json().get("results", ()))


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"amount": "1.00", "asset_type_id": 1}, True),
        ({"amount": 1.5, "asset_code": "GOLD", "metadata": {"a": 1, "b": True, "c": "d"}}, True),
        ({"amount": "-1", "asset_type_id": 1}, False),
        ({"amount": "1e2", "asset_type_id": 1}, False),
        ({"amount": 0, "asset_type_id": 1}, False),
        ({"amount": None, "asset_type_id": 1}, False),
        ({"asset_type_id": 1}, False),
        ({"amount": "1", "asset_code": "gold"}, False),
        ({"amount": "1", "asset_type_id": 0}, False),
        ({"amount": "1", "asset_type_id": 1, "unknown": 1}, False),
        ({"amount": "1", "asset_type_id": 1, "metadata": {"a": [1]}}, False),
        ({"amount": "1", "asset_type_id": 1, "reference": "x" * 256}, False),
        ({"amount": "1", "asset_type_id": 1, "idempotency_key": ""}, False),
        ({"amount": "1", "asset_type_id": 1, "idempotency_key": "k" * 256}, False),
        ({"amount": "1", "asset_type_id": 1, "priority": 101}, False),
    ],
)
def test_the_schema_of_a_top_up_says_what_the_service_does(body: dict[str, Any], fits: bool) -> None:
    validator = Draft202012Validator({**bodies()["top_up"], "components": document()["components"]})
    assert validator.is_valid(body) is fits


GEM = {"asset_code": "GEM", "name": "Gems", "scale": 3}


@pytest.mark.parametrize(
    ("name", "body", "fits"),
    [
        ("create_asset_type", GEM, True),
        ("create_asset_type", {**GEM, "status": "inactive", "default_expiry_days": None, "dry_run": True}, True),
        ("create_asset_type", {**GEM, "limits": {"daily_spend_max": 0, "amount_max": None}}, True),
        ("create_asset_type", {**GEM, "limits": {"amount_min": 0}}, False),
        ("create_asset_type", {**GEM, "limits": None}, False),
        ("create_asset_type", {**GEM, "scale": 19}, False),
        ("create_asset_type", {**GEM, "hold_seconds": None}, False),
        ("change_asset_type", {}, True),
        ("change_asset_type", {"default_expiry_days": None, "hold_seconds": 1, "status": "active"}, True),
        ("change_asset_type", {"name": None}, False),
        ("change_asset_type", {"status": "retired"}, False),
        ("change_asset_type", {"scale": 2}, False),
        ("advance_clock", {"advance_seconds": 0}, True),
        ("advance_clock", {"advance_seconds": -1}, False),
        ("advance_clock", {}, False),
    ],
)
def test_the_schemas_of_what_operators_call_say_what_the_service_does(
    name: str, body: dict[str, Any], fits: bool
) -> None:
    validator = Draft202012Validator({**bodies()[name], "components": document()["components"]})
    assert validator.is_valid(body) is fits


def test_what_a_change_may_leave_out_has_no_default() -> None:
    members = bodies()["change_asset_type"]["properties"]
    assert {name for name, each in members.items() if each.get("default") is not None} == {"dry_run"}


def test_the_document_names_no_other_server() -> None:
    assert "servers" not in document()
    assert "://" not in json.dumps(document())


# -- the page ------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"base", "iframe", "object", "embed"}
        self.references += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action", "data"}]


@sharing
async def test_the_docs_page_and_its_files_refer_to_no_other_host(service: Service) -> None:
    answer = await service.client.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert not re.search(r"""https?:|["'(]//""", answer.text)
    page = Page()
    page.feed(answer.text)
    assert len(page.references) >= 3
    for reference in page.references:
        assert reference.startswith("/docs/")
        file = await service.client.get(reference)
        assert (file.status_code, len(file.content) > 500) == (200, True), reference
        if reference.endswith(".css"):
            assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", file.text)


@sharing
async def test_the_page_shows_the_document(service: Service) -> None:
    page = (await service.client.get("/docs")).text
    assert re.search(r"""url: ["']/openapi\.json["']""", page)
    assert (await service.client.get("/openapi.json")).json() == document()
