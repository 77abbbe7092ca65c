"""Many connections, little memory: what reads and writes them.

Requests are read by a small asyncio protocol of our own; what wants to become a WebSocket goes on to picows. What
messages cause is written once per connection and round of the event loop, so under load many small messages for one
peer share a system call.
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

_REQUEST, _OPEN, _CLOSING, _DRAINING, _CLOSED = range(5)

_BUFFER = 64 * 1024
_SPARE = 8  # codecs kept for the next that need one
_LOOK = 2 * 1024 * 1024  # bytes received from one look at the memory to the next
_HOARD = 16 * 1024  # bytes of one connection that are worth looking for when memory is short

PATIENCE = 5.0
"""Seconds to wait for the other side to close."""


class Connection(asyncio.BufferedProtocol):
    """One connection.

    `head` is the request so far, `codec` what reads a frame that is not complete, `parts` a message in fragments, `out`
    what this round has to say, `limit` the end of its patience while a request is awaited or a close goes on. `visitor`
    belongs to the handler.
    """

    __slots__ = ("codec", "head", "hub", "limit", "number", "out", "parts", "state", "transport", "visitor")

    transport: asyncio.Transport

    def __init__(self, hub: "Hub", number: int):
        self.hub = hub
        self.number = number
        self.visitor: object = None
        self.state = _REQUEST
        self.head: bytearray | None = None
        self.codec: Codec | None = None
        self.parts: bytearray | None = None
        self.out: list[bytes] | None = None
        self.limit: _Limit | None = None

    @property
    def address(self) -> str:
        """IP address of the other side, or an empty string when it is gone."""
        peer = self.transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.hub.on_made(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Give room for what comes next."""
        codec = self.codec
        return self.hub.room(self) if codec is None else codec.buffer(-1)

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came."""
        self.hub.on_data(self, nbytes)

    def eof_received(self) -> bool:
        """Close, too, once everything is written."""
        self.hub.on_end(self)
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget everything."""
        self.hub.lose(self)
        # by this method of its own, a transport of asyncio would hold itself until the next collection of garbage
        vars(self.transport)["_read_ready_cb"] = None

    # what a codec calls

    def write(self, data: bytes) -> None:
        """Queue bytes for the end of this round."""
        if self.state <= _OPEN:
            if self.out is None:
                self.hub.queue(self, data)
            else:
                self.out.append(data)

    def on_control(self, kind: WSMsgType, payload: bytes) -> None:
        """Take a control frame."""
        self.hub.on_control(self, kind, payload)

    def on_message(self, data: bytes) -> None:
        """Take a whole message."""
        if self.state == _OPEN:
            self.hub.handler.on_message(self, data)


class _Limit(Expiring):
    __slots__ = ("connection",)

    def __init__(self, connection: Connection, expires: float):
        super().__init__(expires)
        self.connection = connection


class Handler(Protocol):
    """What a hub works for."""

    def on_request(self, connection: Connection, request: Request) -> Response | None:
        """Answer a request; None lets it become a WebSocket."""
        ...

    def on_open(self, connection: Connection) -> None:
        """Know a new WebSocket."""
        ...

    def on_message(self, connection: Connection, data: bytes) -> None:
        """Take a message."""
        ...

    def on_keep_alive(self, connection: Connection) -> None:
        """Know that a WebSocket is alive."""
        ...

    def on_closed(self, connection: Connection) -> None:
        """Forget a WebSocket."""
        ...

    def on_volume(self) -> None:
        """Know that much was received since the last time, so that much may be kept."""
        ...


