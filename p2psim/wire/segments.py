"""Numbers by which peers identify segments, preserved over the refreshes of a playlist.

In a live playlist a segment's number is its media sequence number, in an ended one its position. A segment keeps its
first number, so viewers that joined before and after the end of a stream may disagree, as in p2p-media-loader 2.x.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from p2psim.wire.hls import MediaPlaylist, MediaSegment

__all__ = ["PlaylistItem", "SegmentMap", "runtime_id", "segment_number"]


def runtime_id(segment: MediaSegment) -> str:
    """Return the run-time id of a segment: its URL, followed by its byte range if it has one."""
    if segment.byte_range is None:
        return segment.url
    return f"{segment.url}|{segment.byte_range.start}-{segment.byte_range.end}"


def segment_number(playlist: MediaPlaylist, position: int) -> int:
    """Return the number by which peers identify the segment at a position of the playlist."""
    return position if playlist.is_ended else playlist.segments[position].media_sequence


@dataclass(frozen=True, slots=True)
class PlaylistItem:
    """Segment with its number, and its start and end on the player's timeline in seconds."""

    number: int
    start: float
    end: float
    segment: MediaSegment


class SegmentMap:
    """Segments of one quality in the current playlist, in its order."""

    def __init__(self) -> None:
        self._items: dict[str, PlaylistItem] = {}
        self._starts: dict[int, float] = {}
        self._end = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[PlaylistItem]:
        return iter(self._items.values())

    def by_number(self, number: int) -> PlaylistItem | None:
        """Return the item with a number, or None if the playlist does not contain it."""
        return next((item for item in self if item.number == number), None)

    def update(self, playlist: MediaPlaylist) -> tuple[list[PlaylistItem], list[PlaylistItem]]:
        """Replace the playlist by a refreshed one; return the added and the removed items."""
        starts = self._start_times(playlist)
        current_ids = {runtime_id(segment) for segment in playlist.segments}
        removed = [self._items.pop(name) for name in list(self._items) if name not in current_ids]
        added: dict[str, PlaylistItem] = {}
        for position, (segment, start) in enumerate(zip(playlist.segments, starts, strict=True)):
            name = runtime_id(segment)
            if name not in self._items:
                number = segment_number(playlist, position)
                added[name] = PlaylistItem(number, start, start + segment.duration, segment)
        self._items |= added
        return list(added.values()), removed

    def _start_times(self, playlist: MediaPlaylist) -> list[float]:
        """Return start times that align with the previous playlist by media sequence number, or continue at its end."""
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
