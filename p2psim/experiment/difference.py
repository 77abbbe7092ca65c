"""Paired differences of two scenarios, with the same viewers in both (common random numbers)."""

from pathlib import Path

import pandas as pd

from p2psim.analysis.metrics import METRICS, described, estimate_difference
from p2psim.analysis.statistics import Interval
from p2psim.errors import InputError, one_of
from p2psim.experiment.results import Results, simulate
from p2psim.scenario import Scenario

__all__ = ["difference", "differences"]

Compared = Results | Scenario | str | Path


def difference(
    a: Compared, b: Compared, metric: str = "p2p_ratio", *, replications: int = 10, seed: int = 1
) -> Interval:
    """Return ``a - b`` of a metric with its 95 % interval, in canonical units.

    Replication *i* of both has the same seed, so both see the same viewers as far as the scenarios agree, and their
    common randomness cancels.

    Parameters
    ----------
    a, b
        Results of the same seed and as many replications, or scenarios, which are simulated.

    Raises
    ------
    InputError
        For results that do not belong together, or a metric that is not known.
    """
    one_of("metric", metric, METRICS)
    one, other = _paired(a, b, replications, seed)
    is_paired = METRICS[metric].paired
    return estimate_difference(metric, one.sums(is_paired), other.sums(is_paired))


def differences(
    a: Compared, b: Compared, *, replications: int = 10, seed: int = 1, baseline: bool = False, raw: bool = False
) -> pd.DataFrame:
    """Return the difference of every metric with its 95 % interval.

    Columns metric, a, b, difference, low, high, unit, description, as in `Results.summary`; differences of shares (%)
    are percentage points. With `raw`: unrounded numbers in canonical units, without description.
    """
    one, other = _paired(a, b, replications, seed)
    sums, others = one.sums(baseline), other.sums(baseline)
    rows = []
    for name, metric in METRICS.items():
        if baseline or not metric.paired:
            gap = estimate_difference(metric, sums, others)
            values = {"a": one.interval(name).mean, "b": other.interval(name).mean, "difference": gap.mean}
            rows.append({"metric": name, **values, "low": gap.low, "high": gap.high, "unit": metric.unit})
    table = pd.DataFrame(rows)
    return table if raw else described(table, ["a", "b", "difference", "low", "high"])


def _paired(a: Compared, b: Compared, replications: int, seed: int) -> tuple[Results, Results]:
    known = next((each for each in (a, b) if isinstance(each, Results)), None)
    count, root = (replications, seed) if known is None else (len(known.runs), known.seed)
    one, other = (
        each if isinstance(each, Results) else simulate(each, count, root, progress=known is None or known.progress)
        for each in (a, b)
    )
    if (one.seed, len(one.runs)) != (other.seed, len(other.runs)):
        raise InputError(
            f"{len(one.runs)} replications of seed {one.seed} against {len(other.runs)} of seed {other.seed}: "
            "only the same number of replications of the same seed can be paired"
        )
    return one, other
