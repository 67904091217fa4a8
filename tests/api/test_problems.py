"""What can't be read and what is wrong is told in one shape."""

import json
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from app.api.ledger_request import BODY_BYTES_MAX
from tests.api.conftest import USERS, Service, post_scope, sharing
from tests.api.shapes import ANY_TEXT, assert_problem

pytestmark = sharing

ALICE = f"{USERS}/user_alice"
GOLD = {"amount": "1.00", "asset_type_id": 1}
JSON = "application/json"


# -- the request can't be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/api/v1", "/api/v1/nowhere", f"{USERS}/user_alice/nowhere", "/docs/files/nowhere", "/api/v2/batch"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_route_is_404(service: Service, method: str, path: str) -> None:
    answer = await service.client.request(method, path)
    assert_problem(answer, 405 if (method, path[:6]) == ("POST", "/docs/") else 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/api/v1/asset-types/", id="get"),
        pytest.param("POST", f"{ALICE}/top-up/", id="write"),
        pytest.param("POST", "/api/v1/batch/", id="batch"),
    ],
)
async def test_a_slash_too_many_is_404_and_no_redirect_to_whatever_host_was_named(
    service: Service, method: str, path: str
) -> None:
    assert_problem(await service.client.request(method, path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("GET", f"{ALICE}/top-up", "POST", id="top-up"),
        pytest.param("PUT", f"{ALICE}/spend", "POST", id="spend"),
        pytest.param("POST", f"{ALICE}/balance", "GET", id="balance"),
        pytest.param("DELETE", ALICE, "GET, PATCH, PUT", id="account"),
        pytest.param("PATCH", "/api/v1/batch", "POST", id="batch"),
        pytest.param("OPTIONS", "/api/v1/asset-types", "GET, POST", id="preflight"),
    ],
)
async def test_a_method_that_a_route_has_not_is_405_and_says_which_it_has(
    service: Service, method: str, path: str, allowed: str
) -> None:
    answer = await service.client.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="cut-off"),
        pytest.param(b'{"amount": "1",}', id="trailing-comma"),
        pytest.param(b"{'amount': '1'}", id="single-quotes"),
        pytest.param(b'{"amount": 007, "asset_type_id": 1}', id="leading-zeros"),
        pytest.param(b'{"amount": .5, "asset_type_id": 1}', id="number-without-whole"),
        pytest.param(b'{"amount": 5., "asset_type_id": 1}', id="number-without-fraction"),
        pytest.param(b'{"amount": +5, "asset_type_id": 1}', id="number-with-plus"),
        pytest.param(b'{"amount": 0x10, "asset_type_id": 1}', id="hexadecimal"),
        pytest.param(b'{"amount": 1_000, "asset_type_id": 1}', id="number-with-underscore"),
        pytest.param('{"amount": ١, "asset_type_id": 1}'.encode(), id="number-in-other-digits"),
        pytest.param(b'{"amount": "1", "asset_type_id": 1} {}', id="two-values"),
        pytest.param(b'{"amount": "1\n", "asset_type_id": 1}', id="raw-control-character"),
        pytest.param(b'{"amount": "\xff", "asset_type_id": 1}', id="invalid-utf-8"),
        pytest.param(b'{"amount": "\xed\xa0\x80", "asset_type_id": 1}', id="surrogate-in-utf-8"),
        pytest.param('{"amount": "1", "asset_type_id": 1}'.encode("utf-16"), id="utf-16"),
        pytest.param(b'\xef\xbb\xbf{"amount": "1", "asset_type_id": 1}', id="byte-order-mark"),
        pytest.param(b'{"amount": "1", "amount": "2", "asset_type_id": 1}', id="member-twice"),
        pytest.param(b'{"amount": "1", "asset_type_id": 1, "am\\u006funt": "2"}', id="member-twice-by-escape"),
        pytest.param(b'{"amount": "1", "asset_type_id": 1, "metadata": {"a": 1, "a": 1}}', id="inner-member-twice"),
        pytest.param(b"[" * 100_000, id="nested-100000-deep"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, id="objects-50000-deep"),
    ],
)
async def test_a_body_that_is_no_json_is_400_on_every_call(service: Service, body: bytes) -> None:
    before = await service.size()
    for method, path in (
        ("POST", f"{ALICE}/top-up"),
        ("POST", f"{ALICE}/spend"),
        ("PUT", ALICE),
        ("POST", "/api/v1/batch"),
    ):
        answer = await service.client.request(method, path, content=body, headers={"Content-Type": JSON})
        assert_problem(answer, 400, "body_not_json", reason=ANY_TEXT)
    assert await service.size() == before


