"""Faults, and modes in which peers help a CDN only at times."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2psim.simulation import Checkpoint, Control, Run, run
from p2psim.trace import TABLES
from tests.simulation.audience import SMALL, found, in_time, moved, play


def fault(what: str, at: float, lasts: float, **more: Any) -> dict[str, Any]:
    return {"faults": [{"kind": what, "at": at, "duration": lasts, **more}]}


def test_a_dead_origin_sends_nothing_and_comes_back() -> None:
    result = play({"policy.name": "http-only", **fault("origin", 40, 30)})
    line = result.totals.timeline["http"]
    assert line[41:70].sum() == 0
    assert line[30:40].sum() > 0
    assert line[71:80].sum() > 0
    # 15 s are buffered, so 30 s of silence stall everybody for 15 s, and until the player tries again (at most 8 s)
    assert result.totals.viewers["stalled"].min() > 14
    assert result.totals.viewers["stalled"].max() < 25


def test_peers_carry_an_audience_over_a_dead_origin() -> None:
    """What is there already goes round; a live stream cannot go on without its source."""
    dead = fault("origin", 40, 12)
    assert found(play(dead))["stall_ratio"] <= found(play({**dead, "policy.name": "http-only"}))["stall_ratio"]


def test_an_origin_may_be_weakened() -> None:
    line = play({"policy.name": "http-only", **fault("origin", 40, 30, capacity_left=0.1)}).totals.timeline["http"]
    assert line[41:70].max() <= 0.1 * 5e6 * 0.97 * 1.001


def test_edges_go_on_with_what_they_have_cached() -> None:
    vod: dict[str, object] = {
        "policy.name": "http-only",
        "cdn.edges": "one",
        "stream.kind": "vod",
        "stream.length": "60 s",
    }
    vod |= {
        "stream.kind": "vod",
        "stream.length": "60 s",
        "viewers.count": 2,
        "viewers.arrivals": "recorded",
        "viewers.arrival_times": (0.0, 70.0),
    }
    late = play({**vod, **fault("origin", 65, 35)}).totals
    assert late.viewers["stalled"].sum() == 0
    assert late.timeline["filled"][66:].sum() == 0
    hit = play({**vod, **fault("edges", 65, 35)}).totals
    assert hit.viewers["startup"].isna().tolist() == [False, True]
    cold = play({**vod, **fault("origin", 10, 90)}).totals
    assert cold.viewers["stalled"].iloc[0] > 50


def test_a_download_times_out_from_its_last_byte_on() -> None:
    """hls.js and the loader wait 3 s for a byte: what an origin's failure cut off is given up 3 s after it."""
    trace = play({"stream.bitrate": "6 Mbit/s", "origin.rate": "80 Mbit/s", **fault("origin", 40, 20)}).trace
    assert trace is not None
    rows = trace["transfers"]
    cut = rows.query("source == 'http' and started_at < 39.9 and ended_at > 40.1 and first_byte_at < 40")
    assert len(cut) > 0
    assert cut["ended_at"].to_numpy() == pytest.approx([43.0] * len(cut), abs=1e-6)


def test_a_viewer_whose_segment_has_left_the_playlist_goes_on_behind_live() -> None:
    result = play({"viewers.count": 1, "policy.name": "http-only", **fault("origin", 40, 40)})
    assert result.trace is not None
    last = result.trace["playback"].iloc[-1]
    assert (last["state"], round(last["latency"])) == ("playing", 26)


def test_collapsed_uplinks_send_nothing() -> None:
    """Half of the homes cannot send for half a minute."""
    result = play({"viewers.count": 40, **fault("uplinks", 40, 30, home_share=0.5)})
    rows = in_time(moved(result))
    flowing = rows[(rows["first_byte_at"] > 41) & (rows["ended_at"] < 69)]
    senders = flowing["from_viewer"].nunique()
    assert 10 <= senders <= 30
    whole = play({"viewers.count": 40, **fault("uplinks", 40, 30)})
    rows = in_time(moved(whole))
    assert rows[(rows["first_byte_at"] > 40.01) & (rows["ended_at"] < 69.9)].empty
    assert len(rows[rows["first_byte_at"] > 71]) > 20


