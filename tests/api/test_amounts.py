"""Amounts as they come in: read from their text, exactly, or refused with a code of their own and nothing changed."""

import json
import time
from typing import Any

import pytest

from tests.api.conftest import USERS, Service, sharing
from tests.api.shapes import assert_problem

pytestmark = sharing

JSON = {"Content-Type": "application/json"}
LONG = 20_000
CPU_SECONDS_MAX = 0.5
"""Far more than reading a long amount takes, and far less than a cost that grows with the square of its length."""


def text(amount: str, name: str, code: str) -> Any:
    """Make a case of an amount that is sent as a JSON string."""
    return pytest.param(json.dumps(amount), code, id=f"text-{name}")


def number(amount: str, name: str, code: str) -> Any:
    """Make a case of an amount that stands in the body as it is."""
    return pytest.param(amount, code, id=f"number-{name}")


REFUSED = [
    text("", "empty", "amount_blank"),
    text(" ", "a-blank", "amount_blank"),
    text(" 5", "leading-blank", "amount_blank"),
    text("5 ", "trailing-blank", "amount_blank"),
    text("1 000", "inner-blank", "amount_blank"),
    text("5\n", "newline", "amount_blank"),
    text("\t5", "tab", "amount_blank"),
    text("\u00a05", "no-break-blank", "amount_blank"),
    text("0", "zero", "amount_zero"),
    text("0.00", "zero-with-decimals", "amount_zero"),
    text("0.000000000000", "zero-with-many-decimals", "amount_zero"),
    text("0" * 400, "many-zeros", "amount_zero"),
    text("-1", "negative", "amount_negative"),
    text("-0", "negative-zero", "amount_negative"),
    text("-0.01", "negative-cent", "amount_negative"),
    text("+5", "plus", "amount_signed"),
    text("+0", "plus-zero", "amount_signed"),
    text("NaN", "nan", "amount_not_a_number"),
    text("nan", "small-nan", "amount_not_a_number"),
    text("-NaN", "negative-nan", "amount_not_a_number"),
    text("sNaN", "signalling-nan", "amount_not_a_number"),
    text("Infinity", "infinity", "amount_not_a_number"),
    text("-Infinity", "negative-infinity", "amount_not_a_number"),
    text("+inf", "plus-inf", "amount_not_a_number"),
    text("1e2", "exponent", "amount_exponent"),
    text("1E2", "capital-exponent", "amount_exponent"),
    text("1e-2", "negative-exponent", "amount_exponent"),
    text("1.5e+3", "plus-exponent", "amount_exponent"),
    text("1e400", "exponent-beyond-floats", "amount_exponent"),
    text("1e-400", "exponent-below-floats", "amount_exponent"),
    text("1e" + "9" * 400, "exponent-of-400-digits", "amount_exponent"),
    text("0e0", "zero-exponent", "amount_exponent"),
    text("١٢", "arabic-indic-digits", "amount_not_ascii"),
    text("１２", "wide-digits", "amount_not_ascii"),
    text("1２", "mixed-digits", "amount_not_ascii"),
    text("²", "superscript", "amount_not_ascii"),
    text("½", "vulgar-fraction", "amount_not_ascii"),
    text("1٫5", "arabic-point", "amount_not_ascii"),
    text("€5", "currency", "amount_not_ascii"),
    text("\ud800", "lone-surrogate", "amount_not_ascii"),
    text("1_000", "underscore", "amount_malformed"),
    text("1,000", "thousands-comma", "amount_malformed"),
    text("1,5", "decimal-comma", "amount_malformed"),
    text("0x10", "hexadecimal", "amount_malformed"),
    text("0b1", "binary", "amount_malformed"),
    text(".5", "no-whole", "amount_malformed"),
    text("5.", "no-fraction", "amount_malformed"),
    text(".", "a-point", "amount_malformed"),
    text("1.2.3", "two-points", "amount_malformed"),
    text("$5", "dollar", "amount_malformed"),
    text("five", "word", "amount_malformed"),
    text("1;DROP", "statement", "amount_malformed"),
    text("1\x00", "nul", "amount_malformed"),
    text("true", "boolean-as-text", "amount_malformed"),
    text("0.001", "three-decimals", "amount_too_precise"),
    text("1.999", "three-nines", "amount_too_precise"),
    text("0.0000000000000000000001", "twenty-two-decimals", "amount_too_precise"),
    text("1." + "3" * 400, "400-decimals", "amount_too_precise"),
    text("92233720368547758.08", "one-unit-beyond-63-bits", "amount_too_large"),
    text("99999999999999999.99", "nineteen-nines", "amount_too_large"),
    text("184467440737095516.17", "beyond-64-bits", "amount_too_large"),
    text("9" * 400, "400-digits", "amount_too_large"),
    text("9" * 5_000, "5000-digits", "amount_too_large"),
    number("0", "zero", "amount_zero"),
    number("0.00", "zero-with-decimals", "amount_zero"),
    number("-1", "negative", "amount_negative"),
    number("-0", "negative-zero", "amount_negative"),
    number("-0.0", "negative-zero-with-decimals", "amount_negative"),
    number("-0.01", "negative-cent", "amount_negative"),
    number("NaN", "nan", "amount_not_a_number"),
    number("Infinity", "infinity", "amount_not_a_number"),
    number("-Infinity", "negative-infinity", "amount_not_a_number"),
    number("1e2", "exponent", "amount_exponent"),
    number("1E+2", "capital-exponent", "amount_exponent"),
    number("1.0e2", "exponent-after-fraction", "amount_exponent"),
    number("1e400", "exponent-beyond-floats", "amount_exponent"),
    number("1e-400", "exponent-below-floats", "amount_exponent"),
    number("1e" + "9" * 400, "exponent-of-400-digits", "amount_exponent"),
    number("0.001", "three-decimals", "amount_too_precise"),
    number("0.1000000000000000055511151231257827", "a-float-written-out", "amount_too_precise"),
    number("92233720368547758.08", "one-unit-beyond-63-bits", "amount_too_large"),
    number("92233720368547759", "whole-beyond-63-bits", "amount_too_large"),
    number("9" * 400, "400-digits", "amount_too_large"),
    number("9" * 5_000, "5000-digits", "amount_too_large"),
    number("true", "true", "validation_failed"),
    number("false", "false", "validation_failed"),
    number("null", "null", "validation_failed"),
    number("[]", "list", "validation_failed"),
    number('["1"]', "list-of-an-amount", "validation_failed"),
    number("{}", "object", "validation_failed"),
    number('{"amount": "1"}', "object-of-an-amount", "validation_failed"),
]


