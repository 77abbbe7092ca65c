"""Options of the origin, and the schedule of its segments as pure functions of the stream's clock."""

import math
from dataclasses import dataclass
from typing import Literal

from p2psim.errors import InputError

__all__ = ["OriginOptions", "Schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginOptions:
    """Stream that the origin serves, and its rate and latency."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 stands for any free one."""
    kind: Literal["live", "vod"] = "live"
    channels: tuple[str, ...] = ("main",)
    window: int = 15
    """Live: number of segments in the playlist."""
    kept: int = 15
    """Live: number of segments that are still served after they have left the playlist."""
    history: float | None = None
    """Live: seconds of the stream before the origin starts; None: a full window."""
    segment_count: int = 150
    """VOD: number of segments of the recording."""
    encrypted: bool = False
    """True if segments are encrypted (HLS AES-128), with one key for each channel."""
    program_date_time: bool = False
    """Live: True if playlists have EXT-X-PROGRAM-DATE-TIME for each segment."""
    rate: float | None = None
    """Bytes per second of all responses together, shared fairly."""
    connection_rate: float | None = None
    """Bytes per second of one connection."""
    latency: float = 0.0
    """Seconds before the first byte of a response, beside the latency of the network."""

    def clip_segment(self, channel: str, number: int) -> int:
        """Return the segment of the clip that a channel shows; each channel is one segment ahead of the one before."""
        return number + self.channels.index(channel)

    def __post_init__(self) -> None:
        for name, least in (("window", 1), ("kept", 0), ("segment_count", 1), ("latency", 0.0), ("port", 0)):
            if not getattr(self, name) >= least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        for name in ("rate", "connection_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value}; it must be above 0, or absent for no limit")
        if not self.channels or any(not name or "/" in name for name in self.channels):
            raise InputError(f"channels are {list(self.channels)}; at least one is needed, without slashes")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times at which segments exist, on a clock that begins with the stream; a live one exists once it is complete."""

    options: OriginOptions
    segment_duration: float

    @property
    def history(self) -> float:
        """Seconds of the stream before the origin starts."""
        if self.options.history is not None:
            return self.options.history
        return self.options.window * self.segment_duration

    def recorded(self, elapsed: float) -> int:
        """Return the number of segments that are complete."""
        if self.options.kind == "vod":
            return self.options.segment_count
        return max(0, math.floor(elapsed / self.segment_duration + 1e-9))

    def listed(self, elapsed: float) -> range:
        """Return the numbers of the segments in the playlist."""
        recorded = self.recorded(elapsed)
        return range(0 if self.options.kind == "vod" else max(0, recorded - self.options.window), recorded)

    def served(self, elapsed: float) -> range:
        """Return the numbers of the segments that are served: those in the playlist, and some that have left it."""
        listed = self.listed(elapsed)
        return range(max(0, listed.start - self.options.kept), listed.stop)

    def available_at(self, number: int) -> float:
        """Return the second of the stream at which a segment appears."""
        return 0.0 if self.options.kind == "vod" else (number + 1) * self.segment_duration
