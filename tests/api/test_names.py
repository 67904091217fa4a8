"""Names that callers make up: user ids, idempotency keys, references, metadata. Stored as sent, or refused by name."""

import json
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.api.conftest import USERS, Service, sharing
from tests.api.shapes import assert_problem

pytestmark = sharing

JSON = {"Content-Type": "application/json"}
GOLD = {"amount": "1.00", "asset_type_id": 1}

# -- users ---------------------------------------------------------------------------------------------------------

GOOD_USERS = [
    pytest.param("u", id="one-letter"),
    pytest.param("x" * 255, id="255-bytes"),
    pytest.param("é" * 127 + "x", id="two-byte-characters-at-the-limit"),
    pytest.param("😀" * 63 + "xyz", id="four-byte-characters-at-the-limit"),
    pytest.param("😀", id="emoji"),
    pytest.param("👩‍👩‍👧", id="joined-emoji"),
    pytest.param("Ünïcødé", id="composed"),
    pytest.param("U\u0308ni\u0308c", id="decomposed"),
    pytest.param("用户", id="chinese"),
    pytest.param("مستخدم", id="arabic"),
    pytest.param("a\u202eb", id="right-to-left-override"),
    pytest.param("a\u2028b", id="line-separator"),
    pytest.param("\ufeffbom", id="byte-order-mark"),
    pytest.param("\U0010ffff", id="last-code-point"),
    pytest.param(" ", id="a-blank"),
    pytest.param(" leading", id="leading-blank"),
    pytest.param("trailing ", id="trailing-blank"),
    pytest.param(".", id="dot"),
    pytest.param("..", id="dots"),
    pytest.param("a?b#c", id="question-and-hash"),
    pytest.param("a%2Fb", id="percent-two-f-literally"),
    pytest.param("100%", id="percent"),
    pytest.param("a+b@example.org", id="mail-address"),
    pytest.param("a;b=c,d:e", id="delimiters"),
    pytest.param("a\\b", id="backslash"),
    pytest.param("'; DROP TABLE accounts; --", id="sql"),
    pytest.param("{external_user_id}", id="braces"),
    pytest.param("<script>", id="markup"),
    pytest.param("null", id="null"),
    pytest.param("balance", id="name-of-a-call"),
]


@pytest.mark.parametrize("name", GOOD_USERS)
async def test_a_user_id_is_stored_as_sent(service: Service, name: str) -> None:
    path = f"{USERS}/{quote(name, safe='').replace('.', '%2E')}"
    unknown = assert_problem(await service.client.get(f"{path}/balance?asset_type_id=1"), 404, "unknown_user")
    assert unknown["external_user_id"] == name
    opened = await service.client.put(path)
    assert (opened.status_code, opened.json()["external_user_id"]) == (201, name)
    assert await service.sql("SELECT count(*) FROM accounts WHERE external_user_id = :name", name=name) == 1
    assert (await service.client.post(f"{path}/top-up", json=GOLD)).json()["new_balance"] == "1.00"
    operation = {"type": "spend", "external_user_id": name, **GOLD}
    (result,) = (await service.client.post("/api/v1/batch", json={"operations": [operation]})).json()["results"]
    assert (result["status"], result["account_id"]) == (200, opened.json()["account_id"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Case", "case", id="case"),
        pytest.param("é", "e\u0301", id="composed-or-not"),
        pytest.param("blank", "blank ", id="trailing-blank"),
        pytest.param("Straße", "Strasse", id="sharp-s"),
        pytest.param("a", "ａ", id="width"),
        pytest.param("a", "а", id="latin-or-cyrillic"),
    ],
)
async def test_users_whose_ids_look_alike_are_different_users(service: Service, one: str, other: str) -> None:
    accounts = [(await service.client.put(f"{USERS}/twin-{quote(name)}")).json()["account_id"] for name in (one, other)]
    assert accounts[0] != accounts[1]


