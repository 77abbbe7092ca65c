"""Viewers of a measured run join and leave as drawn, like those of a simulation."""

import numpy as np
import pytest

from p2psim.scenario import Scenario, populate
from p2psim.testbed import measure

pytestmark = [pytest.mark.testbed, pytest.mark.slow]

LATE = 1.0
"""Seconds by which a busy machine may be late."""

SCENARIO = Scenario.load("measured-churn").replace(
    {
        "duration": 16.0,
        "stream.bitrate": 62_500.0,
        "viewers.count": 6,
        "viewers.arrival_period": 4.0,
        "viewers.mean_viewing_time": 8.0,
        "viewers.crash_share": 0.5,
    }
)


def test_viewers_join_and_leave_as_drawn() -> None:
    seed, people = next(
        (seed, people)
        for seed in range(100)
        if {"clean", "crash", "end"} <= set((people := populate(SCENARIO, seed)).departures)
        and (people.left_at - people.joined_at).min() > 2.0
    )
    trace = measure(SCENARIO, seed=seed)
    viewers = trace["viewers"].sort_values("viewer")
    assert list(viewers["departure"]) == people.departures
    for name in ("joined_at", "left_at"):
        delay = viewers[name].to_numpy() - getattr(people, name)
        assert np.all((delay > -0.01) & (delay < LATE)), name
    np.testing.assert_allclose(viewers["uplink"], people.uplink)
    goodbyes = trace["announces"].query("event == 'stopped'").set_index("viewer")["at"]
    clean = viewers[viewers["departure"] == "clean"].set_index("viewer")
    crashed = viewers[viewers["departure"] == "crash"]
    assert set(clean.index) <= set(goodbyes.index)
    assert ((goodbyes - clean["left_at"]).dropna().abs() < LATE).all()
    assert not set(crashed["viewer"]) & set(goodbyes.index)
    balance = trace.manifest.notes["bytes"]
    assert (balance["p2p_unexplained"], balance["http_unexplained"], balance["segments_wrong"]) == (0, 0, 0)
    assert trace.manifest.notes["unhandled_errors"] == 0
