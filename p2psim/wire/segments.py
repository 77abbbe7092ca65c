"""The numbers by which peers name segments, kept over the refreshes of a playlist.

A live playlist numbers by media sequence, an ended one by position. An item keeps the number it was first seen with,
so viewers from before and after the end of a stream may disagree, as with p2p-media-loader 2.x.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from p2psim.wire.hls import ByteRange, MediaPlaylist, MediaSegment

__all__ = ["PlaylistItem", "SegmentMap", "runtime_id", "segment_number"]


def runtime_id(segment: MediaSegment) -> str:
    """Name a segment inside one viewer: its URL, with the byte range if it has one."""
    if segment.byte_range is None:
        return segment.url
    return f"{segment.url}|{segment.byte_range.start}-{segment.byte_range.end}"


def segment_number(playlist: MediaPlaylist, position: int) -> int:
    """Give the number by which other peers know the segment at a position of the playlist."""
    return position if playlist.is_ended else playlist.segments[position].media_sequence


@dataclass(frozen=True, slots=True)
class PlaylistItem:
    """A segment with its number and its place on the player's time line (seconds)."""

    number: int
    start: float
    end: float
    segment: MediaSegment

    @property
    def runtime_id(self) -> str:
        """Its name inside one viewer."""
        return runtime_id(self.segment)

    @property
    def byte_range(self) -> ByteRange | None:
        """Part of the resource that it is, if not all."""
        return self.segment.byte_range


class SegmentMap:
    """The items of one quality that are listed now, in playlist order."""

    def __init__(self) -> None:
        self._items: dict[str, PlaylistItem] = {}
        self._starts: dict[int, float] = {}
        self._end = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[PlaylistItem]:
        return iter(self._items.values())

    def get(self, runtime: str) -> PlaylistItem | None:
        """Find an item by its run-time id."""
        return self._items.get(runtime)

    def by_number(self, number: int) -> PlaylistItem | None:
        """Find the item that a peer means; None if it is not listed."""
        return next((item for item in self if item.number == number), None)

    def update(self, playlist: MediaPlaylist) -> tuple[list[PlaylistItem], list[PlaylistItem]]:
        """Take a refreshed playlist; return the items that came and those that went."""
        starts = self._place(playlist)
        listed = {runtime_id(segment) for segment in playlist.segments}
        removed = [self._items.pop(name) for name in list(self._items) if name not in listed]
        added: dict[str, PlaylistItem] = {}
        for position, (segment, start) in enumerate(zip(playlist.segments, starts, strict=True)):
            name = runtime_id(segment)
            if name not in self._items:
                number = segment_number(playlist, position)
                added[name] = PlaylistItem(number, start, start + segment.duration, segment)
        self._items |= added
        return list(added.values()), removed

    def _place(self, playlist: MediaPlaylist) -> list[float]:
        """Align with the last playlist by media sequence; without overlap, go on where it ended."""
        if not playlist.segments:
            return []
        start, before = self._end, 0.0
        for segment in playlist.segments:
            if segment.media_sequence in self._starts:
                start = self._starts[segment.media_sequence] - before
                break
            before += segment.duration
        starts = []
        for segment in playlist.segments:
            starts.append(start)
            start += segment.duration
        self._end = start
        self._starts = {segment.media_sequence: at for segment, at in zip(playlist.segments, starts, strict=True)}
        return starts
