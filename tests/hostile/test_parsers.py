"""What reads texts from outside: each gives a value of its kind or one of our own refusals, whatever it is given."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.engine import make_url
from starlette.types import Message

from app.api.ledger_request import LedgerRequest, _header_key
from app.api.middleware import _trace_id
from app.api.paging import List
from app.api.problems import validation_problem
from app.api.routes import history, keys, lists
from app.config import asyncpg_url
from app.domain.amounts import UNITS_MAX, format_amount, parse_limit, parse_signed_amount
from app.domain.api_keys import SECRET_BYTES, digest_of, is_key, write_key
from app.domain.errors import AmountInvalid, BadCursor, BodyNotJson, FieldInvalid
from app.domain.records import LotKind
from app.schemas import catalogue, fields, requests
from app.schemas import keys as key_schemas
from app.schemas import lists as list_schemas
from tests.sizes import size

tried = settings(max_examples=size(100, 5_000), deadline=None)

SCALES = st.integers(0, 18)
NUMERIC = st.text("0019-+.eE_,xnaif \u0663\uff15\u2212\u00a0\n\x00", max_size=40)
"""Texts that are nearly amounts."""

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
"""Halves of surrogate pairs too, as JSON's escapes can write them."""

LEAVES = st.none() | st.booleans() | st.integers() | ANY_TEXT | st.just(fields.NumberText("1e5"))
ANY_JSON = st.recursive(LEAVES, lambda some: st.lists(some, max_size=4) | st.dictionaries(ANY_TEXT, some, max_size=4))


REFUSED = object()


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def taken(kind: Any, value: Any) -> Any:
    """Return what a value is read as, or that it is refused."""
    try:
        return adapter(kind).validate_python(value, strict=isinstance(value, str) or None)
    except ValidationError:
        return REFUSED


# -- amounts -------------------------------------------------------------------------------------------------------


@tried
@given(units=st.integers(-UNITS_MAX, UNITS_MAX).filter(bool), scale=SCALES)
def test_signed_amounts_are_read_as_they_are_written(units: int, scale: int) -> None:
    assert parse_signed_amount(format_amount(units, scale), scale) == units


@tried
@given(text=NUMERIC | ANY_TEXT, scale=SCALES)
@example(text="-0.10", scale=1)
@example(text="--1", scale=0)
@example(text=str(UNITS_MAX + 1), scale=0)
def test_a_signed_amount_or_limit_is_the_decimal_value_or_refused(text: str, scale: int) -> None:
    for read, least in ((parse_signed_amount, -UNITS_MAX), (parse_limit, 0)):
        try:
            units = read(text, scale)
        except AmountInvalid:
            continue
        assert type(units) is int
        assert least <= units <= UNITS_MAX
        assert Decimal(text).scaleb(scale) == units


# -- API keys ------------------------------------------------------------------------------------------------------

SECRETS = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@tried
@given(secret=SECRETS, other=SECRETS)
def test_different_secrets_are_different_keys(secret: bytes, other: bytes) -> None:
    key = write_key(secret)
    assert is_key(key)
    assert re.fullmatch("wk_[0-9A-Za-z]{49}", key)
    assert (write_key(other) == key) is (digest_of(write_key(other)) == digest_of(key)) is (secret == other)


@tried
@given(key=SECRETS.map(write_key), data=st.data())
def test_no_key_has_a_typing_error(key: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(key) - 1))
    wrong = data.draw(st.sampled_from(DIGITS + "-_ \n\u0661é").filter(lambda each: each != key[at]))
    swapped = key[:at] + key[at : at + 2][::-1] + key[at + 2 :]
    assert not is_key(key[:at] + wrong + key[at + 1 :])
    assert not is_key(key[:at])
    assert not is_key(key + wrong)
    assert is_key(swapped) is (swapped == key)


# -- idempotency keys ----------------------------------------------------------------------------------------------

KEYS = st.text(min_size=1, max_size=255).filter(str.isprintable)


@tried
@given(key=KEYS)
def test_a_key_is_the_same_in_a_header_bare_or_quoted(key: str) -> None:
    sent = key.encode()
    assert _header_key(b'"' + sent + b'"') == key
    if key == key.strip() and not (len(key) > 1 and key[0] == key[-1] == '"'):
        assert _header_key(sent) == key


