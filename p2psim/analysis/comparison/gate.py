"""The gate: how far apart measured and simulated may be, metric by metric, and which metrics decide.

Each metric has a limit. A difference of means *agrees* when its whole 90 % interval lies within the limit (two
one-sided tests at 5 %), and *differs* when the whole interval lies beyond it; where the interval reaches across the
limit, equality is *not shown*, and more recordings would tell. A distance between distributions or curves agrees when
it is below the limit itself. Metrics of the gate decide the verdict, and equality must be shown of each; all others
inform.

What decides by default, and why:

* ``p2p_ratio``, 3 points: what the simulator is for;
* ``media_bytes``, 10 %: all bytes received, so that the share is one of the right whole (waste, retries, early leaves);
* ``stall_ratio``, 1 point: viewers who wait make any share meaningless;
* ``p2p_times``, 25 % of the mean time measured: the distribution of transfer times between peers is where wrong links
  show while ample links hide them from the share. Halving uplinks moves it by 90 % and more; three recordings of one
  scenario on a busy machine were 4 to 13 % apart; a quarter stands clear of both;
* ``peers_over_time``, 10 % of the mean: who connects to whom, and when: NATs, tracker, departures.

What informs only, and why: ``startup`` has a part that is not modelled (a browser loads a page and its player first)
and, from one recording of few viewers, an interval wider than any useful limit; ``http_times`` and the means of times
say less than the distribution of `p2p_times`; ``http_bytes``, ``p2p_bytes`` and ``offload`` follow from share and
whole, and relative errors of a source that hardly delivers are large and harmless; ``latency`` is set by the scenario.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from p2psim.analysis.comparison.distances import FEW_TRANSFERS, Distance
from p2psim.analysis.formatting import format_value
from p2psim.analysis.statistics import Interval, equivalence
from p2psim.errors import InputError, one_of

__all__ = ["GATE", "LIMITS", "MARGIN", "Check", "Limit", "Verdict", "check_difference", "check_distance", "read_gate"]

MARGIN = 0.03
"""P2P shares that differ by less are taken as equal: three points."""

Kind = Literal["points", "relative", "number"]
Verdict = Literal["agrees", "differs", "not shown", "not judged"]


@dataclass(frozen=True, slots=True)
class Limit:
    """How far apart both worlds may be: in points, relative to what was measured, or as a plain number."""

    size: float
    kind: Kind

    def format(self, value: float) -> str:
        """Say a value of this kind."""
        return format_value(value, {"points": "points", "relative": "share", "number": "number"}[self.kind])


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "p2p_ratio": Limit(MARGIN, "points"),
        "offload": Limit(MARGIN, "points"),
        "media_bytes": Limit(0.10, "relative"),
        "http_bytes": Limit(0.10, "relative"),
        "p2p_bytes": Limit(0.10, "relative"),
        "startup": Limit(0.10, "relative"),
        "stalls": Limit(0.10, "number"),
        "stall_ratio": Limit(0.01, "points"),
        "peers": Limit(0.10, "relative"),
        "http_time": Limit(0.10, "relative"),
        "p2p_time": Limit(0.10, "relative"),
        "latency": Limit(0.10, "relative"),
        "http_times": Limit(0.25, "relative"),
        "p2p_times": Limit(0.25, "relative"),
        "peers_over_time": Limit(0.10, "relative"),
    }
)
"""Every metric that is compared, in the order of tables; ``…_times`` are distributions."""

GATE = ("p2p_ratio", "media_bytes", "stall_ratio", "p2p_times", "peers_over_time")
"""Metrics that decide unless others are asked for."""


@dataclass(frozen=True, slots=True)
class Check:
    """One metric held to its limit; `value` and its 90 % interval are of the limit's kind."""

    metric: str
    limit: Limit
    gates: bool
    value: float
    low: float
    high: float
    verdict: Verdict
    text: str
    """The figures, as a person reads them."""

    @property
    def fails(self) -> bool:
        """Whether this alone keeps the gate shut: equality must be shown."""
        return self.gates and self.verdict in ("differs", "not shown")

    def to_dict(self) -> dict[str, object]:
        """Give plain values for JSON and tables."""
        return {
            "metric": self.metric,
            "gates": self.gates,
            "verdict": self.verdict,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "limit": self.limit.size,
            "kind": self.limit.kind,
        }


def read_gate(text: str) -> dict[str, float]:
    """Read the metrics that decide, ``NAME`` or ``NAME=LIMIT`` with commas between; raises InputError.

    Limits are percent of what was measured or points (``startup=15`` and ``startup=15 %`` are the same); of `stalls`,
    stalls per viewer.
    """
    found = {}
    for part in text.split(","):
        name, equals, size = part.partition("=")
        name = one_of("--gate", name.strip(), LIMITS)
        found[name] = _size(name, size) if equals else LIMITS[name].size
    return found


def _size(name: str, text: str) -> float:
    try:
        size = float(text.strip().removesuffix("%"))
    except ValueError:
        size = math.nan
    if not 0 < size < math.inf:
        raise InputError(f"--gate {name}={text}: a limit above 0 is expected, for example {name}=15")
    return size if LIMITS[name].kind == "number" else size / 100


def check_difference(
    metric: str, gate: Mapping[str, float], measured: float, interval: Interval, is_estimate: bool = False
) -> Check:
    """Hold a difference of means to its limit; with `is_estimate` by the estimate alone."""
    limit = Limit(gate.get(metric, LIMITS[metric].size), LIMITS[metric].kind)
    scale = 1.0 if limit.kind != "relative" else 1 / abs(measured) if measured else math.nan
    if limit.kind == "relative" and measured == 0 and interval.mean == 0:
        interval, scale = Interval(0.0, 0.0, 0.0, 0.0, 1.0), 1.0
    scaled = interval.mapped(scale) if math.isfinite(scale) else Interval(math.nan)
    shown = equivalence(scaled, limit.size)
    equal = abs(scaled.mean) < limit.size if is_estimate else shown.equivalent
    beyond = abs(scaled.mean) >= limit.size if is_estimate else shown.low >= limit.size or shown.high <= -limit.size
    verdict: Verdict = "agrees" if equal else "differs" if beyond else "not shown"
    if not math.isfinite(scaled.mean) and metric != "p2p_ratio":
        verdict = "not judged"
    ends = "" if is_estimate else f", 90 % interval {limit.format(shown.low)} to {limit.format(shown.high)}"
    text = f"simulated exceeds measured by {limit.format(scaled.mean)}{ends}, limit ±{limit.format(limit.size)}"
    return Check(metric, limit, metric in gate, scaled.mean, shown.low, shown.high, verdict, text)


def check_distance(metric: str, gate: Mapping[str, float], distance: Distance) -> Check:
    """Hold a distance to its limit; too few samples are not judged."""
    limit = Limit(gate.get(metric, LIMITS[metric].size), LIMITS[metric].kind)
    verdict: Verdict = "agrees" if distance.relative <= limit.size else "differs"
    if not math.isfinite(distance.relative) or distance.least < FEW_TRANSFERS:
        verdict = "not judged"
    text = (
        f"distance {limit.format(distance.relative)} of the mean measured, limit {limit.format(limit.size)}; "
        f"simulated runs are {limit.format(distance.own)} apart among themselves"
    )
    if verdict == "not judged":
        text = f"{distance.least} samples on one side, {FEW_TRANSFERS} are needed; {text}"
    return Check(metric, limit, metric in gate, distance.relative, math.nan, math.nan, verdict, text)
