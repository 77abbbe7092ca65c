"""Estimation of network parameters from observations, each with an interval or the reason why it is not identified.

A parameter is estimated only if the observations separate it from the others. Intervals are from the bootstrap over
runs; with fewer than five runs, over the viewers of all runs, which ignores differences between runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from p2psim.analysis.calibration.observation import Observed
from p2psim.analysis.statistics import FEW, Interval
from p2psim.scenario import Network

__all__ = ["FITTED", "Estimate", "identify", "overhead_estimates", "overheads"]

FITTED = (
    "goodput", "request", "http_request", "window", "channel_rate", "gather", "handshake", "handshake_trips",
    "relay_setup",
)  # fmt: skip
"""Fields of the section `network` that are fitted; the round-trip time is set by the scenario."""

_RESAMPLES = 200
_LEAST_ROWS = 5
_JITTER = 0.02
"""Seconds of delay by a busy processor; larger residuals count linearly (Huber loss)."""
_SPREAD = 0.1
"""Relative spread of the link times above which their slope can be separated from the constant overhead."""
_ROUND_TRIPS = 0.01
"""Range of the round-trip times in seconds above which a slope over them can be estimated."""
_WIDEST = 0.1
"""Half-width of the interval of the goodput up to which the estimate is used."""
_TRIMMED = 0.05
"""Share of the values cut at each end of a trimmed mean."""
Floats = NDArray[np.float64]
_DEFAULT = Network()


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimate of a parameter of the section `network`, with the way it was found or why it was not."""

    name: str
    interval: Interval
    how: str
    identified: bool = True

    @property
    def default(self) -> float:
        """Default value of the parameter in a scenario."""
        return float(getattr(_DEFAULT, self.name))

    @property
    def value(self) -> float | None:
        """Estimated value; None if the traces do not identify it."""
        return self.interval.mean if self.identified else None


def identify(observed: Observed, rng: np.random.Generator) -> dict[str, Estimate]:
    """Return an estimate for every name of `FITTED`."""
    pairs = observed.connections
    estimates = _of_transfers(observed.transfers, rng) | _of_connections(pairs[~pairs["relayed"]], rng)
    estimates |= _of_relays(pairs, rng)
    return {name: estimates[name] for name in FITTED}


def overheads(transfers: pd.DataFrame, goodput: float) -> dict[str, float]:
    """Return `request` and `http_request` for a given goodput, for the sources with enough transfers."""
    overhead = transfers["time"] - transfers["link"] / goodput
    fields = {}
    for source, name in (("p2p", "request"), ("http", "http_request")):
        rows = overhead[transfers["source"] == source]
        if len(rows) >= _LEAST_ROWS:
            fields[name] = max(0.0, _typical(rows))
    return fields


def overhead_estimates(transfers: pd.DataFrame, goodput: float, rng: np.random.Generator) -> dict[str, Estimate]:
    """Return the `overheads` with their intervals, which ignore the uncertainty of the goodput."""
    whole = overheads(transfers, goodput)
    drawn = pd.DataFrame([overheads(transfers.iloc[rows], goodput) for rows in _resampled(transfers, rng)])
    return {
        name: Estimate(name, _interval(value, drawn[name].to_numpy(float)), _basis(transfers, "constant overhead"))
        for name, value in whole.items()
    }


@dataclass(frozen=True, slots=True)
class _Design:
    """Transfers as arrays, with the model ``time = request or http_request + max(link / goodput, crossing / cap)``."""

    time: Floats
    link: Floats
    crossing: Floats
    http: NDArray[np.bool_]

    def part(self, rows: NDArray[np.intp]) -> "_Design":
        return _Design(self.time[rows], self.link[rows], self.crossing[rows], self.http[rows])

    def held(self, p: Floats) -> NDArray[np.bool_]:
        """Return which transfers are limited by the cap."""
        limited: NDArray[np.bool_] = p[3] * self.crossing > p[2] * self.link
        return limited

    def residuals(self, p: Floats) -> Floats:
        differences: Floats = (
            np.where(self.http, p[1], p[0]) + np.maximum(p[2] * self.link, p[3] * self.crossing) - self.time
        )
        return differences

    def jacobian(self, p: Floats) -> Floats:
        limited = self.held(p)
        columns = ~self.http, self.http, np.where(limited, 0.0, self.link), np.where(limited, self.crossing, 0.0)
        return np.column_stack([np.asarray(column, float) for column in columns])


@dataclass(frozen=True, slots=True)
class _Fit:
    """Fitted parameters (request, http_request, 1 / goodput, 1 / cap) and their Huber cost."""

    p: Floats
    cost: float


def _fit(design: _Design, start: Floats, capped: bool) -> _Fit:
    """Fit the model by least squares; without `capped`, the inverse of the cap stays 0."""
    most = [np.inf, np.inf, 10.0, np.inf if capped else 1e-30]
    scale = [0.01, 0.01, 1.0, max(float(start[3]), 1e-12)]
    solution = optimize.least_squares(
        design.residuals, np.clip(start, [0, 0, 1, 0], most), jac=design.jacobian, bounds=([0.0, 0.0, 1.0, 0.0], most),
        loss="huber", f_scale=_JITTER, x_scale=scale, method="dogbox", xtol=1e-9, ftol=1e-9, gtol=1e-9,
    )  # fmt: skip
    return _Fit(np.asarray(solution.x, float), float(solution.cost))