@pytest.mark.parametrize("depth", [1, 10, 100, 400])
async def test_deep_but_readable_nesting_is_422(service: Service, depth: int) -> None:
    for template in ('{"amount": %s, "asset_type_id": 1}', '{"amount": 1, "asset_type_id": 1, "metadata": %s}', "%s"):
        body = template % ("[" * depth + "]" * depth)
        answer = await service.client.post(f"{ALICE}/top-up", content=body, headers={"Content-Type": JSON})
        assert_problem(answer, 422, "validation_failed")


@pytest.mark.parametrize(
    "media_type",
    [
        pytest.param("text/plain", id="text"),
        pytest.param("application/x-www-form-urlencoded", id="form"),
        pytest.param("multipart/form-data; boundary=x", id="multipart"),
        pytest.param("", id="empty"),
        pytest.param(None, id="none"),
    ],
)
async def test_what_a_browser_sends_across_sites_unasked_is_no_json(service: Service, media_type: str | None) -> None:
    before = await service.size()
    headers = {} if media_type is None else {"Content-Type": media_type}
    for method, path in (("POST", f"{ALICE}/top-up"), ("PUT", f"{USERS}/made-by-form"), ("POST", "/api/v1/batch")):
        answer = await service.client.request(method, path, content=json.dumps(GOLD).encode(), headers=headers)
        assert assert_problem(answer)["status"] in {415, 422}
    assert await service.size() == before


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        pytest.param(json.dumps(GOLD).encode(), "application/x-www-form-urlencoded", id="sent-as-a-form"),
        pytest.param(b"[]", JSON, id="list"),
    ],
)
async def test_a_body_that_is_no_json_object_is_told_what_is_wanted(
    service: Service, content: bytes, media_type: str
) -> None:
    answer = await service.client.post(f"{ALICE}/top-up", content=content, headers={"Content-Type": media_type})
    assert "JSON object" in answer.text
    assert "application/json" in answer.text


