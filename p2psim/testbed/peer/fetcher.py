"""HTTP fetcher for segments, with aiohttp: range requests, streamed bodies, and aborts that count every byte.

An abort closes this end's half of the connection, which stops the origin, and counts the bytes in flight, so that both
ends agree on the size of an aborted response.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp

from p2psim.testbed.peer.interfaces import FetchEvents
from p2psim.testbed.peer.shaping import Downlink

__all__ = ["HttpFetcher"]

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]+)-([0-9]+)/(?:[0-9]+|\*)")
_DRAIN_TIMEOUT: Final = 3.0

Late = Callable[[int, int], None]


class HttpFetcher:
    """Fetcher (`p2psim.testbed.peer.interfaces.Fetcher`) over a client session.

    `address` returns a segment's URL; `late` (segment, bytes) is called for media bytes that arrive after an abort;
    `headers` are sent with every request.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: Callable[[int], str],
        downlink: Downlink,
        late: Late,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._session = session
        self._address = address
        self._downlink = downlink
        self._late = late
        self._headers = dict(headers or {})
        self._running: set[asyncio.Task[None]] = set()

    def __call__(self, segment: int, first_byte: int, events: FetchEvents) -> Callable[[], None]:
        """Fetch a segment from `first_byte` on; return the function that aborts it."""
        fetch = _Fetch(self, segment, first_byte, events, self._headers)
        task = asyncio.get_running_loop().create_task(fetch.run(self._session, self._address(segment)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return lambda: fetch.abort(task)

    async def close(self) -> None:
        """Wait for the bytes in flight of aborted requests, then cancel the rest."""
        if self._running:
            await asyncio.wait(self._running, timeout=_DRAIN_TIMEOUT)
        self.kill()

    def kill(self) -> None:
        """Cancel all requests at once."""
        for task in list(self._running):
            task.cancel()

    def deliver(self, size: int, carried: Callable[[], None]) -> None:
        """Deliver bytes through the downlink, then call `carried`."""
        self._downlink.deliver(size, carried)

    def count_late(self, segment: int, size: int) -> None:
        """Count media bytes that arrived after an abort."""
        self._late(segment, size)


class _Fetch:
    """HTTP request for a segment."""

    def __init__(
        self, fetcher: HttpFetcher, segment: int, first_byte: int, events: FetchEvents, headers: dict[str, str]
    ) -> None:
        self._fetcher = fetcher
        self._headers = headers | ({"Range": f"bytes={first_byte}-"} if first_byte else {})
        self._segment = segment
        self._events = events
        self._response: aiohttp.ClientResponse | None = None
        self._is_wanted = True
        self._delivered = asyncio.Event()

    async def run(self, session: aiohttp.ClientSession, url: str) -> None:
        try:
            async with session.get(url, headers=self._headers) as response:
                self._response = response
                self._check_headers(response)
                await self._read(response)
                if self._is_wanted:
                    self._events.finished()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if self._is_wanted:
                self._is_wanted = False
                self._events.broken(str(error) or type(error).__name__)

    def abort(self, task: asyncio.Task[None]) -> None:
        if not task.done():
            self._is_wanted = False
            self._delivered.set()
            self._close_connection()
            asyncio.get_running_loop().call_later(_DRAIN_TIMEOUT, task.cancel)

    def _check_headers(self, response: aiohttp.ClientResponse) -> None:
        if self._is_wanted:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            span = (int(match[1]), int(match[2])) if match else None
            self._is_wanted = self._events.headers(response.status, response.content_length, span)
        if not self._is_wanted:
            self._close_connection()

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        is_media = response.status in (200, 206)
        async for chunk in response.content.iter_any():
            if self._is_wanted:
                self._delivered.clear()
                self._fetcher.deliver(len(chunk), self._delivered.set)
                await self._delivered.wait()
            if self._is_wanted:
                self._events.chunk(chunk)
            elif is_media:
                self._fetcher.count_late(self._segment, len(chunk))

    def _close_connection(self) -> None:
        connection = self._response.connection if self._response is not None else None
        if connection is not None and connection.transport is not None and connection.transport.can_write_eof():
            connection.transport.write_eof()
            if connection.protocol is not None:
                connection.protocol.force_close()  # the body may be complete already: the connection must not be reused
