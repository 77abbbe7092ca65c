"""Viewers of a measured run change channels as drawn, and play on each of them."""

import numpy as np
import pytest

from p2psim.scenario import Population, Scenario, populate
from p2psim.scenario.zapping import channel_names, itinerary, zapping_stream
from p2psim.testbed import measure
from p2psim.trace import discrepancies
from p2psim.trace.accounting import totals

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

Zap = tuple[float, int]
"""Second of the run, and number of the new channel."""
LATE = 1.0
"""Seconds by which a busy machine may be late."""
CALM = 3.0
"""Seconds on a channel in which playback certainly begins."""

SCENARIO = Scenario.load("measured-zapping").replace(
    {
        "duration": 16.0,
        "stream.bitrate": 62_500.0,
        "channels.mean_time_on_channel": 7.0,
        "viewers.count": 4,
        "viewers.arrival_period": 1.0,
    }
)


def planned(seed: int) -> tuple[Population, list[list[Zap]]]:
    """Return the viewers, and the times and channels of the zaps of each."""
    people = populate(SCENARIO, seed)
    drawn = [
        itinerary(SCENARIO, int(people.channel[v]), float(people.joined_at[v]), zapping_stream(seed, 0, v))
        for v in range(len(people))
    ]
    return people, [[zap for zap in (next(zaps) for _ in range(20)) if zap[0] < SCENARIO.duration] for zaps in drawn]


def is_calm(people: Population, zaps: list[list[Zap]]) -> bool:
    """Return whether viewers stay on each channel long enough, and zap at least four times."""
    stays = [
        np.diff([joined, *(at for at, _ in own), 16.0]) for joined, own in zip(people.joined_at, zaps, strict=True)
    ]
    return min(float(own.min()) for own in stays) > CALM and sum(map(len, zaps)) >= 4


def test_viewers_zap_as_drawn_and_play_again() -> None:
    seed, people, zaps = next((seed, *plan) for seed in range(3000) if is_calm(*(plan := planned(seed))))
    trace = measure(SCENARIO, seed=seed)
    names, playback = channel_names(SCENARIO), trace["playback"].sort_values("at", kind="stable")
    segments = trace["segments"].dropna(subset="played_at").sort_values("played_at", kind="stable")
    for v, own in enumerate(zaps):
        rows = playback[playback["viewer"] == f"v{v:04d}"]
        begun = rows[rows["state"] == "starting"]["at"].to_numpy()[1:]
        delay = begun - [at for at, _ in own]
        assert np.all((delay > -0.01) & (delay < LATE))
        sessions = (rows["state"] == "starting").cumsum()
        assert (rows["state"] == "playing").groupby(sessions).any().all()
        streams = segments[segments["viewer"] == f"v{v:04d}"]["stream"]
        watched = streams[streams != streams.shift()]
        assert list(watched) == [names[people.channel[v]], *(names[channel] for _, channel in own)]
    counted = totals(trace).viewers.set_index("viewer")
    assert list(counted["zaps"]) == [len(own) for own in zaps]
    assert (counted["zap_wait"] > 0).eq(counted["zaps"] > 0).all()
    assert set(trace["segments"]["stream"]) == set(trace["transfers"]["stream"]) <= set(names)
    balance, notes = trace.manifest.notes["bytes"], trace.manifest.notes
    assert (balance["p2p_unexplained"], balance["http_unexplained"], balance["segments_wrong"]) == (0, 0, 0)
    assert balance["segments_held"] > 0
    assert notes["unhandled_errors"] == 0
    assert discrepancies(trace) == []