@pytest.mark.parametrize(("literal", "code"), REFUSED)
async def test_an_amount_that_is_none_is_refused_with_its_code_and_changes_nothing(
    service: Service, literal: str, code: str
) -> None:
    before = await service.size()
    balance = await service.balance("user_alice")
    for call in ("top-up", "bonus", "spend"):
        body = f'{{"amount": {literal}, "asset_type_id": 1}}'
        answer = await service.client.post(f"{USERS}/user_alice/{call}", content=body, headers=JSON)
        problem = assert_problem(answer, 422, code)
        assert [each["pointer"] for each in problem["errors"]] == ["/amount"]
    operation = f'{{"type": "spend", "external_user_id": "user_alice", "amount": {literal}, "asset_type_id": 1}}'
    answer = await service.client.post("/api/v1/batch", content=f'{{"operations": [{operation}]}}', headers=JSON)
    (result,) = answer.json()["results"]
    assert (result["status"], result["code"], result["errors"][0]["pointer"]) == (422, code, "/amount")
    assert await service.size() == before
    assert await service.balance("user_alice") == balance


@pytest.mark.parametrize(
    ("literal", "shown"),
    [
        pytest.param('"1"', "1.00", id="text-whole"),
        pytest.param('"1.5"', "1.50", id="text-one-decimal"),
        pytest.param('"1.50"', "1.50", id="text-at-scale"),
        pytest.param('"1.500000"', "1.50", id="text-trailing-zeros"),
        pytest.param('"1.' + "0" * 400 + '"', "1.00", id="text-400-trailing-zeros"),
        pytest.param('"007.10"', "7.10", id="text-leading-zeros"),
        pytest.param('"' + "0" * 400 + '1"', "1.00", id="text-400-leading-zeros"),
        pytest.param('"0.01"', "0.01", id="text-smallest"),
        pytest.param('"\\u0031"', "1.00", id="text-escaped"),
        pytest.param('"92233720368547758.07"', "92233720368547758.07", id="text-63-bits"),
        pytest.param("1", "1.00", id="number-whole"),
        pytest.param("1.0", "1.00", id="number-one-decimal"),
        pytest.param("1.500000", "1.50", id="number-trailing-zeros"),
        pytest.param("0.01", "0.01", id="number-smallest"),
        pytest.param("0.29", "0.29", id="number-no-float-is"),
        pytest.param("1.15", "1.15", id="number-that-floats-round-down"),
        pytest.param("4.35", "4.35", id="number-that-times-100-is-434"),
        pytest.param("90071992547409.93", "90071992547409.93", id="number-beyond-53-bits"),
        pytest.param("9007199254740993", "9007199254740993.00", id="number-whole-beyond-53-bits"),
        pytest.param("92233720368547758.07", "92233720368547758.07", id="number-63-bits"),
        pytest.param("92233720368547758", "92233720368547758.00", id="number-whole-63-bits"),
    ],
)
async def test_an_amount_is_read_from_its_text_exactly(service: Service, literal: str, shown: str) -> None:
    user = await service.user()
    body = f'{{"amount": {literal}, "asset_type_id": 1}}'
    topped = await service.client.post(f"{USERS}/{user}/top-up", content=body, headers=JSON)
    assert (topped.json()["amount"], topped.json()["new_balance"]) == (shown, shown)
    assert await service.balance(user) == shown
    spent = await service.client.post(f"{USERS}/{user}/spend", content=body, headers=JSON)
    assert (spent.json()["amount"], spent.json()["new_balance"]) == (shown, "0.00")


