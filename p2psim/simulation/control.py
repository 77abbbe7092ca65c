"""The control plane: SimPy owns the clock and everything that a person would call a happening.

Viewers come and go, announce themselves to the real tracker's brain, and meet whom it offers them to. A behaviour is
added by writing a SimPy process on `Control.env`; the data plane runs between the events.

What is built in here schedules itself with `Clock.after`, a method and its arguments: a run can be saved at any time
because all that is still to come is data (`p2psim.simulation.checkpoint`).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from p2psim.network.latency import pair_rtt
from p2psim.network.nat import reachability
from p2psim.rng import stream
from p2psim.scenario import Population, Scenario
from p2psim.scenario.population import CRASH
from p2psim.simulation.clock import Clock
from p2psim.simulation.kernel import arrive, depart, later_connect
from p2psim.simulation.plane import AWAY, GONE, Plane
from tracker.brain import Brain
from tracker.options import BrainOptions
from tracker.protocol import Announce, AnnounceReply, Answer, Offer, OfferRelay

__all__ = ["Announcement", "Attempt", "Control"]

INFO_HASH = "p2psim-one-channel-0"
_PING = 25.0
"""Seconds between the tracker's pings; a viewer that is there answers."""
_SWEEP = 1.0


@dataclass(slots=True)
class Attempt:
    """An attempt to connect, from the offer to its outcome."""

    viewer: int
    other: int
    initiated_at: float
    opens_at: float
    outcome: str


@dataclass(slots=True)
class Announcement:
    """An announce, as its viewer sees it."""

    viewer: int
    at: float
    event: str
    offers_sent: int
    offers_received: int
    answers_received: int
    peers_known: int


