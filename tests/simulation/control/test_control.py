"""Behaviours added as SimPy processes: two worked examples, and every verb of the control plane."""

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from p2psim.errors import ScenarioError
from p2psim.simulation import Control
from p2psim.trace import discrepancies, totals
from tests.simulation.audience import found, in_time, moved, play

Process = Generator[Any, Any, None]


def test_example_a_commercial_break_makes_everyone_zap() -> None:
    """At half time all turn to another channel, and back a quarter of a minute later."""

    def commercial_break(control: Control) -> Process:
        yield control.env.timeout(40.0)
        for viewer in control.viewers():
            control.zap(viewer, channel=1)
        yield control.env.timeout(15.0)
        for viewer in control.viewers():
            control.zap(viewer, channel=0)

    def prepare(control: Control) -> None:
        control.env.process(commercial_break(control))

    # zipf = 40: everybody begins on the first channel
    result = play({"channels.count": 2, "channels.zipf": 40.0}, prepare=prepare)
    assert result.trace is not None
    rows = result.trace["transfers"]
    assert set(rows.query("started_at < 40")["stream"]) == {"main"}
    assert set(rows.query("40 < started_at < 55")["stream"]) == {"channel-2"}
    assert set(rows.query("started_at > 55")["stream"]) == {"main"}
    viewers = result.totals.viewers
    assert (viewers["zaps"] == 2).all()
    assert (viewers["zap_wait"] / 2 < 2.0).all()
    # in the break the audience has no neighbours at first and fetches anew: the origin has a peak
    line = result.totals.timeline["http"]
    assert line[40:46].sum() > 2 * line[33:39].sum()
    assert discrepancies(result.trace, 1e-9) == []


def test_example_a_household_where_three_viewers_share_an_uplink() -> None:
    """Homes of three whose uplink carries 3 Mbit/s: what goes over it is limited, what stays at home is not."""
    homes = {"household.size_shares": (0.0, 0.0, 1.0), "access.uplink": "3 Mbit/s"}

    def teenager(control: Control) -> Process:
        """Somebody in the first home uploads holiday pictures for half a minute."""
        yield control.env.timeout(50.0)
        someone = int(np.flatnonzero(control.population.home == 0)[0])
        control.set_uplink(someone, 0.0)
        yield control.env.timeout(30.0)
        control.set_uplink(someone, 375_000.0)

    result = play(homes, prepare=lambda control: control.env.process(teenager(control)))
    assert result.trace is not None
    home = result.totals.viewers.set_index("viewer")["home"]
    assert (home.value_counts() == 3).all()
    rows = moved(result)
    rows = rows.assign(at=rows["from_viewer"].map(home), to=rows["viewer"].map(home))
    outside = rows[rows["at"] != rows["to"]]
    # the whole home's uplink, however many of it upload: 375 kB/s at 97 %, for 100 s
    assert outside.groupby("at")["bytes"].sum().max() <= 375_000 * 0.97 * 100
    inside = rows[(rows["at"] == rows["to"]) & (rows["outcome"] == "completed")]
    rate = inside["bytes"] / (inside["ended_at"] - inside["first_byte_at"])
    assert rate.max() > 3 * 375_000
    assert (inside["first_byte_at"] - inside["started_at"]).to_numpy() == pytest.approx(np.full(len(inside), 0.005))
    outside = in_time(outside)
    hung = outside[(outside["at"] == 0) & (outside["first_byte_at"] > 50.1) & (outside["ended_at"] < 79)]
    assert hung.empty
    # where the home's network keeps its guests apart, all has to come over the uplinks of the others
    apart = play({**homes, "household.direct_share": 0.0, "household.hairpin": 0.0})
    assert found(apart)["p2p_ratio"] < 0.9 * found(play(homes))["p2p_ratio"]


def test_viewers_zap_by_themselves_by_popularity() -> None:
    changes = {"channels.count": 3, "channels.mean_time_on_channel": "20 s", "viewers.count": 30, "duration": "150 s"}
    result = play(changes)
    assert result.trace is not None
    assert result.totals.viewers["zaps"].mean() == pytest.approx(145 / 20, rel=0.15)
    played = result.trace["segments"]["stream"].value_counts(normalize=True)
    assert played["main"] > played["channel-2"] > played["channel-3"]
    rows = moved(result)
    watching = set(zip(rows["viewer"], rows["stream"], strict=True))
    assert {(v, s) for v, s in zip(rows["from_viewer"], rows["stream"], strict=True)} <= {
        (v, s) for v in result.totals.viewers["viewer"] for s in ("main", "channel-2", "channel-3")
    }
    assert watching
    ours, counted = result.totals.viewers.set_index("viewer"), totals(result.trace).viewers.set_index("viewer")
    for column in ("bytes_played", "bytes_p2p", "stalls", "startup"):
        assert counted.loc[ours.index, column].to_numpy() == pytest.approx(ours[column].to_numpy()), column


def test_nobody_serves_a_channel_that_it_does_not_watch() -> None:
    result = play({"channels.count": 3, "channels.zipf": 0.0, "viewers.count": 24})
    assert result.trace is not None
    channel = result.trace["viewers"].set_index("viewer")["channel"]
    rows = moved(result)
    assert len(rows) > 100
    assert (rows["viewer"].map(channel) == rows["stream"]).all()
    assert (rows["from_viewer"].map(channel) == rows["stream"]).all()


def test_verbs_do_what_they_say() -> None:
    log: dict[str, Any] = {}

    def acts(control: Control) -> Process:
        yield control.env.timeout(40.0)
        log["there"] = control.viewers()
        one, other = log["there"][:2]
        log["neighbours"] = control.neighbours(one)
        control.disconnect(one, log["neighbours"][0])
        log["fewer"] = control.neighbours(one)
        control.leave(one, crash=False)
        control.leave(other, crash=True)
        log["left"] = control.viewers()
        control.set_downlink(log["left"][0], 1000.0)
        with pytest.raises(ScenarioError, match="channel 7: 0 to 0 are there"):
            control.zap(log["left"][0], 7)
        with pytest.raises(ScenarioError, match="region 'rio'"):
            control.isolate("rio")
        control.switch_p2p(False)
        log["alone"] = [control.neighbours(v) for v in control.viewers()]

    result = play({}, prepare=lambda control: control.env.process(acts(control)))
    assert len(log["there"]) == 12
    assert len(log["fewer"]) == len(log["neighbours"]) - 1
    assert len(log["left"]) == 10
    assert not any(log["alone"])
    viewers = result.totals.viewers.set_index("viewer")
    assert (viewers["left_at"]["v0000"], viewers["departure"]["v0000"]) == (40.0, "clean")
    assert (viewers["left_at"]["v0001"], viewers["departure"]["v0001"]) == (40.0, "crash")
    assert viewers["stalled"]["v0002"] > 30
    assert moved(result).query("started_at > 40").empty


def test_who_keeps_the_control_finds_nobody_after_the_run() -> None:
    kept: list[Control] = []
    play({"viewers.count": 4, "duration": "30 s"}, prepare=kept.append)
    assert kept[0].viewers() == []
    assert not kept[0].is_present(0)
    assert kept[0].neighbours(0) == []
    kept[0].zap(3, 0)
    kept[0].leave(3)
    kept[0].disconnect(2, 3)
    kept[0].set_uplink(3, 1000.0)
    kept[0].set_origin(1000.0)
