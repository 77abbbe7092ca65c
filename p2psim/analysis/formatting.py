"""Numbers in the unit that people read: as text with three significant figures, or as tables with four."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from p2psim.analysis.statistics import Interval

__all__ = ["ReadableTable", "format_interval", "format_range", "format_value", "readable", "readable_table"]

_STEPS = {
    "rate": ((1e9 / 8, "Gbit/s"), (1e6 / 8, "Mbit/s"), (1e3 / 8, "kbit/s")),
    "size": ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "time": ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms")),
    "share": ((0.01, "%"),),
    "points": ((0.01, "points"),),
    "money": ((1.0, "$"),),
    "price": ((1.0, "$"),),
}
NOTHING = "-"
"""Text of a value that does not exist (NaN)."""


def format_value(value: float, unit: str) -> str:
    """Return a value with its unit; a dash for NaN, "no limit" for infinity.

    `unit` is that of a metric: rate (bytes/s), size (bytes), time (s), share, points, money or price (dollars), number.
    """
    if not math.isfinite(value):
        return NOTHING if math.isnan(value) else "no limit"
    factor, name = _step(abs(value), unit)
    number = _figures(value / factor, unit)
    if name == "$":
        return f"-${number[1:]}" if number.startswith("-") else f"${number}"
    return f"{number} {name}".strip()


def format_interval(interval: Interval, unit: str) -> str:
    """Return an estimate with its interval in one unit: ``62 % (60.1 to 63.9)``."""
    if not math.isfinite(interval.low) or not math.isfinite(interval.high):
        return format_value(interval.mean, unit)
    factor, _ = _step(abs(interval.mean), unit)
    ends = f"{_figures(interval.low / factor, unit)} to {_figures(interval.high / factor, unit)}"
    return f"{format_value(interval.mean, unit)} ({ends})"


def format_range(low: float, high: float, unit: str) -> str:
    """Return a claimed range: ``50 to 70 %``, ``at least 3`` or ``at most 100 ms``."""
    if math.isinf(high):
        return f"at least {format_value(low, unit)}"
    if math.isinf(low):
        return f"at most {format_value(high, unit)}"
    factor, name = _step(max(abs(low), abs(high)), unit)
    return f"{_figures(low / factor)} to {_figures(high / factor)} {name}".strip()


def readable(numbers: Sequence[float], unit: str) -> tuple[list[float], str]:
    """Return numbers of one quantity in the unit that fits the first of them, rounded to four figures, and that unit.

    Parameters
    ----------
    unit
        As in `p2psim.analysis.metrics.Metric.unit`: 12,500,000 bytes/s (``rate``) are 100 ``Mbit/s``, a ``share`` of
        0.5 is 50 ``%``. Unknown units have no name.
    """
    factor, name = _step(abs(numbers[0]), unit)
    scaled = [number / factor for number in numbers]
    largest = max((abs(number) for number in scaled if math.isfinite(number)), default=0.0)
    decimals = max(0, 3 - math.floor(math.log10(largest))) if largest > 0 else 0
    return [round(number, decimals) for number in scaled], name


class ReadableTable(pd.DataFrame):
    """Table that is shown with all its columns and each number with its own figures, in terminals and notebooks."""

    @property
    def _constructor(self) -> type["ReadableTable"]:
        return ReadableTable

    def __repr__(self) -> str:
        texts = {name: _left_aligned(self[name]) for name in self.select_dtypes(["object", "string"])}
        return str(self.to_string(**self._shown(texts), justify="left"))

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            return str(self.to_html(**self._shown({}), border=0))

    def _shown(self, texts: Mapping[Any, Callable[[Any], str]]) -> dict[str, Any]:
        numbers = dict.fromkeys(self.select_dtypes("float"), "{:.10g}".format)
        return {"formatters": {**numbers, **texts}, "na_rep": NOTHING, "max_rows": pd.get_option("display.max_rows")}


def _left_aligned(column: "pd.Series[Any]") -> Callable[[Any], str]:
    width = max((len(str(text)) for text in column), default=0)
    return lambda text: str(text).ljust(width)


def readable_table(table: pd.DataFrame, columns: Sequence[str]) -> ReadableTable:
    """Return a table whose numbers are in units that people read, row by row.

    Parameters
    ----------
    table
        With a column ``unit``, the unit of the numbers in each row.
    columns
        Names of the columns of numbers; the first decides which multiple of the unit fits.
    """
    rows = [readable([row[name] for name in columns], row["unit"]) for row in table.to_dict("records")]
    numbers = {name: [row[index] for row, _ in rows] for index, name in enumerate(columns)}
    return ReadableTable(table.assign(**numbers, unit=[name for _, name in rows]))


def _step(size: float, unit: str) -> tuple[float, str]:
    steps = _STEPS.get(unit, ((1.0, ""),))
    return next((step for step in steps if size >= step[0]), steps[-1] if size else steps[len(steps) // 2])


def _figures(number: float, unit: str = "") -> str:
    if number == 0:
        return "0"
    if unit == "price":  # prices per GB or hour are fractions of a cent
        return f"{number:.3g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{min(decimals, 3)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