@dataclass(slots=True)
class Control:
    """Viewers and tracker in virtual time."""

    scenario: Scenario
    population: Population
    plane: Plane
    seed: int
    replication: int
    keep: bool = False
    """Keep a record of every attempt and announce."""
    env: Clock = field(default_factory=Clock)
    attempts: list[Attempt] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)
    stale_offers: int = 0
    """Offers that the tracker passed to viewers who were gone."""
    live_offers: int = 0

    def __post_init__(self) -> None:
        tracker = self.scenario.tracker
        rng = stream(self.seed, self.replication, "tracker")
        options = BrainOptions(
            interval=tracker.interval, heartbeat_timeout=tracker.heartbeat, matching=tracker.matching
        )
        self.brain: Brain[int] = Brain(options, rng)
        self._luck = stream(self.seed, self.replication, "connections")
        self._reaches = reachability()
        self._states = self.plane.seat["state"]
        self._degrees = self.plane.L.viewer["degree"]
        self._received = np.zeros((len(self.population), 2), np.int64)
        for v in range(len(self.population)):
            self.env.after(float(self.population.joined_at[v]), self._come, v)
        if self._shares:
            self.env.after(_SWEEP, self._keep_house, _PING)

    brain: Brain[int] = field(init=False)
    _luck: np.random.Generator = field(init=False)
    _reaches: Any = field(init=False)
    _received: Any = field(init=False)
    _states: Any = field(init=False)
    _degrees: Any = field(init=False)

    @property
    def _shares(self) -> bool:
        return self.scenario.policy.of_stream("main").shares

    # -- happenings ---------------------------------------------------------------------------------------------

    def _come(self, v: int) -> None:
        """A viewer comes, will announce itself, and will leave."""
        people, now = self.population, float(self.env.now)
        arrive(self.plane, v, now)
        if people.left_at[v] < self.scenario.duration:
            self.env.after(max(0.0, float(people.left_at[v]) - now), self._go, v)
        if self._shares:
            # the tracker client starts with the first segment request
            self.env.after(2 * self.scenario.origin.latency, self._make_offers, v, "started")

    def _go(self, v: int) -> None:
        crash = bool(self.population.departure[v] == CRASH)
        depart(self.plane, v, crash, float(self.env.now))
        if not crash:
            self.brain.disconnect(v, self.env.now)

    def _make_offers(self, v: int, event: str) -> None:
        """The tracker client prepares its offers, and sends them."""
        if self.is_present(v):
            wait = self.scenario.network.gather + self.scenario.tracker.latency
            self.env.after(wait, self._arrive_at_tracker, v, event, self.env.now)

    def _arrive_at_tracker(self, v: int, event: str, began: float) -> None:
        """An announce reaches the tracker, which says when the next is due."""
        if self.is_present(v):
            interval = self._announce(v, event, began)
            self.env.after(max(0.0, interval - self.scenario.network.gather), self._make_offers, v, "")

    def _keep_house(self, next_ping: float) -> None:
        """The tracker pings its clients and drops the silent ones."""
        if self.env.now >= next_ping:
            next_ping += _PING
            for v in np.flatnonzero((self._states != AWAY) & (self._states < GONE)).tolist():
                self.brain.heard(v, self.env.now)
        self.brain.expire(self.env.now)
        self.env.after(_SWEEP, self._keep_house, next_ping)

    # -- the tracker --------------------------------------------------------------------------------------------

    def is_present(self, v: int) -> bool:
        """Whether a viewer has come and not left."""
        return bool(self._states[v] < GONE) and self.env.now < self.population.left_at[v]

    def _announce(self, v: int, event: str, began: float) -> float:
        """An announce reaches the tracker; gives the interval that it answers."""
        degree = int(self._degrees[v])
        room = self.scenario.policy.maxPeers - degree
        offers = [Offer(v, i) for i in range(self.scenario.tracker.offers if room > 0 else 0)]
        message = Announce(INFO_HASH, peer_id(v), event, offers, len(offers))
        received, answered = self._received[v].tolist()
        interval, known = self.scenario.tracker.interval, 0
        for receiver, sent in self.brain.handle(v, message, self.env.now):
            if isinstance(sent, AnnounceReply):
                interval, known = float(sent.interval), sent.complete + sent.incomplete
            elif isinstance(sent, OfferRelay):
                self._offer(v, receiver, sent, began)
        if self.keep:
            self.announcements.append(Announcement(v, began, event, len(offers), received, answered, known))
        return interval

    def _offer(self, v: int, receiver: int, offer: OfferRelay, began: float) -> None:
        """An offer reaches its receiver, who answers it; if their NATs allow, a connection opens."""
        if not self.is_present(receiver):
            self.stale_offers += 1
            return
        self.live_offers += 1
        self._received[receiver, 0] += 1
        if self._degrees[receiver] >= self.scenario.policy.maxPeers:
            self._note(v, receiver, began, float("nan"), "refused")
            return
        answer = Answer(INFO_HASH, peer_id(receiver), peer_id(v), offer.offer_id, receiver)
        if self.brain.handle(receiver, answer, self.env.now):
            self._received[v, 1] += 1
        people, nat = self.population, self.scenario.nat
        lucky = nat.failure == 0 or self._luck.random() >= nat.failure
        if not (self._reaches[people.nat[v], people.nat[receiver]] and lucky):
            self._note(v, receiver, began, float("nan"), "failed")
            return
        opens = self.env.now + self._handshake(v, receiver)
        self._note(v, receiver, began, opens, "open")
        later_connect(self.plane, v, receiver, float(opens))

    def _handshake(self, v: int, receiver: int) -> float:
        """From the offer at the tracker to the open channel: two more hops to and from it, then ICE, DTLS and SCTP."""
        network, tracker = self.scenario.network, self.scenario.tracker
        s = self.plane.s
        rtt = float(pair_rtt(s.rtt, s.rtt_spread, s.rtt_key, v, receiver))
        return 3 * tracker.latency + network.gather + network.handshake_trips * rtt + network.handshake

    def _note(self, v: int, other: int, began: float, opens: float, outcome: str) -> None:
        if self.keep:
            self.attempts.append(Attempt(v, other, began, opens, outcome))


def peer_id(v: int) -> str:
    """Peer id of a simulated viewer."""
    return f"-PM0203-{v:012d}"
