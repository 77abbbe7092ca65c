"""Estimates for the whole audience from simulated swarms: rates, savings and bills, each with its interval.

Every number is a function of all replications, with a jackknife interval. If swarms are larger than any simulated one,
the interval is widened by the change of the number that results if the share of the bytes sent by the origin changes
once more as much as between the two largest simulated sizes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from p2psim.analysis.metrics import BILLED_BIN
from p2psim.analysis.planning.audience import Audience, channel_sizes
from p2psim.analysis.planning.inputs import Inputs
from p2psim.analysis.planning.sampling import Traffic
from p2psim.analysis.planning.tariff import Delivered, break_even_cdn, break_even_fee
from p2psim.analysis.statistics import Interval, jackknife

__all__ = ["NUMBERS", "Curve", "SimulatedPlan", "estimates", "scaled"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

NUMBERS: Mapping[str, tuple[str, str]] = {
    "origin_saving": ("share of the origin's bytes saved by sharing", "share"),
    "origin_saving_p95": ("share of the origin's p95 rate saved by sharing", "share"),
    "origin_rate": ("mean rate of the origin with sharing", "rate"),
    "origin_rate_peak": ("origin's highest 5-minute rate with sharing", "rate"),
    "origin_rate_p95": ("origin's 95th percentile rate with sharing", "rate"),
    "base_rate": ("mean rate of the origin without sharing", "rate"),
    "base_rate_peak": ("origin's highest 5-minute rate without sharing", "rate"),
    "base_rate_p95": ("origin's 95th percentile rate without sharing", "rate"),
    "p2p_bytes": ("bytes from peers in the billed time", "size"),
    "p2p_ratio": ("share of media bytes that came from peers", "share"),
    "stall_ratio": ("share of viewing time stalled with sharing", "share"),
    "base_stall_ratio": ("share of viewing time stalled without sharing", "share"),
    "relay_bytes": ("bytes through TURN relays in the billed time", "size"),
    "origin_bytes": ("origin's bytes in the billed time with sharing", "size"),
    "base_bytes": ("origin's bytes in the billed time without sharing", "size"),
    "viewers_per_gbit": ("viewers per Gbit/s of the origin at the peak", "number"),
    "bill": ("bill with sharing", "money"),
    "base_bill": ("bill without sharing", "money"),
    "bill_saved": ("dollars saved by sharing", "money"),
    "bill_saving": ("share of the bill saved by sharing", "share"),
    "break_even_price": ("CDN price above which sharing pays", "price"),
    "break_even_fee": ("fee per viewer-hour below which sharing pays", "price"),
}
"""Name → definition and unit."""

_KINDS = ("origin", "base", "p2p", "relayed")
_TOTALS, _MANY = 60, 100
_NEVER_BELOW = ("p2p_ratio", "stall_ratio", "base_stall_ratio", "bill", "base_bill")
SLOTS = 288
"""Minimum number of steps of a curve that is shorter than a day."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The whole audience over time; rates in bytes/s, arrays of shape (bins,)."""

    at: Floats
    width: float
    viewers: Floats
    origin: Floats
    base: Floats
    p2p: Floats
    relayed: Floats


@dataclass(frozen=True)
class SimulatedPlan:
    """Simulated traffic of a plan: swarms in steady state and, if it is short enough, the event."""

    inputs: Inputs
    sizes: tuple[int, ...]
    swarms: tuple[Traffic, ...]
    """Traffic in steady state, in the order of `sizes`."""
    event: Traffic | None
    scale: float
    """Simulated viewers of the event per real viewer; 0 without an event."""

    @property
    def replications(self) -> int:
        """Number of replications."""
        return len(self.swarms[0].origin)

    @cached_property
    def largest(self) -> float:
        """Viewers of the largest channel at the peak of the audience."""
        return float(self.inputs.audience.peak * channel_sizes(self.inputs.audience)[0])

    def ratios(self, name: str, rows: Rows) -> Floats:
        """Return bytes of a kind divided by the bytes that the origin sends without sharing, by size of the swarm."""
        return np.array([getattr(traffic, name)[rows].sum() / traffic.base[rows].sum() for traffic in self.swarms])

    @property
    def drift(self) -> float:
        """Change of the share sent by the origin between the two largest sizes; 0 if no swarm is larger than these."""
        if self.largest <= self.sizes[-1] or len(self.sizes) < 2:
            return 0.0
        shares = self.ratios("origin", np.arange(self.replications))
        return float(abs(shares[-1] - shares[-2]))

    def _origin_share(self, index: int, rows: Rows) -> dict[str, float]:
        return {"share": float(self.ratios("origin", rows)[index])}

    def table(self) -> pd.DataFrame:
        """Return the share of the bytes that the origin sends, by size of the swarm: size, mean, low, high."""
        rows = []
        for index, size in enumerate(self.sizes):
            intervals = _jackknifed(partial(self._origin_share, index), self.replications)
            rows.append({"size": size, **intervals["share"].to_dict()})
        return pd.DataFrame(rows)


