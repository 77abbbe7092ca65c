"""Edges with caches, a second CDN, relays, shared links and processors: each does what its arithmetic says."""

import numpy as np
import pandas as pd
import pytest

from p2psim.scenario import Scenario
from p2psim.simulation import Control, run
from p2psim.trace import discrepancies
from tests.simulation.audience import SMALL, found, moved, play

HTTP = {"policy.name": "http-only"}


def test_an_edge_fetches_each_segment_once() -> None:
    """Live viewers at the same place: one fill for each segment that anybody asked for, whatever their number."""
    result = play({**HTTP, "cdn.edges": "one", "origin.rate": "unlimited"})
    assert result.trace is not None
    segments = result.trace["transfers"]["segment"].nunique()
    filled = result.totals.timeline["filled"].sum()
    assert filled == segments * 250_000
    assert found(result)["cache_hits"] == pytest.approx(1 - filled / moved(result, "http")["bytes"].sum())


def test_each_region_has_an_edge_of_its_own() -> None:
    regions = {"regions.mix": {"sao-paulo": 0.5, "tokyo": 0.5}, "origin.rate": "unlimited"}
    one = play({**HTTP, **regions, "cdn.edges": "one"})
    each = play({**HTTP, **regions, "cdn.edges": "regions"})
    assert each.totals.timeline["filled"].sum() == pytest.approx(2 * one.totals.timeline["filled"].sum(), rel=0.05)
    assert set(moved(each, "http")["server"]) == {"edge-0", "edge-1"}


def test_a_miss_waits_for_the_origin_and_a_hit_does_not() -> None:
    changes = {
        "cdn.edges": "one",
        "cdn.time_to_first_byte": "20 ms",
        "cdn.miss_delay": "100 ms",
        "origin.rate": "10 Mbit/s",
    }
    rows = moved(play({**HTTP, **changes}), "http").sort_values("started_at")
    first = rows.drop_duplicates("segment")
    waits = first["first_byte_at"] - first["started_at"]
    fill = 0.02 + 0.1 + 2e6 / 0.97 / 10e6  # edge, origin, 250 kB at 10 Mbit/s and 97 % goodput
    assert np.median(waits) == pytest.approx(fill, abs=1e-6)
    late = rows.groupby("segment").tail(1)
    assert np.median(late["first_byte_at"] - late["started_at"]) == pytest.approx(0.02, abs=1e-6)


def test_without_coalescing_requests_at_once_each_fetch_a_copy() -> None:
    together = {
        **HTTP,
        "cdn.edges": "one",
        "viewers.arrival_period": "0 s",
        "viewers.count": 7,
        "origin.rate": "unlimited",
    }
    one = play(together).totals.timeline["filled"].sum()
    each = play({**together, "cdn.coalesce": False}).totals.timeline["filled"].sum()
    assert each == pytest.approx(7 * one)


def test_a_cache_without_room_saves_little() -> None:
    spread = {
        "stream.kind": "vod",
        "stream.length": "60 s",
        **HTTP,
        "cdn.edges": "one",
        "viewers.arrival_period": "60 s",
    }
    shares = [
        found(play({**spread, "cdn.cache": size}))["cache_hits"] for size in ("unlimited", "1 MB", "250 kB", "200 kB")
    ]
    assert shares[0] > 0.9
    assert shares[0] > shares[1] > shares[2]
    assert shares[3] == pytest.approx(0.0, abs=0.02)


def test_the_second_cdn_takes_what_the_first_would_rather_not() -> None:
    narrow = {**HTTP, "cdn.edges": "one", "cdn.rate": "5 Mbit/s"}  # for twelve viewers of 1 Mbit/s
    alone, helped = play(narrow), play({**narrow, "cdn.overflow_threshold": 0.8})
    assert found(alone)["stall_ratio"] > 0.03
    assert found(helped)["stall_ratio"] == 0
    assert 0.5 < found(helped)["second_share"] < 1
    rows = moved(helped, "http")
    assert rows.loc[rows["server"] == "second", "bytes"].sum() == pytest.approx(
        helped.totals.timeline["second"].sum(), rel=1e-9
    )


RESTRICTED = {"nat.shares": {"symmetric": 1.0}}


def test_a_relay_connects_whom_nats_keep_apart() -> None:
    assert found(play(RESTRICTED))["p2p_ratio"] == 0
    result = play({**RESTRICTED, "relay.availability": 1.0})
    rows = moved(result)
    assert found(result)["p2p_ratio"] > 0.4
    assert rows["relayed"].all()
    assert found(result)["relay_bytes"] == rows["bytes"].sum() == result.totals.viewers["bytes_relayed"].sum()
    assert result.totals.timeline["relayed"].sum() == pytest.approx(rows["bytes"].sum())
    assert result.trace is not None
    assert set(result.trace["connections"].query("outcome == 'open'")["path"]) == {"relay"}


def test_a_relay_is_there_for_its_share_of_the_pairs() -> None:
    result = play({**RESTRICTED, "relay.availability": 0.3, "viewers.count": 40})
    assert result.trace is not None
    rows = result.trace["connections"]
    rows = rows[rows["outcome"].isin(["open", "duplicate", "failed"])]
    pairs = rows.groupby([rows[["viewer", "other"]].min(axis=1), rows[["viewer", "other"]].max(axis=1)])["outcome"]
    assert (pairs.nunique() - pairs.agg(lambda kinds: {"open", "duplicate"} <= set(kinds)) == 1).all()
    assert (pairs.first() != "failed").mean() == pytest.approx(0.3, abs=0.08)


