import math
import random
from collections import Counter
from typing import Any

import pytest
from p2p_tracker.config.options import TrackerOptions
from p2p_tracker.core.protocol import (
    Announce,
    AnnounceReply,
    Answer,
    AnswerRelay,
    Failure,
    OfferRelay,
    PeersReply,
    PeersRequest,
    Scrape,
    ScrapeEntry,
    ScrapeReply,
    Signal,
    SignalRelay,
)
from p2p_tracker.core.tracker import Tracker

from tests.tracker.examples import (
    OTHER_SWARM,
    SWARM,
    Recorder,
    announce,
    answer,
    memberships,
    new_tracker,
    offers,
    peer,
)


def join(tracker: Tracker[object], *numbers: int, swarm: str = SWARM, now: float = 0.0) -> None:
    for number in numbers:
        tracker.handle(f"socket {number}", announce(number, swarm), now)


def test_the_reply_to_an_announce_has_interval_and_counts() -> None:
    tracker = new_tracker(interval=30)
    assert tracker.handle("a", announce(1, left=0), 0.0) == [("a", AnnounceReply(SWARM, 30, 1, 0))]
    assert tracker.handle("b", announce(2, left=5), 0.0) == [("b", AnnounceReply(SWARM, 30, 1, 1))]


def test_the_reply_precedes_the_offers_that_the_announce_causes() -> None:
    tracker = new_tracker()
    join(tracker, 1, 2, 3)
    deliveries = tracker.handle("socket 4", announce(4, offers=offers(5)), 0.0)
    assert [type(message) for _, message in deliveries] == [AnnounceReply, OfferRelay, OfferRelay, OfferRelay]
    assert deliveries[0][0] == "socket 4"
    assert {to for to, _ in deliveries[1:]} == {"socket 1", "socket 2", "socket 3"}
    relays = [message for _, message in deliveries if isinstance(message, OfferRelay)]
    assert [relay.offer_id for relay in relays] == ["id 0.0", "id 0.1", "id 0.2"]
    assert {relay.peer_id for relay in relays} == {peer(4)}


@pytest.mark.parametrize(
    ("numwant", "brought", "limit", "relayed"),
    [
        (None, 5, 20, 5),
        (3, 5, 20, 3),
        (0, 5, 20, 0),
        (-1, 5, 20, 5),  # a negative numwant means no limit
        (50, 5, 20, 5),
        (None, 5, 2, 2),
        (None, 30, 20, 9),
    ],
)
def test_offers_are_limited_by_those_brought_numwant_max_offers_and_members(
    numwant: int | None, brought: int, limit: int, relayed: int
) -> None:
    tracker = new_tracker(max_offers=limit)
    join(tracker, *range(1, 10))
    deliveries = tracker.handle("x", announce(0, offers=offers(brought), numwant=numwant), 0.0)
    assert len(deliveries) - 1 == relayed


def test_offers_never_go_to_the_announcing_connection() -> None:
    tracker = new_tracker()
    for number in range(10):
        tracker.handle("one socket", announce(number), 0.0)
    join(tracker, 20)
    deliveries = tracker.handle("one socket", announce(0, offers=offers(5)), 0.0)
    assert [to for to, _ in deliveries] == ["one socket", "socket 20"]


def test_an_answer_is_relayed_only_to_the_offering_peer() -> None:
    tracker = new_tracker()
    join(tracker, 1, 2)
    deliveries = tracker.handle("socket 2", answer(2, to=1), 1.0)
    assert deliveries == [("socket 1", AnswerRelay(SWARM, peer(2), "an id", "an answer"))]


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ("socket 2", answer(2, to=99)),
        ("socket 2", answer(2, to=1, swarm=OTHER_SWARM)),
        ("socket 2", answer(1, to=2)),
        ("stranger", answer(2, to=1)),
        ("socket 2", answer(2, to=2)),
    ],
    ids=["unknown target", "unknown swarm", "in the name of another", "from another socket", "to itself"],
)
def test_an_answer_that_cannot_be_relayed_is_dropped_without_reply(connection: str, message: Answer) -> None:
    tracker = new_tracker()
    join(tracker, 1, 2)
    assert tracker.handle(connection, message, 0.0) == []
    assert tracker.counts.answers == 0