def estimates(simulated: SimulatedPlan) -> dict[str, Interval]:
    """Return an estimate of every number of `NUMBERS`."""
    intervals = _jackknifed(lambda rows: _numbers(simulated, rows), simulated.replications)
    drift = simulated.drift
    if drift == 0:
        return {name: _possible(name, interval) for name, interval in intervals.items()}
    every = np.arange(simulated.replications)
    shifted = [_numbers(simulated, every, sign * drift) for sign in (-1, 1)]
    wide = {name: _widened(interval, [numbers[name] for numbers in shifted]) for name, interval in intervals.items()}
    return {name: _possible(name, interval) for name, interval in wide.items()}


def scaled(simulated: SimulatedPlan, rows: Rows, shift: float = 0.0) -> Curve:
    """Return the traffic of the whole audience, scaled from the replications `rows`.

    `shift` is added to the share that the origin sends in swarms larger than any simulated one.
    """
    audience, event = simulated.inputs.audience, simulated.event
    at, width = _bins(simulated)
    viewers = audience.present(at + width / 2)
    per_viewer = _per_viewer(simulated, rows)
    rates = {}
    for name, alone in (("origin", 1.0), ("p2p", 0.0), ("relayed", 0.0)):
        by_size = _by_size(simulated, name, alone, rows, shift if name == "origin" else 0.0)
        share = _over_channels(by_size, audience, viewers, alone)
        if event is not None:
            simulated_sizes = event.viewer_seconds[rows].mean(axis=0) / min(BILLED_BIN, audience.seconds)
            share = _corrected(share, by_size(simulated_sizes), event, name, rows)
        rates[name] = viewers * share * per_viewer
    return Curve(at, width, viewers, rates["origin"], viewers * per_viewer, rates["p2p"], rates["relayed"])


