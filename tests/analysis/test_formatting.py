"""Numbers in units that people read."""

import math

import pandas as pd
import pytest

from p2psim.analysis.formatting import format_interval, format_range, format_value, readable, readable_table
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


@pytest.mark.parametrize(
    ("numbers", "unit", "shown"),
    [
        ([0.613_46, 0.6, 0.7], "share", ([61.35, 60.0, 70.0], "%")),
        ([250e6, 125e6], "rate", ([2.0, 1.0], "Gbit/s")),
        ([1.62e15], "size", ([1.62], "PB")),
        ([0.04, -0.012_345_6], "time", ([40.0, -12.35], "ms")),
        ([12_345.678, math.nan], "number", ([12346.0, math.nan], "")),
        ([math.nan], "share", ([math.nan], "%")),
        ([0.0, 0.0], "time", ([0.0, 0.0], "s")),
        ([973.4, math.inf], "money", ([973.4, math.inf], "$")),
    ],
)
def test_numbers_of_tables_fit_the_first_and_keep_four_figures(
    numbers: list[float], unit: str, shown: tuple[list[float], str]
) -> None:
    scaled, name = readable(numbers, unit)
    assert scaled == pytest.approx(shown[0], nan_ok=True)
    assert name == shown[1]


def test_dollars_stand_before_the_number() -> None:
    assert format_value(973.0, "money") == "$973"
    assert format_value(-973.4, "money") == "-$973"
    assert format_interval(Interval(973.0, 906.0, 1040.0), "money") == "$973 (906 to 1,040)"


def test_readable_tables_are_shown_whole_with_the_figures_of_each_number() -> None:
    columns = {"metric": ["a", "bb"], "mean": [0.5, 250e6], "low": [0.4, math.nan], "unit": ["share", "rate"]}
    long = "a description that is longer than the fifty characters of pandas"
    table = readable_table(pd.DataFrame(columns), ["mean", "low"]).assign(description=["x", long])
    first, second, third = (" ".join(line.split()) for line in repr(table).splitlines())
    assert first == "metric mean low unit description"
    assert second == "0 a 50 40 % x"
    assert third == f"1 bb 2 - Gbit/s {long}"
    assert long in table._repr_html_()
    filtered = table[table["unit"] == "%"]
    assert repr(filtered).splitlines()[1].split() == ["0", "a", "50", "40", "%", "x"]