@tried
@given(value=st.binary(max_size=300) | ANY_TEXT.map(lambda each: each.encode(errors="surrogatepass")))
def test_any_header_is_a_good_key_or_refused(value: bytes) -> None:
    try:
        key = _header_key(value)
    except FieldInvalid:
        return
    assert fields.check_key(key) == key
    assert key.encode() in value


# -- cursors -------------------------------------------------------------------------------------------------------

NUMBERS = st.integers(1, fields.INT64_MAX)
LISTS: list[tuple[List[Any], st.SearchStrategy[Any]]] = [
    (history._TRANSACTIONS, NUMBERS),
    (history._FOUND, st.tuples(NUMBERS, NUMBERS)),
    (keys._KEYS, NUMBERS),
    (lists._ACCOUNTS, st.text(st.characters(exclude_categories=["Cc", "Cs"]))),
    (lists._HOLDS, NUMBERS),
    (
        lists._LOTS,
        st.tuples(
            st.integers(0, 100),
            st.none() | st.datetimes(timezones=st.just(UTC)),
            st.sampled_from(LotKind),
            NUMBERS,
            st.uuids(),
        ),
    ),
]
each_list = pytest.mark.parametrize(("pages", "positions"), [pytest.param(*each, id=each[0].name) for each in LISTS])


@each_list
@tried
@given(data=st.data())
def test_a_cursor_leads_back_to_its_position_and_nothing_else_does(
    pages: List[Any], positions: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    one = pages.under(user="a", wanted=None)
    position = data.draw(positions)
    cursor = one.cursor(position)
    assert one.after(cursor) == position
    at = data.draw(st.integers(0, len(cursor) - 1))
    wrong = data.draw(st.sampled_from(DIGITS + "-_=+/ \né").filter(lambda each: each != cursor[at]))
    others = [each for each, _ in LISTS if each.name != pages.name]
    forged = [cursor[:at] + wrong + cursor[at + 1 :], cursor[:at], cursor[at + 1 :], cursor + wrong, "", cursor * 2]
    for scope, text in [
        *((one, each) for each in forged),
        (pages.under(user="b", wanted=None), cursor),
        *((each.under(user="a", wanted=None), cursor) for each in others),
    ]:
        with pytest.raises(BadCursor):
            scope.after(text)


@each_list
@tried
@given(text=ANY_TEXT | st.binary(max_size=200).map(lambda each: each.decode("latin-1")))
def test_no_text_is_a_cursor_that_was_not_given_out(
    pages: List[Any], positions: st.SearchStrategy[Any], text: str
) -> None:
    del positions
    with pytest.raises(BadCursor):
        pages.under(user="a").after(text)


# -- times ---------------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(timezones=st.just(UTC), max_value=datetime(9999, 12, 30))  # noqa: DTZ001 - as the strategy wants it
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59)
NEARLY_TIMES = st.from_regex(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:?\d\d)?", fullmatch=True)


@tried
@given(moment=MOMENTS, offset=OFFSETS)
def test_a_time_is_read_as_it_is_written_wherever_it_was_written(moment: datetime, offset: int) -> None:
    assert taken(fields.Moment, fields.rfc3339(moment)) == moment
    sign, ahead = "-" if offset < 0 else "+", timedelta(minutes=offset)
    assume(datetime(1, 1, 2, tzinfo=UTC) < moment < datetime(9999, 12, 29, tzinfo=UTC))
    local = (moment + ahead).replace(tzinfo=None).isoformat()
    assert taken(fields.Moment, f"{local}{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}") == moment


@tried
@given(value=NEARLY_TIMES | ANY_JSON)
@example(value="2030-01-01T24:00:00Z")
@example(value="0001-01-01T00:00:00+23:59")
@example(value="9999-12-31T23:59:59.999999-23:59")
@example(value="9999-12-31T00:00:00Z")
def test_what_is_read_as_a_time_is_one_that_the_database_can_hold(value: Any) -> None:
    moment = taken(fields.Moment, value)
    if moment is REFUSED:
        return
    assert moment.utcoffset() == timedelta()
    assert moment < fields.END_OF_TIME
    assert int(value[11:13]) < 24
    assert taken(fields.Moment, fields.rfc3339(moment)) == moment


