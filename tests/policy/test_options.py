"""Options that are choices: the faults of 2.3 real or mended, P2P switched off, limits of the storage, elections."""

import contextlib
import dataclasses
from collections.abc import Sequence

import pytest

from p2psim.policy.election import item_hash, peer_hash
from p2psim.policy.interface import options
from p2psim.policy.state import HTTP, commands
from p2psim.rng import constant_streams
from p2psim.scenario.policy import PUBLIC_STUN, PUBLIC_TRACKERS, Policy
from p2psim.testbed.peer.single_loader import Command, SingleLoader
from p2psim.wire import CommandJoiner, RemoteProtocolError, SegmentsAnnouncement, decode, encode


def agent(live: bool = False, name: str = "me", segment: float = 4.0, **policy: object) -> SingleLoader:
    made = SingleLoader(
        options(dataclasses.replace(Policy(), **policy), live, segment, 24.0),  # type: ignore[arg-type]
        constant_streams(0.5, 1)[0],
        name=name,
    )
    made.playlist([(i, i * segment, (i + 1) * segment) for i in range(20)])
    return made


def kinds(issued: Sequence[Command]) -> list[tuple[int, int]]:
    return [(command.kind, command.segment) for command in issued if command.kind != commands.ANNOUNCE]


@pytest.mark.parametrize(("rule", "started"), [("upstream", []), ("fixed", [5, 6])])
def test_queue_of_a_player_whose_segment_has_left_the_playlist(rule: str, started: list[int]) -> None:
    viewer = agent(live=True, queueStart=rule)
    viewer.player_requests(0)
    viewer.player_aborts(0)
    viewer.playlist([(i, i * 4.0, i * 4.0 + 4.0) for i in range(5, 25)])
    viewer.playhead_moves(21.0, 1.0, 1.0)
    assert kinds(viewer.queue_pass(1.0)) == [(commands.START_HTTP, segment) for segment in started]


@pytest.mark.parametrize(("rule", "aborted"), [("upstream", True), ("fixed", False)])
def test_what_loads_before_the_segment_asked_for(rule: str, aborted: bool) -> None:
    viewer = agent(queueStart=rule)
    viewer.player_requests(1)
    assert (commands.START_HTTP, 1) in kinds(viewer.queue_pass(0.0))
    viewer.started(HTTP, 0.0)
    viewer.player_requests(2)
    issued = kinds(viewer.queue_pass(0.1))
    assert ((commands.ABORT_HTTP, 1) in issued) is aborted


@pytest.mark.parametrize(("faults", "read"), [(True, False), (False, True)])
def test_a_whole_block_is_announced_or_lost(faults: bool, read: bool) -> None:
    said = SegmentsAnnouncement(tuple(range(256)))
    (message,) = encode(said, upstream_faults=faults)
    payload = CommandJoiner().push(message)
    assert payload is not None
    if read:
        assert decode(payload, upstream_faults=True) == said, "as a receiver of 2.3 reads it"
    else:
        with contextlib.suppress(RemoteProtocolError):
            assert decode(payload, upstream_faults=True) != said
        assert decode(payload) == said, "later versions read it"


def test_without_p2p_only_what_the_player_asks_for_is_fetched() -> None:
    viewer = agent(isP2PDisabled=True)
    assert viewer.queue_pass(0.0) == []
    viewer.player_requests(0)
    assert kinds(viewer.queue_pass(0.1)) == [(commands.START_HTTP, 0)]
    viewer.failed(0, 0.2)
    assert kinds(viewer.queue_pass(0.2)) == [(commands.REJECT, 0)], "the player itself tries again"


def test_defaults_are_those_of_upstream() -> None:
    policy = Policy()
    assert policy.announceTrackers == PUBLIC_TRACKERS
    assert policy.rtcConfig == PUBLIC_STUN
    assert [policy.storage_limit(mobile) / 2**20 for mobile in (False, True)] == [4096, 2048]
    assert Policy(segmentMemoryStorageLimit=6).storage_limit(True) == 6 * 2**20
    assert Policy(customSegmentStorageFactory="unlimited").storage_limit(False) == float("inf")


def test_overrides_hold_for_their_kind_of_stream() -> None:
    policy = Policy(mainStream={"highDemandTimeWindow": 5.0}, secondaryStream={"simultaneousHttpDownloads": 1})
    assert policy.of_stream("main").highDemandTimeWindow == 5
    assert policy.of_stream("main").simultaneousHttpDownloads == 2
    assert policy.of_stream("secondary").simultaneousHttpDownloads == 1
    assert options(policy, live=False).high_demand_window == 5


def test_live_demand_of_5_follows_the_latency() -> None:
    newer = Policy(name="p2p-media-loader-5")
    assert options(newer, True, 4.0, 24.0).high_demand_window == 10.0  # half of 24 - 4
    assert options(newer, True, 4.0, 8.0).high_demand_window == 4.0  # of two segments
    assert options(newer, True, 4.0, 120.0).high_demand_window == 15.0
    assert options(newer, False, 4.0, 24.0).high_demand_window == 15.0


def slow_hash(text: str) -> int:
    value = 2166136261
    for byte in text.encode():
        value = ((value ^ byte) * 16777619) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        value = ((value ^ (value >> shift)) * factor) % 2**32
    return value


@pytest.mark.parametrize(("peer", "item"), [("a", 0), ("-PM0203-abcdefghijkl", 9), ("peer", 10), ("peer", 1234567)])
def test_hash_of_an_election(peer: str, item: int) -> None:
    assert item_hash(peer_hash(peer), item) == slow_hash(f"{peer}|{item}")


def voter(name: str) -> SingleLoader:
    policy = Policy(name="p2p-media-loader-5", simultaneousHttpDownloads=16, highDemandTimeWindow=0.0)
    made = SingleLoader(options(policy, False), constant_streams(0.5, 1)[0], name=name)
    made.playlist([(i, 100 + i * 4.0, 104 + i * 4.0) for i in range(20)])
    made.start_at(0.0)
    return made


def test_each_missing_segment_is_fetched_by_one_of_all() -> None:
    """Those who know each other agree, whatever each of them draws."""
    names = [f"peer-{k}" for k in range(6)]
    fetched: list[int] = []
    for name in names:
        viewer = voter(name)
        for other in names:
            if other != name:
                viewer.connect(other)
        viewer.player_requests(0)
        viewer.player_aborts(0)
        started = [segment for kind, segment in kinds(viewer.queue_pass(0.0)) if kind == commands.START_HTTP]
        fetched += [segment for segment in started if segment]
    assert sorted(fetched) == list(range(1, 20))


def test_what_a_peer_lacks_may_still_be_on_its_way_to_it() -> None:
    viewer = agent()
    viewer.connect("peer")
    viewer.announced("peer", stored=[1, 2], fetching=[2, 3])
    for segment in (1, 2):
        viewer.lacks("peer", segment)
    seen = viewer._L.slot[0]
    assert [(int(seen[i].holders), int(seen[i].fetchers)) for i in (1, 2, 3)] == [(0, 0), (0, 1), (0, 1)]
