"""Conversion of quantities with units ("5 Mbit/s", "4 s") to canonical ones: seconds, bytes, bytes/s, fractions."""

import math
import re
from typing import Annotated

from p2psim.errors import UnitError

__all__ = ["UNITS", "UNLIMITED", "Fraction", "Rate", "Seconds", "Size", "format_quantity", "parse_quantity"]

Seconds = Annotated[float, "time"]
Size = Annotated[float, "size"]
Rate = Annotated[float, "rate"]
Fraction = Annotated[float, "fraction"]

UNLIMITED = math.inf
"""A rate or time without bound; in words "unlimited"."""

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}

UNITS: dict[str, dict[str, float]] = {
    "time": {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "size": {f"{p}B": f for p, f in (_DECIMAL | _BINARY).items()}
    | {f"{p}bit": f / 8 for p, f in (_DECIMAL | _BINARY).items()},
    "rate": {f"{p}bit/s": f / 8 for p, f in _DECIMAL.items()} | {f"{p}B/s": f for p, f in (_DECIMAL | _BINARY).items()},
    "fraction": {"%": 0.01, "": 1.0},
}
"""Dimension → unit → factor to the canonical unit."""

_SPELLINGS = {f"{p}{unit}": f"{p}bit/s" for p in _DECIMAL for unit in ("bps", "b/s")}
"""Spelling of a rate that is accepted but never written → canonical spelling."""
_EXAMPLES = {"time": '"4 s", "250 ms" or "10 min"', "size": '"64 KiB" or "2 MB"', "rate": '"5 Mbit/s" or "800 kbit/s"'}
_EXAMPLES["fraction"] = '"30 %" or 0.3'
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|inf)\s*([A-Za-z/%]*)\s*")


def parse_quantity(text: str, dimension: str) -> float:
    """Return a quantity with a unit as a number in the canonical unit; "unlimited" is infinite.

    Parameters
    ----------
    dimension
        "time", "size", "rate" or "fraction".

    Raises
    ------
    UnitError
        The text is not a quantity of the dimension.
    """
    if text.strip() == "unlimited" and dimension != "fraction":
        return math.inf
    match = _QUANTITY.fullmatch(text)
    unit = match[2] if match else ""
    factor = UNITS[dimension].get(_SPELLINGS.get(unit, unit)) if match else None
    if match is None or factor is None:
        accepted = ", ".join(unit for unit in UNITS[dimension] if unit)
        raise UnitError(f"{text!r} is not a {dimension}: write for example {_EXAMPLES[dimension]} (units: {accepted})")
    return _scaled(float(match[1]), factor)


def format_quantity(value: float, dimension: str) -> str:
    """Return a canonical value as text with a unit that `parse_quantity` converts back to the same number."""
    if math.isinf(value):
        return "unlimited"
    units = {
        "time": ("h", "min", "s", "ms"),
        "size": ("GiB", "MiB", "KiB", "B"),
        "rate": ("Gbit/s", "Mbit/s", "kbit/s", "bit/s"),
        "fraction": ("",),
    }[dimension]
    for unit in units:
        number = value / UNITS[dimension][unit]
        text = f"{number:.12g}"
        if (abs(number) >= 1 or unit == units[-1]) and _scaled(float(text), UNITS[dimension][unit]) == value:
            short = text if len(text) <= 8 or unit == units[-1] else None
            if short is not None:
                return f"{short} {unit}".strip()
    exact = next(unit for unit, factor in UNITS[dimension].items() if factor == 1.0)
    return f"{value!r} {exact}".strip()


def _scaled(number: float, factor: float) -> float:
    """Return number × factor, correctly rounded (70 % is 0.7); the factor or its inverse is a whole number."""
    return number * factor if factor >= 1 else number / round(1 / factor)
