"""From what was simulated to the whole audience: rates, savings, bills, each with its interval.

Every number is a function of all replications; its interval is the jackknife's over them. Where swarms are larger than
any that was simulated, the interval is widened by what the number would move if the share of the bytes that the origin
still sends moved once more as much as from the last but one size to the last.
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
from p2psim.analysis.planning.sampling import Flows
from p2psim.analysis.planning.tariff import Delivered, break_even_cdn, break_even_fee
from p2psim.analysis.statistics import Interval, jackknife

__all__ = ["NUMBERS", "Curve", "Evidence", "estimates", "scaled"]

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
"""Name → meaning, unit."""

_KINDS = ("origin", "base", "p2p", "relayed")
_TOTALS, _MANY = 60, 100
_NEVER_BELOW = ("p2p_ratio", "stall_ratio", "base_stall_ratio", "bill", "base_bill")
SLOTS = 288
"""A curve is looked at in so many steps at least, where it is not in five-minute ones."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The whole audience over time, rates in bytes/s; arrays of shape (bins,)."""

    at: Floats
    width: float
    viewers: Floats
    origin: Floats
    base: Floats
    p2p: Floats
    relayed: Floats


@dataclass(frozen=True)
class Evidence:
    """What was simulated of a plan."""

    inputs: Inputs
    sizes: tuple[int, ...]
    swarms: tuple[Flows, ...]
    """Steady states, in the order of `sizes`."""
    event: Flows | None
    scale: float
    """Simulated viewers of the event for each real one."""

    @property
    def replications(self) -> int:
        """How many there are of everything."""
        return len(self.swarms[0].origin)

    @cached_property
    def largest(self) -> float:
        """Viewers of the largest channel at the peak."""
        return float(self.inputs.audience.peak * channel_sizes(self.inputs.audience)[0])

    def ratios(self, name: str, rows: Rows) -> Floats:
        """Bytes of a kind against those that the origin sends without sharing, by size."""
        return np.array([getattr(flows, name)[rows].sum() / flows.base[rows].sum() for flows in self.swarms])

    @property
    def drift(self) -> float:
        """How much the share that the origin still sends moved at the last step of size; 0 if nothing is larger."""
        if self.largest <= self.sizes[-1] or len(self.sizes) < 2:
            return 0.0
        left = self.ratios("origin", np.arange(self.replications))
        return float(abs(left[-1] - left[-2]))

    def _left(self, index: int, rows: Rows) -> dict[str, float]:
        return {"left": float(self.ratios("origin", rows)[index])}

    def table(self) -> pd.DataFrame:
        """Give what the origin still sends by size of the swarm: size, mean, low, high."""
        rows = []
        for index, size in enumerate(self.sizes):
            ends = _jackknifed(partial(self._left, index), self.replications)
            rows.append({"size": size, **ends["left"].to_dict()})
        return pd.DataFrame(rows)


def estimates(evidence: Evidence) -> dict[str, Interval]:
    """Estimate every number of NUMBERS."""
    found = _jackknifed(lambda rows: _numbers(evidence, rows), evidence.replications)
    drift = evidence.drift
    if drift == 0:
        return {name: _possible(name, interval) for name, interval in found.items()}
    every = np.arange(evidence.replications)
    shifted = [_numbers(evidence, every, sign * drift) for sign in (-1, 1)]
    wide = {name: _widened(interval, [each[name] for each in shifted]) for name, interval in found.items()}
    return {name: _possible(name, interval) for name, interval in wide.items()}


def scaled(evidence: Evidence, rows: Rows, shift: float = 0.0) -> Curve:
    """Scale what was simulated, in the replications `rows`, to the whole audience.

    `shift` moves the share that the origin still sends in swarms larger than any that was simulated.
    """
    audience, event = evidence.inputs.audience, evidence.event
    at, width = _bins(evidence)
    viewers = audience.present(at + width / 2)
    per_viewer = _per_viewer(evidence, rows)
    found = {}
    for name, alone in (("origin", 1.0), ("p2p", 0.0), ("relayed", 0.0)):
        ratio = _by_size(evidence, name, alone, rows, shift if name == "origin" else 0.0)
        here = _line_up(ratio, audience, viewers, alone)
        if event is not None:
            simulated = event.viewer_seconds[rows].mean(axis=0) / min(BILLED_BIN, audience.seconds)
            here = _corrected(here, ratio(simulated), event, name, rows)
        found[name] = viewers * here * per_viewer
    return Curve(at, width, viewers, found["origin"], viewers * per_viewer, found["p2p"], found["relayed"])