BAD_USERS = [
    pytest.param("x" * 256, id="256-bytes"),
    pytest.param(quote("é" * 128), id="128-characters-of-two-bytes"),
    pytest.param(quote("😀" * 64), id="64-characters-of-four-bytes"),
    pytest.param("a%00b", id="nul"),
    pytest.param("%0A", id="newline"),
    pytest.param("a%0D%0Ab", id="line-break"),
    pytest.param("a%09b", id="tab"),
    pytest.param("a%1Fb", id="last-of-the-control-characters"),
    pytest.param("a%7Fb", id="delete"),
    pytest.param("a%C2%85b", id="next-line"),
    pytest.param("%FF", id="invalid-utf-8"),
    pytest.param("a%C0%AFb", id="overlong-slash"),
    pytest.param("a%ED%A0%80b", id="surrogate"),
    pytest.param("a%E2%82", id="cut-off-utf-8"),
]


@pytest.mark.parametrize("escaped", BAD_USERS)
async def test_what_can_be_no_user_id_is_refused_on_every_call(service: Service, escaped: str) -> None:
    before = await service.size()
    for method, path, body in (
        ("GET", "/balance?asset_type_id=1", None),
        ("POST", "/top-up", {**GOLD, "open_account": True}),
        ("POST", "/bonus", {**GOLD, "open_account": True}),
        ("POST", "/spend", GOLD),
        ("PUT", "", None),
    ):
        answer = await service.client.request(method, f"{USERS}/{escaped}{path}", json=body)
        problem = assert_problem(answer, 422, "validation_failed")
        assert [each["parameter"] for each in problem["errors"]] == ["external_user_id"]
    assert await service.size() == before


@pytest.mark.parametrize("escaped", ["", "%2F", "a%2Fb", "a/b", "..%2Fuser_alice"])
async def test_no_user_id_has_a_slash_or_is_empty(service: Service, escaped: str) -> None:
    before = await service.size()
    assert_problem(await service.client.get(f"{USERS}/{escaped}/balance?asset_type_id=1"), 404, "not_found")
    answer = await service.client.post(f"{USERS}/{escaped}/top-up", json={**GOLD, "open_account": True})
    assert_problem(answer, 404, "not_found")
    assert await service.size() == before


@pytest.mark.parametrize(
    "literal",
    ['""', '"a/b"', '"a\\u0000b"', '"\\n"', '"\\ud800"', json.dumps("x" * 256), "1", "1.5", "null", "true", "[]", "{}"],
)
async def test_what_can_be_no_user_id_is_refused_in_a_batch(service: Service, literal: str) -> None:
    before = await service.size()
    operation = (
        f'{{"type": "top_up", "external_user_id": {literal}, "amount": 1, "asset_type_id": 1, "open_account": true}}'
    )
    answer = await service.client.post("/api/v1/batch", content=f'{{"operations": [{operation}]}}', headers=JSON)
    (result,) = answer.json()["results"]
    assert (result["status"], result["code"]) == (422, "validation_failed")
    assert [each["pointer"] for each in result["errors"]] == ["/external_user_id"]
    assert await service.size() == before


# -- keys ----------------------------------------------------------------------------------------------------------

GOOD_KEYS = [
    pytest.param("k", id="one-character"),
    pytest.param("k" * 255, id="255-characters"),
    pytest.param("😀" * 255, id="255-characters-of-four-bytes"),
    pytest.param("clé №1", id="not-ascii"),
    pytest.param("a b", id="inner-blank"),
    pytest.param('a"b', id="inner-quote"),
    pytest.param("'; DROP TABLE transactions; --", id="sql"),
    pytest.param("e7b1c2d0-5f7e-4b5e-9b1a-2f3c4d5e6f70", id="uuid"),
]


@pytest.mark.parametrize("key", GOOD_KEYS)
@pytest.mark.parametrize("form", ["{}", '"{}"'], ids=["bare", "quoted"])
async def test_a_key_is_the_same_in_the_header_as_in_the_body(service: Service, key: str, form: str) -> None:
    user = await service.user()
    path = f"{USERS}/{user}/top-up"
    header = httpx2.Headers([(b"Idempotency-Key", form.format(key).encode())])
    first = await service.client.post(path, json={**GOLD, "idempotency_key": key})
    by_header = await service.client.post(path, json=GOLD, headers=header)
    by_both = await service.client.post(path, json={**GOLD, "idempotency_key": key}, headers=header)
    assert [each.json()["replayed"] for each in (first, by_header, by_both)] == [False, True, True]
    stored = await service.sql(
        "SELECT idempotency_key FROM transactions WHERE owner_id = :id", id=first.json()["account_id"]
    )
    assert stored == key


