"""Connections of the server: reading requests and frames, batched writing, timeouts, little memory per connection.

A small asyncio protocol reads the HTTP request; the frames of a WebSocket are read by picows (`websocket.Codec`).
Output is collected and written once per connection and iteration of the event loop, so that under load many small
messages to one peer share a system call.
"""

import asyncio
import logging
import socket
import ssl
from http import HTTPStatus
from typing import Protocol, cast

from p2p_tracker.core.expiry import Deadlines, Expiring
from p2p_tracker.server.handshake import accept
from p2p_tracker.server.http import MAX_HEAD, HttpError, Request, Response, parse_request, render
from p2p_tracker.server.listeners import Acceptor
from p2p_tracker.server.websocket import CLOSE, PING, PONG, TEXT, Codec, WSMsgType

__all__ = ["Connection", "Handler", "Hub"]

log = logging.getLogger("p2p_tracker")

_REQUEST, _OPEN, _CLOSING, _FINISHING, _CLOSED = range(5)

_BUFFER = 64 * 1024
_MAX_SPARE_CODECS = 8  # codecs kept for reuse
_MEMORY_CHECK_INTERVAL = 2 * 1024 * 1024  # bytes received between two checks of the memory
_MIN_BUFFERED = 16 * 1024  # bytes: a connection that buffers less is not dropped when memory is short

CLOSE_TIMEOUT = 5.0
"""Seconds to wait for the client to close."""


class Connection(asyncio.BufferedProtocol):
    """Connection of a client, first HTTP and then perhaps WebSocket.

    `head` is the part of the request received so far, `codec` the reader of an incomplete frame, `parts` the fragments
    of an incomplete message, `out` the output of this iteration of the event loop, and `timeout` the limit for a
    request or a close in progress. `context` is for the handler's use.
    """

    __slots__ = ("codec", "context", "head", "hub", "number", "out", "parts", "state", "timeout", "transport")

    transport: asyncio.Transport

    def __init__(self, hub: "Hub", number: int):
        self.hub = hub
        self.number = number
        self.context: object = None
        self.state = _REQUEST
        self.head: bytearray | None = None
        self.codec: Codec | None = None
        self.parts: bytearray | None = None
        self.out: list[bytes] | None = None
        self.timeout: _Timeout | None = None

    @property
    def address(self) -> str:
        """IP address of the client; empty if the socket is closed."""
        peer = self.transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection with the hub."""
        self.transport = cast("asyncio.Transport", transport)
        self.hub.on_connected(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return the buffer for the next bytes."""
        codec = self.codec
        return self.hub.read_buffer(self) if codec is None else codec.buffer(-1)

    def buffer_updated(self, nbytes: int) -> None:
        """Process the first `nbytes` of the buffer."""
        self.hub.on_data(self, nbytes)

    def eof_received(self) -> bool:
        """Close the connection once its output is written."""
        self.hub.on_eof(self)
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        """Release the connection."""
        self.hub.abort(self)
        # the bound method makes the transport a reference cycle, which would live until the next garbage collection
        vars(self.transport)["_read_ready_cb"] = None

    # websocket.CodecUser

    def write(self, data: bytes) -> None:
        """Queue bytes for the end of this iteration of the event loop."""
        if self.state <= _OPEN:
            if self.out is None:
                self.hub.queue(self, data)
            else:
                self.out.append(data)

    def on_control(self, kind: WSMsgType, payload: bytes) -> None:
        """Handle a control frame."""
        self.hub.on_control(self, kind, payload)

    def on_message(self, data: bytes) -> None:
        """Handle a complete message."""
        if self.state == _OPEN:
            self.hub.handler.on_message(self, data)


class _Timeout(Expiring):
    __slots__ = ("connection",)

    def __init__(self, connection: Connection, expires: float):
        super().__init__(expires)
        self.connection = connection


class Handler(Protocol):
    """Receiver of the events of a hub."""

    def on_request(self, connection: Connection, request: Request) -> Response | None:
        """Return the response to a request, or None to upgrade the connection to a WebSocket."""
        ...

    def on_open(self, connection: Connection) -> None:
        """Handle a new WebSocket."""
        ...

    def on_message(self, connection: Connection, data: bytes) -> None:
        """Handle a complete message."""
        ...

    def on_keep_alive(self, connection: Connection) -> None:
        """Handle a ping or pong, which shows that a client is alive."""
        ...

    def on_closed(self, connection: Connection) -> None:
        """Handle the end of a WebSocket."""
        ...

    def check_memory(self) -> None:
        """Check the memory in use; called after every few mebibytes received, since they may be buffered."""
        ...