def test_an_answer_does_not_cross_swarms() -> None:
    tracker = new_tracker()
    join(tracker, 1)
    join(tracker, 2, swarm=OTHER_SWARM)
    assert tracker.handle("socket 2", answer(2, to=1, swarm=OTHER_SWARM), 0.0) == []


def test_stopped_is_replied_to_and_ends_the_membership() -> None:
    tracker = new_tracker(interval=20)
    join(tracker, 1, 2)
    assert tracker.handle("socket 1", announce(1, event="stopped"), 0.0) == [
        ("socket 1", AnnounceReply(SWARM, 20, 0, 1))
    ]
    assert tracker.handle("socket 2", announce(2, event="stopped"), 0.0) == [
        ("socket 2", AnnounceReply(SWARM, 20, 0, 0))
    ]
    assert not tracker.swarms
    assert tracker.handle("socket 2", announce(2, event="stopped"), 0.0) == [
        ("socket 2", AnnounceReply(SWARM, 20, 0, 0))
    ]
    assert not tracker.swarms


def test_stopped_from_another_connection_changes_nothing() -> None:
    tracker = new_tracker()
    join(tracker, 1, 2)
    tracker.handle("socket 2", announce(1, event="stopped"), 0.0)
    assert peer(1) in tracker.swarms[SWARM].by_id


def test_disconnecting_removes_all_memberships_of_a_connection() -> None:
    tracker = new_tracker()
    for number in range(5):
        for swarm in (SWARM, OTHER_SWARM):
            tracker.handle("page", announce(number, swarm), 0.0)
    assert len(memberships(tracker, "page")) == tracker.counts.peers == 10
    tracker.handle("page", announce(2, event="stopped"), 0.0)
    assert len(memberships(tracker, "page")) == 9
    tracker.disconnect("page", 1.0)
    assert not tracker.swarms
    assert tracker.counts.peers == 0
    assert memberships(tracker, "page") == []
    tracker.disconnect("page", 1.0)


def test_a_peer_moves_to_the_connection_from_which_it_announces() -> None:
    tracker = new_tracker()
    join(tracker, 1, 2)
    tracker.handle("new socket", announce(1), 1.0)
    assert memberships(tracker, "socket 1") == []
    assert tracker.handle("socket 2", answer(2, to=1), 1.0)[0][0] == "new socket"
    tracker.disconnect("socket 1", 2.0)
    assert len(tracker.swarms[SWARM]) == 2


def test_moving_the_only_peer_of_a_swarm_keeps_the_swarm() -> None:
    recorder = Recorder()
    tracker = new_tracker(recorder)
    join(tracker, 1)
    tracker.handle("new socket", announce(1), 1.0)
    assert "swarm_removed" not in recorder.names
    assert len(tracker.swarms[SWARM]) == 1


def test_takeover_silent_moves_a_peer_only_from_a_silent_connection() -> None:
    tracker = new_tracker(takeover="silent", heartbeat_timeout=60)
    join(tracker, 1)
    assert tracker.handle("thief", announce(1), 10.0) == [
        ("thief", Failure("announce", SWARM, "this peer_id is connected already"))
    ]
    tracker.keep_alive("socket 1", 20.0)
    assert isinstance(tracker.handle("thief", announce(1), 49.0)[0][1], Failure)
    assert isinstance(tracker.handle("heir", announce(1), 50.0)[0][1], AnnounceReply)


