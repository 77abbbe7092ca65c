"""The metrics of a run, each with one definition, computed from totals of either world.

A metric over replications is a ratio of totals where it is a ratio, never a mean of ratios. What comes before the
scenario's warm-up is cut: totals of viewers begin there, and of the timeline only the rest is taken. The start-up
alone is of the viewers who joined after it, or where nobody did (an audience that was there from the start) of all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from p2psim.analysis.formatting import readable_table
from p2psim.analysis.statistics import Interval, bootstrap_ratio, paired, ratio, ratio_difference, student
from p2psim.trace import BIN, Totals

__all__ = [
    "METRICS",
    "Metric",
    "Sums",
    "described",
    "estimate",
    "estimate_difference",
    "jain",
    "metrics",
    "pair",
    "percentile_rate",
    "sums",
    "value",
]

Sums = Mapping[str, float]
"""Totals of one replication from which every metric is a value or a ratio; those of the paired `http-only` run
carry the prefix ``base_``."""

BILLED_BIN = 300.0
"""Rates are billed by the 95th percentile of five-minute rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How a metric comes out of sums: ``over / under``, or ``1 - over / under``, or `over` itself."""

    text: str
    """Description that is understandable alone; fewer than 50 characters, which pandas shows whole."""
    unit: str
    """share, points, rate, size, time, count or number."""
    over: str
    under: str = ""
    complement: bool = False
    paired: bool = False
    """Needs the paired `http-only` run."""


METRICS: Mapping[str, Metric] = {
    "p2p_ratio": Metric(
        text="share of media bytes that came from peers", unit="share", over="p2p_bytes", under="media_bytes"
    ),
    "offload": Metric(
        text="1 - bytes sent by the origin / bytes played",
        unit="share",
        over="origin_bytes",
        under="played_bytes",
        complement=True,
    ),
    "origin_saving": Metric(
        text="share of origin bytes saved against http-only",
        unit="share",
        over="origin_bytes",
        under="base_origin_bytes",
        complement=True,
        paired=True,
    ),
    "origin_left": Metric(
        text="origin bytes as a share of those of http-only",
        unit="share",
        over="origin_bytes",
        under="base_origin_bytes",
        paired=True,
    ),
    "origin_saving_p95": Metric(
        text="share of p95 origin rate saved against http-only",
        unit="share",
        over="origin_rate_p95",
        under="base_origin_rate_p95",
        complement=True,
        paired=True,
    ),
    "origin_rate": Metric(text="mean rate of the origin", unit="rate", over="origin_bytes", under="seconds"),
    "origin_rate_p95": Metric(text="95th percentile of the origin's rate", unit="rate", over="origin_rate_p95"),
    "origin_rate_bin": Metric(
        text="bin width of the origin's rate for its percentile", unit="time", over="origin_rate_bin"
    ),
    "relay_bytes": Metric(text="media bytes received through TURN relays", unit="size", over="relay_bytes"),
    "far_share": Metric(
        text="share of peer-to-peer bytes that crossed regions", unit="share", over="far_bytes", under="p2p_bytes"
    ),
    "cache_hits": Metric(
        text="share of bytes from CDN edges that were cached",
        unit="share",
        over="fill_bytes",
        under="edge_bytes",
        complement=True,
    ),
    "second_share": Metric(
        text="share of HTTP bytes sent by the second CDN", unit="share", over="second_bytes", under="http_bytes"
    ),
    "wasted_bytes": Metric(text="bytes received and never played", unit="size", over="wasted_bytes"),
    "wasted_http": Metric(text="bytes received over HTTP and never played", unit="size", over="wasted_http"),
    "wasted_p2p": Metric(text="bytes received from peers and never played", unit="size", over="wasted_p2p"),
    "stall_ratio": Metric(
        text="share of the viewing time spent in stalls",
        unit="share",
        over="stalled_seconds",
        under="viewer_seconds",
    ),
    "stalls": Metric(text="stalls per viewer", unit="number", over="stall_count", under="viewer_count"),
    "poisoned": Metric(
        text="invalid segments played per viewer",
        unit="number",
        over="poisoned_segments",
        under="viewer_count",
    ),
    "started": Metric(
        text="share of viewers who saw a first frame", unit="share", over="startup_count", under="joined_count"
    ),
    "startup": Metric(
        text="mean time from joining to the first frame", unit="time", over="startup_sum", under="startup_count"
    ),
    "startup_p95": Metric(text="p95 of the time from joining to the first frame", unit="time", over="startup_p95"),
    "latency": Metric(
        text="mean distance behind live while playing", unit="time", over="latency_sum", under="latency_weight"
    ),
    "peers": Metric(
        text="mean number of connected peers per viewer", unit="number", over="peer_seconds", under="viewer_seconds"
    ),
    "swarm": Metric(
        text="mean number of viewers in the swarm", unit="number", over="viewer_seconds", under="swarm_seconds"
    ),
    "bitrate": Metric(
        text="mean bitrate of the played media", unit="rate", over="played_bytes", under="played_seconds"
    ),
    "switches": Metric(text="changes of quality per viewer", unit="number", over="switch_count", under="viewer_count"),
    "zaps": Metric(text="changes of channel per viewer", unit="number", over="zap_count", under="viewer_count"),
    "zap_time": Metric(
        text="mean time from a zap to the first frame", unit="time", over="zap_wait_sum", under="zap_count"
    ),
    "wait": Metric(
        text="mean time from a request to its first byte", unit="time", over="wait_sum", under="transfer_count"
    ),
    "http_wait": Metric(
        text="mean time from an HTTP request to its first byte", unit="time", over="http_wait_sum", under="http_count"
    ),
    "p2p_wait": Metric(
        text="mean time from a request to a peer's first byte", unit="time", over="p2p_wait_sum", under="p2p_count"
    ),
    "http_time": Metric(
        text="mean time from an HTTP request to its last byte", unit="time", over="http_time_sum", under="http_count"
    ),
    "p2p_time": Metric(
        text="mean time from a request to a peer's last byte", unit="time", over="p2p_time_sum", under="p2p_count"
    ),
    "added_wait": Metric(text="time to first byte, from peers minus over HTTP", unit="time", over="added_wait"),
    "added_time": Metric(text="time to last byte, from peers minus over HTTP", unit="time", over="added_time"),
    "fairness": Metric(text="Jain's index of bytes uploaded / bytes downloaded", unit="number", over="fairness"),
    "added_startup": Metric(
        text="start-up time minus that of http-only", unit="time", over="added_startup", paired=True
    ),
    "added_latency": Metric(
        text="distance behind live minus that of http-only", unit="time", over="added_latency", paired=True
    ),
    "added_stall_ratio": Metric(
        text="share of time stalled minus that of http-only", unit="points", over="added_stall_ratio", paired=True
    ),
    "added_switches": Metric(
        text="quality changes per viewer minus http-only's", unit="number", over="added_switches", paired=True
    ),
    "wait_reduction": Metric(
        text="share of time to first byte saved vs http-only",
        unit="share",
        over="wait",
        under="base_wait",
        complement=True,
        paired=True,
    ),
    "startup_reduction": Metric(
        text="share of start-up time saved vs http-only",
        unit="share",
        over="startup",
        under="base_startup",
        complement=True,
        paired=True,
    ),
    "latency_reduction": Metric(
        text="share of distance behind live saved vs http-only",
        unit="share",
        over="latency",
        under="base_latency",
        complement=True,
        paired=True,
    ),
}
"""Stable names; commands and tables use them as keys."""


def described(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table of metrics (columns ``metric`` and ``unit``) in units that people read, with descriptions."""
    texts = [METRICS[name].text for name in table["metric"]]
    return readable_table(table, columns).assign(description=texts)


def metrics(totals: Totals, baseline: Totals | None = None) -> dict[str, float]:
    """Compute all metrics of one run; those against http-only only where the paired `baseline` is given."""
    found = sums(totals, baseline)
    return {name: value(metric, found) for name, metric in METRICS.items() if baseline is not None or not metric.paired}


def value(metric: Metric, found: Sums) -> float:
    """Compute a metric from the sums of one replication."""
    if not metric.under:
        return found[metric.over]
    quotient = _divide(found[metric.over], found[metric.under])
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
        interval = ratio(over, under, level) if metric.under else student(over, level)
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
        if metric.under
        else paired(over, other_over, level)
    )
    return interval.mapped(-1.0) if metric.complement else interval


def _parts(metric: Metric, replications: Sequence[Sums]) -> tuple[list[float], list[float]]:
    over = [found[metric.over] for found in replications]
    return over, [found[metric.under] if metric.under else 1.0 for found in replications]


def sums(totals: Totals, baseline: Totals | None = None) -> dict[str, float]:
    """Add up one replication, and beside it its paired `http-only` run."""
    return _sums(totals) if baseline is None else pair(_sums(totals), _sums(baseline))


def pair(found: Sums, base: Sums) -> dict[str, float]:
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
