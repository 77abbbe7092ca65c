"""Connections of a viewer: offers, answers, and a single connection per peer.

When two viewers offer each other a connection at about the same time (glare), both keep the one that the viewer with
the lower peer id offered.
"""

import asyncio
import logging
import math
from typing import Final, Protocol

import numpy as np
from aiortc import InvalidStateError

from p2psim.testbed.peer.connection import AccessLinks, Connection
from p2psim.testbed.peer.interfaces import Channel, Clock
from p2psim.trace.schema import ConnectionOutcome
from p2psim.wire import RemoteProtocolError
from p2psim.wire.tracker_messages import OFFER_TIMEOUT, Offer, new_offer_id

__all__ = ["CONNECT_TIMEOUT", "ConnectionObserver", "ConnectionPool", "ConnectionPoolOwner"]

CONNECT_TIMEOUT: Final = 15.0
"""Longest time from the answer to an open data channel, seconds."""
_GLARE: Final = 5.0
"""Seconds within which a second connection to a peer counts as made at the same time."""
_GATE_TIMEOUT: Final = 3.0
"""Longest time for which a connection that is being answered holds the gate, seconds."""

_log = logging.getLogger(__name__)


class ConnectionPoolOwner(Protocol):
    """Owner of a pool: the loader that uses its connections (see `p2psim.testbed.peer.loader.Loader`)."""

    def channel_opened(self, channel: Channel) -> bool:
        """Handle an open connection; return False to refuse it."""

    def channel_message(self, peer: str, message: bytes) -> None:
        """Handle a message."""

    def channel_drained(self, peer: str) -> None:
        """Handle that a connection accepts more segment data."""

    def channel_closed(self, peer: str) -> None:
        """Handle the end of a connection."""


class ConnectionObserver(Protocol):
    """Observer of connections."""

    def connection_over(self, connection: Connection, outcome: ConnectionOutcome) -> None:
        """Record a connection that has ended or failed to open."""

    def message_received(self, connection: Connection, message: bytes, is_wanted: bool) -> None:
        """Record a message; `is_wanted` is True if it is passed to the loader."""


