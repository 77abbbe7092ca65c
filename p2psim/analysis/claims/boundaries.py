"""Boundaries of claims: the range of each dimension in which a claim holds.

The scenario of a claim is changed to its reference (data/dimensions.toml). Around it, one dimension at a time is varied
with common random numbers, and the metric of the claim is estimated at every value. The claim holds where the line
through the estimates lies in the claimed range.
"""

import dataclasses
import math
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.claims.definitions import Case, Claim
from p2psim.analysis.claims.findings import Finding
from p2psim.analysis.dimensions import Dimension, reference_changes
from p2psim.analysis.formatting import format_value
from p2psim.analysis.statistics import Interval
from p2psim.errors import InputError

__all__ = [
    "Boundary",
    "boundaries_frame",
    "boundary_cases",
    "contradictions",
    "holding_ranges",
    "holding_ranges_frame",
]

ENOUGH = 100
"""Minimum number of viewers simulated at each value, over all replications: small swarms vary much and cost little."""
MOST_REPLICATIONS = 20
"""Maximum number of replications at each value."""


@dataclasses.dataclass(frozen=True, slots=True)
class Boundary:
    """Findings of a claim along one dimension."""

    dimension: Dimension
    findings: tuple[Finding, ...]
    """In ascending order of `Case.at`."""

    @property
    def holds(self) -> list[tuple[float, float]]:
        """Ranges in which the line through the estimates lies in the claimed range."""
        seen = [finding for finding in self.findings if finding.status != "no data"]
        if len(seen) < 2:
            return []
        at, means = [each.case.at for each in seen], [each.interval.mean for each in seen]
        low, high = seen[0].case.low, seen[0].case.high
        return holding_ranges(at, means, low, high, log=self.dimension.scale == "log")

    @property
    def text(self) -> str:
        """Sentence that states where the claim holds."""
        ends, unit = (self.findings[0].case.at, self.findings[-1].case.at), self.dimension.unit
        parts = []
        for begin, end in self.holds:
            if (begin, end) == ends:
                return (
                    f"{self.dimension.what}: everywhere from {format_value(begin, unit)} to {format_value(end, unit)}"
                )
            if begin == ends[0]:
                parts.append(f"up to {_about(end, unit)}")
            elif end == ends[1]:
                parts.append(f"from {_about(begin, unit)}")
            else:
                parts.append(f"from {_about(begin, unit)} to {_about(end, unit)}")
        where = ", and ".join(parts) or f"nowhere from {format_value(ends[0], unit)} to {format_value(ends[1], unit)}"
        return f"{self.dimension.what}: {where}"

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return {
            "dimension": self.dimension.name,
            "what": self.dimension.what,
            "unit": self.dimension.unit,
            "holds": [list(each) for each in self.holds],
            "text": self.text,
            "points": [
                {"at": each.case.at, **each.interval.to_dict(), "status": each.status} for each in self.findings
            ],
        }


def boundary_cases(claim: Claim, dimension: Dimension) -> tuple[Case, ...]:
    """Return the cases of a claim along a dimension, ascending; none if the metric itself varies the dimension.

    Raises
    ------
    InputError
        For a value that the claim's scenario does not accept.
    """
    reference = claim.reference
    if reference.sizes and dimension.field == "viewers.count":
        return ()
    try:
        start = reference.scenario.replace(reference_changes() if claim.around is None else claim.around)
        positions = dimension.scenarios(start)
    except InputError as error:
        raise InputError(f"claim {claim.id}: {error}") from None
    cases = []
    for at, scenario in positions:
        replications = min(MOST_REPLICATIONS, math.ceil(ENOUGH / scenario.viewers.count))
        label = f"{dimension.what} {format_value(at, dimension.unit)}"
        cases.append(dataclasses.replace(reference, label=label, scenario=scenario, at=at, replications=replications))
    return tuple(cases)


def holding_ranges(
    at: Sequence[float], means: Sequence[float], low: float, high: float, log: bool = False
) -> list[tuple[float, float]]:
    """Return the ranges of `at` in which the line through the estimates lies between `low` and `high`.

    The ends are exact crossings of the line, which is piecewise linear; with `log`, over the logarithm of `at`.
    """
    x = np.log(at) if log else np.asarray(at, float)
    marks = set(x.tolist())
    for (left, y0), (right, y1) in zip(zip(x, means, strict=True), list(zip(x, means, strict=True))[1:], strict=False):
        for bound in (low, high):
            if math.isfinite(bound) and (y0 - bound) * (y1 - bound) < 0:
                marks.add(float(left + (bound - y0) / (y1 - y0) * (right - left)))
    ends = sorted(marks)
    ranges: list[tuple[float, float]] = []
    slack = 1e-9 * max(1.0, *(abs(each) for each in means))
    for begin, end in pairwise(ends):
        middle = float(np.interp((begin + end) / 2, x, means))
        if low - slack <= middle <= high + slack:
            is_adjacent = ranges and ranges[-1][1] == begin
            ranges[-1:] = [(ranges[-1][0], end)] if is_adjacent else [*ranges[-1:], (begin, end)]
    if log:
        exact = dict(zip(x.tolist(), at, strict=True))
        return [(exact.get(begin, math.exp(begin)), exact.get(end, math.exp(end))) for begin, end in ranges]
    return ranges


