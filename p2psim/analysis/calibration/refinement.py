"""Estimation of the goodput by simulating the traces, where transfers without competition do not identify it.

Every value is simulated with the same random numbers. The loss of a trace is the mean over sources of the squared
logarithm of simulated over measured mean transfer time. Times are about inversely proportional to the goodput, so the
loss is nearly a parabola over its logarithm, whose vertex is the estimate; its interval is from the bootstrap over
traces.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from p2psim.analysis.calibration.conditions import NONE
from p2psim.analysis.calibration.identification import Estimate
from p2psim.analysis.comparison.compare import CompareOptions, compare_all
from p2psim.analysis.comparison.result import Comparison
from p2psim.analysis.runs import Runs
from p2psim.analysis.statistics import FEW, Interval
from p2psim.trace import Trace

__all__ = ["refine_goodput", "with_network"]

_VALUES = (0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Values of the goodput that are simulated."""
_RESAMPLES = 500
_FLAT = 1e-3
"""Range of the loss below which it does not identify the goodput: 3 % of the transfer times."""
_WIDEST = 0.1
"""Half-width of the interval up to which the estimate is used."""
Floats = NDArray[np.float64]


def with_network(trace: Trace, values: Mapping[str, float]) -> Trace:
    """Return the trace with a scenario that has these fields of the section `network`, for simulations of it."""
    changes = {f"network.{name}": value for name, value in values.items()}
    return dataclasses.replace(trace, scenario=trace.scenario.replace(changes))


def refine_goodput(
    traces: Sequence[Trace],
    others: Callable[[float], Mapping[str, float]],
    *,
    runs: Runs,
    replications: int,
    seed: int,
    rng: np.random.Generator,
) -> Estimate:
    """Estimate the goodput by simulation; `others` returns the other fields of the network for a goodput."""
    if len(traces) < FEW:
        return _unknown(f"no transfer alone on its link tells it, and a fit by simulation needs {FEW} traces")
    variants = [with_network(trace, {**others(x), "goodput": x}) for x in _VALUES for trace in traces]
    options = CompareOptions(replications=replications, seed=seed, calibration=NONE)
    comparisons = compare_all(variants, options, runs)
    losses = np.array([_loss(comparison) for comparison in comparisons]).reshape(len(_VALUES), len(traces))
    losses = losses[:, np.isfinite(losses).all(axis=0)]
    how = f"transfer times of {losses.shape[1]} traces, simulated with {len(_VALUES)} values"
    if losses.shape[1] < FEW:
        return _unknown(f"fewer than {FEW} traces have transfers")
    if np.ptp(losses.mean(axis=1)) < _FLAT:
        return _unknown("transfer times hardly depend on it")
    samples = rng.integers(0, losses.shape[1], (_RESAMPLES, losses.shape[1]))
    best = _lowest(losses.mean(axis=1))
    low, high = np.quantile([_lowest(losses[:, sample].mean(axis=1)) for sample in samples], [0.025, 0.975])
    interval = Interval(best, min(best, float(low)), max(best, float(high)))
    if high - low > 2 * _WIDEST:
        return _unknown(f"its interval is too wide: {low:.2f} to {high:.2f}")
    return Estimate("goodput", interval, how)


def _unknown(why: str) -> Estimate:
    return Estimate("goodput", Interval(float("nan")), f"not identified by these traces: {why}", identified=False)


def _loss(comparison: Comparison) -> float:
    times = [comparison.differences[f"{source}_time"] for source in ("http", "p2p")]
    logs = [np.log(time.simulated / time.measured) for time in times if time.measured > 0 and time.simulated > 0]
    return float(np.mean(np.square(logs))) if logs else float("nan")


def _lowest(losses: Floats) -> float:
    """Return the vertex of the parabola fitted to the losses over the logarithm of the values, within their range."""
    x = np.log(_VALUES)
    bend, slope, _ = np.polyfit(x, losses, 2)
    if bend <= 0:
        return _VALUES[int(losses.argmin())]
    return float(np.exp(np.clip(-slope / (2 * bend), x[0], x[-1])))