def test_complete_and_downloaded_follow_left_and_completed() -> None:
    tracker = new_tracker()
    steps: list[tuple[dict[str, Any], tuple[int, int, int]]] = [
        ({"left": 9}, (0, 1, 0)),
        ({}, (0, 1, 0)),
        ({"event": "completed"}, (1, 0, 1)),
        ({"event": "completed"}, (1, 0, 1)),
        ({}, (1, 0, 1)),
        ({"left": 4}, (0, 1, 1)),
        ({"left": 0}, (1, 0, 1)),
        ({"left": -1}, (0, 1, 1)),
    ]
    for fields, counts in steps:
        tracker.handle("a", announce(1, **fields), 0.0)
        swarm = tracker.swarms[SWARM]
        assert (swarm.complete, swarm.incomplete, swarm.downloaded) == counts, fields
    tracker.handle("a", announce(1, left=0), 0.0)
    tracker.handle("b", announce(2), 0.0)
    tracker.disconnect("a", 0.0)
    assert tracker.swarms[SWARM].complete == 0


def test_a_scrape_returns_the_counts_of_the_named_swarms() -> None:
    tracker = new_tracker(max_scrape=2)
    tracker.handle("a", announce(1, left=0), 0.0)
    join(tracker, 2, 3, swarm=OTHER_SWARM)
    both = {SWARM: ScrapeEntry(1, 0, 0), OTHER_SWARM: ScrapeEntry(0, 2, 0)}
    unknown = "x" * 20
    cases: list[tuple[tuple[str, ...] | None, dict[str, ScrapeEntry]]] = [
        (None, both),
        ((SWARM,), {SWARM: both[SWARM]}),
        ((unknown,), {unknown: ScrapeEntry(0, 0, 0)}),
        ((), {}),
        ((SWARM, OTHER_SWARM, unknown), both),
    ]
    for info_hashes, files in cases:
        assert tracker.handle("c", Scrape(info_hashes), 0.0) == [("c", ScrapeReply(files))]


def test_a_membership_expires_without_announces_although_its_connection_is_alive() -> None:
    tracker = new_tracker(interval=20, heartbeat_timeout=60)
    join(tracker, 1, 2)
    present = {}
    for now in range(0, 160, 10):
        tracker.keep_alive("socket 1", float(now))
        tracker.keep_alive("socket 2", float(now))
        if now <= 70:
            tracker.handle("socket 2", announce(2), float(now))
        assert tracker.expire(float(now)) == []
        present[now] = {peer_id for swarm in tracker.swarms.values() for peer_id in swarm.by_id}
    assert present[40] == {peer(1), peer(2)}
    assert present[50] == {peer(2)}  # two and a half intervals
    assert present[110] == {peer(2)}
    assert present[120] == set()


def test_a_silent_connection_expires_after_the_heartbeat_timeout() -> None:
    tracker = new_tracker(interval=120, heartbeat_timeout=60)
    tracker.connect("quiet", 0.0)
    join(tracker, 1)
    tracker.keep_alive("socket 1", 30.0)
    assert tracker.next_deadline() == pytest.approx(61.0)
    assert tracker.expire(59.9) == []
    assert tracker.expire(60.0) == ["quiet"]
    assert tracker.next_deadline() == pytest.approx(91.0)
    assert tracker.expire(91.0) == ["socket 1"]
    assert not tracker.swarms
    assert tracker.next_deadline() is None
    assert tracker.expire(1e9) == []


def test_an_infinite_heartbeat_timeout_sets_no_deadline() -> None:
    tracker = new_tracker(interval=100, heartbeat_timeout=math.inf)
    tracker.connect("a", 0.0)
    assert tracker.next_deadline() is None
    tracker.handle("a", announce(1), 0.0)
    assert tracker.next_deadline() == pytest.approx(251.0)