class Hub:
    """All connections of a server.

    Parameters
    ----------
    handler
        Receives requests, messages and the ends of WebSockets.
    max_message, max_backlog
        Limits of the bytes of one message and of the bytes that a client may leave unread before it is dropped.
    request_timeout
        Seconds within which a request must be complete.
    tls
        TLS configuration; None for unencrypted connections.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        max_message: int,
        max_backlog: int,
        request_timeout: float,
        tls: ssl.SSLContext | None = None,
    ):
        self.handler = handler
        self._max_message = max_message
        self._max_backlog = max_backlog
        self._request_timeout = request_timeout
        self._loop = asyncio.get_running_loop()
        self._connections: dict[Connection, None] = {}
        self._acceptor = Acceptor(lambda number: Connection(self, number), tls, request_timeout)
        self._timeouts: Deadlines[_Timeout] = Deadlines()
        self._unflushed: list[Connection] = []
        self._buffer = memoryview(bytearray(_BUFFER))
        self._spare_codecs: list[Codec] = []
        self._writer: Codec | None = None
        self._open = 0
        self.opened = 0
        self.bytes_received = 0
        self._next_memory_check = 0
        self.bytes_sent = 0

    @property
    def open_count(self) -> int:
        """Number of open WebSockets."""
        return self._open

    @property
    def socket_count(self) -> int:
        """Number of connections of any kind and in any state."""
        return len(self._connections) + self._acceptor.handshake_count

    def connections(self) -> list[Connection]:
        """Return the open WebSockets."""
        return [connection for connection in self._connections if connection.state == _OPEN]

    def listen(self, sock: socket.socket) -> None:
        """Accept connections of a listening socket."""
        self._acceptor.listen(sock)

    def stop_listening(self) -> None:
        """Stop accepting connections."""
        self._acceptor.stop()

    def abort_all(self) -> None:
        """Drop all connections at once and stop accepting."""
        self._acceptor.abort_all()
        for connection in list(self._connections):
            self.abort(connection)

    def send(self, connection: Connection, payload: bytes, kind: WSMsgType = TEXT) -> None:
        """Queue a frame for the end of this iteration of the event loop."""
        if connection.state == _OPEN:
            writer = self._writer
            if writer is None:
                writer = self._writer = self._new_codec(connection)
            writer.user = connection
            writer.send(kind, payload)
            writer.user = None

    def close(self, connection: Connection, code: int, reason: str = "", timeout: float = CLOSE_TIMEOUT) -> None:
        """Start the closing handshake, which may take `timeout` seconds; the reason is cut to 123 bytes."""
        if connection.state == _OPEN:
            text = reason.encode()[:123].decode(errors="ignore").encode()
            self.send(connection, code.to_bytes(2, "big") + text, CLOSE)
            self._leave_open(connection, _CLOSING, timeout)

    def expire(self, now: float) -> None:
        """Drop the connections whose request or closing handshake took too long."""
        for timeout in self._timeouts.due(now):
            connection = timeout.connection
            if connection.state == _REQUEST and connection.head:
                self.queue(connection, render(Response(HTTPStatus.REQUEST_TIMEOUT, b"the request took too long\n")))
                self.finish(connection)
            else:
                self.abort(connection)

    def drop_largest_buffers(self) -> None:
        """Drop the half of the connections with large buffers that have the largest."""
        candidates = [(_buffered_bytes(connection), connection.number, connection) for connection in self._connections]
        candidates = sorted(candidate for candidate in candidates if candidate[0] > _MIN_BUFFERED)
        del candidates[: len(candidates) // 2]
        for _, _, connection in candidates:
            log.debug("dropped %s: the tracker is short of memory, and much is buffered for it", connection.address)
            self.abort(connection)

    # reading

    def on_connected(self, connection: Connection) -> None:
        """Register a new connection and start the timeout of its request."""
        self._connections[connection] = None
        self._start_timeout(connection, self._request_timeout)

    def read_buffer(self, connection: Connection) -> memoryview:
        """Return the buffer for the next bytes of a connection."""
        if connection.state not in (_OPEN, _CLOSING):
            return self._buffer
        if not self._spare_codecs:
            self._spare_codecs.append(self._new_codec(connection))
        return self._spare_codecs[-1].buffer(-1)

    def on_data(self, connection: Connection, size: int) -> None:
        """Process the first `size` bytes of the buffer that `read_buffer` returned."""
        self.bytes_received += size
        if self.bytes_received > self._next_memory_check:
            self._next_memory_check = self.bytes_received + _MEMORY_CHECK_INTERVAL
            self._loop.call_soon(self.handler.check_memory)
        if connection.state in (_OPEN, _CLOSING):
            codec, connection.codec = connection.codec or self._spare_codecs.pop(), None
            codec.user = connection
            codec.feed_buffer(size)
            self._return_codec(connection, codec)
        elif connection.state == _REQUEST:
            self._read_request(connection, self._buffer[:size])

    def on_eof(self, connection: Connection) -> None:
        """Handle the end of the input; queued output is still written."""
        self._write(connection)
        self._leave_open(connection, _FINISHING)

    def on_control(self, connection: Connection, kind: WSMsgType, payload: bytes) -> None:
        """Handle a control frame."""
        is_open = connection.state == _OPEN
        if kind is CLOSE:
            if is_open or connection.state == _CLOSING:
                self.send(connection, payload[:2], CLOSE)
                self.finish(connection)
        elif is_open:
            self.handler.on_keep_alive(connection)
            if kind is PING:
                self.send(connection, payload, PONG)

    def _new_codec(self, connection: Connection) -> Codec:
        return Codec(connection.transport.get_extra_info("socket"), self._max_message)

    def _return_codec(self, connection: Connection, codec: Codec) -> None:
        """Leave a codec with its connection if a frame is incomplete, and otherwise keep it for reuse."""
        if codec.is_broken:
            self.finish(connection)
        if connection.state not in (_OPEN, _CLOSING):
            connection.parts = None
            codec.discard()
        elif not codec.pending:
            codec.user = None
            if len(self._spare_codecs) < _MAX_SPARE_CODECS:
                self._spare_codecs.append(codec)
            else:
                codec.discard()
        else:
            connection.codec = codec

    def _read_request(self, connection: Connection, data: memoryview) -> None:
        head = connection.head = connection.head or bytearray()
        head += data
        before, separator, after = head.partition(b"\r\n\r\n")
        if not separator and len(head) <= MAX_HEAD:
            return
        connection.head = None
        has_body = True
        try:
            if len(before) > MAX_HEAD:
                reason = f"the request has more than {MAX_HEAD} bytes of headers"
                raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason)
            request = parse_request(bytes(before))
            has_body = request.method != "HEAD"
            response = self.handler.on_request(connection, request)
            if response is None:
                self._upgrade(connection, request, bytes(after))
                return
        except HttpError as error:
            response = error.response
        self.queue(connection, render(response, has_body=has_body))
        self.finish(connection)

    def _upgrade(self, connection: Connection, request: Request, after: bytes) -> None:
        self.queue(connection, accept(request.headers))
        self._stop_timeout(connection)
        connection.state = _OPEN
        self._open += 1
        self.opened += 1
        self.handler.on_open(connection)
        if after:
            self.read_buffer(connection)
            codec = self._spare_codecs.pop()
            codec.user = connection
            codec.feed(after)
            self._return_codec(connection, codec)

    # writing

    def queue(self, connection: Connection, data: bytes) -> None:
        """Queue bytes for the end of this iteration of the event loop."""
        if connection.out is not None:
            connection.out.append(data)
        else:
            connection.out = [data]
            if not self._unflushed:
                self._loop.call_soon(self.flush)
            self._unflushed.append(connection)

    def flush(self) -> None:
        """Write the queued output of all connections."""
        unflushed, self._unflushed = self._unflushed, []
        for connection in unflushed:
            self._write(connection)

    def _write(self, connection: Connection) -> None:
        out, connection.out = connection.out, None
        if out is None or connection.state == _CLOSED:
            return
        data = b"".join(out)
        transport = connection.transport
        transport.write(data)
        self.bytes_sent += len(data)
        if transport.get_write_buffer_size() > self._max_backlog:
            log.debug("dropped %s: it left more than %d bytes unread", connection.address, self._max_backlog)
            self.abort(connection)
        elif connection.state == _FINISHING:
            self._end_output(connection)

    def _end_output(self, connection: Connection) -> None:
        """Half-close the connection; a full close with unread input would discard the output that was just written."""
        if not connection.transport.can_write_eof():
            connection.transport.close()
            return
        try:
            connection.transport.write_eof()
        except OSError:
            self.abort(connection)

    # closing

    def finish(self, connection: Connection) -> None:
        """Close a connection once its output is written."""
        self._leave_open(connection, _FINISHING)
        if connection.out is None and connection.state != _CLOSED:
            self._end_output(connection)

    def _leave_open(self, connection: Connection, state: int, timeout: float = CLOSE_TIMEOUT) -> None:
        """Enter a closing state, in which no more messages are read or sent."""
        if connection.state == _CLOSED:
            return
        was_open = connection.state == _OPEN
        connection.state = state
        self._start_timeout(connection, timeout)
        if was_open:
            self._open -= 1
            self.handler.on_closed(connection)

    def abort(self, connection: Connection) -> None:
        """Close a connection at once and discard its output."""
        was_open = connection.state == _OPEN
        if connection.state == _CLOSED:
            return
        connection.state = _CLOSED
        self._stop_timeout(connection)
        self._connections.pop(connection, None)
        connection.transport.abort()
        if connection.codec is not None:
            connection.codec.discard()
        connection.codec = connection.parts = connection.out = None
        if was_open:
            self._open -= 1
            self.handler.on_closed(connection)

    def _start_timeout(self, connection: Connection, seconds: float) -> None:
        self._stop_timeout(connection)
        connection.timeout = _Timeout(connection, self._loop.time() + seconds)
        self._timeouts.add(connection.timeout)

    def _stop_timeout(self, connection: Connection) -> None:
        if connection.timeout is not None:
            self._timeouts.discard(connection.timeout)
            connection.timeout = None


def _buffered_bytes(connection: Connection) -> int:
    """Return the bytes kept for a connection: unread output, and incomplete input."""
    buffered = connection.transport.get_write_buffer_size()
    if connection.codec is not None:
        buffered += connection.codec.pending
    return buffered + len(connection.parts or b"") + len(connection.head or b"")
