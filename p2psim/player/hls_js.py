"""What hls.js decides as p2p-media-loader tunes it: where to start, when to ask, when to reload, when playback stalls.

Plain functions of plain numbers, for both worlds. Media time is in seconds; segments of one length count from 0 at
media time 0, and a playlist lists first ≤ index < last.
"""

import math

from p2psim.compiled import entry

__all__ = [
    "SLACK",
    "buffer_ahead",
    "dry_at",
    "is_dry",
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
    """Media time at which a new player begins: `latency` behind the end of a live playlist, or at its beginning."""
    if not live:
        return first * segment
    return max(first * segment, last * segment - latency)


@entry
def start_index(first: int, last: int, segment: float, latency: float, live: bool) -> int:
    """Segment that a new player asks for first: the one that holds its start."""
    begin = start_position(first, last, segment, latency, live)
    return min(max(first, math.floor(begin / segment + SLACK)), max(first, last - 1))


@entry
def next_index(wanted: int, first: int, last: int, segment: float, latency: float, live: bool) -> int:
    """Segment to go on with; a viewer that was stalled until its segment left the playlist starts anew."""
    return wanted if wanted >= first else start_index(first, last, segment, latency, live)


@entry
def buffer_ahead(position: float, buffered_end: float) -> float:
    """Seconds of media that are there to play."""
    return max(0.0, buffered_end - position)


@entry
def wants_next(position: float, buffered_end: float, target: float) -> bool:
    """Whether the buffer is short of its target (maxBufferLength), so that the next segment is asked for."""
    return buffered_end - position < target - SLACK


@entry
def playhead(position: float, since: float, now: float, rate: float, buffered_end: float) -> float:
    """Media time at `now` of a player that was at `position` at the time `since` and has played from then on."""
    return min(max(position, buffered_end), position + (now - since) * rate)


@entry
def dry_at(position: float, since: float, rate: float, buffered_end: float) -> float:
    """Time at which such a player has nothing left to play."""
    return since + max(0.0, buffered_end - position) / rate


@entry
def is_dry(position: float, buffered_end: float) -> bool:
    """Whether the playhead stands at the end of the buffer: the player stalls, or is at the end of the recording."""
    return buffered_end - position <= SLACK


@entry
def reload_delay(target_duration: float, brought_news: bool) -> float:
    """Seconds from one request of a live playlist to the next (RFC 8216, 6.3.4)."""
    return target_duration if brought_news else target_duration / 2


@entry
def retry_delay(failures: int) -> float:
    """Seconds until a segment that could not be had is asked for again (hls.js: doubled each time, at most 8 s)."""
    return min(_FIRST_RETRY * 2.0 ** max(0, failures - 1), _LAST_RETRY)
