"""Tests of real viewers with real trackers and a real origin on the loopback."""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from p2p_tracker.config.options import ServerOptions
from p2p_tracker.server.server import serve

from p2psim.scenario import Scenario
from p2psim.scenario.population import Departure
from p2psim.testbed.origin.media import Clip, ClipOptions, ladder, make_clip
from p2psim.testbed.origin.schedule import OriginOptions
from p2psim.testbed.origin.server import Origin
from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.config import RunEnvironment, ViewerPlan
from p2psim.testbed.peer.viewer import Viewer
from p2psim.testbed.peer.worker import prepare
from p2psim.testbed.recording.event_log import EventLog, digest
from p2psim.testbed.recording.trace_builder import read_events

pytestmark = [pytest.mark.asyncio, pytest.mark.testbed, pytest.mark.usefixtures("loopback")]

Event = dict[str, Any]
Addresses = tuple[str, ...]

SCENARIO = Scenario().replace(
    {"stream.kind": "vod", "stream.segment": 1.0, "stream.length": 60.0, "policy.highDemandTimeWindow": 3.0,
     "player.buffer": 4.0, "tracker.interval": 5.0, "tracker.one_way_delay": 0.001}
)  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Clip of three seconds in one quality; the policy is compiled."""
    prepare(SCENARIO)
    options = ClipOptions(rungs=ladder(30_000), segment_duration=1.0, segment_count=3, frame_rate=10)
    return make_clip(options, tmp_path_factory.mktemp("media"))


def plan(index: int, joined_at: float, left_at: float, departure: Departure) -> ViewerPlan:
    return ViewerPlan(
        index=index, name=f"v{index:04d}", joined_at=joined_at, left_at=left_at, departure=departure, uplink=1e6,
        downlink=None, device="desktop", uploads=True,
    )  # fmt: skip


def first_tracker(index: int, urls: Addresses) -> Addresses:
    """Return the trackers of each viewer: the first of two."""
    return urls[:1]


async def watched(
    clip: Clip,
    tmp_path: Path,
    plans: Sequence[ViewerPlan],
    scenario: Scenario = SCENARIO,
    interval: float = 5.0,
    trackers_of: Callable[[int, Addresses], Addresses] = first_tracker,
    channels: tuple[str, ...] = ("main",),
) -> tuple[list[Event], list[Event]]:
    """Run viewers, each with its own of two trackers; return the events of their logs and the rows of the origin."""
    rows: list[Event] = []

    def add_row(table: str, /, **row: Any) -> None:
        rows.append(row)

    options = OriginOptions(kind="vod", segment_count=60, rate=400_000.0, channels=channels)
    async with (
        asyncio.timeout(20),
        serve(ServerOptions(port=0, interval=interval)) as tracker,
        serve(ServerOptions(port=0, interval=interval)) as other,
        Origin(options, clip, add_row) as origin,
    ):
        with EventLog(tmp_path / "event_log.jsonl") as event_log:
            environment = RunEnvironment(
                scenario=scenario, seed=1, master=origin.master_url(), trackers=(), clock=RunClock(time.monotonic()),
                event_log=event_log, gate=asyncio.Semaphore(4),
            )  # fmt: skip
            trackers = [trackers_of(each.index, (tracker.url, other.url)) for each in plans]
            viewers = [
                Viewer(each, dataclasses.replace(environment, trackers=urls))
                for each, urls in zip(plans, trackers, strict=True)
            ]
            await asyncio.gather(*(viewer.watch() for viewer in viewers))
            for session in environment.abandoned_sessions:
                await session.close()
    return read_events([tmp_path / "event_log.jsonl"]), rows


def of(events: list[Event], name: str, viewer: str | None = None) -> list[Event]:
    """Return the events of a name, of one viewer or all."""
    return [event for event in events if event["event"] == name and viewer in (None, event["viewer"])]


@pytest.mark.slow
async def test_two_viewers_play_and_share(clip: Clip, tmp_path: Path) -> None:
    plans = [plan(0, 0.0, 9.0, "end"), plan(1, 2.0, 8.0, "clean")]
    events, rows = await watched(clip, tmp_path, plans, interval=3.0)
    assert of(events, "late") == [] or sum(event["bytes"] for event in of(events, "late")) < 200_000
    for viewer in ("v0000", "v0001"):
        assert [event["state"] for event in of(events, "playback", viewer)] == ["starting", "playing"]
    peers = {event["peer_id"]: event["viewer"] for event in of(events, "viewer")}
    completed = [event for event in of(events, "transfer") if event["outcome"] == "completed"]
    shared = [event for event in completed if event["source"] == "p2p"]
    assert len(shared) >= 5
    assert {peers[event["peer"]] for event in shared if event["viewer"] == "v0001"} == {"v0000"}
    sent = {(event["viewer"], peers[event["peer"]]): event["sent"] for event in of(events, "link")}
    received = {(peers[event["peer"]], event["viewer"]): event["received"] for event in of(events, "link")}
    assert sent == received
    fetched_bytes = sum(event["bytes_http"] for event in of(events, "segment"))
    assert fetched_bytes == sum(row["bytes"] for row in rows if row["path"].endswith(".ts"))
    held = {(event["segment"], event["digest"]) for event in of(events, "segment") if event["digest"]}
    assert held == {(number, digest(clip.segment(0, number))) for number, _ in held}
    first, *repeats, last = [event["sort"] for event in of(events, "announce", "v0001")]
    assert (first, set(repeats), last) == ("started", {""}, "stopped")


@pytest.mark.slow
async def test_a_viewer_changes_channels_and_leaves_the_swarm_of_each(clip: Clip, tmp_path: Path) -> None:
    zapper = msgspec.structs.replace(plan(1, 1.0, 9.0, "end"), zaps=[(4.5, "channel-2"), (6.5, "main")])
    plans = [plan(0, 0.0, 9.0, "end"), zapper]
    events, rows = await watched(clip, tmp_path, plans, interval=3.0, channels=("main", "channel-2"))
    states = [(event["state"], event["at"]) for event in of(events, "playback", "v0001")]
    assert [state for state, _ in states] == ["starting", "playing"] * 3
    assert [at for state, at in states if state == "starting"][1:] == pytest.approx([4.5, 6.5], abs=0.2)
    fetched = {event["stream"] for event in of(events, "transfer", "v0001")}
    assert fetched == {"main", "channel-2"}
    assert {event["stream"] for event in of(events, "transfer", "v0001") if event["source"] == "p2p"} == {"main"}
    serials = [event["transfer"] for event in of(events, "transfer", "v0001")]
    assert len(serials) == len(set(serials))
    sorts = [event["sort"] for event in of(events, "announce", "v0001")]
    assert [sort for sort in sorts if sort] == ["started", "stopped"] * 3
    peers = {event["peer_id"]: event["viewer"] for event in of(events, "viewer")}
    sent = sum(event["sent"] for event in of(events, "link", "v0000"))
    assert sent == sum(event["received"] for event in of(events, "link", "v0001")) > 0
    assert set(peers.values()) == {"v0000", "v0001"}
    fetched_bytes = sum(event["bytes_http"] for event in of(events, "segment"))
    assert fetched_bytes == sum(row["bytes"] for row in rows if row["path"].endswith(".ts"))
    assert len(of(events, "viewer", "v0001")) == 1


@pytest.mark.slow
async def test_a_viewer_announces_itself_to_all_trackers_and_keeps_one_connection_to_a_peer(
    clip: Clip, tmp_path: Path
) -> None:
    plans = [plan(index, 0.5 * index, 8.0, "clean") for index in range(3)]
    # the third knows only the second tracker
    events, _ = await watched(clip, tmp_path, plans, trackers_of=lambda index, urls: urls[1:] if index == 2 else urls)
    sorts = [[event["sort"] for event in of(events, "announce", each.name)] for each in plans]
    assert [sort.count("started") for sort in sorts] == [sort.count("stopped") for sort in sorts] == [2, 2, 1]
    opened = [event for event in of(events, "connection") if event["outcome"] == "open"]
    peers = {event["peer_id"]: event["viewer"] for event in of(events, "viewer")}
    pairs = [frozenset((event["viewer"], peers[event["peer"]])) for event in opened]
    assert len(pairs) == len(set(pairs)) == 3


@pytest.mark.slow
async def test_a_viewer_without_p2p_loads_everything_over_http(clip: Clip, tmp_path: Path) -> None:
    scenario = SCENARIO.replace({"policy.name": "http-only"})
    events, _ = await watched(clip, tmp_path, [plan(0, 0.0, 3.0, "end")], scenario)
    assert of(events, "announce") == of(events, "connection") == []
    assert of(events, "viewer")[0]["left_at"] >= 3.0
    assert {event["source"] for event in of(events, "transfer")} == {"http"}
    # the playhead, and a buffer of four seconds ahead of it
    assert max(event["segment"] for event in of(events, "segment")) <= 8


@pytest.mark.slow
async def test_a_viewer_plays_on_when_its_peer_has_crashed(clip: Clip, tmp_path: Path) -> None:
    events, _ = await watched(clip, tmp_path, [plan(0, 0.0, 4.0, "crash"), plan(1, 1.0, 11.0, "end")])
    [crashed] = of(events, "viewer", "v0000")
    assert 4.0 <= crashed["left_at"] < 4.5
    assert [event["sort"] for event in of(events, "announce", "v0000")] == ["started"]
    assert [event["state"] for event in of(events, "playback", "v0001")] == ["starting", "playing"]
    assert max(event["segment"] for event in of(events, "segment", "v0001") if event["played_at"] > 9) >= 8
