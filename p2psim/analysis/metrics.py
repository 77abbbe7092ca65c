"""The metrics of a run, each with one definition, computed from totals of either world.

A metric over replications is a ratio of totals where it is a ratio, never a mean of ratios. What comes before the
scenario's warm-up is cut: totals of viewers begin there, and of the timeline only the rest is taken. The start-up
alone is of the viewers who joined after it, or where nobody did (an audience that was there from the start) of all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import pandas as pd

from p2psim.analysis.statistics import Interval, bootstrap_ratio, paired, ratio, ratio_difference, student
from p2psim.trace import BIN, Totals

__all__ = [
    "METRICS",
    "Metric",
    "Sums",
    "estimate",
    "estimate_difference",
    "jain",
    "metric_value",
    "metrics",
    "percentile_rate",
    "sums",
    "with_baseline",
]

Sums = Mapping[str, float]
"""Totals of one replication from which every metric is a value or a ratio; those of the paired `http-only` run
carry the prefix ``base_``."""

BILLED_BIN = 300.0
"""Rates are billed by the 95th percentile of five-minute rates."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Definition of a metric: ``numerator / denominator``, its complement to 1, or `numerator` itself."""

    text: str
    unit: str
    """share, points, rate, size, time, count or number."""
    numerator: str
    denominator: str = ""
    _: KW_ONLY
    complement: bool = False
    paired: bool = False
    """Needs the paired `http-only` run."""


METRICS: Mapping[str, Metric] = {
    "p2p_ratio": Metric("P2P share of media bytes received", "share", "p2p_bytes", "media_bytes"),
    "offload": Metric("1 - origin bytes / bytes played", "share", "origin_bytes", "played_bytes", complement=True),
    "origin_saving": Metric(
        "origin bytes saved against http-only",
        "share",
        "origin_bytes",
        "base_origin_bytes",
        complement=True,
        paired=True,
    ),
    "origin_left": Metric("origin bytes left of http-only", "share", "origin_bytes", "base_origin_bytes", paired=True),
    "origin_saving_p95": Metric(
        "95th percentile rate saved against http-only",
        "share",
        "origin_rate_p95",
        "base_origin_rate_p95",
        complement=True,
        paired=True,
    ),
    "origin_rate": Metric("mean rate of the origin", "rate", "origin_bytes", "seconds"),
    "origin_rate_p95": Metric("95th percentile of the origin's rate", "rate", "origin_rate_p95"),
    "origin_rate_bin": Metric("width of the bins of that percentile", "time", "origin_rate_bin"),
    "relay_bytes": Metric("bytes through relays", "size", "relay_bytes"),
    "far_share": Metric("share of P2P from other regions", "share", "far_bytes", "p2p_bytes"),
    "cache_hits": Metric(
        "1 - bytes from the origin to edges / bytes from edges", "share", "fill_bytes", "edge_bytes", complement=True
    ),
    "second_share": Metric("share of HTTP from a second CDN", "share", "second_bytes", "http_bytes"),
    "wasted_bytes": Metric("bytes received and never played", "size", "wasted_bytes"),
    "wasted_http": Metric("of these over HTTP", "size", "wasted_http"),
    "wasted_p2p": Metric("of these from peers", "size", "wasted_p2p"),
    "stall_ratio": Metric(
        "time stalled after the first frame / time watching", "share", "stalled_seconds", "viewer_seconds"
    ),
    "stalls": Metric("stalls per viewer", "number", "stall_count", "viewer_count"),
    "poisoned": Metric(
        "segments played per viewer that were not the origin's", "number", "poisoned_segments", "viewer_count"
    ),
    "started": Metric("viewers who came and saw a first frame", "share", "startup_count", "joined_count"),
    "startup": Metric("join to first frame, of these", "time", "startup_sum", "startup_count"),
    "startup_p95": Metric("its 95th percentile", "time", "startup_p95"),
    "latency": Metric("behind live while playing", "time", "latency_sum", "latency_weight"),
    "peers": Metric("connected peers per viewer", "number", "peer_seconds", "viewer_seconds"),
    "swarm": Metric("viewers in the swarm", "number", "viewer_seconds", "swarm_seconds"),
    "bitrate": Metric("bitrate played", "rate", "played_bytes", "played_seconds"),
    "switches": Metric("changes of quality per viewer", "number", "switch_count", "viewer_count"),
    "zaps": Metric("changes of channel per viewer", "number", "zap_count", "viewer_count"),
    "zap_time": Metric("zap to first frame", "time", "zap_wait_sum", "zap_count"),
    "wait": Metric("request to first byte", "time", "wait_sum", "transfer_count"),
    "http_wait": Metric("the same over HTTP", "time", "http_wait_sum", "http_count"),
    "p2p_wait": Metric("the same from peers", "time", "p2p_wait_sum", "p2p_count"),
    "http_time": Metric("request to last byte over HTTP", "time", "http_time_sum", "http_count"),
    "p2p_time": Metric("the same from peers", "time", "p2p_time_sum", "p2p_count"),
    "added_wait": Metric("first byte, peers later than HTTP", "time", "added_wait"),
    "added_time": Metric("whole segment, peers later than HTTP", "time", "added_time"),
    "fairness": Metric("Jain's index of bytes given / received", "number", "fairness"),
    "added_startup": Metric("start-up against http-only", "time", "added_startup", paired=True),
    "added_latency": Metric("live latency against http-only", "time", "added_latency", paired=True),
    "added_stall_ratio": Metric("stall ratio against http-only", "points", "added_stall_ratio", paired=True),
    "added_switches": Metric("changes of quality against http-only", "number", "added_switches", paired=True),
    "wait_reduction": Metric(
        "1 - request to first byte / http-only's", "share", "wait", "base_wait", complement=True, paired=True
    ),
    "startup_reduction": Metric(
        "1 - start-up / http-only's", "share", "startup", "base_startup", complement=True, paired=True
    ),
    "latency_reduction": Metric(
        "1 - live latency / http-only's", "share", "latency", "base_latency", complement=True, paired=True
    ),
}
"""Stable names; commands and tables use them as keys."""


