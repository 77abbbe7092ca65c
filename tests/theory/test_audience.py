"""Audience as in M/G/∞: its size, the time that viewers are alone, and the saving of perfect sharing."""

import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from p2psim.scenario import Scenario, populate
from p2psim.simulation import run
from tests.theory.ideal import IDEAL, traced
from tests.theory.statistics import agree, ratio

VIEWING = 50.0
SPREADS = pytest.mark.parametrize("spread", [0.0, 0.8], ids=["exponential", "lognormal"])


def audience(mean: float, viewing: float, spread: float, duration: float, **changes: object) -> Scenario:
    return IDEAL.replace(
        {
            "duration": duration,
            "viewers.arrivals": "poisson",
            "viewers.count": mean,
            "viewers.mean_viewing_time": viewing,
            "viewers.viewing_time_spread": spread,
            "viewers.arrival_period": 0.0,
            **changes,
        }
    )


@cache
def crowds(mean: int, spread: float) -> list[NDArray[np.int64]]:
    """Return the viewers present in each second of 20 runs; lognormal sessions need ten of their means to settle."""
    plain = {
        "policy.name": "http-only",
        "stream.segment": 20.0,
        "player.tick_interval": 10.0,
        "player.update_interval": 10.0,
    }
    scenario = audience(mean, VIEWING, spread, 20_000.0, **plain)
    lines = (run(scenario, replication=replication).totals.timeline for replication in range(20))
    return [line["viewers"].to_numpy()[int(10 * VIEWING) :] for line in lines]


@pytest.mark.slow
@SPREADS
@pytest.mark.parametrize("mean", [1, 3])
def test_time_alone_does_not_depend_on_the_law_of_viewing(mean: int, spread: float) -> None:
    """B1: the audience is Poisson; of the viewing time e^-ρ is spent alone, 1 - (1 - e^-ρ)/ρ is not the first copy."""
    runs = crowds(mean, spread)
    watched = [n.sum() for n in runs]
    agree([n.mean() for n in runs], mean, within=0.1)
    agree([n.var() for n in runs], mean, within=0.25, bias=0.02 * mean)
    agree(ratio([(n == 1).sum() for n in runs], watched), math.exp(-mean), within=0.3)
    agree(ratio([(n - 1).clip(0).sum() for n in runs], watched), 1 - (1 - math.exp(-mean)) / mean, within=0.1)


@pytest.mark.slow
@SPREADS
def test_others_of_a_viewer_are_poisson(spread: float) -> None:
    """B1: with ρ = 3 a viewer sees at least 3 others during 57.7 % of its time."""
    runs = crowds(3, spread)
    share = ratio([n[n >= 4].sum() for n in runs], [n.sum() for n in runs])
    agree(share, 0.5768, within=0.1)


@pytest.mark.slow
def test_a_newcomer_finds_nobody_with_the_same_probability() -> None:
    """Arrivals see time averages: the tracker's first reply counts nobody else in e^-ρ of the cases, ρ on average."""
    scenario, found = audience(2, 40.0, 0.0, 5000.0, **{"stream.segment": 20.0}), []
    for replication in range(12):
        replies = traced(run(scenario, replication=replication, events=True))["announces"]
        found.append(replies[(replies["event"] == "started") & (replies["at"] > 100)]["peers_known"].to_numpy() - 1)
    agree([others.mean() for others in found], 2.0, within=0.2)
    agree(ratio([(others == 0).sum() for others in found], [len(others) for others in found]), math.exp(-2), within=0.4)


@SPREADS
def test_perfect_sharing_sends_one_copy_to_whoever_is_there(spread: float) -> None:
    """B1: offload is 1 - (1 - e^-ρ)/ρ, less what each viewer costs beside its viewing.

    That is its first segments, which come before its first connection, and what is in its buffer when it leaves: at
    most 4 segments of a viewing time of 60.
    """
    mean, viewing = 3, 120.0
    scenario = audience(mean, viewing, spread, 2500.0)
    sent, played, busy, watched = [], [], [], []
    for replication in range(10):
        totals = run(scenario, replication=replication).totals
        present = totals.timeline["viewers"].to_numpy()
        sent.append(totals.viewers["bytes_http"].sum())
        played.append(totals.viewers["bytes_played"].sum())
        busy.append((present > 0).sum())
        watched.append(present.sum())
    cost = 4 * 2.0 / viewing
    offload, here = 1 - ratio(sent, played), 1 - ratio(busy, watched)
    assert here.mean() - cost <= offload.mean() <= here.mean()
    if spread == 0:  # stationary from the start
        agree(offload, 1 - (1 - math.exp(-mean)) / mean, within=0.15, bias=cost)


def occupied(scenario: Scenario, replication: int) -> tuple[float, float]:
    """Return the watched channels and the viewers, each summed over the seconds of a run."""
    people = populate(scenario, 1, replication)
    at = np.arange(0.5, scenario.duration)[:, None]
    busy = viewers = 0
    for channel in np.unique(people.channel):
        here = people.channel == channel
        present = ((people.joined_at[here] <= at) & (people.left_at[here] > at)).sum(axis=1)
        busy, viewers = busy + int((present > 0).sum()), viewers + int(present.sum())
    return float(busy), float(viewers)


@pytest.mark.parametrize(("channels", "zipf", "offload"), [(20, 1.0, 0.818), (100, 1.0, 0.587)])
def test_line_up_of_channels(channels: int, zipf: float, offload: float) -> None:
    """B4: popularity 1/k^s spreads V viewers over swarms of ρ_k: 1 - Σ(1 - e^-ρ_k)/V, here of 100 viewers at a time."""
    scenario = audience(100, 60.0, 0.0, 600.0, **{"channels.count": channels, "channels.zipf": zipf})
    found = [occupied(scenario, replication) for replication in range(12)]
    agree(1 - ratio([busy for busy, _ in found], [viewers for _, viewers in found]), offload, within=0.04)


def test_every_channel_of_a_line_up_is_a_swarm_of_its_own() -> None:
    """B4 in a whole run: one copy for each channel that is watched, and the same cost beside viewing as in B1."""
    viewing = 120.0
    scenario = audience(30, viewing, 0.0, 700.0, **{"channels.count": 10, "channels.zipf": 1.0})
    for replication in range(3):
        viewers = run(scenario, replication=replication).totals.viewers
        busy, watched = occupied(scenario, replication)
        offload = 1 - viewers["bytes_http"].sum() / viewers["bytes_played"].sum()
        assert 1 - busy / watched - 5 * 2.0 / viewing <= offload <= 1 - busy / watched + 0.005
