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
        """Return the time in milliseconds, in which bandwidth estimates are computed to the last bit."""

    def call_soon(self, callback: Callable[..., None], *args: object) -> None:
        """Call after the present callback has returned, in order of scheduling."""

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> Timer:
        """Call after `delay` seconds."""


class FetchEvents(Protocol):
    """Events of one HTTP request."""

    def headers(self, status: int, length: int | None, content_range: tuple[int, int] | None) -> bool:
        """Take status, Content-Length and the first and last byte of Content-Range; return False to refuse the body."""

    def chunk(self, data: bytes) -> None:
        """Take a piece of the body."""

    def finished(self) -> None:
        """End the body: it is complete, or the connection was closed cleanly."""

    def broken(self, reason: str) -> None:
        """End the request, which has failed."""


class Fetcher(Protocol):
    """Starts HTTP requests."""

    def __call__(self, segment: int, first_byte: int, events: FetchEvents) -> Callable[[], None]:
        """Fetch a segment from `first_byte` on; return the function that aborts it (no event follows)."""


class Channel(Protocol):
    """Open data channel to one peer."""

    @property
    def peer(self) -> str:
        """The peer's id."""

    def send(self, message: bytes) -> bool:
        """Queue a message; False: wait for `Loader.channel_drained` before sending more segment data."""

    def close(self) -> None:
        """Close the connection."""


class Observer(Protocol):
    """Observer of the actions of a loader."""

    def attempt_started(self, segment: int, source: str, peer: str, first_byte: int) -> None:
        """An attempt to fetch a segment begins."""

    def bytes_received(self, segment: int, source: str, peer: str, count: int) -> None:
        """Segment bytes came, useful or not."""

    def attempt_ended(self, segment: int, source: str, peer: str, outcome: str) -> None:
        """It ended: "loaded", "abort" or the type of its error."""

    def bytes_sent(self, segment: int, peer: str, count: int) -> None:
        """Segment bytes were handed to a channel."""

    def upload_ended(self, segment: int, peer: str, complete: bool) -> None:
        """An upload is over."""

    def peer_closed(self, peer: str) -> None:
        """A peer is gone."""
