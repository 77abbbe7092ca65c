"""From channel to channel: their names, and who turns to which when, in a simulation as for real."""

import math
from collections.abc import Iterator

import numpy as np

from p2psim.rng import stream
from p2psim.scenario.model import Scenario
from p2psim.scenario.population import channel_shares

__all__ = ["channel_names", "itinerary", "next_channel", "zapping_stream"]


def channel_names(scenario: Scenario) -> list[str]:
    """Names of the channels: the first has the name of an only one."""
    return ["main", *(f"channel-{k}" for k in range(2, scenario.channels.count + 1))]


def zapping_stream(seed: int, replication: int, viewer: int) -> np.random.Generator:
    """Give the randomness of a viewer's zapping: a dwell time, then by turns a channel and a dwell time."""
    return stream(seed, replication, "zapping", viewer)


def next_channel(scenario: Scenario, current: int, rng: np.random.Generator) -> int:
    """Draw the channel that a viewer turns to, by popularity among the others."""
    shares = np.where(np.arange(scenario.channels.count) == current, 0.0, channel_shares(scenario))
    weights = np.cumsum(shares)
    return int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))


def itinerary(
    scenario: Scenario, channel: int, joined_at: float, rng: np.random.Generator
) -> Iterator[tuple[float, int]]:
    """Yield when a viewer zaps and whereto, again and again; nothing where nobody does.

    Parameters
    ----------
    channel
        Where the viewer begins.
    joined_at
        When, seconds of the run.
    rng
        As `zapping_stream` gives it.
    """
    dwell, at = scenario.channels.mean_time_on_channel, joined_at
    while math.isfinite(dwell):
        at += rng.exponential(dwell)
        channel = next_channel(scenario, channel, rng)
        yield at, channel
