"""Metrics of a run, each with one definition, computed from the totals of simulated and measured runs alike.

Over replications, a ratio is a ratio of totals, never a mean of ratios. The warm-up of the scenario is excluded: totals
of viewers begin after it, and of the timeline only the rest counts. Start-up metrics are those of the viewers who
joined after the warm-up, or of all viewers if nobody did.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

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
    "metric_value",
    "metrics",
    "percentile_rate",
    "sums",
    "with_baseline",
]

Sums = Mapping[str, float]
"""Totals of one replication by name; every metric is a value or a ratio of them. Totals of the paired `http-only` run
have the prefix ``base_``."""

BILLED_BIN = 300.0
"""Seconds of a bin: transit is billed by the 95th percentile of five-minute rates."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Definition of a metric: ``numerator / denominator``, its complement to 1, or `numerator` itself."""

    text: str
    """Definition in words that are understandable alone; fewer than 50 characters, which pandas shows whole."""
    unit: str
    """share, points, rate, size, time, count or number."""
    numerator: str
    denominator: str = ""
    _: KW_ONLY
    complement: bool = False
    paired: bool = False
    """True if the metric needs the paired `http-only` run."""


METRICS: Mapping[str, Metric] = {
    "p2p_ratio": Metric("share of media bytes that came from peers", "share", "p2p_bytes", "media_bytes"),
    "offload": Metric(
        "1 - bytes sent by the origin / bytes played", "share", "origin_bytes", "played_bytes", complement=True
    ),
    "origin_saving": Metric(
        "share of origin bytes saved against http-only",
        "share",
        "origin_bytes",
        "base_origin_bytes",
        complement=True,
        paired=True,
    ),
    "origin_left": Metric(
        "origin bytes sent, relative to http-only", "share", "origin_bytes", "base_origin_bytes", paired=True
    ),
    "origin_saving_p95": Metric(
        "share of p95 origin rate saved against http-only",
        "share",
        "origin_rate_p95",
        "base_origin_rate_p95",
        complement=True,
        paired=True,
    ),
    "origin_rate": Metric("mean rate of the origin", "rate", "origin_bytes", "seconds"),
    "origin_rate_p95": Metric("95th percentile of the origin's rate", "rate", "origin_rate_p95"),
    "origin_rate_bin": Metric("width of the bins of origin_rate_p95", "time", "origin_rate_bin"),
    "relay_bytes": Metric("media bytes received through relays", "size", "relay_bytes"),
    "far_share": Metric("share of peer-to-peer bytes that crossed regions", "share", "far_bytes", "p2p_bytes"),
    "cache_hits": Metric(
        "share of bytes from CDN edges that were cached", "share", "fill_bytes", "edge_bytes", complement=True
    ),
    "second_share": Metric("share of HTTP bytes sent by the second CDN", "share", "second_bytes", "http_bytes"),
    "wasted_bytes": Metric("bytes received and never played", "size", "wasted_bytes"),
    "wasted_http": Metric("bytes received over HTTP and never played", "size", "wasted_http"),
    "wasted_p2p": Metric("bytes received from peers and never played", "size", "wasted_p2p"),
    "stall_ratio": Metric("share of the viewing time spent in stalls", "share", "stalled_seconds", "viewer_seconds"),
    "stalls": Metric("stalls per viewer", "number", "stall_count", "viewer_count"),
    "poisoned": Metric("invalid segments played per viewer", "number", "poisoned_segments", "viewer_count"),
    "started": Metric("share of viewers who saw a first frame", "share", "startup_count", "joined_count"),
    "startup": Metric("time from joining to the first frame, mean", "time", "startup_sum", "startup_count"),
    "startup_p95": Metric("p95 of the time from joining to the first frame", "time", "startup_p95"),
    "latency": Metric("live latency while playing, mean", "time", "latency_sum", "latency_weight"),
    "peers": Metric("connected peers per viewer, mean over time", "number", "peer_seconds", "viewer_seconds"),
    "swarm": Metric("viewers in the swarm, mean over time", "number", "viewer_seconds", "swarm_seconds"),
    "bitrate": Metric("bitrate played, mean", "rate", "played_bytes", "played_seconds"),
    "switches": Metric("changes of quality per viewer", "number", "switch_count", "viewer_count"),
    "zaps": Metric("changes of channel per viewer", "number", "zap_count", "viewer_count"),
    "zap_time": Metric("time from a zap to the first frame, mean", "time", "zap_wait_sum", "zap_count"),
    "wait": Metric("time from request to first byte, mean", "time", "wait_sum", "transfer_count"),
    "http_wait": Metric("time from request to first byte over HTTP, mean", "time", "http_wait_sum", "http_count"),
    "p2p_wait": Metric("time from request to first byte from peers, mean", "time", "p2p_wait_sum", "p2p_count"),
    "http_time": Metric("time from request to last byte over HTTP, mean", "time", "http_time_sum", "http_count"),
    "p2p_time": Metric("time from request to last byte from peers, mean", "time", "p2p_time_sum", "p2p_count"),
    "added_wait": Metric("time to first byte, from peers minus over HTTP", "time", "added_wait"),
    "added_time": Metric("time to last byte, from peers minus over HTTP", "time", "added_time"),
    "fairness": Metric("Jain's index of bytes uploaded / bytes downloaded", "number", "fairness"),
    "added_startup": Metric("start-up time minus that of http-only", "time", "added_startup", paired=True),
    "added_latency": Metric("live latency minus that of http-only", "time", "added_latency", paired=True),
    "added_stall_ratio": Metric("stall ratio minus that of http-only", "points", "added_stall_ratio", paired=True),
    "added_switches": Metric("quality changes per viewer minus http-only's", "number", "added_switches", paired=True),
    "wait_reduction": Metric(
        "reduction of time to first byte vs http-only",
        "share",
        "wait",
        "base_wait",
        complement=True,
        paired=True,
    ),
    "startup_reduction": Metric(
        "reduction of start-up time vs http-only",
        "share",
        "startup",
        "base_startup",
        complement=True,
        paired=True,
    ),
    "latency_reduction": Metric(
        "reduction of live latency vs http-only",
        "share",
        "latency",
        "base_latency",
        complement=True,
        paired=True,
    ),
}
"""Metrics by their stable names, which commands and tables use as keys."""


