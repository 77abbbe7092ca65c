"""WebRTC connection between two viewers with one data channel, by aiortc.

Segment data are sent at the rate of the viewer's uplink and received at that of its downlink. A connection counts the
segment bytes sent and received exactly: after a clean close both ends agree.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import aioice.ice
from aiortc import (
    InvalidStateError,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)

from p2psim.errors import MissingToolError
from p2psim.testbed.peer.candidate_path import path_of
from p2psim.testbed.peer.ice import prefer_direct
from p2psim.testbed.peer.interfaces import Clock
from p2psim.testbed.peer.shaping import Downlink, Uplink
from p2psim.trace.schema import Path
from p2psim.wire import RemoteProtocolError, is_command

__all__ = ["LOW_WATER", "AccessLinks", "Connection", "ConnectionOwner", "confine"]

LOW_WATER: Final = 65_536
"""Bytes waiting to be sent up to which a connection accepts one more message, as in simple-peer. Up to two messages are
therefore sent after a cancellation."""
_CLOSE_TIMEOUT: Final = 2.0

_log = logging.getLogger(__name__)

State = Literal["new", "open", "closing", "closed"]


def confine(address: str = "127.0.0.1") -> None:
    """Make `address` the only host candidate of this process.

    aioice has no option for it, and never offers the loopback.
    """
    if not hasattr(aioice.ice, "get_host_addresses"):
        raise MissingToolError(
            "aioice.ice.get_host_addresses: this version of aioice lacks it; versions 0.9 to 0.13 have it"
        )
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address] if use_ipv4 or use_ipv6 else []


@dataclass(slots=True)
class AccessLinks:
    """Access link of a viewer, shared by all its connections."""

    uplink: Uplink
    downlink: Downlink
    sent: int = 0
    """Segment bytes sent."""
    servers: list[RTCIceServer] = field(default_factory=list)
    """STUN and TURN servers."""


class ConnectionOwner(Protocol):
    """Owner of a connection, notified of its events."""

    def connection_opened(self, connection: "Connection") -> None:
        """Handle the opening of the data channel."""

    def connection_received(self, connection: "Connection", message: bytes) -> None:
        """Handle a message, which may have been in flight when `Connection.close` was called."""

    def connection_drained(self, connection: "Connection") -> None:
        """Handle that the connection accepts more segment data."""

    def connection_ended(self, connection: "Connection") -> None:
        """Handle the end of the connection, closed by either side; called once."""


class Connection:
    """Connection to `peer` ("": unknown until this end's offer is answered), offered by either side."""

    def __init__(self, owner: ConnectionOwner, clock: Clock, links: AccessLinks, peer: str = "") -> None:
        self.peer = peer
        self.is_ours = not peer
        self.initiated_at = clock.now()
        self.answered_at = float("nan")
        self.opened_at = float("nan")
        self.closed_at = float("nan")
        self.path: Path | None = None
        """Candidate path of the connection, once it is open."""
        self.sent = 0
        self.received = 0
        self.state: State = "new"
        self._owner, self._clock, self._links = owner, clock, links
        self._rtc = RTCPeerConnection(RTCConfiguration(iceServers=links.servers))
        self._channel: RTCDataChannel | None = None
        self._queue: deque[bytes] = deque()
        self._is_sending = False
        self._is_full = False
        """True while the owner waits for room to send."""
        self._has_ended = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._rtc.on("connectionstatechange", self._state_changed)

    # -- opening ------------------------------------------------------------------------------------------------

    async def offer(self, label: str) -> str:
        """Create an offer; return its session description."""
        self._adopt(self._rtc.createDataChannel(label))
        prefer_direct(self._rtc)
        await self._rtc.setLocalDescription(await self._rtc.createOffer())
        return str(self._rtc.localDescription.sdp)

    async def accept(self, peer: str, answer: str) -> None:
        """Apply the answer to this end's offer."""
        self.peer = peer
        self.answered_at = self._clock.now()
        await self._apply_description("answer", answer)

    async def answer(self, offer: str) -> str:
        """Answer an offer; return the session description of the answer."""
        self._rtc.on("datachannel", self._adopt)
        await self._apply_description("offer", offer)
        prefer_direct(self._rtc)
        await self._rtc.setLocalDescription(await self._rtc.createAnswer())
        self.answered_at = self._clock.now()
        return str(self._rtc.localDescription.sdp)

    async def _apply_description(self, role: Literal["offer", "answer"], description: str) -> None:
        """Apply the session description of the other side; raises RemoteProtocolError if it is malformed."""
        try:
            await self._rtc.setRemoteDescription(RTCSessionDescription(sdp=description, type=role))
        except InvalidStateError:
            raise
        except Exception as error:  # a description can break aiortc's parser in any way
            raise RemoteProtocolError("bad-value", f"{role}: {error!r}") from error
        if self._rtc.sctp is None:
            raise RemoteProtocolError("bad-value", f"{role} without a data channel")

    def _adopt(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = LOW_WATER
        channel.on("message", self._arrived)
        channel.on("bufferedamountlow", self._buffer_low)
        channel.on("close", self._channel_closed)
        if channel.readyState == "open":
            # the other side may have sent already: be ready before the event loop goes on
            self._opened()
        else:
            channel.on("open", self._opened)

    def _opened(self) -> None:
        if self.state == "new":
            self.state = "open"
            self.opened_at = self._clock.now()
            self.path = path_of(self._rtc)
            self._owner.connection_opened(self)

    # -- sending ------------------------------------------------------------------------------------------------

    def send(self, message: bytes) -> bool:
        """Send a message, segment data at the rate of the uplink; return False to pause segment data."""
        if self.state != "open":
            return True
        is_data = not is_command(message)
        if is_data or self._queue:
            self._queue.append(message)
            self._pump()
        else:
            self._put(message)
        if is_data and self._waiting > LOW_WATER:
            self._is_full = True
        return not (is_data and self._is_full)

    @property
    def _waiting(self) -> int:
        """Segment bytes not sent yet."""
        buffered = self._channel.bufferedAmount if self._channel is not None else 0
        return buffered + sum(len(message) for message in self._queue if not is_command(message))

    def _pump(self) -> None:
        """Send queued messages until the channel is full or the next segment data waits for the uplink."""
        while self._queue and not self._is_sending and self._channel is not None:
            if is_command(self._queue[0]):
                self._put(self._queue.popleft())
            elif self._channel.bufferedAmount > LOW_WATER:
                return
            else:
                self._is_sending = True
                self._links.uplink.enqueue(self, len(self._queue[0]), self._carried)

    def _carried(self) -> None:
        self._is_sending = False
        if not self._queue:
            return
        piece = self._queue.popleft()
        if self._put(piece):
            self.sent += len(piece)
            self._links.sent += len(piece)
        self._pump()
        self._notify_if_drained()

    def _notify_if_drained(self) -> None:
        """Notify the owner if there is room again."""
        if self._is_full and self.state == "open" and self._waiting <= LOW_WATER:
            self._is_full = False
            self._owner.connection_drained(self)

    def _buffer_low(self) -> None:
        self._pump()
        self._notify_if_drained()

    def _put(self, message: bytes) -> bool:
        try:
            if self._channel is not None:
                self._channel.send(message)
                return True
        except (InvalidStateError, ConnectionError):
            _log.debug("message to %s dropped: its channel is closing", self.peer)
        return False

    # -- receiving ----------------------------------------------------------------------------------------------

    def _arrived(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            self._links.downlink.deliver(len(message), lambda: self._received(message))

    def _received(self, message: bytes) -> None:
        if not is_command(message):
            self.received += len(message)
        self._owner.connection_received(self, message)

    # -- ending -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close cleanly: both sides receive everything sent before."""
        self._end(self._close_channel())

    def vanish(self) -> None:
        """End as a crash does, without notifying the peer."""
        self._end(self._stop_transport())

    async def closed(self) -> None:
        """Wait until a closing connection has ended."""
        if self._ending is not None:
            await asyncio.wait([self._ending])

    def _end(self, closing: Coroutine[Any, Any, None]) -> None:
        if self._ending is not None:
            closing.close()
            return
        self.state = "closing"
        self._links.uplink.drop(self)
        self._queue = deque(message for message in self._queue if is_command(message))
        self._is_sending = False
        self._ending = asyncio.get_running_loop().create_task(self._finish(closing))

    async def _finish(self, closing: Coroutine[Any, Any, None]) -> None:
        try:
            await closing
        except (ConnectionError, InvalidStateError) as error:
            _log.debug("closing the connection to %s: %s", self.peer, error)
        finally:
            await self._links.downlink.pass_through(0)  # messages that wait for the downlink still count as received
            self.state = "closed"
            self.closed_at = self._clock.now()
            self._owner.connection_ended(self)

    async def _close_channel(self) -> None:
        channel = self._channel
        if channel is not None and channel.readyState == "open":
            self._pump()
            channel.close()
            try:
                await asyncio.wait_for(self._has_ended.wait(), _CLOSE_TIMEOUT)
            except TimeoutError:
                _log.debug("the channel to %s did not close cleanly", self.peer)
        await self._rtc.close()

    async def _stop_transport(self) -> None:
        if self._rtc.sctp is not None:
            await self._rtc.sctp.transport.transport.stop()
        await self._rtc.close()

    def _channel_closed(self) -> None:
        self._has_ended.set()
        self.close()

    def _state_changed(self) -> None:
        if self._rtc.connectionState in ("failed", "closed"):
            self._has_ended.set()
            self.close()
