"""Dimensions along which the boundary of each claim is sought, read from data/dimensions.toml.

A dimension varies one field of the scenario. Its place on the dimension's axis is a number: the field's own value, that
value over another field, another number of the scenario, a derived quantity, or a number given for each value.
"""

import dataclasses
import math
import tomllib
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from p2psim.errors import InputError, ScenarioError, no_such, one_of
from p2psim.network.nat import pair_success
from p2psim.scenario import DATA, Scenario
from p2psim.scenario.population import nat_shares
from p2psim.scenario.toml_io import kind_of
from p2psim.units import UNITS

__all__ = ["DERIVED", "Dimension", "dimensions", "number_of", "read_dimensions", "reference_changes", "unit_of"]

SCHEMA = 1
DERIVED: Mapping[str, Callable[[Scenario], float]] = {
    "connecting pairs": lambda scenario: pair_success(np.array(nat_shares(scenario)))
}
"""Name → quantity that a scenario implies without having it as a field."""

_UNITS_OF_FIELDS = {dimension: "share" if dimension == "fraction" else dimension for dimension in UNITS}
_UNITS = ("number", *_UNITS_OF_FIELDS.values())
_SCALES = ("linear", "log")
_TEXTS = ("name", "what", "field", "unit", "scale", "over")
_NEEDED = ("name", "what", "field", "values")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A field of the scenario along which the boundary of each claim is sought."""

    name: str
    what: str
    """Name in tables and figures."""
    field: str
    values: tuple[Any, ...]
    unit: str
    """Unit of the axis, as in `p2psim.analysis.formatting`."""
    scale: Literal["linear", "log"] = "linear"
    over: str = ""
    """Field in multiples of which the values are given; empty: in the field's own unit."""
    at: str | tuple[float, ...] = ""
    """Positions of the values on the axis: a number for each, a key of `DERIVED`, or a number of the scenario; empty:
    the field."""
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Other changes to the scenario."""

    def scenarios(self, start: Scenario) -> list[tuple[float, Scenario]]:
        """Return the place and the scenario of each value around `start`, in ascending order of the places.

        Raises
        ------
        InputError
            For a value that the scenario does not accept, or places that cannot be told apart.
        """
        placed = []
        for index, value in enumerate(self.values):
            try:
                scenario = start.replace({**self.changes, self.field: self._own(value, start)})
                placed.append((self._place(scenario, index), scenario))
            except ScenarioError as error:
                raise InputError(f"dimension {self.name!r}: {error}") from None
        self._check_places([place for place, _ in placed])
        return sorted(placed, key=lambda each: each[0])

    def fewer(self) -> "Dimension":
        """Return the dimension with the first, the middle and the last value alone."""
        kept = sorted({0, len(self.values) // 2, len(self.values) - 1})
        values = tuple(self.values[index] for index in kept)
        at = self.at if isinstance(self.at, str) else tuple(self.at[index] for index in kept)
        return dataclasses.replace(self, values=values, at=at)

    def _own(self, value: Any, start: Scenario) -> Any:
        """Value of the field."""
        if not self.over:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ScenarioError(f"values: {value!r}: a number is expected, in multiples of {self.over}")
        return value * self._unit_size(start)

    def _unit_size(self, scenario: Scenario) -> float:
        size = number_of(scenario, self.over)
        if not 0 < size < math.inf:
            raise ScenarioError(f"over: {self.over} = {size:g}: a finite number above 0 is expected")
        return size

    def _place(self, scenario: Scenario, index: int) -> float:
        if not isinstance(self.at, str):
            return self.at[index]
        if self.at in DERIVED:
            return DERIVED[self.at](scenario)
        try:
            number = number_of(scenario, self.at or self.field)
        except ScenarioError as error:
            raise ScenarioError(f"{error}{'' if self.at else ', or at with a number for each value'}") from None
        return number / self._unit_size(scenario) if self.over else number

    def _check_places(self, places: Iterable[float]) -> None:
        for place, times in Counter(places).items():
            where = f"dimension {self.name!r}: {times} of its values at {place:g}"
            if times > 1:
                raise InputError(f"{where}: a place of its own is expected for each")
            if not math.isfinite(place):
                raise InputError(f"{where}: finite places are expected")
            if self.scale == "log" and place <= 0:
                raise InputError(f"{where}: places above 0 are expected on the scale 'log'")


def number_of(scenario: Scenario, dotted: str) -> float:
    """Return a number of a scenario by its dotted name, a weight in a table of names too (``access.mix.mobile``).

    Raises
    ------
    ScenarioError
        For a name that is none, or one of something else than a number.
    """
    value: Any = scenario
    for depth, part in enumerate(dotted.split("."), start=1):
        if isinstance(value, Mapping):
            value = value.get(part, 0.0)
        else:
            kind_of(".".join(dotted.split(".")[:depth]))  # refuses what is no field
            value = getattr(value, part)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(f"{dotted} = {value!r}: a number is expected")
    return float(value)


def unit_of(dotted: str) -> str:
    """Return the unit (`p2psim.analysis.formatting`) in which a field of the scenario is worded."""
    kind = kind_of(dotted)
    return _UNITS_OF_FIELDS[typing.get_args(kind)[1]] if typing.get_origin(kind) is typing.Annotated else "number"


def read_dimensions(path: str | Path) -> tuple[dict[str, Any], tuple[Dimension, ...]]:
    """Read the changes that make a reference, and the dimensions, from a file.

    Raises
    ------
    InputError
        In one line with the value at fault and what is accepted.
    """
    file = Path(path)
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{file}: not TOML: {error}") from None
    try:
        return _read(data)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


@cache
def dimensions(quick: bool = False) -> tuple[Dimension, ...]:
    """Read the bundled dimensions; with `quick`, with fewer values."""
    return tuple(each.fewer() if quick else each for each in _bundled()[1])


def reference_changes() -> Mapping[str, Any]:
    """Changes to a claim's scenario around which its boundary is sought, where the claim says no other."""
    return _bundled()[0]


