"""Streams (qualities and audio renditions) of a manifest whose swarms a player with hls.js joins, and their properties.

hls.js keeps only the video codecs of a variant, prefers the peak rate to the average rate, and ignores variants with
unknown codecs unless all have some (hls.js 1.6, p2p-media-loader-hlsjs 2.3).
"""

import re
from dataclasses import dataclass
from typing import Final

from p2psim.wire.hls import MasterPlaylist, MediaPlaylist, Rendition, Variant
from p2psim.wire.identity import Quality, StreamKind, info_hash, stream_index, stream_swarm_id

__all__ = ["Stream", "streams_of"]

# Sample entry codes (registered at mp4ra.org) that hls.js knows.
# fmt: off
_VIDEO_CODES: Final = frozenset(
    {
        "avc1", "avc2", "avc3", "avc4", "avcp", "av01", "dav1", "drac", "dva1", "dvav", "dvh1", "dvhe", "encv",
        "hev1", "hvc1", "mjp2", "mp4v", "mvc1", "mvc2", "mvc3", "mvc4", "resv", "rv60", "s263", "svc1", "svc2",
        "vc-1", "vp08", "vp09",
    }
)
_AUDIO_CODES: Final = frozenset(
    {
        "a3ds", "ac-3", "ac-4", "alac", "alaw", "dra1", "dts+", "dts-", "dtsc", "dtse", "dtsh", "ec-3", "enca",
        "fLaC", "flac", "FLAC", "g719", "g726", "m4ae", "mha1", "mha2", "mhm1", "mhm2", "mlpa", "mp4a", "Opus",
        "opus", "samr", "sawb", "sawp", "sevc", "sqcp", "ssmv", "twos", "ulaw",
    }
)
_TEXT_CODES: Final = frozenset({"stpp", "wvtt"})
# fmt: on
_DECIMAL_AVC: Final = re.compile(r"avc1\.([0-9]+)\.([0-9]+).*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stream:
    """Stream whose viewers form a swarm of their own."""

    url: str
    """URL of its playlist; segments are shared only if the response comes from exactly this URL."""
    kind: StreamKind
    quality: Quality

    @property
    def index(self) -> str:
        """Hash of the quality."""
        return stream_index(self.quality)

    def swarm_id(self, swarm_id: str) -> str:
        """Return the swarm id of the stream, given that of its manifest."""
        return stream_swarm_id(swarm_id, self.kind, self.index)

    def info_hash(self, swarm_id: str) -> str:
        """Return the info hash of the stream, given the swarm id of its manifest."""
        return info_hash(self.swarm_id(swarm_id))


def streams_of(playlist: MasterPlaylist | MediaPlaylist, url: str) -> tuple[Stream, ...]:
    """Return the streams of a manifest whose response came from `url`; of several with one URL, only the first."""
    if isinstance(playlist, MediaPlaylist):
        return (Stream(url, "main", Quality(bitrate=0)),)
    variants = _playable(playlist.variants)
    streams = [Stream(variant.url, "main", _variant_quality(variant)) for variant in variants]
    streams += [
        Stream(rendition.url, "secondary", _audio_quality(rendition, variants))
        for rendition in playlist.renditions
        if rendition.kind == "AUDIO" and rendition.url
    ]
    first: dict[str, Stream] = {}
    for stream in streams:
        first.setdefault(stream.url, stream)
    return tuple(first.values())


def _playable(variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    known = _VIDEO_CODES | _AUDIO_CODES | _TEXT_CODES
    playable = tuple(variant for variant in variants if all(codec[:4] in known for codec in _codecs(variant)))
    return playable or variants


def _variant_quality(variant: Variant) -> Quality:
    bitrate = variant.bandwidth or variant.average_bandwidth
    if not bitrate:
        return Quality(bitrate=0)
    width, height = variant.resolution or (None, None)
    return Quality(
        bitrate=bitrate,
        codecs=",".join(_hexadecimal_avc(codec) for codec in _of_kind(variant, _VIDEO_CODES)),
        width=width,
        height=height,
        frame_rate=variant.frame_rate,
        video_range=variant.video_range,
    )


def _audio_quality(rendition: Rendition, variants: tuple[Variant, ...]) -> Quality:
    """Return the properties of an audio rendition, with the audio codecs that hls.js assumes.

    They are those of the first variant with the rendition's group, or else of the first variant.
    """
    variant = next((variant for variant in variants if variant.audio == rendition.group), variants[0])
    return Quality(
        bitrate=0,
        codecs=",".join(_of_kind(variant, _AUDIO_CODES)),
        language=rendition.language,
        channels=rendition.channels,
        name=rendition.name,
    )


def _codecs(variant: Variant) -> list[str]:
    return [codec for codec in re.split(r"[ ,]+", variant.codecs or "") if codec]


def _of_kind(variant: Variant, codes: frozenset[str]) -> list[str]:
    return [codec.partition("/")[0] for codec in _codecs(variant) if codec[:4] in codes]


def _hexadecimal_avc(codec: str) -> str:
    decimal = _DECIMAL_AVC.fullmatch(codec)
    if decimal is None:
        return codec
    return f"avc1.{int(decimal[1]):x}{int(decimal[2]):04x}"
