"""Numbers as people read them."""

import math

import pytest

from p2psim.analysis.formatting import format_interval, format_range, format_value
from p2psim.analysis.statistics import Interval


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.613, "share", "61.3 %"),
        (0.0, "share", "0 %"),
        (-0.036, "points", "-3.6 points"),
        (250e6, "rate", "2 Gbit/s"),
        (1234.0, "rate", "9.87 kbit/s"),
        (1.62e15, "size", "1.62 PB"),
        (648e12, "size", "648 TB"),
        (0.04, "time", "40 ms"),
        (7200.0, "time", "2 h"),
        (24.0, "time", "24 s"),
        (90.0, "time", "1.5 min"),
        (3.0, "number", "3"),
        (1234.5, "number", "1,234"),
        (math.nan, "share", "-"),
        (math.inf, "rate", "no limit"),
        (-1e-9, "number", "0"),
        (973.4, "money", "$973"),
        (-2251.6, "money", "-$2,252"),
        (0.0, "money", "$0"),
        (0.0123, "price", "$0.0123"),
    ],
)
def test_values_have_a_fitting_unit(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_intervals_use_one_unit() -> None:
    assert format_interval(Interval(0.62, 0.601, 0.639), "share") == "62 % (60.1 to 63.9)"
    assert format_interval(Interval(1.1, 0.9, 1.3), "time") == "1.1 s (0.9 to 1.3)"
    assert format_interval(Interval(0.62), "share") == "62 %"
    assert format_interval(Interval(973.0, 901.0, 1045.0), "money") == "$973 (901 to 1,045)"


def test_ranges() -> None:
    assert format_range(0.5, 0.7, "share") == "50 to 70 %"
    assert format_range(-math.inf, 0.1, "time") == "at most 100 ms"
    assert format_range(3, math.inf, "number") == "at least 3"