# -- names and notes -----------------------------------------------------------------------------------------------


@tried
@given(value=ANY_TEXT | ANY_JSON)
def test_what_is_taken_as_a_name_or_text_can_be_stored_and_sent_back(value: Any) -> None:
    for kind, bytes_max in (
        (fields.UserId, fields.USER_ID_BYTES_MAX),
        (fields.NamePrefix, fields.USER_ID_BYTES_MAX),
        (fields.IdempotencyKey, 4 * 255),
        (fields.Reference, 4 * 255),
        (fields.Reason, 4 * 500),
        (fields.Operator, 4 * 100),
        (catalogue.AssetName, 4 * 100),
        (catalogue.NewAssetCode, 16),
        (fields.AssetCode, 16),
    ):
        text = taken(kind, value)
        if text is REFUSED:
            continue
        assert text == value
        assert len(text.encode()) <= bytes_max
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)
        assert re.search(adapter(kind).json_schema()["pattern"], text)


@tried
@given(text=ANY_TEXT)
@example(text="\ud800")
@example(text="\x9f")
def test_the_pattern_in_the_document_says_which_characters_a_text_may_have(text: str) -> None:
    is_sendable = text.encode(errors="ignore").decode() == text
    try:
        assert fields.check_text(text) == text
    except ValueError:
        assert not (is_sendable and re.fullmatch(fields.PLAIN_TEXT["pattern"][1:-1], text))
    else:
        assert is_sendable
        assert re.fullmatch(fields.PLAIN_TEXT["pattern"][1:-1], text)


@tried
@given(value=st.dictionaries(ANY_TEXT, LEAVES, max_size=8) | ANY_JSON)
@example(value={"a": 2**63})
@example(value={"a": -(2**63) - 1})
def test_metadata_is_canonical_and_says_what_was_sent(value: Any) -> None:
    text = taken(fields.Metadata, value)
    if text is REFUSED:
        return
    assert json.loads(text) == value
    assert {name: type(each) for name, each in json.loads(text).items()} == {n: type(e) for n, e in value.items()}
    assert len(text.encode()) <= fields.METADATA_BYTES_MAX
    assert all(isinstance(each, str) or -(2**63) <= each < 2**63 for each in value.values())
    assert taken(fields.Metadata, json.loads(text)) == text


@tried
@given(text=ANY_TEXT | st.uuids().map(str) | st.uuids().map(lambda each: each.urn))
def test_an_id_is_read_from_its_one_form(text: str) -> None:
    assert taken(fields.Identifier, text) is REFUSED or str(taken(fields.Identifier, text)) == text.lower()


@tried
@given(text=NUMERIC | ANY_TEXT | st.integers().map(str))
def test_a_number_in_a_query_is_plain_digits(text: str) -> None:
    for kind in (fields.QueryAssetTypeId, fields.PageLimit, fields.KeyNumber):
        number = taken(kind, text)
        if number is REFUSED:
            continue
        assert number == int(text) > 0
        assert set(text) <= set("0123456789")


# -- bodies --------------------------------------------------------------------------------------------------------


async def receive() -> Message:
    raise AssertionError("the body was read")


def body_of(content: bytes, content_type: str = "application/json") -> Any:
    request = LedgerRequest({"type": "http", "headers": [(b"content-type", content_type.encode())]}, receive)
    request._body = content
    return request.json_body()


def shown(value: Any) -> Any:
    """Return a body as the JSON that it was read from says it, numbers as their exact values."""
    if isinstance(value, dict):
        return {name: shown(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, fields.NumberText):
        return Decimal(value.text)
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


EXACT = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | EXACT | st.text(),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(), some, max_size=4),
)


