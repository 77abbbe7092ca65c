"""Many sockets, little memory: the loop that reads and writes them.

All sockets of a server stand in one epoll set, which itself is one file of the asyncio loop. What is ready is read in
one go into one buffer shared by all, and what it caused is written once per connection at the end. So an idle
connection costs a socket and a few words, and under load many small messages for one peer share a system call.
"""

import asyncio
import errno
import logging
import select
import socket
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from tracker.deadlines import Deadlines, Expiring
from tracker.errors import FrameError
from tracker.http import MAX_HEAD, HttpError, Request, Response, parse_request, render
from tracker.websocket import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    accept_key,
    close_frame,
    close_reason,
    frame,
    frame_header,
)
from tracker.websocket import upgrade_problem as problem_of

__all__ = ["Connection", "Handler", "Hub"]

log = logging.getLogger("tracker")

_HANDSHAKE, _REQUEST, _OPEN, _CLOSING, _DRAINING, _CLOSED = range(6)

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_BUFFER = 64 * 1024
_USUAL = 2048  # bytes that few messages reach
_TEXT_HEADERS = [frame_header(TEXT, size) for size in range(_USUAL)]
_BATCH = 256  # sockets read before anything is written: some milliseconds of work
_ACCEPTS = 64  # connections accepted before others get their turn

PATIENCE = 5.0
"""Seconds to wait for the other side to close."""


class Connection(FrameReader):
    """One socket.

    `backlog` is what the kernel did not take yet, `out` what this round has to say, `limit` the end of its patience
    while a request is awaited or a close goes on. `visitor` belongs to the handler.
    """

    __slots__ = ("backlog", "limit", "number", "out", "sock", "state", "visitor")

    def __init__(self, sock: socket.socket, number: int):
        super().__init__()
        self.sock = sock
        self.number = number
        self.visitor: object = None
        self.state = _HANDSHAKE if isinstance(sock, ssl.SSLSocket) else _REQUEST
        self.out: list[bytes] | None = None
        self.backlog: bytearray | None = None
        self.limit: _Limit | None = None

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.state == _OPEN

    @property
    def address(self) -> str:
        """IP address of the other side, or an empty string when it is gone."""
        try:
            return str(self.sock.getpeername()[0])
        except (OSError, IndexError):
            return ""


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

    def on_heard(self, connection: Connection) -> None:
        """Know that a WebSocket is alive."""
        ...

    def on_closed(self, connection: Connection) -> None:
        """Forget a WebSocket."""
        ...


