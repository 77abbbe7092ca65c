"""Rules of hls.js as tuned by p2p-media-loader: start, requests, playlist reloads and stalls.

Plain functions of plain numbers, for both worlds. Media time is in seconds; segments of one length count from 0 at
media time 0, and a playlist lists first ≤ index < last.
"""

import math

from p2psim.compiled import entry

__all__ = [
    "SLACK",
    "buffer_ahead",
    "buffer_empty_at",
    "is_buffer_empty",
    "next_index",
    "playhead",
    "reload_delay",
    "retry_delay",
    "start_index",
    "start_position",
    "wants_next",
]

SLACK = 1e-6
"""Media times that differ by less, seconds, are the same: sums of durations do not come out exactly."""
_FIRST_RETRY = 1.0
_LAST_RETRY = 8.0


@entry
def start_position(first: int, last: int, segment: float, latency: float, live: bool) -> float:
    """Return the media time at which a player starts: `latency` before the end of a live playlist, or its beginning."""
    if not live:
        return first * segment
    return max(first * segment, last * segment - latency)


@entry
def start_index(first: int, last: int, segment: float, latency: float, live: bool) -> int:
    """Return the segment that a new player requests first: the one that holds its start."""
    begin = start_position(first, last, segment, latency, live)
    return min(max(first, math.floor(begin / segment + SLACK)), max(first, last - 1))


@entry
def next_index(wanted: int, first: int, last: int, segment: float, latency: float, live: bool) -> int:
    """Return the next segment; a viewer that was stalled until its segment left the playlist restarts."""
    return wanted if wanted >= first else start_index(first, last, segment, latency, live)


@entry
def buffer_ahead(position: float, buffered_end: float) -> float:
    """Return the seconds of media ahead of the playhead."""
    return max(0.0, buffered_end - position)


@entry
def wants_next(position: float, buffered_end: float, target: float) -> bool:
    """Return whether the buffer is below its target (maxBufferLength), so that the next segment is requested."""
    return buffered_end - position < target - SLACK


@entry
def playhead(position: float, since: float, now: float, rate: float, buffered_end: float) -> float:
    """Return the media time at `now` of a player that has played from `position` since the time `since`."""
    return min(max(position, buffered_end), position + (now - since) * rate)


@entry
def buffer_empty_at(position: float, since: float, rate: float, buffered_end: float) -> float:
    """Return the time at which the buffer of such a player is empty."""
    return since + max(0.0, buffered_end - position) / rate


@entry
def is_buffer_empty(position: float, buffered_end: float) -> bool:
    """Return whether the playhead is at the end of the buffer: the player stalls, or is at the end of the recording."""
    return buffered_end - position <= SLACK


@entry
def reload_delay(target_duration: float, brought_news: bool) -> float:
    """Return the seconds from one request of a live playlist to the next (RFC 8216, 6.3.4)."""
    return target_duration if brought_news else target_duration / 2


@entry
def retry_delay(failures: int) -> float:
    """Return the seconds until a failed segment is requested again (hls.js: doubled each time, at most 8 s)."""
    return min(_FIRST_RETRY * 2.0 ** max(0, failures - 1), _LAST_RETRY)
