"""Conversion of quantities with units."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.errors import UnitError
from p2psim.units import UNITS, format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("5 Mbit/s", "rate", 625_000),
        ("800 kbit/s", "rate", 100_000),
        ("1.5MB/s", "rate", 1_500_000),
        ("1 KiB/s", "rate", 1024),
        ("2 Gbit/s", "rate", 250_000_000),
        ("4 s", "time", 4),
        ("250 ms", "time", 0.25),
        ("10 min", "time", 600),
        (" 1h ", "time", 3600),
        ("1e-3 s", "time", 0.001),
        ("64 KiB", "size", 65536),
        ("8 bit", "size", 1),
        ("70 %", "fraction", 0.7),
        ("0.25", "fraction", 0.25),
        ("unlimited", "rate", math.inf),
        ("-2 s", "time", -2),
    ],
)
def test_quantity(text: str, dimension: str, value: float) -> None:
    assert parse_quantity(text, dimension) == value


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("5", "rate"),
        ("5 Mbits", "rate"),
        ("5 mbit/s", "rate"),
        ("5 MB", "rate"),
        ("4 sec", "time"),
        ("", "time"),
        ("s", "time"),
        ("1,5 s", "time"),
        ("1 2 s", "time"),
        ("nan s", "time"),
        ("unlimited", "fraction"),
        ("30 s", "fraction"),
    ],
)
def test_the_message_about_a_malformed_quantity_names_the_text_and_the_units(text: str, dimension: str) -> None:
    with pytest.raises(UnitError) as raised:
        parse_quantity(text, dimension)
    message = str(raised.value)
    assert repr(text) in message
    assert "\n" not in message
    assert next(unit for unit in UNITS[dimension] if unit) in message


@given(st.sampled_from(sorted(UNITS)), st.floats(0, 1e15, allow_nan=False))
def test_a_formatted_quantity_is_parsed_to_the_same_number(dimension: str, value: float) -> None:
    assert parse_quantity(format_quantity(value, dimension), dimension) == value


@given(st.sampled_from(["time", "size", "rate"]), st.integers(0, 10**9), st.sampled_from([1, 8, 1000, 3600]))
def test_a_formatted_quotient_is_parsed_to_the_same_number(dimension: str, over: int, under: int) -> None:
    assert parse_quantity(format_quantity(over / under, dimension), dimension) == over / under


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (625_000, "rate", "5 Mbit/s"),
        (4, "time", "4 s"),
        (90, "time", "1.5 min"),
        (0.02, "time", "20 ms"),
        (262_144, "size", "256 KiB"),
        (0.3, "fraction", "0.3"),
        (0, "time", "0 ms"),
        (math.inf, "rate", "unlimited"),
    ],
)
def test_formatted_text(value: float, dimension: str, text: str) -> None:
    assert format_quantity(value, dimension) == text
