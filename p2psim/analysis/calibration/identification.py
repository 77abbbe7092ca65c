"""From what was observed to parameters of the network: closed estimates, each with its interval, or why there is none.

A parameter is estimated where the rows hold it apart from the others, and left alone elsewhere. Intervals are of the
bootstrap over runs, or where these are fewer than five over the viewers of all runs, which tells nothing of how runs
differ.
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
"""Fields of the section `network` that are fitted; the round trip is what the scenario asks for."""

_RESAMPLES = 200
_LEAST_ROWS = 5
_JITTER = 0.02
"""Seconds by which a busy processor may be late; what lies further off counts linearly (Huber)."""
_SPREAD = 0.1
"""Relative spread of the times on the link from which their slope can be told from what comes on top."""
_ROUND_TRIPS = 0.01
"""Seconds between round trips from which the slope over them can be told."""
_WIDEST = 0.1
"""Half-width of an interval of the goodput that says something."""
_TRIMMED = 0.05
Floats = NDArray[np.float64]
_DEFAULT = Network()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A parameter of the section `network`; `value` is None where the traces do not tell it."""

    name: str
    interval: Interval
    how: str
    identified: bool = True

    @property
    def default(self) -> float:
        """What the model has unless a scenario says otherwise."""
        return float(getattr(_DEFAULT, self.name))

    @property
    def value(self) -> float | None:
        """What to use, None: leave it."""
        return self.interval.mean if self.identified else None


def identify(observed: Observed, rng: np.random.Generator) -> dict[str, Estimate]:
    """Estimate what the rows hold apart; every name of `FITTED` is in the result."""
    pairs = observed.connections
    found = _of_transfers(observed.transfers, rng) | _of_connections(pairs[~pairs["relayed"]], rng)
    found |= _of_relays(pairs, rng)
    return {name: found[name] for name in FITTED}


def overheads(transfers: pd.DataFrame, goodput: float) -> dict[str, float]:
    """Give `request` and `http_request` as they are if the goodput is this, of those sources that have rows."""
    over = transfers["time"] - transfers["link"] / goodput
    found = {}
    for source, name in (("p2p", "request"), ("http", "http_request")):
        rows = over[transfers["source"] == source]
        if len(rows) >= _LEAST_ROWS:
            found[name] = max(0.0, _typical(rows))
    return found


def overhead_estimates(transfers: pd.DataFrame, goodput: float, rng: np.random.Generator) -> dict[str, Estimate]:
    """Give `overheads` with their intervals; how well the goodput is known is not in them."""
    whole = overheads(transfers, goodput)
    drawn = pd.DataFrame([overheads(transfers.iloc[rows], goodput) for rows in _resampled(transfers, rng)])
    return {
        name: Estimate(name, _interval(value, drawn[name].to_numpy(float)), _said(transfers, "what comes on top"))
        for name, value in whole.items()
    }


@dataclass(frozen=True, slots=True)
class _Design:
    """Transfers as arrays: ``time = request or http_request + max(link / goodput, crossing / cap)``."""

    time: Floats
    link: Floats
    crossing: Floats
    http: NDArray[np.bool_]

    def part(self, rows: NDArray[np.intp]) -> "_Design":
        return _Design(self.time[rows], self.link[rows], self.crossing[rows], self.http[rows])

    def held(self, p: Floats) -> NDArray[np.bool_]:
        """Mark transfers that the cap holds back."""
        found: NDArray[np.bool_] = p[3] * self.crossing > p[2] * self.link
        return found

    def residuals(self, p: Floats) -> Floats:
        found: Floats = np.where(self.http, p[1], p[0]) + np.maximum(p[2] * self.link, p[3] * self.crossing) - self.time
        return found

    def jacobian(self, p: Floats) -> Floats:
        held = self.held(p)
        columns = ~self.http, self.http, np.where(held, 0.0, self.link), np.where(held, self.crossing, 0.0)
        return np.column_stack([np.asarray(column, float) for column in columns])


@dataclass(frozen=True, slots=True)
class _Fit:
    """Parameters (request, http_request, 1 / goodput, 1 / cap) and their Huber cost."""

    p: Floats
    cost: float


def _fit(design: _Design, start: Floats, capped: bool) -> _Fit:
    """Fit by scipy; without `capped` the cap's inverse stays 0."""
    most = [np.inf, np.inf, 10.0, np.inf if capped else 1e-30]
    scale = [0.01, 0.01, 1.0, max(float(start[3]), 1e-12)]
    found = optimize.least_squares(
        design.residuals, np.clip(start, [0, 0, 1, 0], most), jac=design.jacobian, bounds=([0.0, 0.0, 1.0, 0.0], most),
        loss="huber", f_scale=_JITTER, x_scale=scale, method="dogbox", xtol=1e-9, ftol=1e-9, gtol=1e-9,
    )  # fmt: skip
    return _Fit(np.asarray(found.x, float), float(found.cost))


