"""Definitions of claims, read from data/claims.toml: statement, claimed range, and the scenarios that test it."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from p2psim.analysis.claims.evidence import CLAIM_METRICS
from p2psim.analysis.dimensions import number_of, unit_of
from p2psim.analysis.prices import Prices, prices
from p2psim.errors import InputError, ScenarioError
from p2psim.scenario import DATA, Scenario
from p2psim.units import parse_quantity

__all__ = ["Case", "Claim", "Vary", "agreement", "load_claims", "select"]

SCHEMA = 1
_DIMENSIONS = {"share": "fraction", "points": "fraction", "rate": "rate", "size": "size", "time": "time"}
_CASE_KEYS = {"label", "changes", "metric", "low", "high", "prices", "source", "replications"}
_INHERITED = ("metric", "low", "high", "prices", "sizes", "replications")
_CLAIM_KEYS = {
    "id", "statement", "scenario", "metric", "low", "high", "kind", "note", "vary", "case", "prices", "sizes", "saving",
    "replications", "boundary",
}  # fmt: skip
_VARY_KEYS = {"what", "field", "values"}
_BOUNDARY_KEYS = {"scenario", "metric", "low", "high", "sizes", "around"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vary:
    """A field of the scenario that is varied over several values."""

    what: str
    field: str
    values: tuple[Any, ...]

    @property
    def unit(self) -> str:
        """Unit in which the values are written."""
        return unit_of(self.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test of a claim: a scenario, a metric and the range in which the claim says it lies."""

    label: str
    scenario: Scenario
    metric: str
    low: float
    high: float
    prices: Prices | None = None
    sizes: tuple[int, ...] = ()
    """Numbers of viewers over which the growth exponent is fitted."""
    source: Literal["simulated", "measured"] = "simulated"
    at: float = math.nan
    """Value of the varied field."""
    replications: int = 1
    """Minimum number of replications: small audiences vary much and cost little."""

    @property
    def unit(self) -> str:
        """Unit of the metric."""
        return CLAIM_METRICS[self.metric].unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim and its cases; `base` is the index of the case that the statement is about."""

    id: str
    statement: str
    cases: tuple[Case, ...]
    base: int = 0
    kind: Literal["conditions", "readings"] = "conditions"
    note: str = ""
    vary: Vary | None = None
    saving: tuple[float, float] | None = None
    """Claimed range of the share of the origin's bytes that is saved."""
    boundary: Case | None = None
    """Case whose boundaries are sought along each dimension; None: the base case."""
    around: Mapping[str, Any] | None = None
    """Changes to its scenario; None: the reference of data/dimensions.toml."""

    @property
    def reference(self) -> Case:
        """Case whose boundaries are sought."""
        return self.boundary or self.cases[self.base]


def load_claims(path: str | Path | None = None) -> tuple[Claim, ...]:
    """Read claims from a TOML file (None: the bundled one); raises InputError with the claim and the key at fault."""
    file = Path(path) if path is not None else DATA / "claims.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not TOML: {error}") from None
    if data.get("schema") != SCHEMA:
        raise InputError(f"{file}: schema = {data.get('schema')!r} is not known; this version reads {SCHEMA}")
    return tuple(_claim(row, file) for row in data.get("claim", []))