def boundaries_frame(claimed: Sequence[tuple[Claim, Sequence[Boundary]]]) -> pd.DataFrame:
    """Return one row per claim, dimension and value: at `x`, the estimate is `value` with the interval low to high."""
    rows = [
        {
            "claim": claim.id,
            "metric": finding.case.metric,
            "dimension": boundary.dimension.name,
            "what": boundary.dimension.what,
            "unit": boundary.dimension.unit,
            "x": finding.case.at,
            "value": finding.interval.mean,
            "low": finding.interval.low,
            "high": finding.interval.high,
            "claimed_low": finding.case.low,
            "claimed_high": finding.case.high,
            "status": finding.status,
            "scenario": finding.case.scenario.digest,
        }
        for claim, boundaries in claimed
        for boundary in boundaries
        for finding in boundary.findings
    ]
    return pd.DataFrame(rows)


def contradictions(claimed: Sequence[tuple[Claim, Sequence[Boundary]]]) -> list[str]:
    """Return sentences that state which claims about the saving are mutually exclusive.

    Claims are compared by their statements, and by the simulated scenarios in which they hold together.
    """
    saving = [(claim, boundaries) for claim, boundaries in claimed if claim.saving is not None]
    lines, point = [], dict[str, list[str]]()
    for (one, _), (other, _) in combinations(saving, 2):
        assert one.saving is not None
        assert other.saving is not None
        low, high = max(one.saving[0], other.saving[0]), min(one.saving[1], other.saving[1])
        if low > high:
            lines.append(f"{one.id} and {other.id} are mutually exclusive: no saving lies in both ranges.")
        elif low == high:
            point.setdefault(format_value(low, "share"), []).append(f"{one.id} and {other.id}")
    lines += [f"Only a saving of exactly {share} lies in {', '.join(pairs)}." for share, pairs in point.items()]
    holding_in: dict[str, set[str]] = {}
    for claim, boundaries in saving:
        for boundary in boundaries:
            for finding in boundary.findings:
                holding = holding_in.setdefault(finding.case.scenario.digest, set())
                holding |= {claim.id} if _is_inside(finding.interval, finding.case) else set()
    if len(saving) > 1 and holding_in:
        together = sum(len(holding) == len(saving) for holding in holding_in.values())
        most = max(holding_in.values(), key=len)
        names, at_once = ", ".join(claim.id for claim, _ in saving), ", ".join(sorted(most, key=_number))
        lines.append(
            f"{names} hold together in {together or 'none'} of {len(holding_in)} simulated scenarios (by their "
            f"estimates); the largest set that holds in one scenario: {at_once or 'none'}."
        )
    return lines


def holding_ranges_frame(claimed: Sequence[tuple[Claim, Sequence[Boundary]]]) -> pd.DataFrame:
    """Return the ranges in which claims hold, to scale.

    One row per range: claim, what (the dimension), begin and end (0 to 1 along the dimension; NaN if the claim holds
    nowhere), least and most (both ends of the dimension in words).
    """
    rows = []
    for claim, boundaries in claimed:
        for boundary in boundaries:
            scale = math.log if boundary.dimension.scale == "log" else float
            first, last = (scale(boundary.findings[index].case.at) for index in (0, -1))
            least, most = (format_value(boundary.findings[index].case.at, boundary.dimension.unit) for index in (0, -1))
            row = {"claim": claim.id, "what": boundary.dimension.what, "least": least, "most": most}
            ranges = boundary.holds or [(math.nan, math.nan)]
            for each in ranges:
                begin, end = (math.nan if math.isnan(x) else (scale(x) - first) / (last - first) for x in each)
                rows.append({**row, "begin": begin, "end": end})
    return pd.DataFrame(rows)


def _is_inside(interval: Interval, case: Case) -> bool:
    return case.low <= interval.mean <= case.high


def _number(name: str) -> int:
    return int(name[1:]) if name[1:].isdecimal() else 0


def _about(value: float, unit: str) -> str:
    return f"about {format_value(float(f'{value:.2g}') if unit == 'number' else value, unit)}"
