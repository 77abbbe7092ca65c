"""The gate: limits on the difference between measured and simulated metrics, and the metrics that decide.

Each metric has a limit. A difference of means *agrees* if its whole 90 % interval lies within the limit (two one-sided
tests at 5 %), and *differs* if the whole interval lies beyond it. If the interval contains the limit, the comparison is
*inconclusive*, and more recordings narrow the interval. A distance between distributions or curves agrees if it is
below the limit. The metrics of the gate decide the verdict, and all of them must agree; other metrics only inform.

The default metrics of the gate and their limits:

* ``p2p_ratio``, 3 points: the main result of the simulator;
* ``media_bytes``, 10 %: all bytes received, so that the share refers to the right total (waste, retries, departures);
* ``stall_ratio``, 1 point: if viewers stall, the share is meaningless;
* ``p2p_times``, 25 % of the measured mean: the distribution of transfer times between peers reveals wrong links that
  do not change the share. Halving the uplinks changes it by 90 % and more, while three recordings of one scenario on a
  busy machine differed by 4 to 13 %;
* ``peers_over_time``, 10 % of the mean: who connects to whom and when, which depends on NATs, tracker and departures.

Metrics that only inform: ``startup`` includes a part that is not modelled (a browser loads a page and its player
first) and, from one recording of few viewers, its interval is wider than any useful limit; ``http_times`` and the means
of times are less sensitive than the distribution `p2p_times`; ``http_bytes``, ``p2p_bytes`` and ``offload`` follow from
share and total, and relative errors of a source that delivers little are large and harmless; ``latency`` is set by the
scenario.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from p2psim.analysis.comparison.distances import FEW_TRANSFERS, Distance
from p2psim.analysis.formatting import format_value
from p2psim.analysis.metrics import METRICS
from p2psim.analysis.statistics import Interval, equivalence
from p2psim.errors import InputError, one_of

__all__ = [
    "GATE",
    "LIMITS",
    "MARGIN",
    "Check",
    "Limit",
    "Verdict",
    "check_difference",
    "check_distance",
    "description",
    "read_gate",
]

MARGIN = 0.03
"""Difference of P2P shares up to which they are equal: three points."""

Kind = Literal["points", "relative", "number"]
Verdict = Literal["agrees", "differs", "inconclusive", "not judged"]
"""Verdict on a metric; *not judged* if there is too little data."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Limit of a difference: in points, relative to the measured value, or as a plain number."""

    size: float
    kind: Kind

    def format(self, value: float) -> str:
        """Return a value of this kind as text."""
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
"""Limits of all compared metrics, in the order of tables; ``…_times`` are distributions."""

_OWN_DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "media_bytes": "media bytes received",
        "http_bytes": "media bytes received over HTTP",
        "p2p_bytes": "media bytes received from peers",
        "http_times": "distribution of transfer times over HTTP",
        "p2p_times": "distribution of transfer times from peers",
        "peers_over_time": "connected peers per viewer over time",
    }
)


def description(metric: str) -> str:
    """Return the description of a metric of `LIMITS`, which is understandable alone."""
    return METRICS[metric].text if metric in METRICS else _OWN_DESCRIPTIONS[metric]


GATE = ("p2p_ratio", "media_bytes", "stall_ratio", "p2p_times", "peers_over_time")
"""Metrics that decide by default."""


@dataclass(frozen=True, slots=True)
class Check:
    """Check of a metric against its limit; `value` and its 90 % interval are of the limit's kind."""

    metric: str
    limit: Limit
    gates: bool
    value: float
    low: float
    high: float
    verdict: Verdict
    text: str
    """Values, interval and limit as a sentence."""

    @property
    def fails(self) -> bool:
        """True if the metric is part of the gate and does not agree."""
        return self.gates and self.verdict in ("differs", "inconclusive")

    def to_dict(self) -> dict[str, object]:
        """Return the values for JSON and tables."""
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
    """Read the metrics that decide, ``NAME`` or ``NAME=LIMIT`` separated by commas; raises InputError.

    Limits are percent of the measured value or points (``startup=15`` and ``startup=15 %`` are the same); of `stalls`,
    stalls per viewer.
    """
    limits = {}
    for part in text.split(","):
        name, equals, size = part.partition("=")
        name = one_of("--gate", name.strip(), LIMITS)
        limits[name] = _size(name, size) if equals else LIMITS[name].size
    return limits


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
    """Return the check of a difference of means; with `is_estimate`, the estimate alone decides, not its interval."""
    limit = Limit(gate.get(metric, LIMITS[metric].size), LIMITS[metric].kind)
    scale = 1.0 if limit.kind != "relative" else 1 / abs(measured) if measured else math.nan
    if limit.kind == "relative" and measured == 0 and interval.mean == 0:
        interval, scale = Interval(0.0, 0.0, 0.0, 0.0, 1.0), 1.0
    scaled = interval.mapped(scale) if math.isfinite(scale) else Interval(math.nan)
    tested = equivalence(scaled, limit.size)
    equal = abs(scaled.mean) < limit.size if is_estimate else tested.equivalent
    beyond = abs(scaled.mean) >= limit.size if is_estimate else tested.low >= limit.size or tested.high <= -limit.size
    verdict: Verdict = "agrees" if equal else "differs" if beyond else "inconclusive"
    if not math.isfinite(scaled.mean) and metric != "p2p_ratio":
        verdict = "not judged"
    ends = "" if is_estimate else f", 90 % interval {limit.format(tested.low)} to {limit.format(tested.high)}"
    text = f"simulated exceeds measured by {limit.format(scaled.mean)}{ends}, limit ±{limit.format(limit.size)}"
    return Check(metric, limit, metric in gate, scaled.mean, tested.low, tested.high, verdict, text)


def check_distance(metric: str, gate: Mapping[str, float], distance: Distance) -> Check:
    """Return the check of a distance; with too few values, it is not judged."""
    limit = Limit(gate.get(metric, LIMITS[metric].size), LIMITS[metric].kind)
    verdict: Verdict = "agrees" if distance.relative <= limit.size else "differs"
    if not math.isfinite(distance.relative) or distance.least < FEW_TRANSFERS:
        verdict = "not judged"
    text = (
        f"distance {limit.format(distance.relative)} of the measured mean, limit {limit.format(limit.size)}; "
        f"simulated runs differ by {limit.format(distance.own)} from each other"
    )
    if verdict == "not judged":
        text = f"too few values: {distance.least}, {FEW_TRANSFERS} are needed; {text}"
    return Check(metric, limit, metric in gate, distance.relative, math.nan, math.nan, verdict, text)