def select(claims: Sequence[Claim], ids: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims with these ids (none: all) in the order of the file; raises InputError for an unknown id."""
    known = {claim.id: claim for claim in claims}
    for name in ids:
        if name not in known:
            raise InputError(f"claim {name!r}: accepted: {', '.join(known)}")
    return tuple(claim for claim in claims if not ids or claim.id in ids)


def agreement(claims: Sequence[Claim]) -> tuple[float, float]:
    """Return the range of savings in which all claims are true; low > high means that there is none."""
    savings = [claim.saving for claim in claims if claim.saving is not None]
    return max(low for low, _ in savings), min(high for _, high in savings)


def _claim(row: Mapping[str, Any], file: Path) -> Claim:
    where = f"{file}: claim {row.get('id', '?')}"
    _known(row, _CLAIM_KEYS, where)
    for key in ("id", "statement", "scenario", "metric"):
        if key not in row:
            raise InputError(f"{where}: {key} is missing")
    scenario = Scenario.load(str(DATA / "scenarios" / f"{row['scenario']}.toml"))
    vary = _vary(row["vary"], f"{where}: vary") if "vary" in row else None
    cases = _varied(row, scenario, vary, where) if vary else ()
    if vary is None or "case" in row:
        cases += _cases(row, scenario, where)
    boundary, around = _boundary(row, scenario, where)
    return Claim(
        boundary=boundary,
        around=around,
        id=row["id"],
        statement=row["statement"],
        cases=cases,
        base=_base(cases, scenario, row["metric"]),
        kind="conditions" if vary else row.get("kind", "conditions"),
        note=row.get("note", ""),
        vary=vary,
        saving=_saving(row["saving"]) if "saving" in row else None,
    )


def _boundary(row: Mapping[str, Any], scenario: Scenario, where: str) -> tuple[Case | None, Mapping[str, Any] | None]:
    own = row.get("boundary")
    if own is None:
        return None, None
    _known(own, _BOUNDARY_KEYS, f"{where}: boundary")
    if "scenario" in own:
        scenario = Scenario.load(str(DATA / "scenarios" / f"{own['scenario']}.toml"))
    given = {key: own[key] for key in ("metric", "low", "high", "sizes") if key in own}
    return _case({**row, **given}, {"label": "reference", **given}, scenario, where), own.get("around")


def _vary(given: Mapping[str, Any], where: str) -> Vary:
    _known(given, _VARY_KEYS, where)
    for key in sorted(_VARY_KEYS - given.keys()):
        raise InputError(f"{where}: {key} is missing")
    values = given["values"]
    if not isinstance(values, list) or len(values) < 2:
        raise InputError(f"{where}: values = {values!r}: a list of at least two is expected")
    return Vary(what=given["what"], field=given["field"], values=tuple(values))


def _varied(row: Mapping[str, Any], scenario: Scenario, vary: Vary, where: str) -> tuple[Case, ...]:
    cases = []
    for value in vary.values:
        try:
            changed = scenario.replace({vary.field: value})
            at = number_of(changed, vary.field)
        except ScenarioError as error:
            raise InputError(f"{where}: vary: {error}") from None
        case = _case(row, {"label": f"{vary.what} {value}"}, changed, where)
        cases.append(replace(case, at=at))
    return tuple(cases)


def _cases(row: Mapping[str, Any], scenario: Scenario, where: str) -> tuple[Case, ...]:
    cases = []
    for case in row.get("case", [{"label": row["scenario"]}]):
        _known(case, _CASE_KEYS, f"{where}: case {case.get('label', '?')!r}")
        cases.append(_case(row, case, scenario.replace(case.get("changes", {})), where))
    return tuple(cases)


def _case(row: Mapping[str, Any], case: Mapping[str, Any], scenario: Scenario, where: str) -> Case:
    given = {**{key: row[key] for key in _INHERITED if key in row}, **case}
    metric = given["metric"]
    if metric not in CLAIM_METRICS:
        raise InputError(f"{where}: metric {metric!r}: accepted: {', '.join(CLAIM_METRICS)}")
    # A case with its own metric has its own range too, which is one-sided if one end is missing.
    ends = case if "low" in case or ("high" in case and "metric" in case) else given
    return Case(
        label=given["label"],
        scenario=scenario,
        metric=metric,
        low=_quantity(ends.get("low", -math.inf), metric),
        high=_quantity(ends.get("high", math.inf), metric),
        prices=prices(given["prices"]) if "prices" in given else None,
        sizes=tuple(given.get("sizes", ())),
        source=given.get("source", "simulated"),
        replications=given.get("replications", 1),
    )


def _base(cases: Sequence[Case], scenario: Scenario, metric: str) -> int:
    """Return the index of the case with the unchanged scenario and the metric of the claim."""
    for index, case in enumerate(cases):
        if case.metric == metric and case.source == "simulated" and case.scenario.digest == scenario.digest:
            return index
    return 0


def _saving(ends: Sequence[str]) -> tuple[float, float]:
    low, high = (parse_quantity(end, "fraction") for end in ends)
    return low, high


def _quantity(value: object, metric: str) -> float:
    if isinstance(value, str):
        return parse_quantity(value, _DIMENSIONS[CLAIM_METRICS[metric].unit])
    return float(str(value))


def _known(row: Mapping[str, Any], keys: set[str], where: str) -> None:
    for key in row:
        if key not in keys:
            raise InputError(f"{where}: no such key {key!r}; accepted: {', '.join(sorted(keys))}")
