"""Options of the loader: those of p2p-media-loader 2.3 by their own names, units and defaults, and some of p2psim.

Times in milliseconds (names that end in Ms) are plain numbers; windows are quantities with a unit. Options that are
functions in p2p-media-loader are represented by a choice:

============================  =====================================================================================
upstream                      here
============================  =====================================================================================
validateP2PSegment            true: segments from peers are checked against hashes that the origin has signed
validateHTTPSegment           true: segments from the origin are checked too
httpRequestSetup              headers that are added to every request for a segment
customSegmentStorageFactory   name of a storage
rtcConfig                     addresses of the ICE servers
============================  =====================================================================================

Simulated and aiortc viewers follow every option, except where its description says otherwise.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from p2psim.scenario.records import by_name, setting
from p2psim.units import Seconds

__all__ = ["COMMON_OPTIONS", "LOADERS", "PUBLIC_STUN", "PUBLIC_TRACKERS", "LoaderVersion", "Overrides", "Policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderVersion:
    """A loader version that a scenario can name."""

    module: str
    """Module in `p2psim.policy.versions`."""
    shares: bool = True
    """Whether its viewers meet at all."""
    in_browsers: bool = False
    """Whether the testbed's pages can run it."""


LOADERS: Final[Mapping[str, LoaderVersion]] = {
    "p2p-media-loader-2.3": LoaderVersion(module="v2_3", in_browsers=True),
    "p2p-media-loader-5": LoaderVersion(module="v5"),
    "http-only": LoaderVersion(module="http_only", shares=False, in_browsers=True),
}
"""Loader versions by name; ``package.module:function`` names a user's own decision
(`p2psim.policy.versions.custom`)."""
PUBLIC_TRACKERS = ("wss://tracker.novage.com.ua", "wss://tracker.openwebtorrent.com")
PUBLIC_STUN = ("stun:stun.l.google.com:19302", "stun:global.stun.twilio.com:3478")

