"""Who zaps when and whereto: the same in a simulation as for real."""

from itertools import islice, pairwise

import numpy as np
import pytest

from p2psim.scenario import Scenario
from p2psim.scenario.zapping import channel_names, itinerary, next_channel, zapping_stream
from p2psim.simulation import run

SCENARIO = Scenario().replace(
    {
        "channels.count": 4,
        "channels.mean_time_on_channel": "20 s",
        "viewers.count": 30,
        "duration": "100 s",
        "viewers.crash_share": 0.0,
    }
)


def test_nobody_turns_to_the_channel_that_is_on_and_popularity_decides_among_the_others() -> None:
    rng = np.random.default_rng(1)
    drawn = np.bincount([next_channel(SCENARIO, 1, rng) for _ in range(4000)], minlength=4) / 4000
    weights = np.array([1, 0, 1 / 3, 1 / 4])
    assert drawn == pytest.approx(weights / weights.sum(), abs=0.03)


def test_an_itinerary_dwells_as_long_as_it_says() -> None:
    zaps = list(islice(itinerary(SCENARIO, 0, 5.0, zapping_stream(1, 0, 7)), 3000))
    times = np.array([5.0, *(at for at, _ in zaps)])
    assert np.diff(times).mean() == pytest.approx(20.0, rel=0.06)
    channels = [0, *(channel for _, channel in zaps)]
    assert all(a != b for a, b in pairwise(channels))


def test_without_a_dwell_time_nobody_zaps() -> None:
    assert list(itinerary(Scenario(), 0, 0.0, zapping_stream(1, 0, 0))) == []


def test_the_simulator_goes_by_the_same_itinerary() -> None:
    made = run(SCENARIO, seed=3, events=True)
    assert made.trace is not None
    names = channel_names(SCENARIO)
    states = made.trace["playback"].query("state == 'starting'").groupby("viewer")["at"].apply(list)
    for index, row in made.trace["viewers"].set_index("viewer").iterrows():
        number = int(str(index)[1:])
        zaps = itinerary(SCENARIO, names.index(row["channel"]), row["joined_at"], zapping_stream(3, 0, number))
        planned = [at for at, _ in islice(zaps, 50) if at < min(row["left_at"], SCENARIO.duration)]
        assert states[str(index)][1:] == pytest.approx(planned)
