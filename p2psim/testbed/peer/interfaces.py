"""What a real viewer's loader needs of the world: a clock, a fetcher, channels, and somebody who takes notes.

The same loader runs on asyncio, aiohttp and aiortc, and in tests on a virtual clock.
"""

from collections.abc import Callable
from typing import Protocol

__all__ = ["Channel", "Clock", "FetchEvents", "Fetcher", "Observer", "TimeSource", "Timer"]


class Timer(Protocol):
    """A callback to come."""

    def cancel(self) -> None:
        """Let it not come."""


class TimeSource(Protocol):
    """Time."""

    def now(self) -> float:
        """Seconds from the start of the run."""


class Clock(TimeSource, Protocol):
    """Time and its callbacks."""

    def milliseconds(self) -> float:
        """The same in milliseconds; figures of bandwidth need them to the last bit."""

    def call_soon(self, callback: Callable[..., None], *args: object) -> None:
        """Call once the present callback has returned, in order of asking."""

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> Timer:
        """Call after `delay` seconds."""


class FetchEvents(Protocol):
    """What the fetcher tells of one HTTP request."""

    def headers(self, status: int, length: int | None, content_range: tuple[int, int] | None) -> bool:
        """Status, Content-Length and the first and last byte of Content-Range; False: the body is of no use."""

    def chunk(self, data: bytes) -> None:
        """A piece of the body."""

    def finished(self) -> None:
        """The body is complete, or the connection was closed in good order."""

    def broken(self, reason: str) -> None:
        """The request failed."""


class Fetcher(Protocol):
    """Starts HTTP requests."""

    def __call__(self, segment: int, first_byte: int, events: FetchEvents) -> Callable[[], None]:
        """Fetch a segment from `first_byte` on; gives the function that aborts it (no event comes after)."""


class Channel(Protocol):
    """An open data channel to one peer."""

    @property
    def peer(self) -> str:
        """The peer's id."""

    def send(self, message: bytes) -> bool:
        """Queue a message; False: wait for `Loader.channel_drained` before sending more segment data."""

    def close(self) -> None:
        """Close the connection."""


class Observer(Protocol):
    """Takes notes of what a loader does."""

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