Overrides = Annotated[Mapping[str, object], "overrides"]
"""Name → value of the options of one type of stream."""
COMMON_OPTIONS = frozenset(
    {"name", "segmentMemoryStorageLimit", "customSegmentStorageFactory", "mainStream", "secondaryStream", "maxPeers"}
)
"""Options that hold for all streams of a viewer: `mainStream` and `secondaryStream` cannot have them."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The loader of the viewers and its options."""

    name: str = "p2p-media-loader-2.3"
    """Name of a loader, or ``package.module:function`` for one of your own."""
    isP2PDisabled: bool = False
    """Peer-to-peer and the scheduler are off: the player loads one segment after another over HTTP by itself."""
    isP2PUploadDisabled: bool = False
    """Viewers announce no segments and upload nothing."""
    highDemandTimeWindow: Seconds = 15.0
    """HTTP window: segments that will be played within this time are requested over HTTP first."""
    httpDownloadInitialTimeoutMs: float = 0.0
    """Time after the start of the loader during which it makes no HTTP requests, ms."""
    httpDownloadTimeWindow: Seconds = 3000.0
    """How far ahead of playback random segments are prefetched over HTTP."""
    p2pDownloadTimeWindow: Seconds = 6000.0
    """How far ahead of playback segments are requested from peers."""
    # a simulated viewer has a bit for each of its downloads: together they must not exceed 60
    simultaneousHttpDownloads: int = setting(2, least=1, most=16)
    """HTTP downloads of one viewer at the same time."""
    simultaneousP2PDownloads: int = setting(3, most=16)
    """Downloads from peers of one viewer at the same time."""
    webRtcMaxMessageSize: int = setting(65535, least=1024, most=262_144)
    """Size of the longest data channel message, bytes: of commands and of parts of segments."""
    p2pNotReceivingBytesTimeoutMs: float = setting(2000.0, positive=True)
    """Time without a byte after which a download from a peer is aborted, ms."""
    httpNotReceivingBytesTimeoutMs: float = setting(3000.0, positive=True)
    """Time without a byte after which an HTTP download is aborted, ms."""
    p2pInactiveLoaderDestroyTimeoutMs: float = 30_000.0
    """Time for which segments of a quality that is no longer played are still uploaded, ms. In browsers only: aiortc
    viewers keep to one quality, simulated viewers leave the old swarm at once."""
    httpErrorRetries: int = 3
    """HTTP attempts for a segment before the loader gives up; 0: HTTP is never used."""
    p2pErrorRetries: int = setting(3, least=1)
    """Time-outs of a peer since its last success after which its connection is closed."""
    announceTrackers: tuple[str, ...] = PUBLIC_TRACKERS
    """URLs of the trackers, to all of which a viewer announces itself. A run replaces these public trackers by its own.
    Simulated as one tracker."""
    rtcConfig: tuple[str, ...] = PUBLIC_STUN
    """URLs of the ICE servers. Not used in measurements on the loopback; in simulations without them, viewers behind
    NAT connect to public viewers only."""
    trackerClientVersionPrefix: str = "-PM0203-"
    """Prefix of peer ids: ASCII, shorter than 20 characters. Not simulated."""
    swarmId: str = ""
    """Name of the swarm; empty: the URL of the manifest. Not simulated."""
    validateP2PSegment: bool = False
    """Segments from peers are checked against hashes that the origin has signed."""
    validateHTTPSegment: bool = False
    """Segments from the origin are checked too. Not simulated, as the origin's segments are always valid."""
    httpRequestSetup: Mapping[str, str] = field(default_factory=dict)
    """HTTP header → value, added to every request for a segment. Not simulated."""
    segmentMemoryStorageLimit: float = 0.0
    """Size of the storage of segments, MiB; 0: 4096 on desktops, 2048 on mobile devices."""
    customSegmentStorageFactory: Literal["memory", "unlimited"] = "memory"
    """Storage of segments; `unlimited`: nothing is evicted, as with a storage on disk."""
    mainStream: Overrides = field(default_factory=dict)
    """Options with another value for main streams (video, or video and audio), the only ones that are simulated."""
    secondaryStream: Overrides = field(default_factory=dict)
    """Options with another value for separate audio streams. In browsers only: the testbed's streams have none."""

    announcementBlocks: Literal["upstream", "fixed"] = "upstream"
    """p2p-media-loader 2.3 encodes a full block of 256 ids (0-255, 256-511 …) so that no receiver can read the
    announcement, and peers keep the previous one. `fixed`: the block is split in two, and read either way."""
    queueStart: Literal["upstream", "fixed"] = "upstream"
    """The queue of p2p-media-loader 2.3 begins with the segment that the player requested last: earlier downloads are
    aborted, and the queue is empty once that segment has left the playlist. `fixed`: the queue begins with the first
    segment of the playlist that is still to be played."""
    reputation: bool = False
    """Viewers prefer peers without time-outs, broken transfers or invalid bytes. Simulations only."""
    maxPeers: int = setting(50, least=1, most=512)
    """Connections that one viewer keeps; p2p-media-loader 2.3 has no limit, later versions 50, browsers some
    hundreds."""

    def of_stream(self, kind: Literal["main", "secondary"]) -> "Policy":
        """Return the options that hold for one type of stream."""
        chosen = self.mainStream if kind == "main" else self.secondaryStream
        return dataclasses.replace(self, mainStream={}, secondaryStream={}, **dict(chosen))  # type: ignore[arg-type]

    def storage_limit(self, mobile: bool) -> float:
        """Size of a viewer's storage of segments, bytes."""
        if self.customSegmentStorageFactory == "unlimited":
            return float("inf")
        return (self.segmentMemoryStorageLimit or (2048.0 if mobile else 4096.0)) * 2.0**20

    @property
    def shares(self) -> bool:
        """True if viewers connect to each other at all."""
        return not self.isP2PDisabled and (self.is_custom or LOADERS[self.name].shares)

    @property
    def is_custom(self) -> bool:
        """True if the name is that of a decision of the user's own."""
        return ":" in self.name
