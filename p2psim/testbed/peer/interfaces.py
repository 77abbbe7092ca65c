"""Protocols on which a real viewer's loader depends: clock, fetcher, channels and observer.

The same loader runs on asyncio, aiohttp and aiortc, and in tests on a virtual clock.
"""

from collections.abc import Callable
from typing import Protocol

__all__ = ["Channel", "Clock", "FetchEvents", "Fetcher", "Observer", "TimeSource", "Timer"]


class Timer(Protocol):
    """Scheduled callback."""

    def cancel(self) -> None:
        """Cancel the callback."""


class TimeSource(Protocol):
    """Source of the time of a run."""

    def now(self) -> float:
        """Return the seconds since the start of the run."""


class Clock(TimeSource, Protocol):
    """Time source that schedules callbacks."""

    def milliseconds(self) -> float:
        """Return the time in milliseconds, the unit of upstream's bandwidth estimates, which ours equal to the bit."""

    def call_soon(self, callback: Callable[..., None], *args: object) -> None:
        """Call `callback` once the current one has returned, in order of scheduling."""

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> Timer:
        """Call `callback` after `delay` seconds."""


class FetchEvents(Protocol):
    """Events of one HTTP request."""

    def headers(self, status: int, length: int | None, content_range: tuple[int, int] | None) -> bool:
        """Handle status, Content-Length, and first and last byte of Content-Range; return False to refuse the body."""

    def chunk(self, data: bytes) -> None:
        """Handle a piece of the body."""

    def finished(self) -> None:
        """Handle the end of the body: it is complete, or the connection was closed cleanly."""

    def broken(self, reason: str) -> None:
        """Handle the failure of the request."""


class Fetcher(Protocol):
    """Function that starts HTTP requests for segments."""

    def __call__(self, segment: int, first_byte: int, events: FetchEvents) -> Callable[[], None]:
        """Fetch a segment from `first_byte` on; return the function that aborts the request without further events."""


class Channel(Protocol):
    """Open data channel to one peer."""

    @property
    def peer(self) -> str:
        """Peer id of the other end."""

    def send(self, message: bytes) -> bool:
        """Queue a message; return False to pause segment data until `Loader.channel_drained` is called."""

    def close(self) -> None:
        """Close the connection."""


class Observer(Protocol):
    """Observer of a loader."""

    def attempt_started(self, segment: int, source: str, peer: str, first_byte: int) -> None:
        """Record the start of an attempt to fetch a segment."""

    def bytes_received(self, segment: int, source: str, peer: str, count: int) -> None:
        """Record received segment bytes, useful or not."""

    def attempt_ended(self, segment: int, source: str, peer: str, outcome: str) -> None:
        """Record the outcome of an attempt: "loaded", "abort" or the type of its error."""

    def bytes_sent(self, segment: int, peer: str, count: int) -> None:
        """Record segment bytes given to a channel."""

    def upload_ended(self, segment: int, peer: str, complete: bool) -> None:
        """Record the end of an upload."""

    def peer_closed(self, peer: str) -> None:
        """Record that a peer has disconnected."""