class Hub:
    """All sockets of a server.

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
        self._handler = handler
        self._max_message = max_message
        self._max_backlog = max_backlog
        self._request_timeout = request_timeout
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._listeners: dict[int, socket.socket] = {}
        self._limits: Deadlines[_Limit] = Deadlines()
        self._dirty: list[Connection] = []
        self._buffer = memoryview(bytearray(_BUFFER))
        self._tls = tls
        self._open = 0
        self.opened = 0
        self._accepted = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)

    @property
    def open_count(self) -> int:
        """How many WebSockets there are."""
        return self._open

    @property
    def socket_count(self) -> int:
        """How many connections there are, of any kind and in any state."""
        return len(self._connections)

    def connections(self) -> list[Connection]:
        """List the WebSockets."""
        return [connection for connection in self._connections.values() if connection.state == _OPEN]

    def listen(self, sock: socket.socket) -> None:
        """Accept connections of a listening socket."""
        sock.setblocking(False)
        self._listeners[sock.fileno()] = sock
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def stop_listening(self) -> None:
        """Accept no more."""
        for fd, sock in self._listeners.items():
            self._forget(fd)
            sock.close()
        self._listeners.clear()

    def shut(self) -> None:
        """Drop everything."""
        self.stop_listening()
        for connection in list(self._connections.values()):
            self._lose(connection)
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def send(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Queue a frame for the end of this round."""
        if connection.state == _OPEN:
            out = connection.out
            if out is None:
                out = connection.out = []
                self._dirty.append(connection)
            out.append(frame_header(opcode, len(payload)))
            out.append(payload)

    def send_text(self, connection: Connection, text: bytes) -> None:
        """Queue a text message for the end of this round."""
        if connection.state == _OPEN:
            out = connection.out
            if out is None:
                out = connection.out = []
                self._dirty.append(connection)
            size = len(text)
            out.append(_TEXT_HEADERS[size] if size < _USUAL else frame_header(TEXT, size))
            out.append(text)

    def close(self, connection: Connection, code: int, reason: str = "", patience: float = PATIENCE) -> None:
        """Begin to close a WebSocket; give the other side `patience` seconds to agree."""
        if connection.state == _OPEN:
            self._queue(connection, close_frame(code, reason))
            self._leave_open(connection, _CLOSING, patience)

    def flush(self) -> None:
        """Write what is queued; needed after sending outside of a callback."""
        while self._dirty:
            dirty, self._dirty = self._dirty, []
            for connection in dirty:
                self._write(connection)

    def expire(self, now: float) -> None:
        """Drop those that took too long to ask, or to close."""
        for limit in self._limits.due(now):
            self._lose(limit.connection)

    # reading

    def _on_ready(self) -> None:
        for fd, events in self._epoll.poll(0, _BATCH):
            connection = self._connections.get(fd)
            if connection is None:
                listener = self._listeners.get(fd)
                if listener is not None:
                    self._accept(listener)
                continue
            if events & select.EPOLLOUT and connection.state != _HANDSHAKE:
                self._write(connection)
            if events != select.EPOLLOUT or connection.state == _HANDSHAKE:
                self._read(connection)
        self.flush()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, _address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                log.error("cannot accept connections: %s", error.strerror)
                self._rest(listener)
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            self._accepted += 1
            connection = Connection(sock, self._accepted)
            self._connections[sock.fileno()] = connection
            self._epoll.register(sock.fileno(), select.EPOLLIN)
            self._wait(connection, self._request_timeout)

    def _rest(self, listener: socket.socket) -> None:
        """Look away from a listener for a second: its queue stays ready while there is nothing to accept it with."""
        fd = listener.fileno()
        self._forget(fd)
        self._loop.call_later(1.0, self._resume, fd)

    def _resume(self, fd: int) -> None:
        if fd in self._listeners:
            self._epoll.register(fd, select.EPOLLIN)

    def _read(self, connection: Connection) -> None:
        if connection.state == _HANDSHAKE and not self._shake_hands(connection):
            return
        try:
            size = connection.sock.recv_into(self._buffer)
        except _NOT_NOW:
            return
        except OSError:
            size = 0
        if not size:
            self._lose(connection)
            return
        self.bytes_received += size
        if connection.state == _OPEN or connection.state == _CLOSING:
            self._read_frames(connection, self._buffer[:size])
        elif connection.state == _REQUEST:
            self._read_request(connection, self._buffer[:size])
        if self._tls is not None and connection.state != _CLOSED:
            sock = connection.sock
            # what OpenSSL has decrypted already, epoll knows nothing of
            if isinstance(sock, ssl.SSLSocket) and sock.pending():
                self._read(connection)

    def _shake_hands(self, connection: Connection) -> bool:
        """Go on with a TLS handshake; tell whether it is done."""
        sock = connection.sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            self._epoll.modify(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
            return False
        except OSError:
            self._lose(connection)
            return False
        self._epoll.modify(sock.fileno(), select.EPOLLIN)
        connection.state = _REQUEST
        return True

    def _read_frames(self, connection: Connection, data: memoryview) -> None:
        messages: Sequence[tuple[int, bytes]]
        violation: FrameError | None = None
        try:
            messages = connection.feed(data, self._max_message)
        except FrameError as error:
            messages, violation = error.messages, error
        for opcode, payload in messages:
            if opcode < CLOSE:
                if connection.state == _OPEN:
                    self._handler.on_message(connection, payload)
            elif opcode == CLOSE:
                self._on_close_frame(connection, payload)
                return
            elif connection.state == _OPEN:
                self._handler.on_heard(connection)
                if opcode == PING:
                    self.send(connection, PONG, payload)
        if violation is not None:
            self._fail(connection, violation)

    def _on_close_frame(self, connection: Connection, payload: bytes) -> None:
        try:
            code = close_reason(payload)
        except FrameError as error:
            self._fail(connection, error)
            return
        if connection.state == _OPEN:
            self._queue(connection, frame(CLOSE, b"") if code == 1005 else close_frame(code))
        self._leave_open(connection, _DRAINING)

    def _fail(self, connection: Connection, error: FrameError) -> None:
        if connection.state == _OPEN:
            self._queue(connection, close_frame(error.code, error.reason))
        self._leave_open(connection, _DRAINING)

    def _read_request(self, connection: Connection, data: memoryview) -> None:
        head = connection.take_tail() + data
        before, found, after = head.partition(b"\r\n\r\n")
        if not found and len(head) <= MAX_HEAD:
            connection.put_tail(head)
            return
        has_body = True
        try:
            if len(before) > MAX_HEAD:
                raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"up to {MAX_HEAD} bytes are accepted")
            request = parse_request(bytes(before))
            has_body = request.method != "HEAD"
            response = self._handler.on_request(connection, request)
            if response is None:
                self._upgrade(connection, request, after)
                return
        except HttpError as error:
            response = Response(error.status, error.reason.encode() + b"\n")
        self._queue(connection, render(response, has_body=has_body))
        self._leave_open(connection, _DRAINING)

    def _upgrade(self, connection: Connection, request: Request, after: bytearray) -> None:
        problem = problem_of(request.headers)
        if problem is None and request.method != "GET":
            problem = "a WebSocket begins with GET"
        if problem is not None:
            raise HttpError(HTTPStatus.BAD_REQUEST, problem)
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept_key(request.headers["sec-websocket-key"]),
        }
        self._queue(connection, render(Response(HTTPStatus.SWITCHING_PROTOCOLS, headers=headers)))
        self._stop_waiting(connection)
        connection.state = _OPEN
        self._open += 1
        self.opened += 1
        self._handler.on_open(connection)
        if after:
            self._read_frames(connection, memoryview(bytes(after)))

    # writing

    def _queue(self, connection: Connection, data: bytes) -> None:
        if connection.out is None:
            connection.out = []
            self._dirty.append(connection)
        connection.out.append(data)

    def _write(self, connection: Connection) -> None:
        out, backlog = connection.out, connection.backlog
        connection.out = None
        if connection.state == _CLOSED:
            return
        data: bytes | bytearray = b"" if out is None else b"".join(out)
        if backlog is not None:
            backlog += data
            data = backlog
        try:
            sent = connection.sock.send(data)
        except _NOT_NOW:
            sent = 0
        except OSError:
            self._lose(connection)
            return
        self.bytes_sent += sent
        if sent < len(data):
            self._keep(connection, data, sent)
            return
        if backlog is not None:
            connection.backlog = None
            self._epoll.modify(connection.sock.fileno(), select.EPOLLIN)
        if connection.state == _DRAINING:
            self._end_output(connection)

    def _keep(self, connection: Connection, data: bytes | bytearray, sent: int) -> None:
        """Put away what the kernel did not take."""
        if len(data) - sent > self._max_backlog:
            log.debug("gave up %s: it does not read", connection.address)
            self._lose(connection)
            return
        if connection.backlog is None:
            self._epoll.modify(connection.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
            connection.backlog = bytearray(memoryview(data)[sent:])
        else:
            del connection.backlog[:sent]

    def _end_output(self, connection: Connection) -> None:
        """Say that nothing follows; closing with unread input would destroy what was just written."""
        try:
            if isinstance(connection.sock, ssl.SSLSocket):
                connection.sock.unwrap()
            else:
                connection.sock.shutdown(socket.SHUT_WR)
        except _NOT_NOW:
            return
        except OSError:
            self._lose(connection)

    # life

    def _leave_open(self, connection: Connection, state: int, patience: float = PATIENCE) -> None:
        """Go on to close: no more messages either way."""
        was_open = connection.state == _OPEN
        connection.state = state
        self._wait(connection, patience)
        if state == _DRAINING and connection.out is None and connection.backlog is None:
            self._end_output(connection)
        if was_open:
            self._open -= 1
            self._handler.on_closed(connection)

    def _lose(self, connection: Connection) -> None:
        """Close a socket at once."""
        was_open = connection.state == _OPEN
        if connection.state == _CLOSED:
            return
        connection.state = _CLOSED
        self._stop_waiting(connection)
        fd = connection.sock.fileno()
        self._connections.pop(fd, None)
        self._forget(fd)
        connection.sock.close()
        connection.backlog = connection.out = None
        if was_open:
            self._open -= 1
            self._handler.on_closed(connection)

    def _forget(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError:
            log.debug("file %d was not watched", fd)

    def _wait(self, connection: Connection, seconds: float) -> None:
        self._stop_waiting(connection)
        connection.limit = _Limit(connection, self._loop.time() + seconds)
        self._limits.add(connection.limit)

    def _stop_waiting(self, connection: Connection) -> None:
        if connection.limit is not None:
            self._limits.discard(connection.limit)
            connection.limit = None
