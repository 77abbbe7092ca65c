"""Zapping: names of the channels, and when a viewer changes to which; the same in simulations and measurements."""

import math
from collections.abc import Iterator

import numpy as np

from p2psim.rng import stream
from p2psim.scenario.population import channel_shares
from p2psim.scenario.scenario import Scenario

__all__ = ["channel_names", "itinerary", "next_channel", "zapping_stream"]


def channel_names(scenario: Scenario) -> list[str]:
    """Names of the channels; the first has the name of a single channel."""
    return ["main", *(f"channel-{k}" for k in range(2, scenario.channels.count + 1))]


def zapping_stream(seed: int, replication: int, viewer: int) -> np.random.Generator:
    """Return the random stream of a viewer's zapping: a time on the channel, then alternately a channel and a time."""
    return stream(seed, replication, "zapping", viewer)


def next_channel(scenario: Scenario, current: int, rng: np.random.Generator) -> int:
    """Draw the next channel by popularity among the channels other than `current`."""
    shares = np.where(np.arange(scenario.channels.count) == current, 0.0, channel_shares(scenario))
    weights = np.cumsum(shares)
    return int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))


def itinerary(
    scenario: Scenario, channel: int, joined_at: float, rng: np.random.Generator
) -> Iterator[tuple[float, int]]:
    """Yield the time and channel of each of a viewer's zaps, without end; nothing in scenarios without zapping.

    Parameters
    ----------
    channel
        First channel of the viewer.
    joined_at
        Time of joining, seconds from the start of the run.
    rng
        Random stream from `zapping_stream`.
    """
    mean, at = scenario.channels.mean_time_on_channel, joined_at
    while math.isfinite(mean):
        at += rng.exponential(mean)
        channel = next_channel(scenario, channel, rng)
        yield at, channel
