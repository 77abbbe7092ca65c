"""The loader's options: those of p2p-media-loader 2.3 by their own names, units and defaults, and a few of ours.

Times that upstream counts in milliseconds (a name that ends in Ms) are plain numbers; windows are quantities in words.
Options that are functions upstream are represented by the choice that a scenario can make:

============================  =====================================================================================
upstream                      here
============================  =====================================================================================
validateP2PSegment            whether segments of peers are checked against the hashes that the origin signed
validateHTTPSegment           the same for the origin's own
httpRequestSetup              headers that are added to every request of a segment
customSegmentStorageFactory   the name of a storage
rtcConfig                     the addresses of its ICE servers
============================  =====================================================================================

Simulated and aiortc viewers obey all of them but where a field says so.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from p2psim.scenario.records import by_name
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
"""Some options of one type of stream, by name."""
COMMON_OPTIONS = frozenset(
    {"name", "segmentMemoryStorageLimit", "customSegmentStorageFactory", "mainStream", "secondaryStream", "maxPeers"}
)
"""Options that hold for all streams of a viewer: `mainStream` and `secondaryStream` cannot have them."""


@by_name
@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a viewer's loader is and how it is set."""

    name: str = "p2p-media-loader-2.3"
    """One of LOADERS, or ``package.module:function``."""
    isP2PDisabled: bool = False
    """No P2P and no scheduler: the player loads one segment after the other by its own loader."""
    isP2PUploadDisabled: bool = False
    """Nobody announces or serves anything."""
    highDemandTimeWindow: Seconds = 15.0
    """Segments that will be played within it come over HTTP first."""
    httpDownloadInitialTimeoutMs: float = 0.0
    """No HTTP during the first time of a loader."""
    httpDownloadTimeWindow: Seconds = 3000.0
    """How far ahead segments are prefetched over HTTP at random."""
    p2pDownloadTimeWindow: Seconds = 6000.0
    """How far ahead segments are fetched from peers."""
    simultaneousHttpDownloads: int = 2
    simultaneousP2PDownloads: int = 3
    webRtcMaxMessageSize: int = 65535
    """Bytes of the longest message, commands and pieces of segments alike."""
    p2pNotReceivingBytesTimeoutMs: float = 2000.0
    httpNotReceivingBytesTimeoutMs: float = 3000.0
    p2pInactiveLoaderDestroyTimeoutMs: float = 30_000.0
    """How long the swarm of a quality that is no longer played is served, if anything of it is stored. For pages:
    aiortc viewers keep to one quality, simulated ones leave the old swarm at once."""
    httpErrorRetries: int = 3
    """Attempts over HTTP at a segment before it is given up; 0: HTTP is never used."""
    p2pErrorRetries: int = 3
    """Time-outs of a peer, since its last success, before its connection is closed."""
    announceTrackers: tuple[str, ...] = PUBLIC_TRACKERS
    """Trackers, to all of which a viewer announces itself. A run has a tracker of its own in the place of these public
    ones. Simulated as one tracker."""
    rtcConfig: tuple[str, ...] = PUBLIC_STUN
    """ICE servers. On the loopback of one machine nobody needs one, and none is asked; simulated, viewers behind NAT
    reach only public ones if there are none."""
    trackerClientVersionPrefix: str = "-PM0203-"
    """Beginning of peer ids; ASCII, shorter than 20 characters. Of no effect when simulated."""
    swarmId: str = ""
    """Name of the swarm; empty: the address of the manifest. Of no effect when simulated."""
    validateP2PSegment: bool = False
    validateHTTPSegment: bool = False
    """The origin of a simulation never errs."""
    httpRequestSetup: Mapping[str, str] = field(default_factory=dict)
    """Of no effect when simulated."""
    segmentMemoryStorageLimit: float = 0.0
    """MiB; 0: as the device has it, 4096 on desktops and 2048 on mobile ones."""
    customSegmentStorageFactory: Literal["memory", "unlimited"] = "memory"
    """`unlimited`: nothing is ever evicted, as with a storage on disk."""
    mainStream: Overrides = field(default_factory=dict)
    """Options that are different for video (or whole) streams, all that is simulated."""
    secondaryStream: Overrides = field(default_factory=dict)
    """Options that are different for audio streams of their own; for pages, since the testbed's streams have none."""

    announcementBlocks: Literal["upstream", "fixed"] = "upstream"
    """2.3 writes a full block of 256 ids (0-255, 256-511 …) such that no receiver can read the announcement: peers go
    on with what they knew. `fixed`: it is cut in two, and read either way."""
    queueStart: Literal["upstream", "fixed"] = "upstream"
    """2.3 begins its queue at the segment that the player asked for last: what is loading before it is aborted, and
    once it has left the playlist the queue is empty. `fixed`: what is loading and still to be played goes on, and the
    queue begins with the first segment of the playlist that is still to be played."""
    reputation: bool = False
    """Viewers remember which connected peers failed them, by time-outs, broken transfers or invalid bytes, and ask them
    only for what nobody better can send (simulated viewers only)."""
    maxPeers: int = 50
    """Connections one viewer keeps; 2.3 itself has no limit, later versions 50, browsers some hundreds."""

    def of_stream(self, kind: Literal["main", "secondary"]) -> "Policy":
        """Options as they hold for one type of stream."""
        chosen = self.mainStream if kind == "main" else self.secondaryStream
        return dataclasses.replace(self, mainStream={}, secondaryStream={}, **dict(chosen))  # type: ignore[arg-type]

    def storage_limit(self, mobile: bool) -> float:
        """Size of a viewer's storage, bytes."""
        if self.customSegmentStorageFactory == "unlimited":
            return float("inf")
        return (self.segmentMemoryStorageLimit or (2048.0 if mobile else 4096.0)) * 2.0**20

    @property
    def shares(self) -> bool:
        """Whether viewers meet at all."""
        return not self.isP2PDisabled and (self.is_custom or LOADERS[self.name].shares)

    @property
    def is_custom(self) -> bool:
        """Whether a user's own decision is named."""
        return ":" in self.name
