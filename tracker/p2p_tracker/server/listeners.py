"""Sockets that listen, and what comes in by them."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Sequence

__all__ = ["Acceptor", "bind"]

log = logging.getLogger("p2p_tracker")

_AT_ONCE = 64  # connections accepted before others get their turn
_REST = 1.0  # seconds to look away while there is nothing to accept with


def bind(host: str, port: int, backlog: int = 4096) -> Sequence[socket.socket]:
    """Listen on every address of a host.

    Raises
    ------
    OSError
        When an address is taken or is none of this machine.
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
    """Accepts connections.

    Parameters
    ----------
    make
        Makes the protocol of a connection, given its number.
    tls, patience
        How to encrypt, and the seconds that a client has to agree to it; None is not at all.
    """

    def __init__(self, make: Callable[[int], asyncio.BaseProtocol], tls: ssl.SSLContext | None, patience: float):
        self._make = make
        self._tls = tls
        self._patience = None if tls is None else patience
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._accepted = 0

    @property
    def arriving(self) -> int:
        """How many connections are accepted and not yet made, because they still agree on encryption."""
        return len(self._arriving)

    def listen(self, sock: socket.socket) -> None:
        """Accept connections of a listening socket."""
        sock.setblocking(False)
        self._listeners.append(sock)
        self._loop.add_reader(sock, self._accept, sock)

    def stop(self) -> None:
        """Accept no more."""
        for sock in self._listeners:
            self._loop.remove_reader(sock)
            sock.close()
        self._listeners.clear()

    def shut(self) -> None:
        """Accept no more, and drop what is not made."""
        self.stop()
        for task in self._arriving:
            task.cancel()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
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
            self._accepted += 1
            task = self._loop.create_task(self._adopt(sock, self._accepted))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _adopt(self, sock: socket.socket, number: int) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make(number), sock, ssl=self._tls, ssl_handshake_timeout=self._patience
            )
        except OSError as error:
            log.debug("a connection ended before it began: %s", error)

    def _rest(self, listener: socket.socket) -> None:
        """Look away from a listener for a while: its queue stays ready while there is nothing to accept it with."""
        self._loop.remove_reader(listener)
        self._loop.call_later(_REST, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)