def _of_transfers(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Estimate]:
    count = {source: int((rows["source"] == source).sum()) for source in ("p2p", "http")}
    if max(count.values()) < _LEAST_ROWS:
        why = "too few transfers without competition"
        return {name: _unknown(name, why) for name in FITTED[:5]}
    plain = _fit(_design(rows, np.zeros(len(rows))), np.array([0.0, 0.0, 1 / _DEFAULT.goodput, 0.0]), capped=False)
    cap, design, best = _capped(rows, plain)
    drawn = np.array([_fit(design.part(r), best.p, bool(cap)).p for r in _resampled(rows, rng)])
    with np.errstate(divide="ignore"):
        goodput = Estimate(
            "goodput", _interval(1 / best.p[2], 1 / drawn[:, 2]), _basis(rows, "slope over the time on the link")
        )
        caps = _interval(1 / best.p[3], 1 / drawn[:, 3]) if cap else Interval(np.nan)
    estimates = {
        "goodput": _if_identified(goodput, design, best),
        "window": _unknown("window", "no transfer was limited by it"),
        "channel_rate": _unknown("channel_rate", "no transfer was limited by it"),
    }
    for index, (source, name) in enumerate((("p2p", "request"), ("http", "http_request"))):
        how = _basis(rows[rows["source"] == source], "constant overhead")
        estimate = Estimate(name, _interval(best.p[index], drawn[:, index]), how)
        if count[source] < _LEAST_ROWS:
            estimate = _unknown(name, "too few transfers without competition")
        elif not estimates["goodput"].identified:
            estimate = _unknown(name, "it cannot be separated from the goodput, which is not identified")
        estimates[name] = estimate
    if cap:
        limited = int(design.held(best.p).sum())
        estimate = Estimate(cap, caps, f"{limited} transfers limited by it")
        estimates[cap] = (
            estimate if limited >= _LEAST_ROWS else _unknown(cap, f"only {limited} transfers were limited by it")
        )
        other = "channel_rate" if cap == "window" else "window"
        estimates[other] = _unknown(other, f"{cap} explains the limited transfers")
    return estimates


def _design(rows: pd.DataFrame, crossing: Floats) -> _Design:
    time, link = (rows[name].to_numpy(float) for name in ("time", "link"))
    http = (rows["source"] == "http").to_numpy(bool)
    return _Design(time, link, np.where(http, 0.0, crossing), http)


def _capped(rows: pd.DataFrame, plain: _Fit) -> tuple[str, _Design, _Fit]:
    """Return the name of the cap on data channels (bytes in flight or a rate; empty: none) with its design and fit."""
    sizes, rtt = rows["bytes"].to_numpy(float), rows["rtt"].to_numpy(float)
    candidates = [("", _design(rows, np.zeros(len(rows))), plain)]
    trips = rtt[(rows["source"] == "p2p").to_numpy()]
    caps = [("channel_rate", sizes)]
    if len(trips) and trips.max() > 1.5 * trips.min():  # at a single round-trip time a window is equivalent to a rate
        caps.append(("window", sizes * rtt))
    for name, crossing in caps:
        design = _design(rows, crossing)
        slow = design.time[design.crossing > 0] / design.crossing[design.crossing > 0]
        if not len(slow):
            continue
        fits = [
            _fit(design, np.array([0.0, 0.0, 1 / _DEFAULT.goodput, np.quantile(slow, q)]), capped=True)
            for q in (0.1, 0.5, 0.9)
        ]
        best = min(fits, key=lambda fit: fit.cost)
        if best.cost * 1.5 + 1e-9 < plain.cost:
            candidates.append((name, design, best))
    return min(candidates, key=lambda candidate: candidate[2].cost)


def _if_identified(estimate: Estimate, design: _Design, fit: _Fit) -> Estimate:
    """Return the goodput if time on the link and constant overhead can be separated; else why not."""
    bound = ~design.held(fit.p)
    spread = [design.link[bound & kind] for kind in (design.http, ~design.http)]
    widest = max((float(x.std() / x.mean()) for x in spread if len(x) >= _LEAST_ROWS and x.mean() > 0), default=0.0)
    if widest < _SPREAD:
        return _unknown("goodput", "all transfers take the same time on their link")
    half = (estimate.interval.high - estimate.interval.low) / 2
    if not half <= _WIDEST:
        return _unknown(
            "goodput", f"its interval is too wide: {estimate.interval.low:.2f} to {estimate.interval.high:.2f}"
        )
    return estimate