def _bins(evidence: Evidence) -> tuple[Floats, float]:
    audience = evidence.inputs.audience
    if audience.is_constant:
        return np.zeros(1), BILLED_BIN
    if evidence.event is not None:
        return evidence.event.at, BILLED_BIN
    width = BILLED_BIN / np.ceil(max(1.0, BILLED_BIN * SLOTS / audience.seconds))  # whole ones in five minutes
    return np.arange(int(audience.seconds // width), dtype=float) * width, float(width)


def _per_viewer(evidence: Evidence, rows: Rows) -> Floats:
    """Rate of the origin for each viewer without sharing."""
    flows = evidence.event if evidence.event is not None else evidence.swarms[-1]
    seconds, base = flows.viewer_seconds[rows].sum(axis=0), flows.base[rows].sum(axis=0)
    found: Floats = np.divide(base, seconds, out=np.zeros_like(base), where=seconds > 0)
    return found


class _BySize:
    """A share of the bytes against the size of the swarm: a line over its logarithm, known for a viewer alone."""

    def __init__(self, sizes: Sequence[int], shares: Floats, alone: float, shift: float) -> None:
        self._log, self._shares = np.log([1, *sizes]), np.array([alone, *shares])
        self._largest, self._shift = sizes[-1], shift

    def __call__(self, sizes: Floats) -> Floats:
        found: Floats = np.interp(np.log(np.maximum(sizes, 1.0)), self._log, self._shares)
        return found + np.where(sizes > self._largest, self._shift, 0.0)


def _by_size(evidence: Evidence, name: str, alone: float, rows: Rows, shift: float) -> _BySize:
    return _BySize(evidence.sizes, evidence.ratios(name, rows), alone, shift)


def _line_up(ratio: _BySize, audience: Audience, viewers: Floats, alone: float) -> Floats:
    """Average a share over the viewers of all channels, for each size of the audience."""
    if audience.channels == 1:
        return ratio(viewers)
    shares = channel_sizes(audience)
    least, most = max(viewers.min(), 1e-3), max(viewers.max(), 1e-3)
    totals = np.geomspace(least, most, _TOTALS if most > least else 1)
    seen = np.array([shares @ _poisson(ratio, total * shares, alone) for total in totals])
    return np.asarray(np.interp(np.log(np.maximum(viewers, least)), np.log(totals), seen), float)


def _poisson(ratio: _BySize, sizes: Floats, alone: float) -> Floats:
    """Average over the viewers of a channel that has a Poisson number of them: with few, that matters."""
    from scipy.stats import poisson

    numbers = np.arange(0, 2 * _MANY)
    seen = np.concatenate([[alone], ratio(numbers[1:].astype(float))])
    small = sizes < _MANY
    # of the viewers, those who are k together: k P(k) / mean, which is the chance of k - 1 others
    chances = poisson.pmf(numbers[None, :] - 1, sizes[small][:, None])
    found = ratio(sizes)
    found[small] = chances @ seen / chances.sum(axis=1)
    return found


def _corrected(here: Floats, simulated: Floats, event: Flows, name: str, rows: Rows) -> Floats:
    """Take each bin's share from the event itself, corrected for the size of the swarms it is read for."""
    over, under = getattr(event, name)[rows].sum(axis=0), event.base[rows].sum(axis=0)
    seen = np.divide(over, under, out=np.zeros_like(over), where=under > 0)
    factor = np.divide(here, simulated, out=np.ones_like(here), where=simulated > 0)
    found: Floats = seen * factor
    return found


def _numbers(evidence: Evidence, rows: Rows, shift: float = 0.0) -> dict[str, float]:
    curve, inputs = scaled(evidence, rows, shift), evidence.inputs
    seconds, times = inputs.seconds, inputs.seconds / (len(curve.at) * curve.width)
    hours = float(curve.viewers.mean()) * seconds / 3600
    total = {name: float(getattr(curve, name).sum()) * curve.width * times for name in _KINDS}
    with_ = Delivered(
        origin=total["origin"],
        p2p=total["p2p"],
        relayed=total["relayed"],
        p95=_p95(curve, curve.origin),
        viewer_hours=hours,
    )
    without = Delivered(origin=total["base"], p2p=0.0, relayed=0.0, p95=_p95(curve, curve.base), viewer_hours=hours)
    at = inputs.tariff
    bill, base_bill = at.cdn(with_) + at.sharing(with_), at.cdn(without)
    peak = _five_minutes(curve, curve.origin).max()
    return {
        "origin_saving": 1 - _divide(total["origin"], total["base"]),
        "origin_saving_p95": 1 - _divide(with_.p95, without.p95),
        "origin_rate": float(curve.origin.mean()),
        "origin_rate_peak": float(peak),
        "origin_rate_p95": with_.p95,
        "base_rate": float(curve.base.mean()),
        "base_rate_peak": float(_five_minutes(curve, curve.base).max()),
        "base_rate_p95": without.p95,
        "p2p_ratio": _divide(total["p2p"], total["p2p"] + total["origin"]),
        **_stalls(evidence, rows),
        "p2p_bytes": with_.p2p,
        "relay_bytes": with_.relayed,
        "origin_bytes": with_.origin,
        "base_bytes": without.origin,
        "viewers_per_gbit": _divide(inputs.audience.peak * 1e9 / 8, float(peak)),
        "bill": bill,
        "base_bill": base_bill,
        "bill_saved": base_bill - bill,
        "bill_saving": 1 - _divide(bill, base_bill),
        "break_even_price": break_even_cdn(at, without, with_),
        "break_even_fee": break_even_fee(at, without, with_),
    }


def _stalls(evidence: Evidence, rows: Rows) -> dict[str, float]:
    flows = evidence.event if evidence.event is not None else evidence.swarms[-1]
    seconds = flows.viewer_seconds[rows].sum()
    found = {"stall_ratio": flows.stalled, "base_stall_ratio": flows.base_stalled}
    return {name: float(stalled[rows].sum() / seconds) for name, stalled in found.items()}


def _five_minutes(curve: Curve, rates: Floats) -> Floats:
    """Average over five minutes, where bins are narrower."""
    each = max(1, round(BILLED_BIN / curve.width))
    whole = len(rates) // each
    found: Floats = rates[: whole * each].reshape(whole, each).mean(axis=1) if whole else rates.mean(keepdims=True)
    return found


def _p95(curve: Curve, rates: Floats) -> float:
    """95th percentile as it is billed: the nearest rank of five-minute rates."""
    return float(np.quantile(_five_minutes(curve, rates), 0.95, method="inverted_cdf"))


def _jackknifed(numbers: Callable[[Rows], dict[str, float]], replications: int) -> dict[str, Interval]:
    every = np.arange(replications)
    whole = numbers(every)
    if replications < 2:
        return {name: Interval(found) for name, found in whole.items()}
    without = [numbers(np.delete(every, out)) for out in every]
    return {name: _interval(found, np.array([each[name] for each in without])) for name, found in whole.items()}


def _interval(whole: float, without: Floats) -> Interval:
    if not np.isfinite([whole, *without]).all():
        return Interval(whole)
    return jackknife(whole, without)


def _widened(interval: Interval, shifted: Sequence[float]) -> Interval:
    reach = max(abs(each - interval.mean) for each in shifted)
    if not np.isfinite([interval.low, interval.high, reach]).all():
        return interval
    return Interval(interval.mean, interval.low - reach, interval.high + reach, interval.error, interval.freedom)


def _possible(name: str, interval: Interval) -> Interval:
    """Cut off what no such number can be: from few replications intervals are wide."""
    unit = NUMBERS[name][1]
    least = 0.0 if unit in ("rate", "size", "number") or name in _NEVER_BELOW else -np.inf
    return interval.clipped(least, 1.0 if unit == "share" else np.inf)


def _divide(over: float, under: float) -> float:
    return over / under if under else float("nan")