def test_a_partition_keeps_regions_apart() -> None:
    regions = {"regions.mix": {"sao-paulo": 0.5, "tokyo": 0.5}, "viewers.count": 24, "tracker.interval": "10 s"}
    result = play({**regions, **fault("partition", 40, 40, region="tokyo")})
    assert result.trace is not None
    region = result.trace["viewers"].set_index("viewer")["region"]
    rows = moved(result)
    across = rows[rows["viewer"].map(region) != rows["from_viewer"].map(region)]
    assert len(across.query("ended_at < 40")) > 10
    assert across.query("started_at > 40 and ended_at < 80").empty
    assert len(across.query("started_at > 82")) > 0
    assert rows["bytes"].sum() > across["bytes"].sum() == result.totals.viewers["bytes_far"].sum()


def test_without_a_tracker_nobody_meets() -> None:
    """Who has met stays together; who comes during the outage stays alone until the tracker is back."""
    early = {"viewers.arrivals": "recorded", "viewers.count": 6, "viewers.arrival_times": (0, 1, 2, 40, 41, 42)}
    result = play({**early, **fault("tracker", 20, 70)})
    assert result.trace is not None
    opened = result.trace["connections"].query("outcome == 'open'")
    assert opened["opened_at"].max() < 20
    assert {*opened["viewer"], *opened["other"]} == {"v0000", "v0001", "v0002"}
    assert moved(result).query("started_at > 30")["viewer"].nunique() == 3
    assert result.trace["announces"]["at"].max() < 20


def test_clients_come_back_when_they_next_try() -> None:
    """At the earliest 10 s, at the latest 310 s after they lost the tracker, if it is back by then."""
    result = play({"duration": "400 s", **fault("tracker", 20, 5)})
    assert result.trace is not None
    again = result.trace["announces"].query("at > 20 and event == 'started'")
    assert sorted(again["viewer"].unique()) == [f"v{v:04d}" for v in range(12)]
    assert again["at"].min() > 30
    assert again["at"].max() < 331


def test_a_dead_relay_relays_nothing() -> None:
    result = play({"nat.shares": {"symmetric": 1.0}, "relay.availability": 1.0, **fault("relay", 40, 60)})
    rows = moved(result)
    assert len(rows.query("ended_at < 40")) > 0
    assert rows.query("first_byte_at > 40.01").empty


@pytest.mark.slow
def test_reputation_spares_requests_to_who_never_answers() -> None:
    """A third never answers, the others have time: who remembers turns to these."""
    wide = {"viewers.count": 24, "viewers.stallers": 0.3, "access.uplink": "100 Mbit/s"}
    wide |= {"policy.simultaneousP2PDownloads": 1, "policy.p2pErrorRetries": 10}

    def hung(remembers: bool) -> int:
        plays = [play({**wide, "policy.reputation": remembers}, seed=seed) for seed in (2, 3, 4)]
        traces = [each.trace for each in plays if each.trace is not None]
        return sum(int(np.count_nonzero(trace["transfers"]["outcome"] == "stalled")) for trace in traces)

    assert 0 < hung(True) < 0.85 * hung(False)


# -- when peers help -------------------------------------------------------------------------------------------------


def test_peers_may_help_at_certain_hours_only() -> None:
    result = play({"hybrid.begins": "30 s", "hybrid.ends": "60 s"})
    rows = moved(result)
    assert rows["started_at"].min() > 30
    assert rows["ended_at"].max() < 61
    assert len(rows) > 20


def test_peers_may_help_large_audiences_only() -> None:
    assert found(play({"hybrid.min_viewers": 13}))["p2p_ratio"] == 0
    helped = play({"hybrid.min_viewers": 12, "hybrid.check_interval": "5 s"})
    assert found(helped)["p2p_ratio"] > 0.3
    assert moved(helped)["started_at"].min() > 10  # when the twelfth has come


def test_peers_may_help_from_a_load_on() -> None:
    """Twelve viewers of 1 Mbit/s are 30 % of 40 Mbit/s, more at the start."""
    assert found(play({"hybrid.min_load": 0.2}))["p2p_ratio"] > 0.3
    assert found(play({"hybrid.min_load": 0.95}))["p2p_ratio"] < 0.2


def test_a_class_of_devices_may_be_kept_from_peers() -> None:
    result = play({"devices.mix": {"desktop": 0.5, "tv": 0.5}, "devices.p2p_off": ["tv"], "viewers.count": 20})
    viewers = result.totals.viewers.set_index("device")
    assert viewers.loc["tv", ["bytes_p2p", "bytes_uploaded", "peers"]].to_numpy().sum() == 0
    assert (viewers["bytes_p2p"][viewers.index == "desktop"] > 0).all()


