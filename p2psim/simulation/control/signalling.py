"""Signalling of simulated viewers: announces to the tracker, and offers and answers that it forwards.

The tracker is the core of the real one, in virtual time. A viewer accepts an offer while it has room, and the
connection opens if the NATs let it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from p2p_tracker.config.options import TrackerOptions
from p2p_tracker.core.protocol import Announce, AnnounceReply, Answer, Offer, OfferRelay
from p2p_tracker.core.tracker import Tracker

from p2psim.rng import stream
from p2psim.scenario import Population, Scenario
from p2psim.simulation.control.clock import Clock
from p2psim.simulation.control.commands import schedule_connection
from p2psim.simulation.control.reachability import Reachability
from p2psim.simulation.kernel.paths import round_trip
from p2psim.simulation.kernel.state import GONE, KernelState
from p2psim.wire.identity import PEER_ID_PREFIX

__all__ = ["Announcement", "Attempt", "Signalling", "peer_id"]

_NEVER = float("nan")
_NO_SWARM = -1


@dataclass(slots=True)
class Attempt:
    """Attempt to connect, from the offer to its outcome."""

    viewer: int
    other: int
    initiated_at: float
    opens_at: float
    outcome: str
    path: str = ""
    answered_at: float = _NEVER
    """Time at which the answer is back at the offerer, seconds."""


@dataclass(slots=True)
class Announcement:
    """Announce, as its viewer sees it."""

    viewer: int
    at: float
    event: str
    offers_sent: int
    offers_received: int
    answers_received: int
    peers_known: int


@dataclass(slots=True)
class Signalling:
    """Tracker and the messages that it forwards; `keep` records every attempt and announce."""

    scenario: Scenario
    population: Population
    kernel: KernelState
    clock: Clock
    seed: int
    replication: int
    keep: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)
    stale_offers: int = 0
    """Offers that the tracker forwarded to viewers that had left."""
    live_offers: int = 0
    tracker: Tracker[int] = field(init=False)
    reach: Reachability = field(init=False)
    _random: np.random.Generator = field(init=False)
    _received: Any = field(init=False)
    """Offers and answers received by each viewer, shape (viewers, 2)."""
    _swarms: Any = field(init=False)
    """Index of the info hash that each viewer announced last."""
    _hashes: list[str] = field(init=False)
    """Info hashes; each channel in each quality is a swarm of its own."""
    _ids: list[str] = field(init=False)
    _offers: list[Offer] = field(init=False)
    _located: set[int] = field(init=False, default_factory=set)
    """Viewers whose location the tracker knows."""
    _states: Any = field(init=False)
    _degrees: Any = field(init=False)
    _channels: Any = field(init=False)
    _levels: Any = field(init=False)

    def __post_init__(self) -> None:
        tracker, count = self.scenario.tracker, len(self.population)
        options = TrackerOptions(
            interval=tracker.interval, heartbeat_timeout=tracker.heartbeat, matching=tracker.matching
        )
        self.tracker = Tracker(options, stream(self.seed, self.replication, "tracker"))
        self.reach = Reachability(self.scenario, self.population, self.seed, self.replication)
        self._random = stream(self.seed, self.replication, "connections")
        self._received = np.zeros((count if self.keep else 0, 2), np.int32)
        self._swarms = np.full(count, _NO_SWARM, np.int32)
        self._hashes = [
            f"p2psim-{channel:08d}-{level:04d}"
            for channel in range(self.scenario.channels.count)
            for level in range(self.kernel.s.levels)
        ]
        self._ids = [peer_id(v) for v in range(count)]
        self._offers = [Offer(i, i) for i in range(tracker.offers)]
        self._states, self._degrees = self.kernel.viewer["state"], self.kernel.L.viewer["degree"]
        self._channels, self._levels = self.kernel.viewer["channel"], self.kernel.viewer["level"]

    def announce(self, v: int, event: str, began: float) -> float:
        """Process an announce at the tracker; return the interval of its reply, seconds."""
        has_room = self._degrees.item(v) < self.scenario.policy.maxPeers
        offers = self._offers if has_room else []
        swarm = self._swarms[v] = self._channels.item(v) * self.kernel.s.levels + self._levels.item(v)
        self._send_location(v)
        message = Announce(self._hashes[swarm], self._ids[v], event, offers, len(offers))
        received, answered = self._received[v].tolist() if self.keep else (0, 0)
        interval, known = self.scenario.tracker.interval, 0
        for receiver, sent in self.tracker.handle(v, message, self.clock.now):
            if isinstance(sent, OfferRelay):
                self._offer(v, receiver, sent, began)
            elif isinstance(sent, AnnounceReply):
                interval, known = float(sent.interval), sent.complete + sent.incomplete
        if self.keep:
            self.announcements.append(Announcement(v, began, event, len(offers), received, answered, known))
        return interval

    def send_stopped(self, v: int) -> None:
        """Send `stopped` to the tracker: a viewer leaves its swarm."""
        swarm = self._swarms.item(v)
        self._swarms[v] = _NO_SWARM
        if swarm != _NO_SWARM:
            self.tracker.handle(v, Announce(self._hashes[swarm], self._ids[v], "stopped", [], 0), self.clock.now)

    def restart_tracker(self) -> None:
        """Replace the tracker by one without clients."""
        rng = stream(self.seed, self.replication, "tracker", float(self.clock.now))
        self.tracker = Tracker(self.tracker.options, rng)
        self._swarms[:] = _NO_SWARM
        self._located.clear()

    def open(self, v: int, other: int, relayed: bool) -> None:
        """Open a connection, unless one of the two regions has been partitioned meanwhile."""
        if self.reach.path(v, other):
            schedule_connection(self.kernel, v, other, int(relayed), float(self.clock.now))

    def _offer(self, v: int, receiver: int, offer: OfferRelay, began: float) -> None:
        """Process an offer at its receiver, which answers it; the connection opens if their NATs let it."""
        scenario, now = self.scenario, self.clock.now
        if self._states.item(receiver) >= GONE or now >= self.population.left_at.item(receiver):
            self.stale_offers += 1
            return
        self.live_offers += 1
        if self.keep:
            self._received[receiver, 0] += 1
        if self._degrees.item(receiver) >= scenario.policy.maxPeers:
            self._note(v, receiver, began, _NEVER, "refused")
            return
        answer = Answer(offer.info_hash, self._ids[receiver], self._ids[v], offer.offer_id, receiver)
        if self.tracker.handle(receiver, answer, now) and self.keep:
            self._received[v, 1] += 1
        failure = scenario.nat.failure
        path = self.reach.path(v, receiver) if failure == 0 or self._random.random() >= failure else ""
        answered = now + 3 * scenario.tracker.one_way_delay + scenario.network.gather
        if not path:
            self._note(v, receiver, began, _NEVER, "failed", answered=answered)
            return
        relayed = path == "relay"
        opens = now + self._handshake(v, receiver, relayed)
        self._note(v, receiver, began, opens, "open", path, answered)
        if scenario.regions.mix:
            self.clock.after(opens - now, self.open, v, receiver, relayed)
        else:
            schedule_connection(self.kernel, v, receiver, int(relayed), float(opens))

    def _handshake(self, v: int, receiver: int, relayed: bool) -> float:
        """Return the seconds from the offer at the tracker to the open channel: three hops, ICE, DTLS and SCTP."""
        network, tracker = self.scenario.network, self.scenario.tracker
        rtt = float(round_trip(self.kernel, v, receiver, relayed))
        longer = network.relay_setup if relayed else 0.0
        return 3 * tracker.one_way_delay + network.gather + network.handshake_trips * rtt + network.handshake + longer

    def _send_location(self, v: int) -> None:
        """Set the location of a viewer at the tracker, which a real one derives from the address."""
        if self.scenario.tracker.matching == "locality" and v not in self._located:
            self._located.add(v)
            people = self.population
            place = f"home {people.home[v]}", f"region {people.region[v]}"
            self.tracker.connect(v, self.clock.now, place)

    def _note(
        self, v: int, other: int, began: float, opens: float, outcome: str, path: str = "", answered: float = _NEVER
    ) -> None:
        if self.keep:
            self.attempts.append(Attempt(v, other, began, opens, outcome, path, answered))


def peer_id(v: int) -> str:
    """Return the peer id of a simulated viewer."""
    return f"{PEER_ID_PREFIX}{v:012d}"