def test_a_relay_carries_no_more_than_it_can_and_comes_late() -> None:
    rows = moved(play({**RESTRICTED, "relay.availability": 1.0, "relay.rate": "2 Mbit/s", "relay.added_rtt": "100 ms"}))
    assert rows["bytes"].sum() <= 250_000 * 0.97 * 100
    started = (rows["first_byte_at"] - rows["started_at"]).to_numpy()
    assert (started.min(), np.median(started)) == pytest.approx((0.14, 0.14)), (
        "others stand behind what was cancelled too late"
    )
    assert not len(moved(play({"nat.shares": {"blocked": 1.0}, "relay.availability": 1.0, "relay.over_tcp": False})))
    assert len(moved(play({"nat.shares": {"blocked": 1.0}, "relay.availability": 1.0})))


def test_neighbours_share_what_their_cabinet_carries() -> None:
    """Twelve uplinks of 10 Mbit/s behind 2 Mbit/s: no more than that comes from peers."""
    behind = play({"neighbourhood.viewers": 12, "neighbourhood.uplink": "2 Mbit/s"})
    free = play({})
    per_second = behind.totals.timeline["p2p"]
    in_ten = per_second.rolling(10).sum()
    assert in_ten.max() <= 250_000 * 0.97 * 10 * 1.3  # whole messages are booked, which began to come seconds before
    assert per_second.sum() <= 250_000 * 0.97 * 100
    assert found(behind)["p2p_ratio"] < found(free)["p2p_ratio"] / 2


def test_a_narrow_downlink_of_a_cabinet_stalls_everybody() -> None:
    assert found(play({"neighbourhood.viewers": 12, "neighbourhood.downlink": "6 Mbit/s"}))["stall_ratio"] > 0.2


def test_a_processor_limits_what_is_encrypted_and_not_http() -> None:
    fast: dict[str, object] = {
        "access.uplink": "1 Gbit/s",
        "access.downlink": "1 Gbit/s",
        "network.rtt": "1 ms",
        "stream.bitrate": "20 Mbit/s",
    }
    fast |= {"origin.rate": "unlimited", "devices.mix": {"tv": 1.0}}
    free, bound = play(fast), play({**fast, "devices.limited_by_encryption": True})

    def fastest(rows: pd.DataFrame) -> float:
        done = rows[rows["outcome"] == "completed"]
        return float((done["bytes"] / (done["ended_at"] - done["first_byte_at"])).max())

    tv = 50e6 / 8 * 0.97
    assert fastest(moved(free)) > 2 * tv
    assert 0.95 * tv < fastest(moved(bound)) <= tv * (1 + 1e-6)
    assert fastest(moved(bound, "http")) > 2 * tv


LADDER = {"stream.ladder": ["500 kbit/s", "1 Mbit/s", "3 Mbit/s"], "origin.rate": "unlimited"}


@pytest.mark.parametrize(
    ("downlink", "level"),
    [("600 kbit/s", 0), ("1.3 Mbit/s", 0), ("1.6 Mbit/s", 1), ("4 Mbit/s", 1), ("4.6 Mbit/s", 2)],
)
def test_a_lone_player_reaches_the_level_that_70_percent_of_its_downlink_carry(downlink: str, level: int) -> None:
    result = play(
        {**LADDER, **HTTP, "viewers.count": 1, "access.downlink": downlink, "origin.time_to_first_byte": "0 s"}
    )
    assert result.trace is not None
    assert set(result.trace["segments"]["quality"].iloc[5:]) == {level}


def test_segments_are_shared_within_a_level_only() -> None:
    mixed = {**LADDER, "access.mix": {"custom": 1.0}, "access.spread": 1.0, "access.downlink": "6 Mbit/s"}
    result = play({**mixed, "viewers.count": 20})
    assert result.trace is not None
    assert len(discrepancies(result.trace, 1e-6)) == 0
    rows = moved(result)
    assert rows["quality"].nunique() > 1
    done = result.trace["transfers"].query("outcome == 'completed'")
    have = set(zip(done["viewer"], done["segment"], done["quality"], strict=True))
    assert len(rows) > 50
    for row in rows.itertuples():
        assert (row.from_viewer, row.segment, row.quality) in have
    sizes = result.trace["segments"].groupby("quality")["size"].unique()
    assert {q: s.tolist() for q, s in sizes.items()} == {0: [125_000], 1: [250_000], 2: [750_000]}


def test_two_levels_are_two_swarms() -> None:
    """Half of the audience can only have the lower level: each half shares among itself, and saves less."""
    halves = {**LADDER, "access.mix": {"custom": 0.5, "dsl-2003": 0.5}, "viewers.count": 16, "duration": "150 s"}
    result = play(halves | {"stream.ladder": ["300 kbit/s", "3 Mbit/s"]})
    assert result.trace is not None
    quality = result.trace["segments"].groupby("viewer")["quality"].last()
    assert quality.nunique() == 2
    late = moved(result).query("started_at > 60")
    assert len(late) > 20
    same = late["viewer"].map(quality).to_numpy() == late["from_viewer"].map(quality).to_numpy()
    assert same.mean() > 0.85  # but for those who switch later
    assert found(result)["switches"] >= 0.4


def test_what_is_off_costs_no_links() -> None:
    kernel = None

    def look(control: Control) -> None:
        nonlocal kernel
        kernel = control.kernel

    run(Scenario().replace({"duration": "5 s", "viewers.count": 5}), prepare=look)
    assert kernel is not None
    assert kernel.N.node.shape[1] == len(kernel.path) == 2
    assert len(kernel.N.link) == 1 + 2 * 5 + 3
    assert kernel.cached.size == 1
    assert kernel.bandwidth_estimate.shape == (1, 3)
    assert SMALL.relay.availability == 0