@pytest.mark.parametrize(
    "media_type", [JSON, "application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
async def test_json_goes_under_each_of_its_names(service: Service, media_type: str) -> None:
    user = await service.user("1.00")
    body = json.dumps(GOLD).encode()
    answer = await service.client.post(f"{USERS}/{user}/top-up", content=body, headers={"Content-Type": media_type})
    assert answer.json()["new_balance"] == "2.00"


async def _in_chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 2**20 + 1):
        yield b" " * 2**20


@pytest.mark.parametrize("path", [f"{ALICE}/top-up", "/api/v1/batch"])
async def test_a_body_that_is_too_large_is_413_whether_its_size_is_declared_or_not(service: Service, path: str) -> None:
    before = await service.size()
    for content in (b" " * (BODY_BYTES_MAX + 1), _in_chunks(BODY_BYTES_MAX)):
        answer = await service.client.post(path, content=content, headers={"Content-Type": JSON})
        assert_problem(answer, 413, "content_too_large")
    assert await service.size() == before


async def test_a_body_that_says_it_is_too_large_is_not_even_read(service: Service) -> None:
    app = service.client._transport.app  # type: ignore[attr-defined]  # the transport is ours
    sent: list[Message] = []

    async def receive() -> Message:
        pytest.fail("it was read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = post_scope("/api/v1/batch")
    scope["headers"].append((b"content-length", str(2**40).encode()))
    await app(scope, receive, send)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (413, "content_too_large")


# -- the request is wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "places"),
    [
        pytest.param(b"null", [""], id="null"),
        pytest.param(b"[]", [""], id="list"),
        pytest.param(b'"text"', [""], id="text"),
        pytest.param(b"1", [""], id="number"),
        pytest.param(b"1.5", [""], id="number-with-a-point"),
        pytest.param(b"NaN", [""], id="nan"),
        pytest.param(b"", [""], id="nothing"),
        pytest.param(b"{}", ["/amount"], id="empty-object"),
        pytest.param(b'{"asset_type_id": 1}', ["/amount"], id="no-amount"),
        pytest.param(b'{"amount": "1", "asset_type_id": true}', ["/asset_type_id"], id="asset-boolean"),
        pytest.param(b'{"amount": "1", "asset_type_id": "1"}', ["/asset_type_id"], id="asset-text"),
        pytest.param(b'{"amount": "1", "asset_type_id": 1.5}', ["/asset_type_id"], id="asset-with-a-point"),
        pytest.param(b'{"amount": "1", "asset_type_id": 1.5}', ["/asset_type_id"], id="asset-with-exponent"),
        pytest.param(b'{"amount": "1", "asset_type_id": NaN}', ["/asset_type_id"], id="asset-nan"),
        pytest.param(b'{"amount": "1", "asset_type_id": 0}', ["/asset_type_id"], id="asset-zero"),
        pytest.param(b'{"amount": "1", "asset_type_id": -1}', ["/asset_type_id"], id="asset-negative"),
        pytest.param(b'{"amount": "1", "asset_type_id": 2147483648}', ["/asset_type_id"], id="asset-too-large"),
        pytest.param(b'{"amount": "1", "asset_code": "gold"}', ["/asset_code"], id="code-in-small-letters"),
        pytest.param(b'{"amount": "1", "asset_code": ""}', ["/asset_code"], id="code-empty"),
        pytest.param(b'{"amount": "1", "asset_code": "GOLD\\n"}', ["/asset_code"], id="code-with-newline"),
        pytest.param(b'{"amount": "1", "asset_code": "\\ud800"}', ["/asset_code"], id="code-lone-surrogate"),
        pytest.param(b'{"amount": "1", "asset_code": 1}', ["/asset_code"], id="code-number"),
        pytest.param(b'{"Amount": "1", "asset_type_id": 1}', ["/amount", "/Amount"], id="capital-letter"),
        pytest.param(b'{"amount": "1", "asset_type_id": 1, "": 1}', ["/"], id="empty-name"),
        pytest.param(b'{"amount": "1", "asset_type_id": 1, "a/b~c": 1}', ["/a~1b~0c"], id="name-to-be-escaped"),
    ],
)
async def test_what_is_wrong_in_a_body_is_pointed_at(service: Service, body: bytes, places: list[str]) -> None:
    before = await service.size()
    for call in ("top-up", "spend"):
        answer = await service.client.post(f"{ALICE}/{call}", content=body, headers={"Content-Type": JSON})
        problem = assert_problem(answer, 422, "validation_failed")
        assert [each["pointer"] for each in problem["errors"]] == places
    assert await service.size() == before


async def test_a_list_of_errors_has_a_bound(service: Service) -> None:
    body = {**GOLD, **{f"member_{number}": number for number in range(20_000)}}
    problem = assert_problem(await service.client.post(f"{ALICE}/top-up", json=body), 422, "validation_failed")
    assert 10 <= len(problem["errors"]) <= 1_000


async def test_a_refusal_never_repeats_the_values_it_was_sent(service: Service) -> None:
    secret = "correct-horse-battery"
    for body in (
        {"amount": secret, "asset_type_id": 1},
        {"amount": [secret], "asset_type_id": 1},
        {"amount": "1", "asset_type_id": secret},
        {"amount": "1", "asset_code": secret},
        {"amount": "1", "asset_type_id": 1, "idempotency_key": f"{secret}\n"},
        {"amount": "1", "asset_type_id": 1, "reference": [secret]},
        {"amount": "1", "asset_type_id": 1, "metadata": {"a": [secret]}},
        {"amount": "1", "asset_type_id": 1, "expires_at": secret},
    ):
        answer = await service.client.post(f"{ALICE}/top-up", json=body)
        assert_problem(answer, 422)
        assert secret not in answer.text
        operation = {"type": "top_up", "external_user_id": "user_alice"} | body
        for operations in ([operation], [{"type": secret}], [secret], secret):
            answer = await service.client.post("/api/v1/batch", json={"operations": operations})
            assert secret not in answer.text
