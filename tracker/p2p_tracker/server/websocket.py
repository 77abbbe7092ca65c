"""WebSocket frames, by picows.

A protocol object of picows takes some 20 KB with its buffers, but between two frames it remembers nothing of a
connection. So connections borrow one while they are in the middle of a frame, and an idle connection has none.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from picows import WSAutoPingStrategy, WSCloseCode, WSFrame, WSListener, WSMsgType, WSProtocolError, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined] # what ws_create_server makes for each connection

__all__ = ["CLOSE", "PING", "PONG", "TEXT", "Codec", "User", "WSMsgType"]

TEXT, CLOSE, PING, PONG = WSMsgType.TEXT, WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG
_CONTINUATION = WSMsgType.CONTINUATION
_CONTROL = (CLOSE, PING, PONG)

_READ_BUFFER = 16 * 1024  # bytes, to begin with; an announce with ten offers fits
_REQUEST = (  # the example of RFC 6455
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

_log = logging.getLogger("p2p_tracker.server.websocket")
_log.setLevel(logging.ERROR)
_log.addFilter(lambda record: record.exc_info is not None)  # what clients do wrong is no error of ours
# an adapter: of a plain logger, picows would make a child for each connection
_logger = logging.LoggerAdapter(_log, {})


class User(Protocol):
    """Whose bytes a codec reads and writes."""

    parts: bytearray | None
    """The fragments of a message so far."""

    def write(self, data: bytes) -> None:
        """Take bytes for the other side."""
        ...

    def on_control(self, kind: WSMsgType, payload: bytes) -> None:
        """Take a control frame."""
        ...

    def on_message(self, data: bytes) -> None:
        """Take a whole message."""
        ...


class Codec(WSListener):
    """A protocol object of picows, past a handshake that nobody saw; this is its listener and its transport.

    Parameters
    ----------
    sock
        A TCP socket; its options are set, and nothing else is done with it.
    max_message
        Bytes of one message, however many fragments it has.
    """

    __slots__ = ("_max_message", "_protocol", "_sock", "buffer", "pending", "transport", "user")

    def __init__(self, sock: Any, max_message: int):
        self._sock = sock
        self._max_message = max_message
        self.user: User | None = None
        self.transport: WSTransport | None = None
        self.pending = 0
        """Bytes of a frame that is not complete; between two frames, none."""
        # as ws_create_server does it: no timer, no pings and no pongs of its own
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
        """Whether the other side broke the protocol and was told."""
        return self.transport is None or self.transport.is_close_frame_sent

    def feed_buffer(self, size: int) -> None:
        """Take the first bytes of the buffer."""
        self.pending += size
        self._protocol.buffer_updated(size)

    def feed(self, data: bytes) -> None:
        """Take bytes from elsewhere."""
        rest = memoryview(data)
        while rest:
            room = self.buffer(-1)
            size = min(len(room), len(rest))
            room[:size] = rest[:size]
            self.feed_buffer(size)
            rest = rest[size:]

    def discard(self) -> None:
        """Let go of everything, so that nothing waits for the garbage collector."""
        self.user = self.transport = self._protocol = None
        del self.buffer

    # writing

    def send(self, kind: WSMsgType, payload: bytes) -> None:
        """Write a frame for the user."""
        assert self.transport is not None
        self.transport.send(kind, payload)

    # what picows calls, as its listener

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep what sends."""
        self.transport = transport
        self.pending = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Put messages together.

        Raises
        ------
        WSProtocolError
            When the frame is not allowed; picows closes with its code.
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
            self._put_together(user, payload, kind is not _CONTINUATION, is_last=bool(frame.fin))

    def _put_together(self, user: User, payload: bytes, is_first: bool, *, is_last: bool) -> None:
        if is_first != (user.parts is None):
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "fragments out of order")
        parts = user.parts = bytearray() if user.parts is None else user.parts
        if len(parts) + len(payload) > self._max_message:
            raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, f"messages up to {self._max_message} bytes are accepted")
        parts += payload
        if is_last:
            user.parts = None
            user.on_message(bytes(parts))

    # what picows calls, as its transport

    def get_extra_info(self, name: str) -> Any:
        """Give the socket; of an encrypted one, picows need not know."""
        return self._sock if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        """Say that something is waiting, or picows would write to the socket itself, once per frame."""
        return 1

    def write(self, data: bytes) -> None:
        """Hand on what picows has written."""
        if self.user is not None:
            self.user.write(data)

    def writelines(self, blocks: Iterable[bytes | memoryview]) -> None:
        """Hand on what picows has written."""
        self.write(b"".join(blocks))

    def close(self) -> None:
        """Do nothing: picows calls this some time after it sent a close frame, and the user knows already."""