@cache
def _bundled() -> tuple[dict[str, Any], tuple[Dimension, ...]]:
    return read_dimensions(DATA / "dimensions.toml")


def _read(data: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Dimension, ...]]:
    _check_keys(data, ("schema", "reference", "dimension"), "")
    if data.get("schema") != SCHEMA:
        raise InputError(f"schema = {data.get('schema')!r} is not known; this version reads {SCHEMA}")
    reference, rows = data.get("reference", {}), data.get("dimension", [])
    if not isinstance(reference, dict):
        raise InputError(f"reference = {reference!r}: a table [reference] of a scenario's fields is expected")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"dimension = {rows!r}: tables [[dimension]] are expected")
    start = Scenario().replace(reference)
    read = [_dimension(row, f"dimension {row.get('name', number)!r}") for number, row in enumerate(rows, start=1)]
    for key in ("name", "what"):
        value, times = (Counter(getattr(each, key) for each in read).most_common(1) or [("", 0)])[0]
        if times > 1:
            raise InputError(f"{key} = {value!r} is that of {times} dimensions; each needs its own")
    for each in read:
        each.scenarios(start)
    return reference, tuple(read)


def _dimension(row: Mapping[str, Any], where: str) -> Dimension:
    _check_keys(row, [entry.name for entry in dataclasses.fields(Dimension)], f"{where}: ")
    for key in _NEEDED:
        if key not in row:
            raise InputError(f"{where}: {key} is missing")
    for key in _TEXTS:
        if key in row and not (isinstance(row[key], str) and row[key]):
            raise InputError(f"{where}: {key} = {row[key]!r}: a text is expected")
    values = row["values"]
    if not isinstance(values, list) or len(values) < 2:
        raise InputError(f"{where}: values = {values!r}: a list of at least two is expected")
    if not isinstance(row.get("changes", {}), dict):
        raise InputError(f"{where}: changes = {row['changes']!r}: a table of a scenario's fields is expected")
    one_of(f"{where}: scale", row.get("scale", "linear"), _SCALES)
    at = _places(row["at"], len(values), where) if "at" in row else ""
    return Dimension(**{**row, "values": tuple(values), "at": at, "unit": _unit(row, where)})


def _places(given: object, count: int, where: str) -> str | tuple[float, ...]:
    if isinstance(given, str):
        if given not in DERIVED:
            try:
                number_of(Scenario(), given)
            except ScenarioError as error:
                raise InputError(f"{where}: at = {given!r}: {error}; or {', '.join(map(repr, DERIVED))}") from None
        return given
    numbers = [each for each in given if type(each) in (int, float)] if isinstance(given, list) else []
    if not isinstance(given, list) or len(numbers) != len(given) or len(given) != count:
        raise InputError(f"{where}: at = {given!r}: a number for each of the {count} values is expected, or a name")
    return tuple(float(each) for each in numbers)


def _unit(row: Mapping[str, Any], where: str) -> str:
    """Unit of the axis: that of the field where the places are the field's own values."""
    own = "number"
    if not row.get("over") and not row.get("at"):
        try:
            own = unit_of(row["field"])
        except ScenarioError as error:
            raise InputError(f"{where}: field = {error}") from None
    given = one_of(f"{where}: unit", row.get("unit", own), _UNITS)
    if own not in ("number", given):
        raise InputError(f"{where}: unit = {given!r}: accepted: {own!r}, which {row['field']} has")
    return given


def _check_keys(row: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in row:
        if key not in names:
            raise InputError(f"{where}{key}: {no_such('key', key, names)}")