def _of_transfers(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Estimate]:
    count = {source: int((rows["source"] == source).sum()) for source in ("p2p", "http")}
    if max(count.values()) < _LEAST_ROWS:
        why = "too few transfers that nothing else held back"
        return {name: _unknown(name, why) for name in FITTED[:5]}
    plain = _fit(_design(rows, np.zeros(len(rows))), np.array([0.0, 0.0, 1 / _DEFAULT.goodput, 0.0]), capped=False)
    cap, design, best = _capped(rows, plain)
    drawn = np.array([_fit(design.part(r), best.p, bool(cap)).p for r in _resampled(rows, rng)])
    with np.errstate(divide="ignore"):
        goodput = Estimate(
            "goodput", _interval(1 / best.p[2], 1 / drawn[:, 2]), _said(rows, "slope over the link's time")
        )
        caps = _interval(1 / best.p[3], 1 / drawn[:, 3]) if cap else Interval(np.nan)
    found = {
        "goodput": _if_told(goodput, design, best),
        "window": _unknown("window", "no transfer was held back by it"),
        "channel_rate": _unknown("channel_rate", "no transfer was held back by it"),
    }
    for index, (source, name) in enumerate((("p2p", "request"), ("http", "http_request"))):
        how = _said(rows[rows["source"] == source], "what comes on top")
        estimate = Estimate(name, _interval(best.p[index], drawn[:, index]), how)
        if count[source] < _LEAST_ROWS:
            estimate = _unknown(name, "too few transfers that nothing else held back")
        elif not found["goodput"].identified:
            estimate = _unknown(name, "it cannot be told from the goodput, which is not known")
        found[name] = estimate
    if cap:
        held = int(design.held(best.p).sum())
        estimate = Estimate(cap, caps, f"{held} transfers held back by it")
        found[cap] = estimate if held >= _LEAST_ROWS else _unknown(cap, f"only {held} transfers were held back by it")
        other = "channel_rate" if cap == "window" else "window"
        found[other] = _unknown(other, f"{cap} explains what was held back")
    return found


def _design(rows: pd.DataFrame, crossing: Floats) -> _Design:
    time, link = (rows[name].to_numpy(float) for name in ("time", "link"))
    http = (rows["source"] == "http").to_numpy(bool)
    return _Design(time, link, np.where(http, 0.0, crossing), http)


def _capped(rows: pd.DataFrame, plain: _Fit) -> tuple[str, _Design, _Fit]:
    """Look for a cap on channels: bytes in flight, which shows in the round trip, or a rate. Empty name: none."""
    sizes, rtt = rows["bytes"].to_numpy(float), rows["rtt"].to_numpy(float)
    nothing = "", _design(rows, np.zeros(len(rows))), plain
    found = [nothing]
    trips = rtt[(rows["source"] == "p2p").to_numpy()]
    caps = [("channel_rate", sizes)]
    if len(trips) and trips.max() > 1.5 * trips.min():  # at one round trip a window is a rate
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
            found.append((name, design, best))
    return min(found, key=lambda each: each[2].cost)


def _if_told(estimate: Estimate, design: _Design, fit: _Fit) -> Estimate:
    """Give the goodput, unless what is on the link and what comes on top cannot be told apart."""
    bound = ~design.held(fit.p)
    spread = [design.link[bound & kind] for kind in (design.http, ~design.http)]
    widest = max((float(x.std() / x.mean()) for x in spread if len(x) >= _LEAST_ROWS and x.mean() > 0), default=0.0)
    if widest < _SPREAD:
        return _unknown("goodput", "all transfers take equally long on their link")
    half = (estimate.interval.high - estimate.interval.low) / 2
    if not half <= _WIDEST:
        return _unknown("goodput", f"its interval is wide: {estimate.interval.low:.2f} to {estimate.interval.high:.2f}")
    return estimate


def _of_relays(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Estimate]:
    """Estimate how much longer relayed connections took than direct ones, from offer to open channel."""

    def longer(found: pd.DataFrame) -> float:
        both = [found.loc[found["relayed"] == relayed, "whole"] for relayed in (True, False)]
        return _typical(both[0]) - _typical(both[1]) if min(map(len, both)) else np.nan

    if min(int(rows["relayed"].sum()), int((~rows["relayed"]).sum())) < _LEAST_ROWS:
        return {"relay_setup": _unknown("relay_setup", "too few connections through a relay, or past it")}
    return {
        "relay_setup": _estimate("relay_setup", rows, longer, rng, "offer to open channel, less that of direct ones")
    }