class Hub:
    """All connections of a server.

    Parameters
    ----------
    handler
        Told what comes in.
    max_message, max_backlog
        Bytes of one message; bytes that a peer may leave unread before it is given up.
    request_timeout
        Seconds in which a request must be complete.
    tls
        How to encrypt; None is not at all.
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
        self._limits: Deadlines[_Limit] = Deadlines()
        self._dirty: list[Connection] = []
        self._buffer = memoryview(bytearray(_BUFFER))
        self._spare: list[Codec] = []
        self._writer: Codec | None = None
        self._open = 0
        self.opened = 0
        self.bytes_received = 0
        self._look_at = 0
        self.bytes_sent = 0

    @property
    def open_count(self) -> int:
        """How many WebSockets there are."""
        return self._open

    @property
    def socket_count(self) -> int:
        """How many connections there are, of any kind and in any state."""
        return len(self._connections) + self._acceptor.arriving

    def connections(self) -> list[Connection]:
        """List the WebSockets."""
        return [connection for connection in self._connections if connection.state == _OPEN]

    def listen(self, sock: socket.socket) -> None:
        """Accept connections of a listening socket."""
        self._acceptor.listen(sock)

    def stop_listening(self) -> None:
        """Accept no more."""
        self._acceptor.stop()

    def shut(self) -> None:
        """Drop everything."""
        self._acceptor.shut()
        for connection in list(self._connections):
            self.lose(connection)

    def send(self, connection: Connection, payload: bytes, kind: WSMsgType = TEXT) -> None:
        """Queue a frame for the end of this round."""
        if connection.state == _OPEN:
            writer = self._writer
            if writer is None:
                writer = self._writer = self._new_codec(connection)
            writer.user = connection
            writer.send(kind, payload)
            writer.user = None

    def close(self, connection: Connection, code: int, reason: str = "", patience: float = PATIENCE) -> None:
        """Begin to close a WebSocket; give the other side `patience` seconds to agree; a reason too long is cut."""
        if connection.state == _OPEN:
            text = reason.encode()[:123].decode(errors="ignore").encode()
            self.send(connection, code.to_bytes(2, "big") + text, CLOSE)
            self._leave_open(connection, _CLOSING, patience)

    def expire(self, now: float) -> None:
        """Drop those that took too long to ask, or to close."""
        for limit in self._limits.due(now):
            connection = limit.connection
            if connection.state == _REQUEST and connection.head:
                self.queue(connection, render(Response(HTTPStatus.REQUEST_TIMEOUT, b"the request took too long\n")))
                self.drain(connection)
            else:
                self.lose(connection)

    def relieve(self) -> None:
        """Of those for whom much is kept, drop the half for whom most is."""
        hoards = [(_kept(connection), connection.number, connection) for connection in self._connections]
        hoards = sorted(hoard for hoard in hoards if hoard[0] > _HOARD)
        del hoards[: len(hoards) // 2]
        for _, _, connection in hoards:
            log.debug("gave up %s: memory is short", connection.address)
            self.lose(connection)

    # reading

    def on_made(self, connection: Connection) -> None:
        """Know a new connection."""
        self._connections[connection] = None
        self._wait(connection, self._request_timeout)

    def room(self, connection: Connection) -> memoryview:
        """Give room for what a connection reads next."""
        if connection.state not in (_OPEN, _CLOSING):
            return self._buffer
        if not self._spare:
            self._spare.append(self._new_codec(connection))
        return self._spare[-1].buffer(-1)

    def on_data(self, connection: Connection, size: int) -> None:
        """Take what stands in the room that was given."""
        self.bytes_received += size
        if self.bytes_received > self._look_at:
            self._look_at = self.bytes_received + _LOOK
            self._loop.call_soon(self.handler.on_volume)
        if connection.state in (_OPEN, _CLOSING):
            codec, connection.codec = connection.codec or self._spare.pop(), None
            codec.user = connection
            codec.feed_buffer(size)
            self._put_back(connection, codec)
        elif connection.state == _REQUEST:
            self._read_request(connection, self._buffer[:size])

    def on_end(self, connection: Connection) -> None:
        """Know that nothing more comes; what is queued still goes out."""
        self._write(connection)
        self._leave_open(connection, _DRAINING)

    def on_control(self, connection: Connection, kind: WSMsgType, payload: bytes) -> None:
        """Take a control frame."""
        is_open = connection.state == _OPEN
        if kind is CLOSE:
            if is_open or connection.state == _CLOSING:
                self.send(connection, payload[:2], CLOSE)
                self.drain(connection)
        elif is_open:
            self.handler.on_keep_alive(connection)
            if kind is PING:
                self.send(connection, payload, PONG)

    def _new_codec(self, connection: Connection) -> Codec:
        return Codec(connection.transport.get_extra_info("socket"), self._max_message)

    def _put_back(self, connection: Connection, codec: Codec) -> None:
        """Keep a codec that is in the middle of a frame, and leave any other for the next that needs one."""
        if codec.is_broken:
            self.drain(connection)
        if connection.state not in (_OPEN, _CLOSING):
            connection.parts = None
            codec.discard()
        elif not codec.pending:
            codec.user = None
            if len(self._spare) < _SPARE:
                self._spare.append(codec)
            else:
                codec.discard()
        else:
            connection.codec = codec

    def _read_request(self, connection: Connection, data: memoryview) -> None:
        head = connection.head = connection.head or bytearray()
        head += data
        before, found, after = head.partition(b"\r\n\r\n")
        if not found and len(head) <= MAX_HEAD:
            return
        connection.head = None
        has_body = True
        try:
            if len(before) > MAX_HEAD:
                raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"up to {MAX_HEAD} bytes are accepted")
            request = parse_request(bytes(before))
            has_body = request.method != "HEAD"
            response = self.handler.on_request(connection, request)
            if response is None:
                self._upgrade(connection, request, bytes(after))
                return
        except HttpError as error:
            response = error.response
        self.queue(connection, render(response, has_body=has_body))
        self.drain(connection)

    def _upgrade(self, connection: Connection, request: Request, after: bytes) -> None:
        self.queue(connection, accept(request.headers))
        self._stop_waiting(connection)
        connection.state = _OPEN
        self._open += 1
        self.opened += 1
        self.handler.on_open(connection)
        if after:
            self.room(connection)
            codec = self._spare.pop()
            codec.user = connection
            codec.feed(after)
            self._put_back(connection, codec)

    # writing

    def queue(self, connection: Connection, data: bytes) -> None:
        """Queue bytes for the end of this round."""
        if connection.out is not None:
            connection.out.append(data)
        else:
            connection.out = [data]
            if not self._dirty:
                self._loop.call_soon(self.flush)
            self._dirty.append(connection)

    def flush(self) -> None:
        """Write what is queued."""
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
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
            log.debug("gave up %s: it does not read", connection.address)
            self.lose(connection)
        elif connection.state == _DRAINING:
            self._end_output(connection)

    def _end_output(self, connection: Connection) -> None:
        """Say that nothing follows; closing with unread input would destroy what was just written."""
        if not connection.transport.can_write_eof():
            connection.transport.close()
            return
        try:
            connection.transport.write_eof()
        except OSError:
            self.lose(connection)

    # life

    def drain(self, connection: Connection) -> None:
        """End once everything is written."""
        self._leave_open(connection, _DRAINING)
        if connection.out is None and connection.state != _CLOSED:
            self._end_output(connection)

    def _leave_open(self, connection: Connection, state: int, patience: float = PATIENCE) -> None:
        """Go on to close: no more messages either way."""
        if connection.state == _CLOSED:
            return
        was_open = connection.state == _OPEN
        connection.state = state
        self._wait(connection, patience)
        if was_open:
            self._open -= 1
            self.handler.on_closed(connection)

    def lose(self, connection: Connection) -> None:
        """Drop a connection at once."""
        was_open = connection.state == _OPEN
        if connection.state == _CLOSED:
            return
        connection.state = _CLOSED
        self._stop_waiting(connection)
        self._connections.pop(connection, None)
        connection.transport.abort()
        if connection.codec is not None:
            connection.codec.discard()
        connection.codec = connection.parts = connection.out = None
        if was_open:
            self._open -= 1
            self.handler.on_closed(connection)

    def _wait(self, connection: Connection, seconds: float) -> None:
        self._stop_waiting(connection)
        connection.limit = _Limit(connection, self._loop.time() + seconds)
        self._limits.add(connection.limit)

    def _stop_waiting(self, connection: Connection) -> None:
        if connection.limit is not None:
            self._limits.discard(connection.limit)
            connection.limit = None


def _kept(connection: Connection) -> int:
    """Count the bytes that wait to be read by the other side, or for the rest of a message."""
    kept = connection.transport.get_write_buffer_size()
    if connection.codec is not None:
        kept += connection.codec.pending
    return kept + len(connection.parts or b"") + len(connection.head or b"")