@pytest.mark.parametrize("key", ["Key", "key ", "ke\u0301y", "kéy"])
async def test_keys_that_look_alike_are_different_keys(service: Service, key: str) -> None:
    user = await service.user()
    for each in ("key", key):
        answer = await service.client.post(f"{USERS}/{user}/top-up", json={**GOLD, "idempotency_key": each})
        assert answer.json()["replayed"] is False


@pytest.mark.parametrize(
    "literal",
    [
        pytest.param('""', id="empty"),
        pytest.param(json.dumps("k" * 256), id="256-characters"),
        pytest.param('"a\\nb"', id="newline"),
        pytest.param('"a\\tb"', id="tab"),
        pytest.param('"a\\u0000b"', id="nul"),
        pytest.param('"a\\u007fb"', id="delete"),
        pytest.param('"a\\u0085b"', id="next-line"),
        pytest.param('"a\\ud800b"', id="lone-surrogate"),
        pytest.param('"a\\u200bb"', id="blank-of-no-width"),
        pytest.param("1", id="number"),
        pytest.param("true", id="boolean"),
        pytest.param("[]", id="list"),
    ],
)
async def test_what_can_be_no_key_is_refused_and_nothing_is_booked_without_it(service: Service, literal: str) -> None:
    before = await service.size()
    for call in ("top-up", "bonus", "spend"):
        body = f'{{"amount": "1", "asset_type_id": 1, "idempotency_key": {literal}}}'
        answer = await service.client.post(f"{USERS}/user_alice/{call}", content=body, headers=JSON)
        problem = assert_problem(answer, 422, "validation_failed")
        assert [each["pointer"] for each in problem["errors"]] == ["/idempotency_key"]
    assert await service.size() == before


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'""', id="empty-in-quotes"),
        pytest.param(b"k" * 256, id="256-characters"),
        pytest.param(b"k" * 5_000, id="5000-characters"),
        pytest.param(b"a\tb", id="tab"),
        pytest.param(b"a\x7fb", id="delete"),
        pytest.param("clé".encode("latin-1"), id="invalid-utf-8"),
        pytest.param("a\u200bb".encode(), id="blank-of-no-width"),
    ],
)
async def test_what_can_be_no_key_is_refused_in_the_header_too(service: Service, value: bytes) -> None:
    before = await service.size()
    for call in ("top-up", "bonus", "spend"):
        answer = await service.client.post(
            f"{USERS}/user_alice/{call}", json=GOLD, headers=httpx2.Headers([(b"Idempotency-Key", value)])
        )
        problem = assert_problem(answer, 422)
        assert "idempotency" in json.dumps(problem["errors"]).lower()
    assert await service.size() == before


