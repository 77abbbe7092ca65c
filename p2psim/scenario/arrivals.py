"""Arrival times and viewing times of viewers.

Arrivals around a steady state are a Poisson process whose rate is `viewers.count` / `viewers.mean_viewing_time` times a
shape over time: 1, the surge of a flash crowd, or the swing of a day. They are drawn by thinning at the greatest rate
(Lewis and Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from p2psim.rng import stream
from p2psim.scenario.model import Viewers
from p2psim.scenario.scenario import Scenario

__all__ = ["arrival_shape", "arrival_times", "viewing_times"]

Floats = NDArray[np.float64]


def arrival_times(scenario: Scenario, seed: int, replication: int) -> Floats:
    """Draw the arrival times of viewers, ascending, seconds from the start of the run."""
    viewers = scenario.viewers
    rng = stream(seed, replication, "arrivals")
    if viewers.arrivals == "recorded":
        return np.sort(np.array(viewers.arrival_times, float))
    if viewers.arrivals == "uniform":
        return np.sort(rng.random(viewers.count) * min(viewers.arrival_period, scenario.duration))
    present = rng.poisson(viewers.count * arrival_shape(viewers, np.zeros(1))[0])
    first = np.sort(rng.random(present) * min(viewers.arrival_period, scenario.duration))
    highest = float(arrival_shape(viewers, _extremes(viewers)).max())
    rate = viewers.count / viewers.mean_viewing_time * highest
    expected = rate * scenario.duration
    later = np.cumsum(rng.exponential(1 / rate, int(expected * 1.5) + 50))
    later = later[later < scenario.duration]
    if viewers.arrivals != "poisson":
        kept = stream(seed, replication, "thinning").random(len(later)) * highest
        later = later[kept < arrival_shape(viewers, later)]
    return np.sort(np.concatenate([first, later]))


def arrival_shape(viewers: Viewers, at: Floats) -> Floats:
    """Arrival rate at the given times over the ordinary rate (flash crowd) or the daily mean (diurnal)."""
    if viewers.arrivals == "flash":
        since = at - viewers.surge_at
        rise = np.clip(since / viewers.surge_rise, 0.0, 1.0) if viewers.surge_rise > 0 else (since >= 0).astype(float)
        decay = np.exp(-np.maximum(0.0, since - viewers.surge_rise) / viewers.surge_decay)
        return 1.0 + (viewers.surge_factor - 1.0) * rise * decay
    if viewers.arrivals == "diurnal":
        angle = 2 * np.pi * (at + viewers.start_time_of_day - viewers.peak_time_of_day) / viewers.day_length
        swung: Floats = 1.0 + viewers.daily_swing * np.cos(angle)
        return swung
    return np.ones(len(at))


def _extremes(viewers: Viewers) -> Floats:
    """Times at one of which the arrival rate is greatest."""
    return np.array([0.0, viewers.surge_at + viewers.surge_rise, viewers.peak_time_of_day - viewers.start_time_of_day])


def viewing_times(viewers: Viewers, u: Floats) -> Floats:
    """Viewing times of viewers, seconds, by inversion of one uniform draw each."""
    mean, sigma = viewers.mean_viewing_time, viewers.viewing_time_spread
    if viewers.arrivals == "recorded" and viewers.viewing_times:
        order = np.argsort(np.array(viewers.arrival_times, float), kind="stable")
        return np.array(viewers.viewing_times, float)[order]
    if np.isinf(mean) or viewers.fixed_viewing_time:
        return np.full(len(u), mean)
    if sigma == 0:
        return -mean * np.log1p(-u)
    quantile: Floats = np.exp(np.log(mean) - sigma**2 / 2 + sigma * ndtri(np.maximum(u, 1e-300)))
    return quantile