@pytest.mark.parametrize(
    "amount",
    [
        pytest.param("1" * LONG + "x", id="digits-then-a-letter"),
        pytest.param("1." + "1" * LONG + "x", id="decimals-then-a-letter"),
        pytest.param("1" * LONG + "e", id="digits-then-a-bare-exponent"),
        pytest.param("1e" + "1" * LONG + "x", id="exponent-then-a-letter"),
        pytest.param("-" * LONG, id="signs"),
        pytest.param(" " * LONG, id="blanks"),
        pytest.param("1" * LONG, id="digits"),
        pytest.param("0" * LONG, id="zeros"),
    ],
)
async def test_a_long_amount_costs_no_more_than_reading_it(service: Service, amount: str) -> None:
    before = time.process_time()
    answer = await service.client.post(f"{USERS}/user_alice/top-up", json={"amount": amount, "asset_type_id": 1})
    assert time.process_time() - before < CPU_SECONDS_MAX
    assert_problem(answer, 422)


@pytest.mark.parametrize(
    ("scale", "largest", "beyond"),
    [
        pytest.param(0, "9223372036854775807", "9223372036854775808", id="no-decimals"),
        pytest.param(18, "9.223372036854775807", "9.223372036854775808", id="18-decimals"),
    ],
)
async def test_the_largest_amount_is_63_bits_of_smallest_units(
    service: Service, scale: int, largest: str, beyond: str
) -> None:
    user, asset = await service.user(), await service.asset(scale)
    for literal in (beyond, f'"{beyond}"'):
        body = f'{{"amount": {literal}, "asset_type_id": {asset}}}'
        answer = await service.client.post(f"{USERS}/{user}/top-up", content=body, headers=JSON)
        assert_problem(answer, 422, "amount_too_large")
    body = f'{{"amount": {largest}, "asset_type_id": {asset}}}'
    answer = await service.client.post(f"{USERS}/{user}/top-up", content=body, headers=JSON)
    assert answer.json()["new_balance"] == largest


@pytest.mark.parametrize("scale", [0, 1, 2, 18])
async def test_one_decimal_more_than_the_scale_is_too_precise(service: Service, scale: int) -> None:
    asset = await service.asset(scale)
    body = {"amount": "0." + "0" * scale + "1", "asset_type_id": asset}
    answer = await service.client.post(f"{USERS}/user_alice/top-up", json=body)
    assert_problem(answer, 422, "amount_too_precise", scale=scale)