EVERYTHING = {
    "channels.count": 2,
    "channels.mean_time_on_channel": "30 s",
    "stream.ladder": ["500 kbit/s", "2 Mbit/s"],
    "household.size_shares": (0.5, 0.5),
    "neighbourhood.viewers": 6,
    "neighbourhood.uplink": "20 Mbit/s",
    "regions.mix": {"rio": 0.5, "recife": 0.5},
    "tracker.matching": "locality",
    "carrier.home_share": 0.5,
    "nat.mix": "mixed",
    "relay.availability": 0.5,
    "cdn.edges": "regions",
    "cdn.rate": "30 Mbit/s",
    "cdn.overflow_threshold": 0.8,
    "devices.limited_by_encryption": True,
    "hybrid.min_viewers": 3,
    "viewers.mean_viewing_time": "60 s",
    "viewers.arrivals": "flash",
    "viewers.surge_at": "20 s",
    "viewers.surge_factor": 3.0,
    "viewers.crash_share": 0.5,
    "faults": [
        {"kind": "origin", "at": 20, "duration": 3},
        {"kind": "edges", "at": 30, "duration": 5, "capacity_left": 0.5},
        {"kind": "uplinks", "at": 40, "duration": 10, "home_share": 0.5, "capacity_left": 0.1},
        {"kind": "partition", "at": 50, "duration": 10, "region": "rio"},
        {"kind": "tracker", "at": 60, "duration": 5},
    ],
}


def test_everything_at_once_balances() -> None:
    result = play(EVERYTHING)
    viewers, line = result.totals.viewers, result.totals.timeline
    assert viewers["bytes_p2p"].sum() == viewers["bytes_uploaded"].sum() > 0
    assert line["p2p"].sum() == pytest.approx(viewers["bytes_p2p"].sum())
    assert line["far"].sum() == pytest.approx(viewers["bytes_far"].sum())
    assert line["relayed"].sum() == pytest.approx(viewers["bytes_relayed"].sum())
    assert line["http"].sum() == pytest.approx(viewers["bytes_http"].sum())
    assert (viewers["bytes_played"] <= viewers["bytes_http"] + viewers["bytes_p2p"] + 1e-6).all()
    assert (viewers["played"] <= viewers["watched"] + 1e-6).all()


def test_everything_at_once_is_the_same_again_and_after_a_pause(tmp_path: Path) -> None:
    first = play(EVERYTHING)
    kept = tmp_path / "run.checkpoint"
    again = play(EVERYTHING, checkpoint=Checkpoint(kept, every=7.0))
    assert first.trace is not None
    assert again.trace is not None
    for name in TABLES:
        assert first.trace[name].equals(again.trace[name]), name
    assert first.totals.viewers.equals(again.totals.viewers)
    assert first.totals.timeline.equals(again.totals.timeline)


def test_keeping_events_changes_nothing() -> None:
    quiet = run(SMALL.replace(EVERYTHING), seed=2)
    assert quiet.totals.viewers.equals(play(EVERYTHING).totals.viewers)


LONE: dict[str, Any] = {
    "viewers.count": 1,
    "policy.name": "http-only",
    "policy.httpNotReceivingBytesTimeoutMs": 1000,
    "policy.simultaneousHttpDownloads": 1,
    **fault("origin", 40, 55),
}


def waits(result: Run, stream: str) -> list[float]:
    """Seconds from each refusal of the first segment that a viewer lacks to its next request for it."""
    assert result.trace is not None
    rows = result.trace["transfers"].query(f"stream == '{stream}' and started_at > 40 and started_at < 95")
    rows = rows[rows["segment"] == rows["segment"].min()]
    gaps = rows["started_at"].to_numpy()[1:] - rows["ended_at"].to_numpy()[:-1]
    return [round(float(gap), 6) for gap in gaps if gap > 1e-6]


def test_news_in_the_playlist_does_not_hasten_a_retry() -> None:
    """A player that was refused waits 1, 2, 4 and then 8 s, as hls.js does; the playlist is new every 2 s."""
    assert waits(play({**LONE, "stream.playlist_segments": 60}), "main") == [1, 2, 4, 8, 8, 8]


def test_a_retry_of_the_channel_before_does_not_hasten_one_of_this() -> None:
    def turn(control: Control) -> Generator[Any, Any, None]:
        yield control.env.timeout(60.5)
        control.zap(0, channel=1)

    channels = {"channels.count": 2, "channels.zipf": 40.0, "stream.kind": "vod", "stream.length": "200 s"}
    result = play({**LONE, **channels}, prepare=lambda control: control.env.process(turn(control)))
    assert waits(result, "main")[-1:] == [4], "so the next is due at 67.9 s"
    assert waits(result, "channel-2") == [1, 2, 4, 8]