class ConnectionPool:
    """Connections of the viewer `peer_id`, at most `max_connections` at a time.

    `gate` bounds how many connections are being answered at a time in this process, because each one costs processor
    time at both ends.
    """

    def __init__(
        self,
        peer_id: str,
        clock: Clock,
        links: AccessLinks,
        owner: ConnectionPoolOwner,
        observer: ConnectionObserver,
        rng: np.random.Generator,
        gate: asyncio.Semaphore,
        *,
        max_connections: int,
    ) -> None:
        self._id, self._clock, self._links, self._owner, self._observer = peer_id, clock, links, owner, observer
        self._rng, self._gate, self._max_connections = rng, gate, max_connections
        self._offers: dict[str, Connection] = {}
        self._pending: dict[Connection, str] = {}
        self._open: dict[str, Connection] = {}
        self._duplicates: set[Connection] = set()
        self._ending: set[Connection] = set()
        self._gated: set[Connection] = set()
        self._closed = False

    @property
    def is_full(self) -> bool:
        """True if no more connections are wanted."""
        return len(self._open) + len(self._pending) >= self._max_connections

    # -- making connections -------------------------------------------------------------------------------------

    async def make_offers(self, count: int) -> list[Offer]:
        """Return new offers; an offer without an answer is dropped after OFFER_TIMEOUT seconds."""
        offers: list[Offer] = []
        for _ in range(0 if self.is_full else count):
            connection = Connection(self, self._clock, self._links)
            offer_id = new_offer_id(self._rng)
            self._offers[offer_id] = connection
            offers.append(Offer(offer_id, await connection.offer(self._rng.bytes(20).hex())))
            self._clock.call_later(OFFER_TIMEOUT, self._withdraw, offer_id)
        return offers

    def _withdraw(self, offer_id: str) -> None:
        connection = self._offers.pop(offer_id, None)
        if connection is not None:
            self._end(connection)

    async def take_offer(self, peer: str, offer: str) -> str | None:
        """Return the answer to a peer's offer; None if it is refused, for example because the peer is connected."""
        if self._closed or peer in self._open or self.is_full or self._is_superfluous(peer):
            return None
        connection = Connection(self, self._clock, self._links, peer)
        self._pending[connection] = peer
        await self._gate.acquire()
        self._gated.add(connection)
        self._clock.call_later(_GATE_TIMEOUT, self._release_gate, connection)
        self._clock.call_later(CONNECT_TIMEOUT, self._give_up, connection)
        try:
            if connection.state == "new":
                return await connection.answer(offer)
        except (RemoteProtocolError, ConnectionError, InvalidStateError) as error:
            _log.debug("offer of %s refused: %s", peer, error)
        self._end(connection)
        return None

    def _release_gate(self, connection: Connection) -> None:
        """Release the gate, so that this process can answer another connection."""
        if connection in self._gated:
            self._gated.discard(connection)
            self._gate.release()

    def _is_superfluous(self, peer: str) -> bool:
        """Return whether a pending connection to the peer takes precedence over an offer of the peer."""
        pending = [connection for connection, other in self._pending.items() if other == peer]
        return any(not connection.is_ours or self._id < peer for connection in pending)

    async def take_answer(self, peer: str, offer_id: str, answer: str) -> None:
        """Apply the answer to one of this viewer's offers; answers to unknown offers are ignored."""
        connection = self._offers.pop(offer_id, None)
        if connection is None:
            return
        connection.peer = peer
        if self._closed or peer in self._open or (peer < self._id and peer in self._pending.values()):
            self._duplicates.add(connection)
            self._end(connection)
            return
        self._pending[connection] = peer
        self._clock.call_later(CONNECT_TIMEOUT, self._give_up, connection)
        try:
            await connection.accept(peer, answer)
        except (RemoteProtocolError, ConnectionError, InvalidStateError) as error:
            _log.debug("answer of %s refused: %s", peer, error)
            self._end(connection)

    def _give_up(self, connection: Connection) -> None:
        if connection in self._pending:
            self._end(connection)

    # -- events of connections ----------------------------------------------------------------------------------

    def connection_opened(self, connection: Connection) -> None:
        """Keep one connection per peer."""
        self._pending.pop(connection, None)
        self._release_gate(connection)
        peer = connection.peer
        present = self._open.get(peer)
        if self._closed or (present is not None and not self._outranks(connection, present)):
            self._duplicates.add(connection)
            self._end(connection)
            return
        if present is not None:
            self._duplicates.add(present)
            self._owner.channel_closed(peer)
        self._open[peer] = connection
        if not self._owner.channel_opened(connection):
            self._end(connection)
        for other in [other for other, name in self._pending.items() if name == peer]:
            if self._is_senior(connection) or not self._is_senior(other):
                self._duplicates.add(other)
                self._end(other)

    def _outranks(self, late: Connection, early: Connection) -> bool:
        is_glare = late.opened_at - early.opened_at < _GLARE
        return is_glare and self._is_senior(late) and not self._is_senior(early)

    def _is_senior(self, connection: Connection) -> bool:
        """Return whether the viewer with the lower id made the offer; both ends return the same."""
        return connection.is_ours == (self._id < connection.peer)

    def connection_received(self, connection: Connection, message: bytes) -> None:
        """Pass a message to the loader, unless it has closed the connection."""
        is_wanted = self._open.get(connection.peer) is connection and connection.state == "open"
        self._observer.message_received(connection, message, is_wanted)
        if is_wanted:
            self._owner.channel_message(connection.peer, message)

    def connection_drained(self, connection: Connection) -> None:
        """Notify the loader that it can continue to send."""
        if self._open.get(connection.peer) is connection:
            self._owner.channel_drained(connection.peer)

    def connection_ended(self, connection: Connection) -> None:
        """Record the outcome of a connection."""
        self._ending.discard(connection)
        self._pending.pop(connection, None)
        self._release_gate(connection)
        if self._open.get(connection.peer) is connection:
            del self._open[connection.peer]
            self._owner.channel_closed(connection.peer)
        outcome: ConnectionOutcome = "failed" if math.isnan(connection.opened_at) else "open"
        if connection in self._duplicates:
            outcome = "duplicate"
        self._duplicates.discard(connection)
        if connection.peer:
            self._observer.connection_over(connection, outcome)

    # -- the end ------------------------------------------------------------------------------------------------

    def _end(self, connection: Connection) -> None:
        self._pending.pop(connection, None)
        self._ending.add(connection)
        connection.close()

    async def close(self) -> None:
        """Close all connections cleanly."""
        self._closed = True
        connections = self._take_all()
        for connection in connections:
            connection.close()
        await asyncio.gather(*(connection.closed() for connection in connections))

    async def vanish(self) -> None:
        """End all connections as a crash does, without notifying the peers."""
        self._closed = True
        connections = self._take_all()
        for connection in connections:
            connection.vanish()
        await asyncio.gather(*(connection.closed() for connection in connections))

    def _take_all(self) -> list[Connection]:
        connections = {*self._offers.values(), *self._pending, *self._open.values(), *self._ending}
        self._offers.clear()
        return list(connections)