@pytest.mark.parametrize(
    ("options", "second", "reason"),
    [
        ({"max_swarms": 1}, ("b", announce(2, OTHER_SWARM)), "room"),
        ({"max_peers_per_swarm": 1}, ("b", announce(2)), "full"),
        ({"max_swarms_per_connection": 1}, ("a", announce(1, OTHER_SWARM)), "too many"),
    ],
)
def test_limits_are_enforced_with_a_reason(options: dict[str, Any], second: tuple[str, Announce], reason: str) -> None:
    tracker = new_tracker(**options)
    tracker.handle("a", announce(1), 0.0)
    connection, message = second
    ((to, failure),) = tracker.handle(connection, message, 0.0)
    assert to == connection
    assert isinstance(failure, Failure)
    assert (failure.action, failure.info_hash) == ("announce", message.info_hash)
    assert reason in failure.reason
    assert tracker.counts.failures == tracker.counts.peers == 1
    # existing members are still served
    assert isinstance(tracker.handle("a", announce(1), 0.0)[0][1], AnnounceReply)


def test_locality_matching_uses_the_locations_of_connect() -> None:
    tracker = new_tracker(matching="locality")
    for number in range(40):
        tracker.keep_alive(number, 0.0)
        tracker.connect(number, 0.0, (f"home {number // 2}", f"region {number % 2}"))
        tracker.handle(number, announce(number), 0.0)
    offered = Counter(to for _ in range(50) for to, _ in tracker.handle(8, announce(8, offers=offers(1)), 0.0)[1:])
    assert offered[9] > 25  # the peer of the same home; a quarter of the offers go anywhere


def test_a_tracker_that_accepts_no_new_peers_refuses_them() -> None:
    tracker = new_tracker()
    join(tracker, 1)
    tracker.accepts_new_peers = False
    ((_, failure),) = tracker.handle("b", announce(2), 0.0)
    assert isinstance(failure, Failure)
    assert "no room" in failure.reason
    # existing members are still served, also from a new connection
    for connection in ("socket 1", "another"):
        assert tracker.handle(connection, announce(1), 0.0) == [(connection, AnnounceReply(SWARM, 120, 0, 1))]


def test_the_interval_varies_within_its_jitter() -> None:
    tracker = new_tracker(interval=100, interval_jitter=0.1)
    replies = [tracker.handle("a", announce(1), 0.0)[0][1] for _ in range(500)]
    intervals = {reply.interval for reply in replies if isinstance(reply, AnnounceReply)}
    assert min(intervals) >= 90
    assert max(intervals) <= 110
    assert len(intervals) > 15


def test_every_other_peer_receives_the_same_share_of_offers() -> None:
    tracker = new_tracker()
    join(tracker, *range(50))
    received = Counter(
        to for _ in range(2000) for to, _ in tracker.handle("socket 0", announce(0, offers=offers(5)), 0.0)[1:]
    )
    expected = 2000 * 5 / 49
    chi_square = sum((received[f"socket {i}"] - expected) ** 2 / expected for i in range(1, 50))
    assert chi_square < 84  # 0.999 quantile of 48 degrees of freedom


def test_a_signal_is_relayed_to_the_one_peer_that_accepts_signals() -> None:
    for recorder in (None, Recorder()):
        tracker = new_tracker(recorder)
        join(tracker, 1)
        tracker.handle("socket 2", announce(2, accepts_signals=True), 0.0)
        signal = Signal(SWARM, peer(1), peer(2), "a candidate")
        assert tracker.handle("socket 1", signal, 0.0) == [("socket 2", SignalRelay(SWARM, peer(1), "a candidate"))]
        # a peer that has sent a signal accepts signals
        back = Signal(SWARM, peer(2), peer(1), "another")
        assert tracker.handle("socket 2", back, 0.0) == [("socket 1", SignalRelay(SWARM, peer(2), "another"))]
        assert tracker.counts.signals == 2
    assert recorder is not None
    assert recorder.events[-1] == ("signal_relayed", SWARM, peer(2), peer(1), "signal")