def written(value: Any) -> str:
    """Write JSON whose numbers are as long as they like."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


@tried
@given(document=DOCUMENTS)
@example(document=[Decimal("1.0"), Decimal("-0.0"), Decimal("1E+5"), 10**30])
def test_a_body_is_read_exactly_and_without_floats(document: Any) -> None:
    text = written(document)
    assert shown(body_of(text.encode())) == json.loads(text, parse_int=Decimal, parse_float=Decimal)


@tried
@given(content=st.binary() | ANY_JSON.map(lambda each: json.dumps(each, default=str).encode()[:-1]))
@example(content=b"[" * 200_000)
@example(content=b'{"a":' * 50_000)
@example(content=b'{"a": 1, "a": 1}')
@example(content=b"\xff\xfe")
@example(content=b"\xef\xbb\xbf{}")
@example(content=b"1" * 10_000)
def test_any_bytes_are_json_or_refused(content: bytes) -> None:
    with suppress(BodyNotJson):
        body_of(content)


@tried
@given(content=st.binary(min_size=1), content_type=st.text(st.characters(max_codepoint=127)))
def test_what_is_not_sent_as_json_is_never_read_as_json(content: bytes, content_type: str) -> None:
    assume("json" not in content_type.lower())
    assert body_of(content, content_type) == content


MODELS: list[type[BaseModel]] = [
    requests.CreditRequest,
    requests.SpendRequest,
    requests.HoldRequest,
    requests.CaptureRequest,
    requests.ExtendRequest,
    requests.AdjustmentRequest,
    requests.ChangeAccountRequest,
    requests.GroupRequest,
    requests.BatchRequest,
    list_schemas.BalancesRequest,
    catalogue.CreateAssetTypeRequest,
    catalogue.ChangeAssetTypeRequest,
    key_schemas.CreateKeyRequest,
]


@pytest.mark.parametrize("model", MODELS)
@settings(tried, max_examples=size(40, 2_000))
@given(data=st.data())
def test_what_is_wrong_with_a_body_is_said_without_saying_what_was_sent(
    model: type[BaseModel], data: st.DataObject
) -> None:
    secret = "p1anted-value"
    values = ANY_JSON | st.just(secret) | st.lists(st.just({"type": secret, "hold_id": secret}), max_size=2)
    body = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys([*model.model_fields, "unknown"], values)))
    try:
        model.model_validate(body)
    except ValidationError as error:
        problem = validation_problem(error.errors(include_url=False))
        assert problem["errors"]
        assert secret not in json.dumps(problem)


# -- headers and settings ------------------------------------------------------------------------------------------


@tried
@given(text=st.text(max_size=80) | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?\n?"))
def test_a_trace_id_is_32_hexadecimal_digits_or_none(text: str) -> None:
    found = _trace_id(text)
    assert found is None or (re.fullmatch("[0-9a-f]{32}", found) and int(found, 16) and found in text)


PASSWORDS = st.text(min_size=1, max_size=40)


@tried
@given(
    scheme=st.sampled_from(["postgres", "postgresql", "postgresql+asyncpg"]),
    user=PASSWORDS,
    password=PASSWORDS,
    port=st.integers(1, 65_535),
    mode=st.sampled_from(["", "?sslmode=require", "?ssl=prefer", "?application_name=x"]),
)
def test_a_database_url_keeps_its_user_and_password(
    scheme: str, user: str, password: str, port: int, mode: str
) -> None:
    given_url = f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@db.example:{port}/wallet{mode}"
    url = make_url(asyncpg_url(given_url))
    assert (url.username, url.password, url.host, url.port) == (user, password, "db.example", port)
    assert (url.drivername, url.database) == ("postgresql+asyncpg", "wallet")


SECRET = "s3cr3t"
UNESCAPED = st.lists(st.sampled_from([*"/:@?#&=%[]. 1", "host=h", "sslmode=require", SECRET]), max_size=12).map("".join)


@tried
@given(text=UNESCAPED.map(lambda password: f"postgresql://user:{password}@host/wallet") | ANY_TEXT)
@example(text=f"postgresql://user:1/y?{SECRET}&x@host/wallet")
@example(text=f"postgresql://user:1/{SECRET}@host/wallet")
@example(text=f"postgresql://user:{SECRET}@host:/wallet")
def test_any_text_is_a_database_url_that_can_be_used_or_refused_without_showing_it(text: str) -> None:
    try:
        url = asyncpg_url(text)
    except ValueError as refusal:
        told = str(refusal)
    else:
        assert make_url(url).drivername == "postgresql+asyncpg"
        assert asyncpg_url(url) == url
        told = make_url(url).set(password=None).render_as_string()
    assert SECRET not in told
