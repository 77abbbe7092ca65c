"""What a tracker does, without input or output.

Rules that hold here:

* `handle` takes one message of one connection and returns what to send to whom, in order. The reply to an announce
  stands before the offers it caused: a client drops offers of a swarm it was not yet told about.
* A peer belongs to the connection it last announced from. Stops and answers from any other are ignored.
* The caller brings the time and the random numbers; a tracker in virtual time behaves like a real one, bit for bit.
* The caller asks `next_deadline`, and calls `expire` then.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeAlias, cast

from p2p_tracker.config.options import TrackerOptions
from p2p_tracker.core.events import Observer
from p2p_tracker.core.expiry import Deadlines
from p2p_tracker.core.matching import STRATEGIES, Matching, UniformRandom, sample
from p2p_tracker.core.protocol import (
    Announce,
    AnnounceReply,
    Answer,
    AnswerRelay,
    Failure,
    Incoming,
    OfferRelay,
    Outgoing,
    PeersReply,
    PeersRequest,
    Scrape,
    ScrapeEntry,
    ScrapeReply,
    Signal,
    SignalRelay,
)
from p2p_tracker.core.swarm import C, Membership, Place, Presence, Swarm

__all__ = ["Counts", "Sends", "Tracker"]

Sends: TypeAlias = list[tuple[C, Outgoing]]


@dataclass(slots=True)
class Counts:
    """What a tracker has done since it began."""

    announces: int = 0
    offers: int = 0
    answers: int = 0
    signals: int = 0
    scrapes: int = 0
    failures: int = 0
    peers: int = 0
    """Peers there now, in all swarms."""


class Tracker(Generic[C]):
    """All swarms of a tracker.

    Parameters
    ----------
    options
        How to behave.
    rng
        Source of uniform random numbers.
    observer
        Told of every event.
    matching
        Who is offered to whom, if not one of the strategies with a name.
    """

    def __init__(
        self,
        options: TrackerOptions,
        rng: UniformRandom,
        observer: Observer | None = None,
        matching: Matching[C] | None = None,
    ):
        self.options = options
        self._heartbeat = options.heartbeat_timeout
        self._lifetime = options.lifetime
        self.swarms: dict[str, Swarm[C]] = {}
        self.counts = Counts()
        self.has_room = True
        """Whether new peers are let in; a caller short of memory unsets it."""
        self._rng = rng
        self._observer = observer
        self._watcher = observer if observer is not None and observer.sees_messages else None
        self._matching = cast("Matching[C]", STRATEGIES[options.matching]()) if matching is None else matching
        self._presences: dict[C, Presence[C]] = {}
        self._silences: Deadlines[Presence[C]] = Deadlines()
        self._lapses: Deadlines[Membership[C]] = Deadlines()

    # connections

    def connect(self, connection: C, now: float, place: Place = ()) -> None:
        """Know a connection before its first message; `place` is where it is, for matching by locality."""
        presence = self._presence(connection, now)
        if presence.place != place:
            presence.move(place)

    def keep_alive(self, connection: C, now: float) -> None:
        """Note a sign of life that is no message, such as a pong."""
        self._presence(connection, now).expires = now + self._heartbeat

    def disconnect(self, connection: C, now: float) -> None:
        """Remove a connection and every peer on it."""
        del now  # events carry no time; their observer has a clock
        presence = self._presences.pop(connection, None)
        if presence is not None:
            self._silences.discard(presence)
            self._leave(presence, "disconnected")

    def memberships(self, connection: C) -> list[Membership[C]]:
        """List the peers on a connection."""
        presence = self._presences.get(connection)
        return [] if presence is None else presence.memberships()

    def next_deadline(self) -> float | None:
        """Tell when `expire` may have something to do."""
        deadlines = [at for at in (self._silences.next(), self._lapses.next()) if at is not None]
        return min(deadlines, default=None)

    def expire(self, now: float) -> list[C]:
        """Remove what has been silent for too long; return the connections given up."""
        silent = []
        for presence in self._silences.due(now):
            del self._presences[presence.connection]
            self._leave(presence, "silent")
            silent.append(presence.connection)
        for member in self._lapses.due(now):
            self._remove(member, "expired")
        return silent

    def _presence(self, connection: C, now: float) -> Presence[C]:
        presence = self._presences.get(connection)
        if presence is None:
            presence = self._presences[connection] = Presence(connection, now + self._heartbeat)
            self._silences.add(presence)
        return presence

    def _leave(self, presence: Presence[C], reason: str) -> None:
        while (member := presence.first) is not None:
            self._remove(member, reason)

    # messages

    def handle(self, connection: C, message: Incoming, now: float) -> Sends[C]:
        """Serve one message; return what to send, in order."""
        presence = self._presences.get(connection)
        if presence is None:
            presence = self._presence(connection, now)
        else:
            presence.expires = now + self._heartbeat
        if type(message) is Answer:
            return self._answer(presence, message, now)
        if type(message) is Announce:
            return self._announce(presence, message, now)
        if isinstance(message, Scrape):
            return [(connection, self.scrape(message))]
        if isinstance(message, Signal):
            return self._signal(presence, message, now)
        return [(connection, self._list_peers(presence, message))]

    def _announce(self, presence: Presence[C], message: Announce, now: float) -> Sends[C]:
        self.counts.announces += 1
        if self._watcher is not None:
            self._watcher.announced(message.info_hash, message.peer_id, message.event, len(message.offers))
        if message.event == "stopped":
            return self._stop(presence, message)
        swarm = self.swarms.get(message.info_hash)
        member = swarm.by_id.get(message.peer_id) if swarm is not None else None
        if swarm is None or member is None or member.presence is not presence:
            reason = self._why_not(presence, swarm, member, now)
            if reason is not None:
                return [(presence.connection, self.failure(message.info_hash, reason))]
            member = self._join(presence, message.info_hash, message.peer_id, now)
            swarm = member.swarm
        else:
            member.expires = now + self._lifetime
        if message.accepts_signals:
            member.accepts_signals = True
        self._note_progress(swarm, member, message)
        sends: Sends[C] = [(presence.connection, self._reply(message.info_hash, swarm))]
        if message.offers and len(swarm.members) > 1:
            self._offer(sends, member, message)
        return sends

    def _stop(self, presence: Presence[C], message: Announce) -> Sends[C]:
        swarm = self.swarms.get(message.info_hash)
        member = None if swarm is None else swarm.owned(message.peer_id, presence)
        if member is not None:
            self._remove(member, "stopped")
        return [(presence.connection, self._reply(message.info_hash, swarm))]

    def _why_not(
        self, presence: Presence[C], swarm: Swarm[C] | None, held: Membership[C] | None, now: float
    ) -> str | None:
        options = self.options
        if held is None and not self.has_room:
            return "the tracker has no room for another peer"
        if swarm is None and options.max_swarms and len(self.swarms) >= options.max_swarms:
            return "the tracker has no room for another swarm"
        if held is not None and options.takeover == "silent":
            heard_at = held.presence.expires - options.heartbeat_timeout
            # half of the timeout is more than one ping that was not answered
            if now - heard_at < options.heartbeat_timeout / 2:
                return "this peer_id is connected already"
        full = options.max_peers_per_swarm
        if swarm is not None and held is None and full and len(swarm.members) >= full:
            return "the swarm is full"
        if options.max_swarms_per_connection and presence.size >= options.max_swarms_per_connection:
            return "too many swarms on one connection"
        return None

    def _join(self, presence: Presence[C], info_hash: str, peer_id: str, now: float) -> Membership[C]:
        swarm = self.swarms.get(info_hash)
        if swarm is None:
            swarm = self.swarms[info_hash] = Swarm(info_hash)
            if self._observer is not None:
                self._observer.swarm_created(info_hash)
        held = swarm.by_id.get(peer_id)
        if held is not None:
            self._drop(held, "replaced")
        member = swarm.add(peer_id, presence, now + self._lifetime)
        self._lapses.add(member)
        self.counts.peers += 1
        if self._observer is not None:
            self._observer.peer_added(info_hash, peer_id, len(swarm.members))
        return member

    @staticmethod
    def _note_progress(swarm: Swarm[C], member: Membership[C], message: Announce) -> None:
        if message.event == "completed":
            if not member.is_complete:
                swarm.downloaded += 1
                swarm.set_complete(member, True)
        elif message.left is not None and (message.left == 0) != member.is_complete:
            swarm.set_complete(member, message.left == 0)

    def _reply(self, info_hash: str, swarm: Swarm[C] | None) -> AnnounceReply:
        options = self.options
        interval = options.interval
        if options.interval_jitter:
            interval *= 1 + options.interval_jitter * (2 * self._rng.random() - 1)
        complete = 0 if swarm is None else swarm.complete
        total = 0 if swarm is None else len(swarm.members)
        return AnnounceReply(info_hash, math.ceil(interval), complete, total - complete)

    def _offer(self, sends: Sends[C], member: Membership[C], message: Announce) -> None:
        offers = message.offers
        count = min(len(offers), self.options.max_offers)
        if message.numwant is not None and 0 <= message.numwant < count:
            count = message.numwant
        if not count:
            return
        info_hash, peer_id, watcher = message.info_hash, member.peer_id, self._watcher
        receivers = self._matching.choose(member.swarm, member, count, self._rng)
        for receiver, item in zip(receivers, offers):  # noqa: B905 - strict costs as much as an offer
            sends.append((receiver.presence.connection, OfferRelay(info_hash, peer_id, item.offer_id, item.offer)))
        if watcher is not None:
            for receiver in receivers:
                watcher.signal_relayed(info_hash, peer_id, receiver.peer_id, "offer")
        self.counts.offers += len(receivers)
        if watcher is not None:
            watcher.peers_sent(info_hash, peer_id, len(receivers))

    def _answer(self, presence: Presence[C], message: Answer, now: float) -> Sends[C]:
        swarm = self.swarms.get(message.info_hash)
        member = None if swarm is None else swarm.by_id.get(message.peer_id)
        if swarm is None or member is None or member.presence is not presence:
            return []
        member.expires = now + self._lifetime
        receiver = swarm.by_id.get(message.to_peer_id)
        if receiver is None or receiver is member:
            return []
        self.counts.answers += 1
        if self._watcher is not None:
            self._watcher.signal_relayed(message.info_hash, message.peer_id, message.to_peer_id, "answer")
        relay = AnswerRelay(message.info_hash, message.peer_id, message.offer_id, message.answer)
        return [(receiver.presence.connection, relay)]

    def _signal(self, presence: Presence[C], message: Signal, now: float) -> Sends[C]:
        info_hash = message.info_hash
        swarm = self.swarms.get(info_hash)
        member = None if swarm is None else swarm.owned(message.peer_id, presence)
        if swarm is None or member is None:
            return [(presence.connection, self.failure(info_hash, "announce first", "signal"))]
        member.expires = now + self._lifetime
        member.accepts_signals = True
        receiver = swarm.by_id.get(message.to_peer_id)
        if receiver is None or receiver is member or not receiver.accepts_signals:
            reason = "to_peer_id is not in the swarm" if receiver is None else "to_peer_id does not accept signals"
            return [(presence.connection, self.failure(info_hash, reason, "signal"))]
        self.counts.signals += 1
        if self._watcher is not None:
            self._watcher.signal_relayed(info_hash, message.peer_id, message.to_peer_id, "signal")
        return [(receiver.presence.connection, SignalRelay(info_hash, message.peer_id, message.signal))]

    def _list_peers(self, presence: Presence[C], message: PeersRequest) -> Outgoing:
        info_hash = message.info_hash
        swarm = self.swarms.get(info_hash)
        member = None if swarm is None else swarm.owned(message.peer_id, presence)
        if swarm is None or member is None:
            return self.failure(info_hash, "announce first", "peers")
        member.accepts_signals = True
        listed = sample(swarm.members, member, self.options.max_listed, self._rng)
        if self._watcher is not None:
            self._watcher.peers_sent(info_hash, message.peer_id, len(listed))
        return PeersReply(info_hash, [(other.peer_id, other.is_complete) for other in listed])

    def scrape(self, message: Scrape) -> ScrapeReply:
        """Count the swarms asked for; an unknown one has nobody."""
        self.counts.scrapes += 1
        asked: Iterable[str] = self.swarms if message.info_hashes is None else message.info_hashes
        files: dict[str, ScrapeEntry] = {}
        for info_hash in asked:
            if len(files) == self.options.max_scrape:
                break
            swarm = self.swarms.get(info_hash)
            files[info_hash] = (
                ScrapeEntry(0, 0, 0)
                if swarm is None
                else ScrapeEntry(swarm.complete, swarm.incomplete, swarm.downloaded)
            )
        return ScrapeReply(files)

    def failure(self, info_hash: str, reason: str, action: str = "announce") -> Failure:
        """Count and word a refusal."""
        self.counts.failures += 1
        if self._observer is not None:
            self._observer.refused(info_hash, reason)
        return Failure(action, info_hash, reason)

    # removal

    def _drop(self, member: Membership[C], reason: str) -> None:
        """Remove a member and keep its swarm."""
        swarm = member.swarm
        self._lapses.discard(member)
        swarm.remove(member)
        self.counts.peers -= 1
        if self._observer is not None:
            self._observer.peer_removed(swarm.info_hash, member.peer_id, len(swarm.members), reason)

    def _remove(self, member: Membership[C], reason: str) -> None:
        self._drop(member, reason)
        swarm = member.swarm
        if not swarm.members:
            del self.swarms[swarm.info_hash]
            if self._observer is not None:
                self._observer.swarm_removed(swarm.info_hash)