def described(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table of metrics (columns ``metric`` and ``unit``) in units that people read, with descriptions."""
    texts = [METRICS[name].text for name in table["metric"]]
    return readable_table(table, columns).assign(description=texts)


def metrics(totals: Totals, baseline: Totals | None = None) -> dict[str, float]:
    """Return all metrics of one run; those relative to http-only need its paired run as `baseline`."""
    replication = sums(totals, baseline)
    return {
        name: metric_value(metric, replication)
        for name, metric in METRICS.items()
        if baseline is not None or not metric.paired
    }


def metric_value(metric: Metric, replication: Sums) -> float:
    """Return a metric of one replication."""
    if not metric.denominator:
        return replication[metric.numerator]
    quotient = _divide(replication[metric.numerator], replication[metric.denominator])
    return 1 - quotient if metric.complement else quotient


def estimate(
    metric: Metric | str,
    replications: Sequence[Sums],
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Interval:
    """Estimate a metric over replications.

    A ratio of totals has a jackknife interval, another metric one of Student's t; with `rng`, both have a bootstrap
    interval (`p2psim.analysis.statistics.bootstrap_ratio`).
    """
    metric = METRICS[metric] if isinstance(metric, str) else metric
    numerators, denominators = _parts(metric, replications)
    if rng is not None:
        interval = bootstrap_ratio(numerators, denominators, rng, level)
    else:
        interval = ratio(numerators, denominators, level) if metric.denominator else student(numerators, level)
    if metric.complement:
        return interval.mapped(-1.0, 1.0)
    return interval.clipped(0.0, 1.0) if metric.unit == "share" and not metric.paired else interval


def estimate_difference(
    metric: Metric | str, replications: Sequence[Sums], others: Sequence[Sums], level: float = 0.95
) -> Interval:
    """Estimate the difference of a metric between two paired sets of replications, ``replications - others``."""
    metric = METRICS[metric] if isinstance(metric, str) else metric
    numerators, denominators = _parts(metric, replications)
    other_numerators, other_denominators = _parts(metric, others)
    interval = (
        ratio_difference(numerators, denominators, other_numerators, other_denominators, level)
        if metric.denominator
        else paired(numerators, other_numerators, level)
    )
    return interval.mapped(-1.0) if metric.complement else interval


def _parts(metric: Metric, replications: Sequence[Sums]) -> tuple[list[float], list[float]]:
    numerators = [replication[metric.numerator] for replication in replications]
    return numerators, [replication[metric.denominator] if metric.denominator else 1.0 for replication in replications]


def sums(totals: Totals, baseline: Totals | None = None) -> dict[str, float]:
    """Return the totals of one replication, with those of its paired `http-only` run if `baseline` is given."""
    return _sums(totals) if baseline is None else with_baseline(_sums(totals), _sums(baseline))


def with_baseline(run: Sums, baseline: Sums) -> dict[str, float]:
    """Return the totals of a run together with those of its paired `http-only` run and the differences of both."""
    prefixed = {f"base_{name}": number for name, number in baseline.items()}
    added = {f"added_{name}": run[name] - baseline[name] for name in ("startup", "latency", "stall_ratio", "switches")}
    return {**run, **prefixed, **added}


def percentile_rate(timeline: pd.DataFrame, column: str = "origin", quantile: float = 0.95) -> tuple[float, float]:
    """Return the percentile of binned rates as it is billed (nearest rank), and the width of the bins in seconds.

    Bins are five minutes wide; in runs shorter than 25 minutes a twentieth of the run, in whole seconds.
    """
    amounts = timeline[column].to_numpy(float)
    span = len(amounts) * BIN
    width = BILLED_BIN if span >= 5 * BILLED_BIN else max(1.0, span // 20)
    per_bin = int(width / BIN)
    bin_bytes = amounts[: len(amounts) // per_bin * per_bin].reshape(-1, per_bin).sum(axis=1)
    return float(np.quantile(bin_bytes, quantile, method="inverted_cdf")) / width, width


def jain(shares: pd.Series) -> float:
    """Return Jain's fairness index: 1 for equal shares, 1/n if one of n has everything, NaN if nobody has anything."""
    x = shares.to_numpy(float)
    return _divide(float(x.sum()) ** 2, len(x) * float((x**2).sum()))


def _sums(totals: Totals) -> dict[str, float]:
    warmup = totals.scenario.warmup
    timeline = totals.timeline[totals.timeline["at"] >= warmup]
    viewers = totals.viewers[totals.viewers["watched"] > 0]
    joined_late = viewers[viewers["joined_at"] >= warmup]
    result = (
        _flows(timeline) | _delivery(totals, timeline) | _audience(timeline) | _experience(viewers) | _waits(viewers)
    )
    result |= _beginning(joined_late if len(joined_late) else viewers)
    result["stall_ratio"] = _divide(result["stalled_seconds"], result["viewer_seconds"])
    result["switches"] = _divide(result["switch_count"], result["viewer_count"])
    given = viewers["bytes_uploaded"] / (viewers["bytes_http"] + viewers["bytes_p2p"]).clip(lower=1.0)
    result["fairness"] = jain(given)
    return result


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
    showing = viewers[viewers["latency"].notna()]
    latency, weight = float((showing["latency"] * showing["played"]).sum()), float(showing["played"].sum())
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
    waits = {}
    for source in ("http", "p2p"):
        waits[f"{source}_count"] = float(viewers[f"{source}_transfers"].sum())
        waits[f"{source}_wait_sum"] = float(viewers[f"{source}_wait"].sum())
        waits[f"{source}_time_sum"] = float(viewers[f"{source}_time"].sum())
    waits["wait_sum"] = waits["http_wait_sum"] + waits["p2p_wait_sum"]
    waits["transfer_count"] = waits["http_count"] + waits["p2p_count"]
    waits["wait"] = _divide(waits["wait_sum"], waits["transfer_count"])
    for kind in ("wait", "time"):
        http, p2p = (_divide(waits[f"{s}_{kind}_sum"], waits[f"{s}_count"]) for s in ("http", "p2p"))
        waits[f"added_{kind}"] = p2p - http
    return waits


def _divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
