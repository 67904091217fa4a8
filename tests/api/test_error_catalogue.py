"""docs/errors.md and the code say the same about every error."""

import json
import re
from http import HTTPStatus

from app.api.problems import status_of
from app.domain.errors import ERRORS_BY_CODE
from tests.api.error_document import DOCUMENT, documented

OF_HTTP = {"not_found": 404, "method_not_allowed": 405}
"""What the HTTP layer answers by itself."""


def test_every_error_is_documented_and_every_documented_error_exists() -> None:
    leaves = {code: cls for code, cls in ERRORS_BY_CODE.items() if not cls.__subclasses__()}
    expected = {code: status_of(cls()) for code, cls in leaves.items()} | OF_HTTP
    assert {code: each.status for code, each in documented().items()} == expected


def test_the_steps_are_numbered_without_a_gap_and_in_order() -> None:
    steps = [each.step for each in documented().values() if each.step is not None]
    assert steps == sorted(steps)
    assert sorted(set(steps)) == list(range(1, max(steps) + 1))


def test_every_fact_in_a_message_is_documented() -> None:
    undocumented = {
        (code, fact)
        for code, cls in ERRORS_BY_CODE.items()
        if not cls.__subclasses__()
        for fact in re.findall(r"{(\w+)}", cls.__doc__ or "")
        if f"`{fact}`" not in documented()[code].text
    }
    assert undocumented == {("field_invalid", "field"), ("ledger_corrupt", "problem")}  # for whoever reads the log


def test_every_amount_of_a_refusal_is_documented() -> None:
    undocumented = {
        (code, fact)
        for code, cls in ERRORS_BY_CODE.items()
        for fact in cls.amount_facts
        if f"`{fact}`" not in documented()[code].text
    }
    assert undocumented == set()


def test_the_example_is_what_is_sent() -> None:
    (example,) = re.findall(r"```json\n(.+?)```", DOCUMENT.read_text(), re.DOTALL)
    body = json.loads(example)
    error = ERRORS_BY_CODE[body["code"]]
    assert body["detail"] == error.message({name: body[name] for name in error.amount_facts})
    assert body["title"] == HTTPStatus(body["status"]).phrase
