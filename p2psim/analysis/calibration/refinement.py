"""What transfers alone on their links do not tell, told by all of them: the goodput, by simulating the traces.

Every value is tried with the same randomness (common random numbers). The loss of a trace is the mean over sources of
the squared logarithm of simulated over measured mean transfer time. Times go about inversely with the goodput, so the
loss is near to a parabola over its logarithm, whose vertex is the estimate; it is resampled over the traces.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from p2psim.analysis.calibration.conditions import NONE
from p2psim.analysis.calibration.identification import Estimate
from p2psim.analysis.comparison.compare import Comparison, compare_all
from p2psim.analysis.runs import Runs
from p2psim.analysis.statistics import FEW, Interval
from p2psim.trace import Trace

__all__ = ["refine_goodput", "with_network"]

_VALUES = (0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
_RESAMPLES = 500
_FLAT = 1e-3
"""A curve that rises by less says nothing: 3 % of the transfer times."""
_WIDEST = 0.1
Floats = NDArray[np.float64]


def with_network(trace: Trace, values: Mapping[str, float]) -> Trace:
    """Give a trace whose scenario has these fields of the network, for simulations of what was measured."""
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
    """Fit the goodput by simulation; `others` gives the other fields of the network for a goodput."""
    if len(traces) < FEW:
        return _left_alone(f"no transfer alone on its link tells it, and all of them only from {FEW} traces")
    tried = [with_network(trace, {**others(x), "goodput": x}) for x in _VALUES for trace in traces]
    found = compare_all(tried, replications=replications, seed=seed, runs=runs, calibration=NONE)
    losses = np.array([_loss(each) for each in found]).reshape(len(_VALUES), len(traces))
    losses = losses[:, np.isfinite(losses).all(axis=0)]
    how = f"transfer times of {losses.shape[1]} traces, simulated with {len(_VALUES)} values"
    if losses.shape[1] < FEW:
        return _left_alone(f"fewer than {FEW} traces have transfers")
    if np.ptp(losses.mean(axis=1)) < _FLAT:
        return _left_alone("transfer times hardly depend on it")
    drawn = rng.integers(0, losses.shape[1], (_RESAMPLES, losses.shape[1]))
    best = _lowest(losses.mean(axis=1))
    low, high = np.quantile([_lowest(losses[:, each].mean(axis=1)) for each in drawn], [0.025, 0.975])
    interval = Interval(best, min(best, float(low)), max(best, float(high)))
    if high - low > 2 * _WIDEST:
        return _left_alone(f"its interval is wide: {low:.2f} to {high:.2f}")
    return Estimate("goodput", interval, how)


def _left_alone(why: str) -> Estimate:
    return Estimate("goodput", Interval(float("nan")), f"not identified by these traces: {why}", identified=False)


def _loss(found: Comparison) -> float:
    ratios = [found.differences[f"{source}_time"] for source in ("http", "p2p")]
    logs = [np.log(each.simulated / each.measured) for each in ratios if each.measured > 0 and each.simulated > 0]
    return float(np.mean(np.square(logs))) if logs else float("nan")


def _lowest(losses: Floats) -> float:
    """Vertex of the parabola through the losses over the logarithm of the value, within the values tried."""
    x = np.log(_VALUES)
    bend, slope, _ = np.polyfit(x, losses, 2)
    if bend <= 0:
        return _VALUES[int(losses.argmin())]
    return float(np.exp(np.clip(-slope / (2 * bend), x[0], x[-1])))
