"""Listening sockets, and the acceptance of their connections."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Sequence

__all__ = ["Acceptor", "bind"]

log = logging.getLogger("p2p_tracker")

_MAX_ACCEPTS = 64  # connections accepted in one iteration of the event loop
_PAUSE = 1.0  # seconds without accepting after file descriptors or memory ran out


def bind(host: str, port: int, backlog: int = 4096) -> Sequence[socket.socket]:
    """Return listening sockets for every address of a host; an empty host means every address of the machine.

    Raises
    ------
    OSError
        When an address is in use or does not belong to this machine.
    """
    sockets: list[socket.socket] = []
    try:
        for family, kind, proto, _, address in socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            sock = socket.socket(family, kind, proto)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if port == 0 and len(sockets) > 1:  # all addresses get the same port
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            sock.bind(address)
            sock.listen(backlog)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


class Acceptor:
    """Acceptor of connections.

    Parameters
    ----------
    make
        Returns the protocol of a new connection, given its serial number.
    tls, handshake_timeout
        TLS configuration (None for unencrypted connections), and the limit of a TLS handshake in seconds.
    """

    def __init__(
        self, make: Callable[[int], asyncio.BaseProtocol], tls: ssl.SSLContext | None, handshake_timeout: float
    ):
        self._make = make
        self._tls = tls
        self._handshake_timeout = None if tls is None else handshake_timeout
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepted = 0

    @property
    def handshake_count(self) -> int:
        """Number of accepted connections whose TLS handshake is not complete."""
        return len(self._handshakes)

    def listen(self, sock: socket.socket) -> None:
        """Accept connections of a listening socket."""
        sock.setblocking(False)
        self._listeners.append(sock)
        self._loop.add_reader(sock, self._accept, sock)

    def stop(self) -> None:
        """Close the listening sockets."""
        for sock in self._listeners:
            self._loop.remove_reader(sock)
            sock.close()
        self._listeners.clear()

    def abort_all(self) -> None:
        """Close the listening sockets and drop the connections in a TLS handshake."""
        self.stop()
        for task in self._handshakes:
            task.cancel()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_MAX_ACCEPTS):
            try:
                sock, _address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                log.error("cannot accept connections: %s", error.strerror)
                self._pause(listener)
                return
            sock.setblocking(False)
            self._accepted += 1
            task = self._loop.create_task(self._start_protocol(sock, self._accepted))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _start_protocol(self, sock: socket.socket, number: int) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make(number), sock, ssl=self._tls, ssl_handshake_timeout=self._handshake_timeout
            )
        except OSError as error:
            log.debug("a connection failed before its request: %s", error)

    def _pause(self, listener: socket.socket) -> None:
        """Stop watching a listener for a while; its queue stays readable, so the event loop would spin."""
        self._loop.remove_reader(listener)
        self._loop.call_later(_PAUSE, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)