def _of_relays(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Estimate]:
    """Estimate the additional time of relayed connections compared with direct ones, from offer to open channel."""

    def additional_time(sample: pd.DataFrame) -> float:
        times = [sample.loc[sample["relayed"] == relayed, "whole"] for relayed in (True, False)]
        return _typical(times[0]) - _typical(times[1]) if min(map(len, times)) else np.nan

    if min(int(rows["relayed"].sum()), int((~rows["relayed"]).sum())) < _LEAST_ROWS:
        return {"relay_setup": _unknown("relay_setup", "too few relayed or too few direct connections")}
    return {
        "relay_setup": _estimate(
            "relay_setup", rows, additional_time, rng, "offer to open channel, minus that of direct ones"
        )
    }


def _of_connections(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Estimate]:
    names = ("gather", "handshake", "handshake_trips")
    if len(rows) < _LEAST_ROWS:
        return {name: _unknown(name, "too few connections opened") for name in names}
    answered = rows[rows["making"].notna()]
    if len(answered) < _LEAST_ROWS:
        return _of_whole(rows, rng)
    gather = _estimate(
        "gather", answered, lambda x: _typical(x["making"]), rng, "offer to answer, minus the trips to the tracker"
    )
    if np.ptp(answered["rtt"]) < _ROUND_TRIPS:
        trips = _DEFAULT.handshake_trips
        handshake = _estimate(
            "handshake", answered, lambda x: _typical(x["opening"] - trips * x["rtt"]), rng, "answer to open channel"
        )
        estimates = [
            gather,
            handshake,
            _unknown("handshake_trips", "all connections had nearly the same round-trip time"),
        ]
    else:
        by_trip: dict[str, Callable[[pd.DataFrame], float]] = {
            "handshake_trips": lambda x: _line(x)[0],
            "handshake": lambda x: _line(x)[1],
        }
        hows = {"handshake_trips": "slope over the round-trip time", "handshake": "answer to open channel"}
        estimates = [gather, *(_estimate(name, answered, rule, rng, hows[name]) for name, rule in by_trip.items())]
    return {estimate.name: estimate for estimate in estimates}


def _of_whole(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Estimate]:
    """Estimate `gather` from whole set-up times, the sum of creating both messages and of the handshake."""
    trips = _DEFAULT.handshake_trips
    rest = _DEFAULT.handshake
    gather = _estimate(
        "gather", rows, lambda x: _typical((x["whole"] - trips * x["rtt"] - rest) / 2), rng,
        "offer to open channel, with the default handshake",
    )  # fmt: skip
    why = "the traces do not record when answers arrived"
    return {"gather": gather} | {name: _unknown(name, why) for name in ("handshake", "handshake_trips")}


def _estimate(
    name: str, rows: pd.DataFrame, rule: Callable[[pd.DataFrame], float], rng: np.random.Generator, how: str
) -> Estimate:
    whole = rule(rows)
    drawn = np.array([rule(rows.iloc[positions]) for positions in _resampled(rows, rng)])
    return Estimate(name, _interval(max(0.0, whole), np.maximum(0.0, drawn)), _basis(rows, how, "connections"))


def _typical(values: "pd.Series[float] | Floats") -> float:
    """Return the trimmed mean; that of scipy takes ten times as long for so few values."""
    x = np.sort(np.asarray(values, float))
    cut = int(_TRIMMED * len(x))
    return float(x[cut : len(x) - cut].mean())


def _line(rows: pd.DataFrame) -> tuple[float, float]:
    """Return slope and intercept of the opening time over the round-trip time, fitted to the trimmed mean at each.

    NaN if there is only one round-trip time.
    """
    rtt, opening = rows["rtt"].to_numpy(float), rows["opening"].to_numpy(float)
    if np.ptp(rtt) < _ROUND_TRIPS:
        return np.nan, np.nan
    trips, counts = np.unique(rtt, return_counts=True)
    means = [_typical(opening[rtt == trip]) for trip in trips]
    slope, rest = np.polyfit(trips, means, 1, w=np.sqrt(counts))
    return float(slope), float(rest)


def _resampled(rows: pd.DataFrame, rng: np.random.Generator) -> "list[NDArray[np.intp]]":
    """Return row positions of bootstrap samples: runs drawn with replacement, or viewers if there are few runs."""
    by: list[str] = ["trace"] if rows["trace"].nunique() >= FEW else ["trace", "viewer"]
    parts = [np.asarray(positions) for positions in rows.groupby(by).indices.values()]
    drawn = rng.integers(0, len(parts), (_RESAMPLES, len(parts)))
    return [np.concatenate([parts[index] for index in sample]) for sample in drawn]


def _interval(estimate: float, drawn: Floats) -> Interval:
    """Return the percentile interval, widened to contain the estimate."""
    good = drawn[np.isfinite(drawn)]
    if len(good) < _RESAMPLES // 2:
        return Interval(float(estimate))
    low, high = np.quantile(good, [0.025, 0.975])
    return Interval(float(estimate), min(float(low), float(estimate)), max(float(high), float(estimate)))


def _basis(rows: pd.DataFrame, how: str, observations: str = "transfers alone on their links") -> str:
    runs = rows["trace"].nunique()
    return f"{how}; {len(rows)} {observations}, {runs} run{'' if runs == 1 else 's'}"


def _unknown(name: str, why: str) -> Estimate:
    return Estimate(name, Interval(float("nan")), f"not identified by these traces: {why}", identified=False)