async def test_a_key_given_in_two_headers_must_be_the_same_in_both(service: Service) -> None:
    user = await service.user()
    before = await service.size()
    differing = httpx2.Headers([("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    answer = await service.client.post(f"{USERS}/{user}/top-up", json=GOLD, headers=differing)
    assert_problem(answer, 400, "idempotency_keys_differ")
    assert await service.size() == before
    same = httpx2.Headers([("Idempotency-Key", "a"), ("Idempotency-Key", "a")])
    for replayed in (False, True):
        answer = await service.client.post(f"{USERS}/{user}/top-up", json=GOLD, headers=same)
        assert answer.json()["replayed"] is replayed


# -- references ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    ["", "r", "r" * 255, "😀" * 255, " order 17 ", "a/b", "'; DROP TABLE transaction_notes; --", "a\u2028b"],
    ids=["empty", "one", "255-characters", "255-of-four-bytes", "blanks", "slash", "sql", "line-separator"],
)
async def test_a_reference_is_stored_as_sent(service: Service, reference: str) -> None:
    user = await service.user()
    answer = await service.client.post(f"{USERS}/{user}/top-up", json={**GOLD, "reference": reference})
    stored = await service.sql(
        "SELECT reference FROM transaction_notes WHERE owner_id = :id", id=answer.json()["account_id"]
    )
    assert stored == reference


@pytest.mark.parametrize(
    "literal",
    [json.dumps("r" * 256), '"a\\nb"', '"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"', "1", "1.5", "true", "[]", "{}"],
)
async def test_what_can_be_no_reference_is_refused(service: Service, literal: str) -> None:
    before = await service.size()
    body = f'{{"amount": "1", "asset_type_id": 1, "reference": {literal}}}'
    for call in ("top-up", "spend"):
        answer = await service.client.post(f"{USERS}/user_alice/{call}", content=body, headers=JSON)
        problem = assert_problem(answer, 422, "validation_failed")
        assert [each["pointer"] for each in problem["errors"]] == ["/reference"]
    assert await service.size() == before


# -- metadata ------------------------------------------------------------------------------------------------------

INT64_MAX = 2**63 - 1
FITS = 4_096 - len('{"a":""}')


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({}, id="empty"),
        pytest.param({"b": True, "a": False}, id="booleans"),
        pytest.param({"largest": INT64_MAX, "smallest": -INT64_MAX - 1}, id="64-bit-edges"),
        pytest.param({"a": "x" * FITS}, id="4096-bytes"),
        pytest.param({"a": "é" * (FITS // 2)}, id="4096-bytes-of-two-byte-characters"),
        pytest.param({"": "empty name"}, id="empty-name"),
        pytest.param({"a": "\x00 \n \x7f"}, id="nul-and-control-characters"),
        pytest.param({"a\x00": 1}, id="nul-in-a-name"),
        pytest.param({"__proto__": "1", "é": "😀", "a.b/c": "{}"}, id="odd-names"),
    ],
)
async def test_metadata_is_stored_with_its_types(service: Service, metadata: dict[str, Any]) -> None:
    user = await service.user()
    opened = await service.client.put(f"{USERS}/{user}", json={"metadata": metadata})
    assert opened.json()["metadata"] == metadata
    assert [type(each) for each in opened.json()["metadata"].values()] == [
        type(metadata[name]) for name in opened.json()["metadata"]
    ]
    answer = await service.client.post(f"{USERS}/{user}/top-up", json={**GOLD, "metadata": metadata})
    stored = await service.sql(
        "SELECT metadata FROM transaction_notes WHERE owner_id = :id", id=answer.json()["account_id"]
    )
    assert json.loads(stored) == metadata


@pytest.mark.parametrize(
    "literal",
    [
        pytest.param('{"a": {}}', id="nested-object"),
        pytest.param('{"a": []}', id="nested-list"),
        pytest.param('{"a": 1.5}', id="float"),
        pytest.param('{"a": 1e2}', id="exponent"),
        pytest.param('{"a": NaN}', id="nan"),
        pytest.param('{"a": null}', id="null-inside"),
        pytest.param(f'{{"a": {INT64_MAX + 1}}}', id="beyond-64-bits"),
        pytest.param(f'{{"a": {-INT64_MAX - 2}}}', id="below-64-bits"),
        pytest.param(f'{{"a": {"9" * 5_000}}}', id="5000-digits"),
        pytest.param(json.dumps({"a": "x" * (FITS + 1)}), id="4097-bytes"),
        pytest.param(json.dumps({"a": "é" * (FITS // 2 + 1)}), id="4098-bytes-of-two-byte-characters"),
        pytest.param('{"a": "\\ud800"}', id="lone-surrogate"),
        pytest.param('{"\\udfff": 1}', id="lone-surrogate-in-a-name"),
        pytest.param("[]", id="list"),
        pytest.param('"{}"', id="text"),
        pytest.param("1", id="number"),
        pytest.param("true", id="boolean"),
    ],
)
async def test_what_can_be_no_metadata_is_refused(service: Service, literal: str) -> None:
    before = await service.size()
    body = f'{{"amount": "1", "asset_type_id": 1, "metadata": {literal}}}'
    for method, path, content in (
        ("POST", f"{USERS}/user_alice/top-up", body),
        ("POST", f"{USERS}/user_alice/spend", body),
        ("PUT", f"{USERS}/user_alice", f'{{"metadata": {literal}}}'),
    ):
        answer = await service.client.request(method, path, content=content, headers=JSON)
        problem = assert_problem(answer, 422, "validation_failed")
        assert [each["pointer"] for each in problem["errors"]] == ["/metadata"]
    assert (await service.client.put(f"{USERS}/user_alice")).json()["metadata"] == {}
    assert await service.size() == before
