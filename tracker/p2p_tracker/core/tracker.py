"""Sans-IO WebTorrent tracker: it takes decoded messages and returns the messages to send.

Rules that hold here:

* `Tracker.handle` takes one message of one connection and returns the messages to send, in order, each with its
  receiver. The reply to an announce precedes the offers that the announce causes, because a client drops the offers of
  a swarm for which it has not yet had a reply.
* A peer belongs to the connection from which it last announced. Its `stopped` events and answers are ignored when they
  come from any other connection.
* The caller supplies the time and the random numbers, so a tracker in virtual time behaves exactly like a real one.
* The caller calls `Tracker.expire` at `Tracker.next_deadline`, or more often.
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
from p2p_tracker.core.swarm import C, Client, Location, Membership, Swarm

__all__ = ["Counts", "Deliveries", "Tracker"]

Deliveries: TypeAlias = list[tuple[C, Outgoing]]
"""Messages to send, in order, each with its connection."""

_NOT_ANNOUNCED = "announce first: this peer_id is not in this swarm on this connection"


@dataclass(slots=True)
class Counts:
    """Counters since the tracker started, and the number of peers now."""

    announces: int = 0
    offers: int = 0
    answers: int = 0
    signals: int = 0
    scrapes: int = 0
    failures: int = 0
    peers: int = 0
    """Current memberships in all swarms."""


class Tracker(Generic[C]):
    """All swarms of a tracker.

    Parameters
    ----------
    options
        Intervals, limits and the matching strategy.
    rng
        Source of uniform random numbers.
    observer
        Notified of every event.
    matching
        Strategy that chooses the receivers of offers; by default the one that the options name.
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
        self.accepts_new_peers = True
        """True if peers that are not yet known may join; a caller that is short of memory sets it to False."""
        self._rng = rng
        self._observer = observer
        self._message_observer = observer if observer is not None and observer.sees_messages else None
        self._matching = cast("Matching[C]", STRATEGIES[options.matching]()) if matching is None else matching
        self._clients: dict[C, Client[C]] = {}
        self._client_timeouts: Deadlines[Client[C]] = Deadlines()
        self._membership_timeouts: Deadlines[Membership[C]] = Deadlines()

    # connections

    def connect(self, connection: C, now: float, location: Location = ()) -> None:
        """Register a connection before its first message, with its location for matching by locality."""
        client = self._client(connection, now)
        if client.location != location:
            client.move(location)

    def keep_alive(self, connection: C, now: float) -> None:
        """Restart the heartbeat timeout of a connection that sent something other than a message, such as a pong."""
        self._client(connection, now).expires = now + self._heartbeat

    def disconnect(self, connection: C, now: float) -> None:
        """Remove a connection and its peers."""
        del now  # accepted so that every entry point takes the time; events carry none
        client = self._clients.pop(connection, None)
        if client is not None:
            self._client_timeouts.discard(client)
            self._remove_all(client, "disconnected")

    def next_deadline(self) -> float | None:
        """Return the time by which `expire` must be called again; None while nothing can expire."""
        deadlines = [at for at in (self._client_timeouts.next(), self._membership_timeouts.next()) if at is not None]
        return min(deadlines, default=None)

    def expire(self, now: float) -> list[C]:
        """Remove the clients and memberships whose timeout is over; return the connections of those clients."""
        silent = []
        for client in self._client_timeouts.due(now):
            del self._clients[client.connection]
            self._remove_all(client, "silent")
            silent.append(client.connection)
        for member in self._membership_timeouts.due(now):
            self._remove(member, "expired")
        return silent

    def _client(self, connection: C, now: float) -> Client[C]:
        client = self._clients.get(connection)
        if client is None:
            client = self._clients[connection] = Client(connection, now + self._heartbeat)
            self._client_timeouts.add(client)
        return client

    def _remove_all(self, client: Client[C], reason: str) -> None:
        while (member := client.first) is not None:
            self._remove(member, reason)

    # messages

    def handle(self, connection: C, message: Incoming, now: float) -> Deliveries[C]:
        """Process one message; return the messages to send, each with its connection, in order."""
        client = self._clients.get(connection)
        if client is None:
            client = self._client(connection, now)
        else:
            client.expires = now + self._heartbeat
        if type(message) is Answer:
            return self._relay_answer(client, message, now)
        if type(message) is Announce:
            return self._announce(client, message, now)
        if isinstance(message, Scrape):
            return [(connection, self.scrape(message))]
        if isinstance(message, Signal):
            return self._relay_signal(client, message, now)
        return [(connection, self._list_peers(client, message))]

    def _announce(self, client: Client[C], message: Announce, now: float) -> Deliveries[C]:
        self.counts.announces += 1
        if self._message_observer is not None:
            self._message_observer.announced(message.info_hash, message.peer_id, message.event, len(message.offers))
        if message.event == "stopped":
            return self._stop(client, message)
        swarm = self.swarms.get(message.info_hash)
        member = swarm.by_id.get(message.peer_id) if swarm is not None else None
        if swarm is None or member is None or member.client is not client:
            reason = self._refusal_reason(client, swarm, member, now)
            if reason is not None:
                return [(client.connection, self.failure(message.info_hash, reason))]
            member = self._join(client, message.info_hash, message.peer_id, now)
            swarm = member.swarm
        else:
            member.expires = now + self._lifetime
        if message.accepts_signals:
            member.accepts_signals = True
        self._update_progress(swarm, member, message)
        deliveries: Deliveries[C] = [(client.connection, self._reply(message.info_hash, swarm))]
        if message.offers and len(swarm.members) > 1:
            self._relay_offers(deliveries, member, message)
        return deliveries

    def _stop(self, client: Client[C], message: Announce) -> Deliveries[C]:
        swarm = self.swarms.get(message.info_hash)
        member = None if swarm is None else swarm.owned(message.peer_id, client)
        if member is not None:
            self._remove(member, "stopped")
        return [(client.connection, self._reply(message.info_hash, swarm))]

    def _refusal_reason(
        self, client: Client[C], swarm: Swarm[C] | None, existing: Membership[C] | None, now: float
    ) -> str | None:
        options = self.options
        if existing is None and not self.accepts_new_peers:
            return "the tracker has no room for another peer"
        if swarm is None and options.max_swarms and len(self.swarms) >= options.max_swarms:
            return "the tracker has no room for another swarm"
        if existing is not None and options.takeover == "silent":
            last_heard = existing.client.expires - options.heartbeat_timeout
            # half of the timeout is longer than a ping interval: a live client would have answered a ping by then
            if now - last_heard < options.heartbeat_timeout / 2:
                return "this peer_id is connected already"
        max_peers = options.max_peers_per_swarm
        if swarm is not None and existing is None and max_peers and len(swarm.members) >= max_peers:
            return "the swarm is full"
        if options.max_swarms_per_connection and client.size >= options.max_swarms_per_connection:
            return "too many swarms on one connection"
        return None

    def _join(self, client: Client[C], info_hash: str, peer_id: str, now: float) -> Membership[C]:
        swarm = self.swarms.get(info_hash)
        if swarm is None:
            swarm = self.swarms[info_hash] = Swarm(info_hash)
            if self._observer is not None:
                self._observer.swarm_created(info_hash)
        existing = swarm.by_id.get(peer_id)
        if existing is not None:
            self._detach(existing, "replaced")
        member = swarm.add(peer_id, client, now + self._lifetime)
        self._membership_timeouts.add(member)
        self.counts.peers += 1
        if self._observer is not None:
            self._observer.peer_added(info_hash, peer_id, len(swarm.members))
        return member

    @staticmethod
    def _update_progress(swarm: Swarm[C], member: Membership[C], message: Announce) -> None:
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

    def _relay_offers(self, deliveries: Deliveries[C], member: Membership[C], message: Announce) -> None:
        offers = message.offers
        count = min(len(offers), self.options.max_offers)
        if message.numwant is not None and 0 <= message.numwant < count:
            count = message.numwant
        if not count:
            return
        info_hash, peer_id, observer = message.info_hash, member.peer_id, self._message_observer
        receivers = self._matching.choose(member.swarm, member, count, self._rng)
        for receiver, item in zip(receivers, offers):  # noqa: B905 - strict costs as much as an offer
            deliveries.append((receiver.client.connection, OfferRelay(info_hash, peer_id, item.offer_id, item.offer)))
        if observer is not None:
            for receiver in receivers:
                observer.signal_relayed(info_hash, peer_id, receiver.peer_id, "offer")
        self.counts.offers += len(receivers)
        if observer is not None:
            observer.peers_sent(info_hash, peer_id, len(receivers))

    def _relay_answer(self, client: Client[C], message: Answer, now: float) -> Deliveries[C]:
        swarm = self.swarms.get(message.info_hash)
        member = None if swarm is None else swarm.by_id.get(message.peer_id)
        if swarm is None or member is None or member.client is not client:
            return []
        member.expires = now + self._lifetime
        receiver = swarm.by_id.get(message.to_peer_id)
        if receiver is None or receiver is member:
            return []
        self.counts.answers += 1
        if self._message_observer is not None:
            self._message_observer.signal_relayed(message.info_hash, message.peer_id, message.to_peer_id, "answer")
        relay = AnswerRelay(message.info_hash, message.peer_id, message.offer_id, message.answer)
        return [(receiver.client.connection, relay)]

    def _relay_signal(self, client: Client[C], message: Signal, now: float) -> Deliveries[C]:
        info_hash = message.info_hash
        swarm = self.swarms.get(info_hash)
        member = None if swarm is None else swarm.owned(message.peer_id, client)
        if swarm is None or member is None:
            return [
                (
                    client.connection,
                    self.failure(info_hash, _NOT_ANNOUNCED, "signal"),
                )
            ]
        member.expires = now + self._lifetime
        member.accepts_signals = True
        receiver = swarm.by_id.get(message.to_peer_id)
        if receiver is None or receiver is member or not receiver.accepts_signals:
            reason = "to_peer_id is not in the swarm" if receiver is None else "to_peer_id does not accept signals"
            return [(client.connection, self.failure(info_hash, reason, "signal"))]
        self.counts.signals += 1
        if self._message_observer is not None:
            self._message_observer.signal_relayed(info_hash, message.peer_id, message.to_peer_id, "signal")
        return [(receiver.client.connection, SignalRelay(info_hash, message.peer_id, message.signal))]

    def _list_peers(self, client: Client[C], message: PeersRequest) -> Outgoing:
        info_hash = message.info_hash
        swarm = self.swarms.get(info_hash)
        member = None if swarm is None else swarm.owned(message.peer_id, client)
        if swarm is None or member is None:
            return self.failure(info_hash, _NOT_ANNOUNCED, "peers")
        member.accepts_signals = True
        listed = sample(swarm.members, member, self.options.max_listed, self._rng)
        if self._message_observer is not None:
            self._message_observer.peers_sent(info_hash, message.peer_id, len(listed))
        return PeersReply(info_hash, [(other.peer_id, other.is_complete) for other in listed])

    def scrape(self, message: Scrape) -> ScrapeReply:
        """Return the counts of the swarms that a scrape names, or of all; an unknown swarm has zeros."""
        self.counts.scrapes += 1
        requested: Iterable[str] = self.swarms if message.info_hashes is None else message.info_hashes
        files: dict[str, ScrapeEntry] = {}
        for info_hash in requested:
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
        """Return the reply to a message that is refused, and count it."""
        self.counts.failures += 1
        if self._observer is not None:
            self._observer.refused(info_hash, reason)
        return Failure(action, info_hash, reason)

    # removal

    def _detach(self, member: Membership[C], reason: str) -> None:
        """Remove a member but keep its swarm, even if it is empty."""
        swarm = member.swarm
        self._membership_timeouts.discard(member)
        swarm.remove(member)
        self.counts.peers -= 1
        if self._observer is not None:
            self._observer.peer_removed(swarm.info_hash, member.peer_id, len(swarm.members), reason)

    def _remove(self, member: Membership[C], reason: str) -> None:
        self._detach(member, reason)
        swarm = member.swarm
        if not swarm.members:
            del self.swarms[swarm.info_hash]
            if self._observer is not None:
                self._observer.swarm_removed(swarm.info_hash)
