"""A tracker under arbitrary sequences of events, held against an obvious model."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from p2p_tracker.core.protocol import AnnounceReply, AnswerRelay, OfferRelay

from tests.tracker.examples import OTHER_SWARM, SWARM, announce, answer, new_tracker, offers, peer

LIFETIME, HEARTBEAT = 50.0, 30.0
SOCKETS = st.integers(0, 4)
PEERS = st.integers(0, 5)
SWARMS = st.sampled_from([SWARM, OTHER_SWARM])


class TrackerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.tracker = new_tracker(interval=20, heartbeat_timeout=HEARTBEAT)
        self.now = 0.0
        self.owner = {}  # (swarm, peer) -> (socket, last seen)
        self.heard = {}  # socket -> last heard

    @rule(socket=SOCKETS, number=PEERS, swarm=SWARMS, count=st.integers(0, 7), wanted=st.none() | st.integers(-1, 4))
    def announce(self, socket, number, swarm, count, wanted):
        message = announce(number, swarm, offers=offers(count), numwant=wanted)
        (first, reply), *relays = self.tracker.handle(socket, message, self.now)
        self.owner[swarm, peer(number)] = (socket, self.now)
        self.heard[socket] = self.now
        inside = {key: held for key, held in self.owner.items() if key[0] == swarm}
        others = [held for held, _ in inside.values() if held != socket]
        assert first == socket
        assert isinstance(reply, AnnounceReply)
        assert reply.complete + reply.incomplete == len(inside)
        limit = count if wanted is None or wanted < 0 else min(count, wanted)
        assert len(relays) == min(limit, len(others))
        receivers = [to for to, _ in relays]
        assert all(isinstance(relay, OfferRelay) and relay.info_hash == swarm for _, relay in relays)
        assert all(receivers.count(to) <= others.count(to) for to in receivers)
        assert len({relay.offer_id for _, relay in relays}) == len(relays)

    @rule(socket=SOCKETS, number=PEERS, swarm=SWARMS)
    def stop(self, socket, number, swarm):
        (answered,) = self.tracker.handle(socket, announce(number, swarm, event="stopped"), self.now)
        assert answered[0] == socket
        self.heard[socket] = self.now
        if self.owner.get((swarm, peer(number)), (None,))[0] == socket:
            del self.owner[swarm, peer(number)]

    @rule(socket=SOCKETS, number=PEERS, to=PEERS, swarm=SWARMS)
    def answer(self, socket, number, to, swarm):
        sends = self.tracker.handle(socket, answer(number, to, swarm), self.now)
        self.heard[socket] = self.now
        target = self.owner.get((swarm, peer(to)))
        if self.owner.get((swarm, peer(number)), (None,))[0] != socket:
            assert sends == []
            return
        self.owner[swarm, peer(number)] = (socket, self.now)
        if target is None or number == to:
            assert sends == []
        else:
            ((receiver, relay),) = sends
            assert receiver == target[0]
            assert isinstance(relay, AnswerRelay)
            assert relay.peer_id == peer(number)

    @rule(socket=SOCKETS)
    def disconnect(self, socket):
        self.tracker.disconnect(socket, self.now)
        self.forget(socket)

    @rule(socket=SOCKETS)
    def pong(self, socket):
        self.tracker.keep_alive(socket, self.now)
        self.heard[socket] = self.now

    @rule(seconds=st.sampled_from([1.0, 5.0, 20.0, 60.0]))
    def wait(self, seconds):
        self.now += seconds
        due = self.tracker.next_deadline()
        given_up = self.tracker.expire(self.now)
        silent = {socket for socket, at in self.heard.items() if at + HEARTBEAT <= self.now}
        assert set(given_up) == silent
        assert due is not None or not silent
        for socket in given_up:
            self.forget(socket)
        self.owner = {key: held for key, held in self.owner.items() if held[1] + LIFETIME > self.now}

    def forget(self, socket):
        self.heard.pop(socket, None)
        self.owner = {key: held for key, held in self.owner.items() if held[0] != socket}

    @invariant()
    def swarms_hold_exactly_who_is_there(self):
        tracker = self.tracker
        there = {
            (swarm.info_hash, member.peer_id): member.presence.connection
            for swarm in tracker.swarms.values()
            for member in swarm.members
        }
        assert there == {key: held for key, (held, _) in self.owner.items()}

    @invariant()
    def books_agree(self):
        tracker = self.tracker
        assert all(swarm.members for swarm in tracker.swarms.values())
        assert tracker.counts.peers == sum(map(len, tracker.swarms.values()))
        for swarm in tracker.swarms.values():
            assert [member.index for member in swarm.members] == list(range(len(swarm)))
            assert set(swarm.by_id.values()) == set(swarm.members)
            assert swarm.complete == sum(member.is_complete for member in swarm.members)
        for socket in range(5):
            held = tracker.memberships(socket)
            assert len(held) == len(set(held)) == sum(owner == socket for owner, _ in self.owner.values())


TrackerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTrackerMachine = TrackerMachine.TestCase
