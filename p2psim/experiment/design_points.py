"""Points of a design: a grid of all combinations, a list, or a random sample."""

import dataclasses
import itertools
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p2psim.errors import DesignError, one_of
from p2psim.rng import stream
from p2psim.scenario.toml_io import canonical_value, kind_of
from p2psim.units import format_quantity

__all__ = ["METHODS", "Changes", "flat", "grid_points", "listed_points", "sampled_points", "say_changes", "say_value"]

SCALES = ("linear", "log")
METHODS = ("random", "latin-hypercube", "sobol", "halton")
_MOST = 100_000

Changes = dict[str, Any]
"""Dotted name of a scenario's field → value in canonical units."""


def say_changes(changes: Mapping[str, Any]) -> str:
    """Return the changes of a point as text."""
    return ", ".join(f"{name} = {value}" for name, value in changes.items()) or "as it is"


def say_value(name: str, value: Any) -> str:
    """Return a field's value as text with its unit."""
    kind = kind_of(name)
    if typing.get_origin(kind) is typing.Annotated and isinstance(value, float):
        dimension = typing.get_args(kind)[1]
        return f"{value:g}" if dimension == "fraction" else format_quantity(value, dimension)
    return f"{value:g}" if isinstance(value, float) else str(value)


def flat(table: object, where: str) -> dict[str, Any]:
    """Return dotted name → value, also for nested tables (``stream.live_latency = …`` without quotes in TOML)."""
    if not isinstance(table, Mapping):
        raise DesignError(f"{where} = {table!r}: a table of a scenario's fields is expected")
    fields: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping) and dataclasses.is_dataclass(kind_of(name)):
            fields |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            fields[name] = value
    return fields


def grid_points(grid: object, canonical: bool) -> list[Changes]:
    """Return all combinations of the values; the last factor changes fastest."""
    choices = {name: _choices(name, values, canonical) for name, values in flat(grid, "grid").items()}
    if math.prod(len(values) for values in choices.values()) > _MOST:
        raise DesignError(f"grid: at most {_MOST:,} combinations are accepted")
    if not choices:
        return []
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def listed_points(points: object, canonical: bool) -> list[Changes]:
    """Return the points of a list, their values in canonical units."""
    if not isinstance(points, Sequence) or isinstance(points, str):
        raise DesignError(f"points = {points!r}: a list of tables [[points]] is expected")
    return [
        {name: canonical_value(name, value, canonical) for name, value in flat(point, "points").items()}
        for point in points
    ]


def sampled_points(sample: object, seed: int, canonical: bool) -> list[Changes]:
    """Draw points; a factor is a range ``low`` to ``high`` (on a ``scale``, linear or log) or a list of values."""
    if not isinstance(sample, Mapping) or not sample.keys() <= {"method", "count", "factors"}:
        raise DesignError(f"sample = {sample!r}: a table with method, count and factors is expected")
    method, count = sample.get("method", "latin-hypercube"), sample.get("count")
    one_of("sample.method", method, METHODS, DesignError)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST:
        raise DesignError(f"sample.count = {count!r}: a whole number from 1 to {_MOST} is expected")
    factors = flat(sample.get("factors", {}), "sample.factors")
    if not factors:
        raise DesignError("sample.factors: at least one factor is expected")
    cube = _cube(method, count, len(factors), stream(seed, "design"))
    columns = [_spread(name, spec, cube[:, i], canonical) for i, (name, spec) in enumerate(factors.items())]
    return [dict(zip(factors, values, strict=True)) for values in zip(*columns, strict=True)]


def _choices(name: str, values: object, canonical: bool) -> list[Any]:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise DesignError(f"{name} = {values!r}: a list of values is expected")
    return [canonical_value(name, value, canonical) for value in values]


def _cube(method: str, count: int, factors: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw points of the unit cube; shape (count, factors)."""
    if method == "random":
        return rng.random((count, factors))
    from scipy.stats import qmc  # takes a second to load

    if method == "sobol":
        # the balance of a Sobol' sequence needs a power of two: draw as many, take the first
        drawn: NDArray[np.float64] = qmc.Sobol(factors, rng=rng).random_base2(max(0, math.ceil(math.log2(count))))
        return drawn[:count]
    kind = qmc.LatinHypercube if method == "latin-hypercube" else qmc.Halton
    points: NDArray[np.float64] = kind(factors, rng=rng).random(count)
    return points


def _spread(name: str, spec: object, shares: NDArray[np.float64], canonical: bool) -> list[Any]:
    if not isinstance(spec, Mapping):
        values = _choices(name, spec, canonical)
        return [values[int(share * len(values))] for share in shares]
    if not {"low", "high"} <= spec.keys() <= {"low", "high", "scale"}:
        raise DesignError(f"{name} = {dict(spec)!r}: low, high and perhaps scale are expected, or a list of values")
    low, high = (canonical_value(name, spec[end], canonical) for end in ("low", "high"))
    scale = spec.get("scale", "linear")
    one_of(f"{name}: scale", scale, SCALES, DesignError)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not numbers or not low < high or (scale == "log" and low <= 0):
        raise DesignError(f"{name}: low = {spec['low']!r}, high = {spec['high']!r}: low must be less than high"
                          f"{', and above 0 on a log scale' if scale == 'log' else ''}")  # fmt: skip
    if _is_whole(name):
        # each whole number of the range has the same probability
        low, high = low - (0.5 if scale == "log" else 0.0), high + (0.5 if scale == "log" else 1.0)
        reached = low * (high / low) ** shares if scale == "log" else low + (high - low) * shares
        return [round(each) if scale == "log" else int(each) for each in reached.tolist()]
    reached = low * (high / low) ** shares if scale == "log" else low + (high - low) * shares
    return [float(each) for each in reached]


def _is_whole(name: str) -> bool:
    kind = kind_of(name)
    return kind is int or int in typing.get_args(kind)