def metrics(totals: Totals, baseline: Totals | None = None) -> dict[str, float]:
    """Compute all metrics of one run; those against http-only only where the paired `baseline` is given."""
    found = sums(totals, baseline)
    return {
        name: metric_value(metric, found)
        for name, metric in METRICS.items()
        if baseline is not None or not metric.paired
    }


def metric_value(metric: Metric, found: Sums) -> float:
    """Compute a metric from the sums of one replication."""
    if not metric.denominator:
        return found[metric.numerator]
    quotient = _divide(found[metric.numerator], found[metric.denominator])
    return 1 - quotient if metric.complement else quotient


def estimate(
    metric: Metric | str,
    replications: Sequence[Sums],
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Interval:
    """Estimate a metric over replications: ratio of totals with a jackknife interval, or Student's t.

    With `rng`, by the bootstrap (`p2psim.analysis.statistics.bootstrap_ratio`).
    """
    metric = METRICS[metric] if isinstance(metric, str) else metric
    over, under = _parts(metric, replications)
    if rng is not None:
        interval = bootstrap_ratio(over, under, rng, level)
    else:
        interval = ratio(over, under, level) if metric.denominator else student(over, level)
    if metric.complement:
        return interval.mapped(-1.0, 1.0)
    return interval.clipped(0.0, 1.0) if metric.unit == "share" and not metric.paired else interval


def estimate_difference(
    metric: Metric | str, replications: Sequence[Sums], others: Sequence[Sums], level: float = 0.95
) -> Interval:
    """Estimate by how much a metric exceeds its value in others, replication by replication."""
    metric = METRICS[metric] if isinstance(metric, str) else metric
    over, under = _parts(metric, replications)
    other_over, other_under = _parts(metric, others)
    interval = (
        ratio_difference(over, under, other_over, other_under, level)
        if metric.denominator
        else paired(over, other_over, level)
    )
    return interval.mapped(-1.0) if metric.complement else interval


def _parts(metric: Metric, replications: Sequence[Sums]) -> tuple[list[float], list[float]]:
    over = [found[metric.numerator] for found in replications]
    return over, [found[metric.denominator] if metric.denominator else 1.0 for found in replications]


def sums(totals: Totals, baseline: Totals | None = None) -> dict[str, float]:
    """Add up one replication, and beside it its paired `http-only` run."""
    return _sums(totals) if baseline is None else with_baseline(_sums(totals), _sums(baseline))


def with_baseline(found: Sums, base: Sums) -> dict[str, float]:
    """Put the sums of the paired `http-only` run beside those of a run."""
    against = {f"base_{name}": number for name, number in base.items()}
    added = {f"added_{name}": found[name] - base[name] for name in ("startup", "latency", "stall_ratio", "switches")}
    return {**found, **against, **added}


def percentile_rate(timeline: pd.DataFrame, column: str = "origin", quantile: float = 0.95) -> tuple[float, float]:
    """Give the percentile of binned rates as it is billed (nearest rank) and the width of the bins.

    Bins are five minutes; runs shorter than 25 minutes use a twentieth of the run, whole seconds.
    """
    amounts = timeline[column].to_numpy(float)
    span = len(amounts) * BIN
    width = BILLED_BIN if span >= 5 * BILLED_BIN else max(1.0, span // 20)
    per_bin = int(width / BIN)
    whole = amounts[: len(amounts) // per_bin * per_bin].reshape(-1, per_bin).sum(axis=1)
    return float(np.quantile(whole, quantile, method="inverted_cdf")) / width, width


def jain(shares: pd.Series) -> float:
    """Jain's fairness index, 1 for equal shares, 1/n where one has everything; NaN where nobody has anything."""
    x = shares.to_numpy(float)
    return _divide(float(x.sum()) ** 2, len(x) * float((x**2).sum()))


def _sums(totals: Totals) -> dict[str, float]:
    warmup = totals.scenario.warmup
    timeline = totals.timeline[totals.timeline["at"] >= warmup]
    viewers = totals.viewers[totals.viewers["watched"] > 0]
    late = viewers[viewers["joined_at"] >= warmup]
    found = (
        _flows(timeline) | _delivery(totals, timeline) | _audience(timeline) | _experience(viewers) | _waits(viewers)
    )
    found |= _beginning(late if len(late) else viewers)
    found["stall_ratio"] = _divide(found["stalled_seconds"], found["viewer_seconds"])
    found["switches"] = _divide(found["switch_count"], found["viewer_count"])
    given = viewers["bytes_uploaded"] / (viewers["bytes_http"] + viewers["bytes_p2p"]).clip(lower=1.0)
    found["fairness"] = jain(given)
    return found


def _flows(timeline: pd.DataFrame) -> dict[str, float]:
    http, p2p, origin = (float(timeline[name].sum()) for name in ("http", "p2p", "origin"))
    rate, width = percentile_rate(timeline)
    return {
        "http_bytes": http,
        "p2p_bytes": p2p,
        "media_bytes": http + p2p,
        "origin_bytes": origin,
        "seconds": len(timeline) * BIN,
        "origin_rate_p95": rate,
        "origin_rate_bin": width,
    }


def _delivery(totals: Totals, timeline: pd.DataFrame) -> dict[str, float]:
    far, filled, second = (float(timeline[name].sum()) for name in ("far", "filled", "second"))
    has_edges = totals.scenario.cdn.edges != "none"
    served = float(timeline["origin"].sum()) - second
    return {
        "far_bytes": far,
        "fill_bytes": filled,
        "edge_bytes": served if has_edges else 0.0,
        "second_bytes": second,
    }


def _audience(timeline: pd.DataFrame) -> dict[str, float]:
    return {
        "viewer_seconds": float(timeline["viewers"].sum()) * BIN,
        "stalled_seconds": float(timeline["stalled"].sum()) * BIN,
        "peer_seconds": float((timeline["peers"] * timeline["viewers"]).sum()) * BIN,
        "swarm_seconds": float((timeline["viewers"] > 0).sum()) * BIN,
    }


def _experience(viewers: pd.DataFrame) -> dict[str, float]:
    seen = viewers[viewers["latency"].notna()]
    latency, weight = float((seen["latency"] * seen["played"]).sum()), float(seen["played"].sum())
    return {
        "viewer_count": float(len(viewers)),
        "poisoned_segments": float(viewers["poisoned"].sum()),
        "stall_count": float(viewers["stalls"].sum()),
        "played_bytes": float(viewers["bytes_played"].sum()),
        "latency_sum": latency,
        "latency_weight": weight,
        "latency": _divide(latency, weight),
        "relay_bytes": float(viewers["bytes_relayed"].sum()),
        "played_seconds": float(viewers["played"].sum()),
        "switch_count": float(viewers["switches"].sum()),
        "zap_count": float(viewers["zaps"].sum()),
        "zap_wait_sum": float(viewers["zap_wait"].sum()),
        "wasted_http": float(viewers["wasted_http"].sum()),
        "wasted_p2p": float(viewers["wasted_p2p"].sum()),
        "wasted_bytes": float(viewers["wasted_http"].sum() + viewers["wasted_p2p"].sum()),
    }


def _beginning(viewers: pd.DataFrame) -> dict[str, float]:
    started = viewers["startup"].dropna()
    return {
        "startup_sum": float(started.sum()),
        "startup_count": float(len(started)),
        "joined_count": float(len(viewers)),
        "startup": _divide(float(started.sum()), len(started)),
        "startup_p95": float(started.quantile(0.95)) if len(started) else math.nan,
    }


def _waits(viewers: pd.DataFrame) -> dict[str, float]:
    found = {}
    for source in ("http", "p2p"):
        found[f"{source}_count"] = float(viewers[f"{source}_transfers"].sum())
        found[f"{source}_wait_sum"] = float(viewers[f"{source}_wait"].sum())
        found[f"{source}_time_sum"] = float(viewers[f"{source}_time"].sum())
    found["wait_sum"] = found["http_wait_sum"] + found["p2p_wait_sum"]
    found["transfer_count"] = found["http_count"] + found["p2p_count"]
    found["wait"] = _divide(found["wait_sum"], found["transfer_count"])
    for kind in ("wait", "time"):
        http, p2p = (_divide(found[f"{s}_{kind}_sum"], found[f"{s}_count"]) for s in ("http", "p2p"))
        found[f"added_{kind}"] = p2p - http
    return found


def _divide(over: float, under: float) -> float:
    return over / under if under else math.nan
