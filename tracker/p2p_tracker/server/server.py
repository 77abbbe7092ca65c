"""Tracker server: WebSocket and HTTP on one port, around the sans-IO core."""

import asyncio
import ctypes
import logging
import random
import resource
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

from p2p_tracker.admission.gate import AdmittedClient, Gate
from p2p_tracker.admission.rate_limits import RateLimiter
from p2p_tracker.config.options import TICK, ServerOptions
from p2p_tracker.core import json_codec
from p2p_tracker.core.events import Observer
from p2p_tracker.core.matching import UniformRandom
from p2p_tracker.core.protocol import Incoming, PeersRequest, Scrape, action_of
from p2p_tracker.core.tracker import Tracker
from p2p_tracker.errors import OptionError, PortInUseError, Refusal
from p2p_tracker.observability.logs import EventLog
from p2p_tracker.server.connections import Connection, Hub
from p2p_tracker.server.handshake import is_upgrade
from p2p_tracker.server.http import Request, Response, as_json
from p2p_tracker.server.ice_servers import ice_servers
from p2p_tracker.server.listeners import bind
from p2p_tracker.server.routes import Router
from p2p_tracker.server.websocket import PING
from p2p_tracker.web.pages import Pages

__all__ = ["TrackerServer", "serve"]

log = logging.getLogger("p2p_tracker")

_WAVE = 0.25  # seconds between two groups of connections closed while draining
_GOING_AWAY, _POLICY = 1001, 1008


