"""Amounts: exact both ways, and every malformed text has its own refusal."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain import errors
from app.domain.amounts import UNITS_MAX, _parsed, format_amount, parse_amount

SCALE_MAX = 18  # ck_asset_types_scale_range
SCALES = st.integers(min_value=0, max_value=SCALE_MAX)
UNITS = st.integers(min_value=1, max_value=UNITS_MAX)


@given(units=UNITS, scale=SCALES)
@example(units=UNITS_MAX, scale=0)
@example(units=UNITS_MAX, scale=SCALE_MAX)
@example(units=1, scale=SCALE_MAX)
def test_what_is_written_is_read_back(units: int, scale: int) -> None:
    assert parse_amount(format_amount(units, scale), scale) == units


@given(units=UNITS, scale=SCALES)
def test_the_text_is_the_decimal_value_with_exactly_the_scale(units: int, scale: int) -> None:
    text = format_amount(units, scale)
    assert Decimal(text) == Decimal(units).scaleb(-scale)
    assert len(text.partition(".")[2]) == scale


@given(units=UNITS, scale=SCALES, zeros=st.integers(min_value=0, max_value=30))
def test_leading_and_trailing_zeros_change_nothing(units: int, scale: int, zeros: int) -> None:
    whole, _, fraction = format_amount(units, scale).partition(".")
    assert parse_amount(f"{'0' * zeros}{whole}.{fraction}{'0' * (zeros + 1)}", scale) == units


@given(text=st.text(max_size=40), scale=SCALES)
def test_any_text_is_read_or_refused_and_reading_agrees_with_decimal(text: str, scale: int) -> None:
    try:
        units = parse_amount(text, scale)
    except errors.AmountInvalid:
        return
    assert Decimal(text).scaleb(scale) == units
    assert 0 < units <= UNITS_MAX


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        pytest.param("", errors.AmountBlank, id="empty"),
        pytest.param(" 5", errors.AmountBlank, id="leading blank"),
        pytest.param("5 000", errors.AmountBlank, id="blank inside"),
        pytest.param("5\n", errors.AmountBlank, id="newline"),
        pytest.param("0", errors.AmountZero, id="zero"),
        pytest.param("0.000", errors.AmountZero, id="zero with decimals"),
        pytest.param("-5", errors.AmountNegative, id="negative"),
        pytest.param("+5", errors.AmountSigned, id="plus"),
        pytest.param("1.005", errors.AmountTooPrecise, id="too many decimals"),
        pytest.param("NaN", errors.AmountNotANumber, id="nan"),
        pytest.param("-Infinity", errors.AmountNotANumber, id="infinity"),
        pytest.param("1e2", errors.AmountExponent, id="exponent"),
        pytest.param("1E-400", errors.AmountExponent, id="tiny exponent"),
        pytest.param("1e" + "9" * 400, errors.AmountExponent, id="400-digit exponent"),
        pytest.param("٣", errors.AmountNotAscii, id="Arabic-Indic digit"),
        pytest.param("５", errors.AmountNotAscii, id="full-width digit"),
        pytest.param("1,000", errors.AmountMalformed, id="thousands separator"),
        pytest.param("1_000", errors.AmountMalformed, id="underscore"),
        pytest.param("0x10", errors.AmountMalformed, id="hexadecimal"),
        pytest.param(".5", errors.AmountMalformed, id="no whole part"),
        pytest.param("5.", errors.AmountMalformed, id="no decimals after the point"),
        pytest.param("1.2.3", errors.AmountMalformed, id="two points"),
        pytest.param("92233720368547758.08", errors.AmountTooLarge, id="64 bits"),
        pytest.param("9" * 400, errors.AmountTooLarge, id="400 digits"),
    ],
)
def test_each_malformed_amount_has_its_own_refusal(text: str, refusal: type[errors.WalletError]) -> None:
    with pytest.raises(errors.AmountInvalid) as caught:
        parse_amount(text, 2)
    assert type(caught.value) is refusal


def test_a_very_long_text_costs_no_more_than_reading_it() -> None:
    million = 1_000_000
    digits = "1" * million
    for text in (digits, f"{digits}x", f"1.{digits}.", "1e" + "9" * million, "0" * million + ".01"):
        try:
            assert parse_amount(text, 2) == 1
        except errors.AmountInvalid:
            continue


def test_what_is_remembered_of_texts_is_short() -> None:
    _parsed.cache_clear()
    assert parse_amount("0" * 1_000_000 + ".01", 2) == parse_amount("0.01", 2)
    assert _parsed.cache_info().currsize == 1


def test_the_largest_amount_is_63_bits_of_smallest_units() -> None:
    assert parse_amount("92233720368547758.07", 2) == UNITS_MAX