@pytest.mark.parametrize(
    ("connection", "signal", "reason"),
    [
        ("socket 1", Signal(SWARM, peer(1), peer(2), "x"), "accept"),
        ("socket 1", Signal(SWARM, peer(1), peer(1), "x"), "accept"),
        ("socket 1", Signal(SWARM, peer(1), peer(9), "x"), "not in"),
        ("socket 2", Signal(SWARM, peer(1), peer(2), "x"), "announce first"),
        ("socket 1", Signal(OTHER_SWARM, peer(1), peer(2), "x"), "announce first"),
        ("stranger", PeersRequest(SWARM, peer(1)), "announce first"),
        ("socket 1", PeersRequest(OTHER_SWARM, peer(1)), "announce first"),
    ],
)
def test_extensions_are_refused_without_membership_or_accepting_receiver(
    connection: str, signal: Signal | PeersRequest, reason: str
) -> None:
    tracker = new_tracker()
    join(tracker, 1, 2)
    ((to, failure),) = tracker.handle(connection, signal, 0.0)
    assert to == connection
    assert isinstance(failure, Failure)
    assert failure.action == ("peers" if isinstance(signal, PeersRequest) else "signal")
    assert failure.info_hash == signal.info_hash
    assert reason in failure.reason


def test_a_list_of_peers_has_the_other_members_up_to_its_limit() -> None:
    for recorder in (None, Recorder()):
        tracker = new_tracker(recorder, max_listed=5)
        join(tracker, 1, 2)
        tracker.handle("socket 3", announce(3, left=0), 0.0)
        ((_, reply),) = tracker.handle("socket 1", PeersRequest(SWARM, peer(1)), 0.0)
        assert isinstance(reply, PeersReply)
        assert sorted(reply.peers) == [(peer(2), False), (peer(3), True)]
        join(tracker, *range(10, 30))
        ((_, reply),) = tracker.handle("socket 1", PeersRequest(SWARM, peer(1)), 0.0)
        assert isinstance(reply, PeersReply)
        assert len(set(reply.peers)) == 5
    assert recorder is not None
    assert ("peers_sent", SWARM, peer(1), 2) in recorder.events


def test_an_observer_is_notified_of_events_in_order() -> None:
    recorder = Recorder()
    tracker = new_tracker(recorder)
    tracker.handle("a", announce(1, event="started"), 0.0)
    tracker.handle("b", announce(2, offers=offers(3)), 0.0)
    tracker.handle("a", answer(1, to=2), 0.0)
    tracker.handle("a", announce(1, event="stopped"), 0.0)
    tracker.disconnect("b", 0.0)
    tracker.failure(SWARM, "no")
    assert recorder.events == [
        ("announced", SWARM, peer(1), "started", 0),
        ("swarm_created", SWARM),
        ("peer_added", SWARM, peer(1), 1),
        ("announced", SWARM, peer(2), "", 3),
        ("peer_added", SWARM, peer(2), 2),
        ("signal_relayed", SWARM, peer(2), peer(1), "offer"),
        ("peers_sent", SWARM, peer(2), 1),
        ("signal_relayed", SWARM, peer(1), peer(2), "answer"),
        ("announced", SWARM, peer(1), "stopped", 0),
        ("peer_removed", SWARM, peer(1), 1, "stopped"),
        ("peer_removed", SWARM, peer(2), 0, "disconnected"),
        ("swarm_removed", SWARM),
        ("refused", SWARM, "no"),
    ]


def test_an_observer_may_skip_frequent_events() -> None:
    recorder = Recorder()
    recorder.sees_messages = False
    tracker = new_tracker(recorder)
    join(tracker, 1)
    tracker.handle("b", announce(2, offers=offers(1)), 0.0)
    tracker.handle("socket 1", answer(1, to=2), 0.0)
    assert recorder.names == ["swarm_created", "peer_added", "peer_added"]


def test_the_same_seed_gives_the_same_tracker() -> None:
    def run() -> list[object]:
        tracker: Tracker[object] = Tracker(TrackerOptions(), random.Random(3))
        deliveries: list[object] = []
        for step in range(400):
            number = step * 7 % 60
            deliveries += tracker.handle(number, announce(number, offers=offers(3, step)), step * 1.0)
            deliveries += tracker.expire(step * 1.0)
        return deliveries

    assert run() == run()