class TrackerServer:
    """Tracker with its listening sockets and connections.

    Parameters
    ----------
    options
        Options of the core and of the server.
    rng
        Source of random numbers; by default one that the operating system seeds.
    observer
        Notified of every event; by default events are logged.
    clock, wall_clock
        Functions that return a monotonic time, and the time since the epoch, in seconds.

    Raises
    ------
    OptionError
        When a file or list that the options name cannot be read.
    """

    def __init__(
        self,
        options: ServerOptions,
        rng: UniformRandom | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ):
        self.options = options
        self.port = 0
        self._log = EventLog(clock, options.log_rate)
        self.tracker: Tracker[Connection] = Tracker(options, rng or random.Random(), observer or self._log)
        self._clock = clock
        self._wall_clock = wall_clock
        self._started_at = clock()
        self._gate = Gate(options)
        self._tls = _tls_context(options)
        self._is_public = options.publish_swarms
        pages = Pages(options.libraries, options.channels)
        self._router = Router(self.tracker.swarms, self, pages, is_public=options.publish_swarms)
        self._hub: Hub | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tick_seconds = min(TICK, options.ping_interval)
        self._ticks = 0
        self._refused_connections = 0
        _trim_heap()  # memory that is free now would not count as growth when it is used again
        self._memory_at_start = _resident_memory()
        self._refusals: RateLimiter[Connection] = RateLimiter(
            1.0 if options.max_refusals else 0.0, options.max_refusals
        )
        self._is_draining = False
        self._drain_skipped = asyncio.Event()

    @property
    def url(self) -> str:
        """URL for WebSocket clients."""
        return f"{'wss' if self._tls else 'ws'}://{self._authority}/tracker/ws"

    @property
    def http_url(self) -> str:
        """URL of the pages, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self._authority}"

    @property
    def _authority(self) -> str:
        host = self.options.host or "localhost"
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def connection_count(self) -> int:
        """Number of open WebSockets."""
        return 0 if self._hub is None else self._hub.open_count

    @property
    def socket_count(self) -> int:
        """Number of connections of any kind and in any state."""
        return 0 if self._hub is None else self._hub.socket_count

    # starting and stopping

    async def start(self) -> None:
        """Start to listen.

        Raises
        ------
        PortInUseError
            When the address is in use or may not be used.
        OptionError
            When the host name has no address.
        """
        sockets = self._bind()
        options = self.options
        self._hub = Hub(
            self,
            max_message=options.max_message,
            max_backlog=options.max_backlog,
            request_timeout=options.request_timeout,
            tls=self._tls,
        )
        for sock in sockets:
            self._hub.listen(sock)
        self.port = sockets[0].getsockname()[1]
        self._timer = asyncio.get_running_loop().call_later(self._tick_seconds, self._tick)

    def _bind(self) -> list[socket.socket]:
        host, port = self.options.host, self.options.port
        try:
            return list(bind(host, port))
        except (socket.gaierror, UnicodeError) as error:
            raise OptionError(f"host = {host!r}: {error}") from None
        except OSError as error:
            raise PortInUseError(f"cannot listen on {host or '*'}:{port}: {error.strerror}") from None

    async def close(self, timeout: float = 2.0) -> None:
        """Close all connections (close code 1001) over `drain` seconds, and stop.

        The last of them have up to `timeout` seconds to complete the closing handshake.
        """
        hub = self._hub
        if hub is None:
            return
        self._is_draining = True
        await self._drain(hub)
        hub.stop_listening()
        self._close_all(hub, hub.connections())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while hub.socket_count and loop.time() < deadline:
            await asyncio.sleep(0.01)
        if self._timer is not None:
            self._timer.cancel()
        self._log.flush()
        hub.abort_all()
        self._hub = None

    def skip_drain(self) -> None:
        """Close all remaining connections at once, without waiting for the rest of `drain`."""
        self._drain_skipped.set()

    async def _drain(self, hub: Hub) -> None:
        """Close connections in waves of equal size, so that their clients do not reconnect all at once."""
        waves = int(self.options.drain / _WAVE)
        for wave in range(waves):
            if self._drain_skipped.is_set() or not hub.open_count:
                return
            leaving = hub.connections()
            self._close_all(hub, leaving[: -(-len(leaving) // (waves - wave))])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drain_skipped.wait(), _WAVE)

    @staticmethod
    def _close_all(hub: Hub, connections: list[Connection]) -> None:
        for connection in connections:
            hub.close(connection, _GOING_AWAY, "the tracker is shutting down")

    # connections.Handler

    def on_request(self, connection: Connection, request: Request) -> Response | None:
        """Return the response to a request, or None to upgrade the connection to a WebSocket."""
        if request.method != "GET" or not is_upgrade(request.headers):
            return self._router.answer(request)
        connection.context = request  # for `on_open`
        return None

    def on_open(self, connection: Connection) -> None:
        """Admit a new WebSocket, or close it with a reason."""
        hub, request = self._hub, connection.context
        assert hub is not None
        assert isinstance(request, Request)
        connection.context = None
        try:
            self._check_capacity(hub)
            client, location = self._gate.admit(connection.address, request.headers, request.query, self._wall_clock())
        except Refusal as refusal:
            self._refused_connections += 1
            self._log.connection_refused(refusal.reason)
            hub.close(connection, refusal.close_code, refusal.reason)
            return
        connection.context = client
        self.tracker.connect(connection, self._clock(), location)

    def _check_capacity(self, hub: Hub) -> None:
        reason = self._closed_reason(hub.open_count - 1)
        if reason:
            raise Refusal(reason, close_code=_GOING_AWAY if self._is_draining else _POLICY)

    def _closed_reason(self, others: int) -> str:
        """Return why a client is refused while `others` are connected; an empty text if it is not."""
        if self._is_draining:
            return "the tracker is shutting down"
        if self.options.max_connections and others >= self.options.max_connections:
            return "the tracker is full"
        return "" if self.tracker.accepts_new_peers else "the tracker is short of memory"

    def on_keep_alive(self, connection: Connection) -> None:
        """Restart the heartbeat timeout of a client."""
        self.tracker.keep_alive(connection, self._clock())

    def on_closed(self, connection: Connection) -> None:
        """Remove a client and its peers."""
        self.tracker.disconnect(connection, self._clock())
        self._refusals.reset(connection)
        if isinstance(connection.context, AdmittedClient):
            self._gate.release(connection.context)
            connection.context = None

    def check_memory(self) -> None:
        """Above the memory limit, drop the connections with the largest buffers and accept no new peers."""
        hub, limit = self._hub, self.options.max_memory * 2**20
        if hub is None or not limit:
            return
        if self._memory_growth() > limit:
            hub.drop_largest_buffers()
            _trim_heap()
        self.tracker.accepts_new_peers = self._memory_growth() <= limit

    def on_message(self, connection: Connection, data: bytes) -> None:
        """Process a message and queue the messages that it causes."""
        hub, now = self._hub, self._clock()
        assert hub is not None
        try:
            message = json_codec.decode(data)
            if self._gate.has_message_rules:
                self._check_rules(connection, message, now)
        except Refusal as refusal:
            self._refuse(hub, connection, refusal)
            return
        if not self._is_public and message == Scrape():
            message = Scrape(())
        send, encode = hub.send, json_codec.encode
        for receiver, reply in self.tracker.handle(connection, message, now):
            send(receiver, encode(reply))
        if type(message) is Scrape or type(message) is PeersRequest:
            hub.flush()  # these replies are much longer than their requests: written now, they count as backlog

    def _check_rules(self, connection: Connection, message: Incoming, now: float) -> None:
        client = connection.context
        reason = self._gate.refusal_reason(client if isinstance(client, AdmittedClient) else None, message, now)
        if reason is not None:
            raise Refusal(reason, action=action_of(message), info_hash=getattr(message, "info_hash", None))

    def _refuse(self, hub: Hub, connection: Connection, refusal: Refusal) -> None:
        # a client whose messages are all refused is still alive
        now = self._clock()
        self.tracker.keep_alive(connection, now)
        failure = self.tracker.failure(refusal.info_hash or "", refusal.reason, refusal.action)
        if refusal.info_hash is None:
            hub.close(connection, refusal.close_code, refusal.reason)
        elif not self._refusals.allow(connection, now):
            hub.close(connection, _POLICY, f"too many refused messages, the last: {refusal.reason}")
        else:
            hub.send(connection, json_codec.encode(failure))

    # routes.StatusSource

    def metrics(self) -> Mapping[str, float]:
        """Return every counter and gauge by name."""
        hub = self._hub
        return {
            "connections": self.connection_count,
            "swarms": len(self.tracker.swarms),
            **asdict(self.tracker.counts),
            "connections_opened": 0 if hub is None else hub.opened,
            "connections_refused": self._refused_connections,
            "bytes_received": 0 if hub is None else hub.bytes_received,
            "bytes_sent": 0 if hub is None else hub.bytes_sent,
            "uptime": round(self._clock() - self._started_at, 3),
            "memory": _resident_memory(),
            "cpu": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 3),
        }

    def closed_reason(self) -> str:
        """Return why new clients are refused; an empty text if they are not."""
        return self._closed_reason(self.connection_count)

    def ice(self, request: Request) -> Response:
        """Return the response that lists STUN and TURN servers, for clients that may connect."""
        options, now = self.options, self._wall_clock()
        if not self._gate.admits_request(request.query, now):
            return as_json({"error": "a valid token is required"}, HTTPStatus.FORBIDDEN)
        servers = ice_servers(options.stun_urls, options.turn_urls, options.turn_secret, now + options.turn_lifetime)
        return as_json({"iceServers": servers, "lifetime": options.turn_lifetime})

    # periodic work

    def _tick(self) -> None:
        hub = self._hub
        if hub is None:
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._tick_seconds, self._tick)
        now = self._clock()
        for connection in self.tracker.expire(now):
            hub.close(connection, _GOING_AWAY, "no message and no pong within heartbeat_timeout", timeout=1.0)
        self._ping(hub)
        hub.expire(loop.time())
        self.check_memory()
        self._log.flush()
        if self._ticks % 60 == 0:
            self._gate.prune(now)

    def _memory_growth(self) -> int:
        return _resident_memory() - self._memory_at_start

    def _ping(self, hub: Hub) -> None:
        """Ping the connections whose turn it is; each has one turn in every `ping_interval`."""
        rounds = max(1, round(self.options.ping_interval / self._tick_seconds))
        turn = self._ticks % rounds
        self._ticks += 1
        for connection in hub.connections():
            if connection.number % rounds == turn:
                hub.send(connection, b"", PING)


def _resident_memory() -> int:
    """Return the resident memory of the process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _trim_heap() -> None:
    """Return free memory of glibc's heap to the system."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _tls_context(options: ServerOptions) -> ssl.SSLContext | None:
    if not options.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise OptionError(f"tls_certificate = {options.tls_certificate!r}: {error}") from None
    return context


@asynccontextmanager
async def serve(
    options: ServerOptions, rng: UniformRandom | None = None, observer: Observer | None = None
) -> AsyncIterator[TrackerServer]:
    """Run a tracker in this process for the duration of the block.

    Raises
    ------
    TrackerError
        When it cannot listen, or a file that an option names cannot be read.
    """
    server = TrackerServer(options, rng, observer)
    await server.start()
    try:
        yield server
    finally:
        await server.close()
