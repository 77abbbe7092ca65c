"""The tracker as a server: WebSocket and HTTP on one port."""

import asyncio
import logging
import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tracker import protocol
from tracker.brain import Brain
from tracker.config import Options
from tracker.connections import Connection, Hub, bind
from tracker.errors import OptionError, PortInUseError, Refusal
from tracker.events import Observer
from tracker.http import Request, Response
from tracker.logs import EventLog
from tracker.matching import UniformRandom
from tracker.protocol import Failure
from tracker.routes import Router
from tracker.websocket import PING, TEXT

__all__ = ["TrackerServer", "serve"]

log = logging.getLogger("tracker")

_TICK = 1.0  # seconds between looks at the clock


class TrackerServer:
    """A tracker that listens.

    Parameters
    ----------
    options
        Where to listen and how to behave.
    rng
        Source of random numbers; by default seeded by the operating system.
    observer
        Told of every event; by default they are logged.
    clock
        Gives the time in seconds.
    """

    def __init__(
        self,
        options: Options,
        rng: UniformRandom | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.options = options
        self.brain: Brain[Connection] = Brain(options, rng or random.Random(), observer or EventLog())
        self.port = 0
        self._clock = clock
        self._started_at = clock()
        self._router = Router(self.brain, self._status)
        self._hub: Hub | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pinged_at = self._started_at

    @property
    def url(self) -> str:
        """Address for WebSocket clients."""
        return f"ws://{_host_in_url(self.options.host)}:{self.port}/tracker/ws"

    @property
    def http_url(self) -> str:
        """Address of the pages, without a slash at the end."""
        return f"http://{_host_in_url(self.options.host)}:{self.port}"

    @property
    def connection_count(self) -> int:
        """How many WebSockets are open."""
        return 0 if self._hub is None else self._hub.open_count

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        PortInUseError
            When another program holds the port.
        OptionError
            When the host is none of this machine.
        """
        sockets = self._bind()
        options = self.options
        self._hub = Hub(
            self,
            max_message=options.max_message,
            max_backlog=options.max_backlog,
            request_timeout=options.request_timeout,
        )
        for sock in sockets:
            self._hub.listen(sock)
        self.port = sockets[0].getsockname()[1]
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _bind(self) -> list[socket.socket]:
        host, port = self.options.host, self.options.port
        try:
            return list(bind(host, port))
        except socket.gaierror as error:
            raise OptionError(f"host = {host!r}: {error.strerror}") from None
        except OSError as error:
            raise PortInUseError(f"cannot listen on {host or '*'}:{port}: {error.strerror}") from None

    async def close(self, timeout: float = 2.0) -> None:
        """Say goodbye to everybody (close code 1001) and stop; wait up to `timeout` seconds for their answers."""
        hub = self._hub
        if hub is None:
            return
        hub.stop_listening()
        for connection in hub.connections():
            hub.close(connection, 1001, "the tracker goes away")
        hub.flush()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while hub.socket_count and loop.time() < deadline:
            await asyncio.sleep(0.01)
        if self._timer is not None:
            self._timer.cancel()
        hub.shut()
        self._hub = None

    # what the hub calls

    def on_request(self, connection: Connection, request: Request) -> Response | None:
        """Answer a request; None lets it become a WebSocket."""
        del connection
        if "upgrade" in request.headers and request.method == "GET":
            return None
        return self._router.answer(request)

    def on_open(self, connection: Connection) -> None:
        """Know a new WebSocket."""
        self.brain.connect(connection, self._clock())

    def on_heard(self, connection: Connection) -> None:
        """Know that a WebSocket is alive."""
        self.brain.heard(connection, self._clock())

    def on_closed(self, connection: Connection) -> None:
        """Forget a WebSocket and its peers."""
        self.brain.disconnect(connection, self._clock())

    def on_message(self, connection: Connection, data: bytes) -> None:
        """Serve a message."""
        hub = self._hub
        assert hub is not None
        try:
            message = protocol.decode(data)
        except Refusal as refusal:
            self._refuse(hub, connection, refusal)
            return
        for receiver, reply in self.brain.handle(connection, message, self._clock()):
            hub.send(receiver, TEXT, protocol.encode(reply))

    def _refuse(self, hub: Hub, connection: Connection, refusal: Refusal) -> None:
        if refusal.info_hash is None:
            self.brain.failure("", refusal.reason)
            hub.close(connection, refusal.close_code, refusal.reason)
            return
        failure: Failure = self.brain.failure(refusal.info_hash, refusal.reason, refusal.action)
        hub.send(connection, TEXT, protocol.encode(failure))

    # time

    def _tick(self) -> None:
        hub = self._hub
        if hub is None:
            return
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)
        now = self._clock()
        deadline = self.brain.next_deadline()
        if deadline is not None and deadline <= now:
            for connection in self.brain.expire(now):
                hub.close(connection, 1001, "nothing was heard for too long")
        if now - self._pinged_at >= self.options.ping_interval:
            self._pinged_at = now
            for connection in hub.connections():
                hub.send(connection, PING, b"")
        hub.expire(asyncio.get_running_loop().time())
        hub.flush()

    def _status(self) -> dict[str, object]:
        return {"connections": self.connection_count, "uptime": round(self._clock() - self._started_at, 3)}


def _host_in_url(host: str) -> str:
    if not host:
        return "localhost"
    return f"[{host}]" if ":" in host else host


@asynccontextmanager
async def serve(
    options: Options, rng: UniformRandom | None = None, observer: Observer | None = None
) -> AsyncIterator[TrackerServer]:
    """Run a tracker inside this process while the block runs.

    Raises
    ------
    TrackerError
        When it cannot listen.
    """
    server = TrackerServer(options, rng, observer)
    await server.start()
    try:
        yield server
    finally:
        await server.close()
