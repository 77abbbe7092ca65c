"""Delivery of the origin's responses: ranges, rates, latency, and a record of the bytes sent."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiohttp import web

from p2psim.testbed.origin.rate_limit import RateLimit

__all__ = ["AddRow", "Delivery", "Reply", "apply_range"]

_RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))")


class AddRow(Protocol):
    """Function that adds a row to a table of a trace, as `p2psim.trace.Recorder.add` does."""

    def __call__(self, name: str, /, **row: object) -> None:
        """Add a row."""


@dataclass(frozen=True, slots=True)
class Reply:
    """HTTP response before it is sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def apply_range(reply: Reply, header: str | None) -> Reply:
    """Return the reply to a Range header (RFC 9110): part of the body, 416, or the whole body.

    The whole body is the reply to a header that is malformed or lists several ranges.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or reply.status != 200:
        return reply
    first, last, suffix = match.groups()
    size = len(reply.body)
    start = int(first) if first else max(0, size - int(suffix))
    end = min(size, int(last) + 1) if last else size
    if first and last and int(last) < int(first):
        return reply
    if start >= end:
        return Reply(416, headers={**reply.headers, "Content-Range": f"bytes */{size}"})
    headers = {**reply.headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"}
    return Reply(206, reply.body[start:end], headers)


class Delivery:
    """Sender of replies at limited rates, which records each one when it ends, complete or not.

    The rate of a connection is that of each of its responses, since HTTP/1.1 sends one at a time.
    """

    def __init__(
        self,
        add_row: AddRow | None,
        *,
        rate: float | None,
        connection_rate: float | None,
        latency: float,
        now: Callable[[], float],
    ) -> None:
        self._add_row = add_row
        self._rate = rate
        self._shared = RateLimit(rate)
        self._connection_rate = connection_rate
        self._latency = latency
        self._now = now

    def scale_rate(self, share: float) -> None:
        """Limit all responses together to a share of their rate; at 0 they begin, but no bytes of a body are sent."""
        self._shared.set_rate(0.0 if share == 0 else None if self._rate is None else self._rate * share)

    async def send(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        """Send a reply; its row has the number of bytes of the body that were handed to the network."""
        at = self._now()
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body)
        if reply.status == 204:
            response.content_length = None
        sent = _Count()
        try:
            await asyncio.sleep(self._latency)
            await self._send_body(request, response, reply.body, sent)
        finally:
            self._record(request, reply.status, at, sent.bytes)
        return response

    async def _send_body(self, request: web.Request, response: web.StreamResponse, body: bytes, sent: "_Count") -> None:
        transport = request.transport
        writer = await response.prepare(request)
        if request.method == "HEAD" or writer is None or transport is None:
            return
        # with this limit the transport pauses until the kernel has taken all bytes: those counted have left the process
        transport.set_write_buffer_limits(high=0)
        connection = RateLimit(self._connection_rate)
        step = min(connection.piece, self._shared.piece)
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            await connection.acquire(len(piece))
            await self._shared.acquire(len(piece))
            await response.write(piece)
            waiting = min(len(piece), transport.get_write_buffer_size())
            sent.bytes += len(piece) - waiting
            await writer.drain()
            sent.bytes += waiting
        await response.write_eof()

    def _record(self, request: web.Request, status: int, at: float, size: int) -> None:
        if self._add_row is None:
            return
        viewer = request.query.get("viewer") or request.headers.get("X-Viewer", "")
        duration = self._now() - at
        self._add_row("origin", at=at, viewer=viewer, path=request.path, bytes=size, status=status, duration=duration)


@dataclass(slots=True)
class _Count:
    bytes: int = 0
