"""What the origin serves, and when which segment of it exists: pure functions of the stream's own clock."""

import math
from dataclasses import dataclass
from typing import Literal

from p2psim.errors import InputError

__all__ = ["OriginOptions", "Schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginOptions:
    """What the origin serves, and how well."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one."""
    kind: Literal["live", "vod"] = "live"
    channels: tuple[str, ...] = ("main",)
    window: int = 15
    """Live: segments in the playlist."""
    kept: int = 15
    """Live: segments that are still served after they have left the playlist."""
    history: float | None = None
    """Live: seconds that the stream has run when the origin starts; None: a full window."""
    segment_count: int = 150
    """VOD: segments of the recording."""
    encrypted: bool = False
    """Segments are encrypted (HLS AES-128), with one key for each channel."""
    program_date_time: bool = False
    """Live: playlists say when each segment was recorded."""
    rate: float | None = None
    """Bytes per second of all responses together, shared fairly."""
    connection_rate: float | None = None
    """Bytes per second of one connection."""
    latency: float = 0.0
    """Seconds before the first byte of a response, added to the network's own."""

    def clip_segment(self, channel: str, number: int) -> int:
        """Which segment of the clip a channel shows: each is another one ahead, so that no two show the same."""
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
    """When which segments exist, on a clock that begins with the stream; a live one is there when it is over."""

    options: OriginOptions
    segment_duration: float

    @property
    def history(self) -> float:
        """Seconds of stream before the origin starts; VOD is there from the beginning."""
        if self.options.history is not None:
            return self.options.history
        return self.options.window * self.segment_duration

    def recorded(self, elapsed: float) -> int:
        """Count the segments that are complete."""
        if self.options.kind == "vod":
            return self.options.segment_count
        return max(0, math.floor(elapsed / self.segment_duration + 1e-9))

    def listed(self, elapsed: float) -> range:
        """Give the numbers in the playlist."""
        recorded = self.recorded(elapsed)
        return range(0 if self.options.kind == "vod" else max(0, recorded - self.options.window), recorded)

    def served(self, elapsed: float) -> range:
        """Give the numbers that can be had: those in the playlist, and some that have left it."""
        listed = self.listed(elapsed)
        return range(max(0, listed.start - self.options.kept), listed.stop)

    def available_at(self, number: int) -> float:
        """Second of the stream at which a segment appears."""
        return 0.0 if self.options.kind == "vod" else (number + 1) * self.segment_duration