def _of_connections(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Estimate]:
    names = ("gather", "handshake", "handshake_trips")
    if len(rows) < _LEAST_ROWS:
        return {name: _unknown(name, "too few connections opened") for name in names}
    told = rows[rows["making"].notna()]
    if len(told) < _LEAST_ROWS:
        return _of_whole(rows, rng)
    gather = _estimate("gather", told, lambda x: _typical(x["making"]), rng, "offer to answer, less the hops")
    if np.ptp(told["rtt"]) < _ROUND_TRIPS:
        trips = _DEFAULT.handshake_trips
        handshake = _estimate(
            "handshake", told, lambda x: _typical(x["opening"] - trips * x["rtt"]), rng, "answer to open channel"
        )
        found = [gather, handshake, _unknown("handshake_trips", "all connections had much the same round trip")]
    else:
        by_trip: dict[str, Callable[[pd.DataFrame], float]] = {
            "handshake_trips": lambda x: _line(x)[0],
            "handshake": lambda x: _line(x)[1],
        }
        hows = {"handshake_trips": "slope over the round trip", "handshake": "answer to open channel"}
        found = [gather, *(_estimate(name, told, rule, rng, hows[name]) for name, rule in by_trip.items())]
    return {estimate.name: estimate for estimate in found}


def _of_whole(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Estimate]:
    """Estimate from set-up times alone: the making of both messages and the handshake only come as a sum."""
    trips = _DEFAULT.handshake_trips
    rest = _DEFAULT.handshake
    gather = _estimate(
        "gather", rows, lambda x: _typical((x["whole"] - trips * x["rtt"] - rest) / 2), rng,
        "offer to open channel; its handshake is taken to be the default",
    )  # fmt: skip
    why = "the traces do not say when answers came"
    return {"gather": gather} | {name: _unknown(name, why) for name in ("handshake", "handshake_trips")}


def _estimate(
    name: str, rows: pd.DataFrame, rule: Callable[[pd.DataFrame], float], rng: np.random.Generator, how: str
) -> Estimate:
    whole = rule(rows)
    drawn = np.array([rule(rows.iloc[found]) for found in _resampled(rows, rng)])
    return Estimate(name, _interval(max(0.0, whole), np.maximum(0.0, drawn)), _said(rows, how, "connections"))


def _typical(values: "pd.Series[float] | Floats") -> float:
    """Trimmed mean; scipy's own takes ten times as long for as few values."""
    x = np.sort(np.asarray(values, float))
    cut = int(_TRIMMED * len(x))
    return float(x[cut : len(x) - cut].mean())


def _line(rows: pd.DataFrame) -> tuple[float, float]:
    """Slope and intercept of the opening over the round trip, through the trimmed means at each; NaN at one alone."""
    rtt, opening = rows["rtt"].to_numpy(float), rows["opening"].to_numpy(float)
    if np.ptp(rtt) < _ROUND_TRIPS:
        return np.nan, np.nan
    trips, counts = np.unique(rtt, return_counts=True)
    means = [_typical(opening[rtt == trip]) for trip in trips]
    slope, rest = np.polyfit(trips, means, 1, w=np.sqrt(counts))
    return float(slope), float(rest)


def _resampled(rows: pd.DataFrame, rng: np.random.Generator) -> "list[NDArray[np.intp]]":
    """Draw runs, or the viewers of few runs, with replacement; give the places of their rows."""
    by: list[str] = ["trace"] if rows["trace"].nunique() >= FEW else ["trace", "viewer"]
    parts = [np.asarray(found) for found in rows.groupby(by).indices.values()]
    drawn = rng.integers(0, len(parts), (_RESAMPLES, len(parts)))
    return [np.concatenate([parts[index] for index in each]) for each in drawn]


def _interval(estimate: float, drawn: Floats) -> Interval:
    """Percentile interval, widened to hold the estimate."""
    good = drawn[np.isfinite(drawn)]
    if len(good) < _RESAMPLES // 2:
        return Interval(float(estimate))
    low, high = np.quantile(good, [0.025, 0.975])
    return Interval(float(estimate), min(float(low), float(estimate)), max(float(high), float(estimate)))


def _said(rows: pd.DataFrame, how: str, what: str = "transfers alone on their links") -> str:
    runs = rows["trace"].nunique()
    return f"{how}; {len(rows)} {what}, {runs} run{'' if runs == 1 else 's'}"


def _unknown(name: str, why: str) -> Estimate:
    return Estimate(name, Interval(float("nan")), f"not identified by these traces: {why}", identified=False)
