"""Stateful test of the core: arbitrary sequences of events, compared with a simple model."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from p2p_tracker.core.protocol import AnnounceReply, AnswerRelay, OfferRelay

from tests.tracker.examples import OTHER_SWARM, SWARM, announce, answer, memberships, new_tracker, offers, peer

LIFETIME, HEARTBEAT = 50.0, 30.0
SOCKETS = st.integers(0, 4)
PEERS = st.integers(0, 5)
SWARMS = st.sampled_from([SWARM, OTHER_SWARM])


class TrackerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.tracker = new_tracker(interval=20, heartbeat_timeout=HEARTBEAT)
        self.now = 0.0
        self.owners: dict[tuple[str, str], tuple[int, float]] = {}  # (swarm, peer) -> (socket, last announce or answer)
        self.last_heard: dict[int, float] = {}  # by socket

    @rule(socket=SOCKETS, number=PEERS, swarm=SWARMS, count=st.integers(0, 7), wanted=st.none() | st.integers(-1, 4))
    def announce(self, socket: int, number: int, swarm: str, count: int, wanted: int | None) -> None:
        message = announce(number, swarm, offers=offers(count), numwant=wanted)
        (first, reply), *sent = self.tracker.handle(socket, message, self.now)
        self.owners[swarm, peer(number)] = (socket, self.now)
        self.last_heard[socket] = self.now
        inside = {key: held for key, held in self.owners.items() if key[0] == swarm}
        others: list[object] = [held for held, _ in inside.values() if held != socket]
        assert first == socket
        assert isinstance(reply, AnnounceReply)
        assert reply.complete + reply.incomplete == len(inside)
        limit = count if wanted is None or wanted < 0 else min(count, wanted)
        assert len(sent) == min(limit, len(others))
        receivers = [to for to, _ in sent]
        relays = [relay for _, relay in sent if isinstance(relay, OfferRelay) and relay.info_hash == swarm]
        assert len(relays) == len(sent)
        assert all(receivers.count(to) <= others.count(to) for to in receivers)
        assert len({relay.offer_id for relay in relays}) == len(relays)

    @rule(socket=SOCKETS, number=PEERS, swarm=SWARMS)
    def stop(self, socket: int, number: int, swarm: str) -> None:
        (reply,) = self.tracker.handle(socket, announce(number, swarm, event="stopped"), self.now)
        assert reply[0] == socket
        self.last_heard[socket] = self.now
        if self.owners.get((swarm, peer(number)), (None,))[0] == socket:
            del self.owners[swarm, peer(number)]

    @rule(socket=SOCKETS, number=PEERS, to=PEERS, swarm=SWARMS)
    def answer(self, socket: int, number: int, to: int, swarm: str) -> None:
        deliveries = self.tracker.handle(socket, answer(number, to, swarm), self.now)
        self.last_heard[socket] = self.now
        target = self.owners.get((swarm, peer(to)))
        if self.owners.get((swarm, peer(number)), (None,))[0] != socket:
            assert deliveries == []
            return
        self.owners[swarm, peer(number)] = (socket, self.now)
        if target is None or number == to:
            assert deliveries == []
        else:
            ((receiver, relay),) = deliveries
            assert receiver == target[0]
            assert isinstance(relay, AnswerRelay)
            assert relay.peer_id == peer(number)

    @rule(socket=SOCKETS)
    def disconnect(self, socket: int) -> None:
        self.tracker.disconnect(socket, self.now)
        self.forget(socket)

    @rule(socket=SOCKETS)
    def pong(self, socket: int) -> None:
        self.tracker.keep_alive(socket, self.now)
        self.last_heard[socket] = self.now

    @rule(seconds=st.sampled_from([1.0, 5.0, 20.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        due = self.tracker.next_deadline()
        expired = self.tracker.expire(self.now)
        silent = {socket for socket, at in self.last_heard.items() if at + HEARTBEAT <= self.now}
        assert set(expired) == silent
        assert due is not None or not silent
        for socket in expired:
            self.forget(socket)
        self.owners = {key: held for key, held in self.owners.items() if held[1] + LIFETIME > self.now}

    def forget(self, socket: object) -> None:
        self.last_heard = {other: at for other, at in self.last_heard.items() if other != socket}
        self.owners = {key: held for key, held in self.owners.items() if held[0] != socket}

    @invariant()
    def swarms_contain_exactly_the_present_peers(self) -> None:
        tracker = self.tracker
        present = {
            (swarm.info_hash, member.peer_id): member.client.connection
            for swarm in tracker.swarms.values()
            for member in swarm.members
        }
        assert present == {key: held for key, (held, _) in self.owners.items()}

    @invariant()
    def counts_and_indices_agree(self) -> None:
        tracker = self.tracker
        assert all(swarm.members for swarm in tracker.swarms.values())
        assert tracker.counts.peers == sum(map(len, tracker.swarms.values()))
        for swarm in tracker.swarms.values():
            assert [member.index for member in swarm.members] == list(range(len(swarm)))
            assert set(swarm.by_id.values()) == set(swarm.members)
            assert swarm.complete == sum(member.is_complete for member in swarm.members)
        for socket in range(5):
            held = memberships(tracker, socket)
            assert len(held) == len(set(held)) == sum(owner == socket for owner, _ in self.owners.values())


TrackerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTrackerMachine = TrackerMachine.TestCase
