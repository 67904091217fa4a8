"""The links in the OpenAPI document lead to calls, with what these calls take, from what the first one answers."""

from typing import Any

import pytest

from tests.api.shapes import document
from tests.api.test_openapi import OPERATIONS, operation, resolved

LINKS = [
    pytest.param(name, status, link, id=f"{name}-{target}")
    for name in OPERATIONS
    for status, answer in operation(name)["responses"].items()
    for target, link in answer.get("links", {}).items()
]


@pytest.mark.parametrize(("name", "status", "link"), LINKS)
def test_a_link_says_where_each_parameter_of_the_next_call_comes_from(
    name: str, status: str, link: dict[str, Any]
) -> None:
    assert status < "300"
    target = operation(link["operationId"])
    taken = {each["name"]: each for each in target["parameters"]}
    assert link["parameters"].keys() <= taken.keys()
    assert {each for each in taken if taken[each]["in"] == "path"} <= link["parameters"].keys()
    answered = resolved(operation(name)["responses"][status]["content"]["application/json"]["schema"])["properties"]
    sources = {f"$response.body#/{member}" for member in answered}
    sources |= {
        f"$request.path.{each['name']}" for each in operation(name).get("parameters", ()) if each["in"] == "path"
    }
    assert set(link["parameters"].values()) <= sources


def test_what_is_made_is_linked_to_what_can_be_done_with_it() -> None:
    assert len(LINKS) > 10
    assert document()["paths"][OPERATIONS["place_hold"][1]]["post"]["responses"]["201"]["links"].keys() >= {
        "capture_hold",
        "release_hold",
    }
