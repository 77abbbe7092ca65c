"""WebSocket frames, read and written by picows.

A protocol object of picows takes about 20 KB with its buffers, but between two frames it holds no state of a
connection. So a connection borrows one for the duration of a frame, and an idle connection has none.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from picows import WSAutoPingStrategy, WSCloseCode, WSFrame, WSListener, WSMsgType, WSProtocolError, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined] # the class that ws_create_server uses

__all__ = ["CLOSE", "PING", "PONG", "TEXT", "Codec", "CodecUser", "WSMsgType"]

TEXT, CLOSE, PING, PONG = WSMsgType.TEXT, WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG
_CONTINUATION = WSMsgType.CONTINUATION
_CONTROL = (CLOSE, PING, PONG)

_READ_BUFFER = 16 * 1024  # initial size in bytes; an announce with ten offers fits
_REQUEST = (  # the example of RFC 6455
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

_log = logging.getLogger("p2p_tracker.server.websocket")
_log.setLevel(logging.ERROR)
_log.addFilter(lambda record: record.exc_info is not None)  # errors of clients are not errors of the tracker
# an adapter, because picows creates a child of a plain logger for each connection
_logger = logging.LoggerAdapter(_log, {})


class CodecUser(Protocol):
    """Connection that a codec currently works for."""

    parts: bytearray | None
    """Fragments of an incomplete message."""

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        ...

    def on_control(self, kind: WSMsgType, payload: bytes) -> None:
        """Handle a control frame."""
        ...

    def on_message(self, data: bytes) -> None:
        """Handle a complete message."""
        ...


class Codec(WSListener):
    """Reader and writer of frames: a protocol object of picows that has completed a handshake with itself.

    The codec is both the listener and the transport of that object.

    Parameters
    ----------
    sock
        TCP socket whose options picows sets; it is used for nothing else.
    max_message
        Limit of the bytes of one message, over all its fragments.
    """

    __slots__ = ("_max_message", "_protocol", "_sock", "buffer", "pending", "transport", "user")

    def __init__(self, sock: Any, max_message: int):
        self._sock = sock
        self._max_message = max_message
        self.user: CodecUser | None = None
        self.transport: WSTransport | None = None
        self.pending = 0
        """Received bytes of an incomplete frame; 0 between two frames."""
        # the arguments of ws_create_server, without a timer and without automatic pings and pongs
        pings = (False, 0, 0, WSAutoPingStrategy.PING_WHEN_IDLE, False)
        self._protocol = WSProtocol(
            None, None, False, lambda _: self, _logger, True, None, *pings, max_message, None, _READ_BUFFER
        )
        self._protocol.connection_made(self)
        self._sock = None
        self.buffer: Callable[[int], memoryview] = self._protocol.get_buffer
        self.feed(_REQUEST)

    # reading

    @property
    def is_broken(self) -> bool:
        """True if the client violated the protocol and a close frame was sent."""
        return self.transport is None or self.transport.is_close_frame_sent

    def feed_buffer(self, size: int) -> None:
        """Read the first `size` bytes of the buffer."""
        self.pending += size
        self._protocol.buffer_updated(size)

    def feed(self, data: bytes) -> None:
        """Read bytes that are not in the buffer."""
        rest = memoryview(data)
        while rest:
            room = self.buffer(-1)
            size = min(len(room), len(rest))
            room[:size] = rest[:size]
            self.feed_buffer(size)
            rest = rest[size:]

    def discard(self) -> None:
        """Break the reference cycles, so that the codec is freed without the garbage collector."""
        self.user = self.transport = self._protocol = None
        del self.buffer

    # writing

    def send(self, kind: WSMsgType, payload: bytes) -> None:
        """Write a frame to the user."""
        assert self.transport is not None
        self.transport.send(kind, payload)

    # WSListener

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Store the object that sends frames."""
        self.transport = transport
        self.pending = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass a message or control frame to the user, or collect a fragment.

        Raises
        ------
        WSProtocolError
            When the frame violates the protocol; picows then sends a close frame with the error's code.
        """
        self.pending = frame.tail_size
        user, kind = self.user, frame.msg_type
        if user is None or transport.is_close_frame_sent:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "a reserved bit is set")
        payload = frame.get_payload_as_bytes()
        if kind is TEXT and frame.fin and user.parts is None:
            user.on_message(payload)
        elif kind in _CONTROL:
            user.on_control(kind, payload)
        else:
            self._collect(user, payload, kind is not _CONTINUATION, is_last=bool(frame.fin))

    def _collect(self, user: CodecUser, payload: bytes, is_first: bool, *, is_last: bool) -> None:
        if is_first != (user.parts is None):
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "fragments out of order")
        parts = user.parts = bytearray() if user.parts is None else user.parts
        if len(parts) + len(payload) > self._max_message:
            raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, f"messages up to {self._max_message} bytes are accepted")
        parts += payload
        if is_last:
            user.parts = None
            user.on_message(bytes(parts))

    # asyncio.Transport, as far as picows uses it

    def get_extra_info(self, name: str) -> Any:
        """Return the socket; None for every other name, so that picows sees no TLS."""
        return self._sock if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        """Return a positive size: with an empty buffer, picows would write each frame to the socket itself."""
        return 1

    def write(self, data: bytes) -> None:
        """Pass output of picows to the user."""
        if self.user is not None:
            self.user.write(data)

    def writelines(self, blocks: Iterable[bytes | memoryview]) -> None:
        """Pass output of picows to the user."""
        self.write(b"".join(blocks))

    def close(self) -> None:
        """Do nothing: picows calls this after its close frame, which the user has seen in `is_broken`."""