def _bins(simulated: SimulatedPlan) -> tuple[Floats, float]:
    audience = simulated.inputs.audience
    if audience.is_constant:
        return np.zeros(1), BILLED_BIN
    if simulated.event is not None:
        return simulated.event.at, BILLED_BIN
    width = BILLED_BIN / np.ceil(max(1.0, BILLED_BIN * SLOTS / audience.seconds))  # five minutes are whole bins
    return np.arange(int(audience.seconds // width), dtype=float) * width, float(width)


def _per_viewer(simulated: SimulatedPlan, rows: Rows) -> Floats:
    """Return the rate of the origin per viewer without sharing, bytes/s."""
    traffic = simulated.event if simulated.event is not None else simulated.swarms[-1]
    seconds, base = traffic.viewer_seconds[rows].sum(axis=0), traffic.base[rows].sum(axis=0)
    rates: Floats = np.divide(base, seconds, out=np.zeros_like(base), where=seconds > 0)
    return rates


class _BySize:
    """Share of the bytes as a function of the size of the swarm: piecewise linear over its logarithm.

    The share of a viewer alone, size 1, is known.
    """

    def __init__(self, sizes: Sequence[int], shares: Floats, alone: float, shift: float) -> None:
        self._log, self._shares = np.log([1, *sizes]), np.array([alone, *shares])
        self._largest, self._shift = sizes[-1], shift

    def __call__(self, sizes: Floats) -> Floats:
        shares: Floats = np.interp(np.log(np.maximum(sizes, 1.0)), self._log, self._shares)
        return shares + np.where(sizes > self._largest, self._shift, 0.0)


def _by_size(simulated: SimulatedPlan, name: str, alone: float, rows: Rows, shift: float) -> _BySize:
    return _BySize(simulated.sizes, simulated.ratios(name, rows), alone, shift)


def _over_channels(by_size: _BySize, audience: Audience, viewers: Floats, alone: float) -> Floats:
    """Return the mean share over the viewers of all channels, for each size of the audience."""
    if audience.channels == 1:
        return by_size(viewers)
    shares = channel_sizes(audience)
    least, most = max(viewers.min(), 1e-3), max(viewers.max(), 1e-3)
    totals = np.geomspace(least, most, _TOTALS if most > least else 1)
    means = np.array([shares @ _poisson(by_size, total * shares, alone) for total in totals])
    return np.asarray(np.interp(np.log(np.maximum(viewers, least)), np.log(totals), means), float)


def _poisson(by_size: _BySize, sizes: Floats, alone: float) -> Floats:
    """Return the mean share over the viewers of channels whose number of viewers is Poisson, with means `sizes`.

    Channels with many viewers are taken at their mean.
    """
    from scipy.stats import poisson

    numbers = np.arange(0, 2 * _MANY)
    shares = np.concatenate([[alone], by_size(numbers[1:].astype(float))])
    small = sizes < _MANY
    # a viewer is in a swarm of k with probability k P(k) / mean, which is the probability of k - 1 others
    chances = poisson.pmf(numbers[None, :] - 1, sizes[small][:, None])
    means = by_size(sizes)
    means[small] = chances @ shares / chances.sum(axis=1)
    return means


def _corrected(expected: Floats, of_simulated: Floats, event: Traffic, name: str, rows: Rows) -> Floats:
    """Return the share of each bin of the event, corrected for the size of its swarms.

    `expected` and `of_simulated` are the shares by size: of the real swarms and of the simulated ones.
    """
    amount, base = getattr(event, name)[rows].sum(axis=0), event.base[rows].sum(axis=0)
    measured = np.divide(amount, base, out=np.zeros_like(amount), where=base > 0)
    factor = np.divide(expected, of_simulated, out=np.ones_like(expected), where=of_simulated > 0)
    corrected: Floats = measured * factor
    return corrected


def _numbers(simulated: SimulatedPlan, rows: Rows, shift: float = 0.0) -> dict[str, float]:
    curve, inputs = scaled(simulated, rows, shift), simulated.inputs
    seconds, times = inputs.seconds, inputs.seconds / (len(curve.at) * curve.width)
    hours = float(curve.viewers.mean()) * seconds / 3600
    total = {name: float(getattr(curve, name).sum()) * curve.width * times for name in _KINDS}
    shared = Delivered(
        origin=total["origin"],
        p2p=total["p2p"],
        relayed=total["relayed"],
        p95=_p95(curve, curve.origin),
        viewer_hours=hours,
    )
    without = Delivered(origin=total["base"], p2p=0.0, relayed=0.0, p95=_p95(curve, curve.base), viewer_hours=hours)
    tariff = inputs.tariff
    bill, base_bill = tariff.cdn(shared) + tariff.sharing(shared), tariff.cdn(without)
    peak = _five_minutes(curve, curve.origin).max()
    return {
        "origin_saving": 1 - _divide(total["origin"], total["base"]),
        "origin_saving_p95": 1 - _divide(shared.p95, without.p95),
        "origin_rate": float(curve.origin.mean()),
        "origin_rate_peak": float(peak),
        "origin_rate_p95": shared.p95,
        "base_rate": float(curve.base.mean()),
        "base_rate_peak": float(_five_minutes(curve, curve.base).max()),
        "base_rate_p95": without.p95,
        "p2p_ratio": _divide(total["p2p"], total["p2p"] + total["origin"]),
        **_stalls(simulated, rows),
        "p2p_bytes": shared.p2p,
        "relay_bytes": shared.relayed,
        "origin_bytes": shared.origin,
        "base_bytes": without.origin,
        "viewers_per_gbit": _divide(inputs.audience.peak * 1e9 / 8, float(peak)),
        "bill": bill,
        "base_bill": base_bill,
        "bill_saved": base_bill - bill,
        "bill_saving": 1 - _divide(bill, base_bill),
        "break_even_price": break_even_cdn(tariff, without, shared),
        "break_even_fee": break_even_fee(tariff, without, shared),
    }


def _stalls(simulated: SimulatedPlan, rows: Rows) -> dict[str, float]:
    traffic = simulated.event if simulated.event is not None else simulated.swarms[-1]
    seconds = traffic.viewer_seconds[rows].sum()
    stalled_seconds = {"stall_ratio": traffic.stalled, "base_stall_ratio": traffic.base_stalled}
    return {name: float(stalled[rows].sum() / seconds) for name, stalled in stalled_seconds.items()}


def _five_minutes(curve: Curve, rates: Floats) -> Floats:
    """Return five-minute means of rates in narrower bins."""
    per_mean = max(1, round(BILLED_BIN / curve.width))
    count = len(rates) // per_mean
    if count == 0:
        return np.asarray(rates.mean(keepdims=True), float)
    return np.asarray(rates[: count * per_mean].reshape(count, per_mean).mean(axis=1), float)


def _p95(curve: Curve, rates: Floats) -> float:
    """Return the 95th percentile as it is billed: the nearest rank of five-minute rates."""
    return float(np.quantile(_five_minutes(curve, rates), 0.95, method="inverted_cdf"))


def _jackknifed(numbers: Callable[[Rows], dict[str, float]], replications: int) -> dict[str, Interval]:
    every = np.arange(replications)
    whole = numbers(every)
    if replications < 2:
        return {name: Interval(value) for name, value in whole.items()}
    without = [numbers(np.delete(every, out)) for out in every]
    return {name: _interval(value, np.array([each[name] for each in without])) for name, value in whole.items()}


def _interval(whole: float, without: Floats) -> Interval:
    if not np.isfinite([whole, *without]).all():
        return Interval(whole)
    return jackknife(whole, without)


def _widened(interval: Interval, shifted: Sequence[float]) -> Interval:
    margin = max(abs(value - interval.mean) for value in shifted)
    if not np.isfinite([interval.low, interval.high, margin]).all():
        return interval
    return Interval(interval.mean, interval.low - margin, interval.high + margin, interval.error, interval.freedom)


def _possible(name: str, interval: Interval) -> Interval:
    """Return the interval cut to possible values: with few replications, intervals are wide."""
    unit = NUMBERS[name][1]
    least = 0.0 if unit in ("rate", "size", "number") or name in _NEVER_BELOW else -np.inf
    return interval.clipped(least, 1.0 if unit == "share" else np.inf)


def _divide(over: float, under: float) -> float:
    return over / under if under else float("nan")
