"""Loaders of the qualities of a stream, of which one loads at a time, as in p2p-media-loader 2.3.

Each quality has a swarm of its own. After a change of quality the viewer leaves the old swarm at once if it has stored
none of its segments, else after `linger` seconds, during which it still serves its peers. Stored segments are kept
until they are evicted.
"""

from collections.abc import Callable, Sequence

from p2psim.testbed.peer.interfaces import Clock, Timer
from p2psim.testbed.peer.loader import Delivery, Loader, Refusal

__all__ = ["Qualities"]

Maker = Callable[[int, Loader | None], Loader]
Membership = Callable[[int, Loader, bool], None]


class Qualities:
    """Loaders of several qualities, identified by their numbers.

    `make(quality, predecessor)` makes the loader of a quality when it is first requested;
    `member(quality, loader, is_member)` is called when the viewer joins or leaves the swarm of a quality.
    """

    def __init__(self, clock: Clock, make: Maker, member: Membership, linger: float) -> None:
        self._clock, self._make, self._member, self._linger = clock, make, member, linger
        self._loaders: dict[int, Loader] = {}
        self._leaving: dict[int, Timer] = {}
        self._joined: dict[int, None] = {}
        self._quality: int | None = None

    @property
    def current(self) -> Loader | None:
        """Loader of the quality requested last, if any."""
        return None if self._quality is None else self._loaders[self._quality]

    def playlist(self, quality: int, segments: Sequence[tuple[int, float, float]]) -> None:
        """Update the playlist of a quality."""
        if quality in self._loaders:
            self._loaders[quality].playlist(segments)

    def load(self, quality: int, segment: int, delivered: Delivery, refused: Refusal) -> None:
        """Request a segment of a quality (see `Loader.load`)."""
        if quality != self._quality:
            self._change(quality)
        self._loaders[quality].load(segment, delivered, refused)

    def _change(self, quality: int) -> None:
        old, self._quality = self._quality, quality
        if old is not None:
            self._retire(old)
        timer = self._leaving.pop(quality, None)
        if timer is not None:
            timer.cancel()
        predecessor = None if old is None else self._loaders[old]
        if quality not in self._loaders:
            self._loaders[quality] = self._make(quality, predecessor)
        elif predecessor is not None:
            self._loaders[quality].take_over(predecessor)
        if quality not in self._joined:
            self._joined[quality] = None
            self._member(quality, self._loaders[quality], True)

    def _retire(self, quality: int) -> None:
        if self._loaders[quality].storage:
            self._leaving[quality] = self._clock.call_later(self._linger, self._leave, quality)
        else:
            self._leave(quality)

    def _leave(self, quality: int) -> None:
        self._leaving.pop(quality, None)
        self._joined.pop(quality, None)
        self._loaders[quality].close_channels()
        self._member(quality, self._loaders[quality], False)

    def close(self) -> None:
        """Stop all loaders and leave all swarms."""
        for timer in self._leaving.values():
            timer.cancel()
        for loader in self._loaders.values():
            loader.stop()
        for quality in self._joined:
            self._loaders[quality].close_channels()
