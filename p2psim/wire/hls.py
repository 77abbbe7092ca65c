"""HLS playlists (RFC 8216) as records, and their text form.

`p2psim.wire.hls_parser.parse_playlist` parses playlists. URLs of parsed records are absolute; the functions that format
playlists write each URL as it is in the record.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

__all__ = [
    "ByteRange",
    "InitSection",
    "Key",
    "MasterPlaylist",
    "MediaPlaylist",
    "MediaSegment",
    "PlaylistType",
    "Rendition",
    "RenditionKind",
    "Variant",
    "format_master_playlist",
    "format_media_playlist",
]

PlaylistType = Literal["VOD", "EVENT"]
RenditionKind = Literal["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Range of bytes of a resource, from `start` to `end` inclusive."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(
                f"byte range {self.start}-{self.end}; it must start at 0 or later and contain at least one byte"
            )

    @property
    def size(self) -> int:
        """Number of bytes in the range."""
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True)
class InitSection:
    """Media Initialization Section (EXT-X-MAP), which a decoder needs before the segments that follow it."""

    url: str
    byte_range: ByteRange | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """Encryption key (EXT-X-KEY) of the segments that follow it."""

    method: str
    url: str
    iv: bytes | None = None
    """Initialization vector; None means the media sequence number of the segment."""
    key_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Variant stream (quality) of a master playlist; attributes that the playlist lacks are None."""

    url: str
    bandwidth: int | None = None
    """Peak bits per second."""
    average_bandwidth: int | None = None
    codecs: str | None = None
    resolution: tuple[int, int] | None = None
    frame_rate: str | None = None
    """Text as in the playlist, because the swarm's identity is derived from it."""
    video_range: str | None = None
    audio: str | None = None
    """Group of the audio renditions that belong to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """Rendition (EXT-X-MEDIA) of a master playlist, such as an audio language."""

    kind: RenditionKind
    group: str
    name: str
    url: str | None = None
    """URL of its playlist; None if it is contained in the segments of the variants."""
    language: str | None = None
    channels: str | None = None
    is_default: bool = False
    is_autoselect: bool = False


@dataclass(frozen=True, slots=True)
class MasterPlaylist:
    """Master playlist; its variants are in the order of the file."""

    variants: tuple[Variant, ...]
    renditions: tuple[Rendition, ...] = ()
    version: int = 3
    session_data: tuple[tuple[str, str], ...] = ()
    """Pairs of DATA-ID and VALUE (EXT-X-SESSION-DATA)."""

    def data(self, data_id: str) -> str | None:
        """Return the VALUE of a DATA-ID, or None if the playlist lacks it."""
        return dict(self.session_data).get(data_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSegment:
    """Media segment."""

    url: str
    duration: float
    media_sequence: int
    title: str = ""
    byte_range: ByteRange | None = None
    has_discontinuity: bool = False
    """True if encoding or timestamps change before the segment (EXT-X-DISCONTINUITY)."""
    program_date_time: datetime | None = None
    key: Key | None = None
    init: InitSection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlaylist:
    """Media playlist of one variant stream or rendition."""

    target_duration: int
    segments: tuple[MediaSegment, ...]
    media_sequence: int = 0
    """Media sequence number of the first segment."""
    discontinuity_sequence: int = 0
    is_ended: bool = False
    """True if the playlist is complete (EXT-X-ENDLIST); otherwise it is live."""
    playlist_type: PlaylistType | None = None
    version: int = 3


def format_master_playlist(playlist: MasterPlaylist) -> str:
    """Return the text of a master playlist.

    Raises
    ------
    ValueError
        When a text contains a line break or a quote.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{playlist.version}"]
    lines += [f"#EXT-X-MEDIA:{_attributes(_rendition_attributes(rendition))}" for rendition in playlist.renditions]
    lines += [
        f"#EXT-X-SESSION-DATA:DATA-ID={_quoted(name)},VALUE={_quoted(value)}" for name, value in playlist.session_data
    ]
    for variant in playlist.variants:
        lines += [f"#EXT-X-STREAM-INF:{_attributes(_variant_attributes(variant))}", variant.url]
    return _text(lines)


def format_media_playlist(playlist: MediaPlaylist) -> str:
    """Return the text of a media playlist.

    Raises
    ------
    ValueError
        When the segments are not numbered consecutively from `media_sequence`, or a text contains a line break or a
        quote.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{playlist.version}", f"#EXT-X-TARGETDURATION:{playlist.target_duration}"]
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{playlist.media_sequence}")
    if playlist.discontinuity_sequence:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{playlist.discontinuity_sequence}")
    if playlist.playlist_type:
        lines.append(f"#EXT-X-PLAYLIST-TYPE:{playlist.playlist_type}")
    key: Key | None = None
    init: InitSection | None = None
    for number, segment in enumerate(playlist.segments, playlist.media_sequence):
        if segment.media_sequence != number:
            raise ValueError(
                f"segment {segment.url} has media sequence number {segment.media_sequence}; it must be {number}"
            )
        lines += _segment_lines(segment, is_new_key=segment.key != key, is_new_init=segment.init != init)
        key, init = segment.key, segment.init
    if playlist.is_ended:
        lines.append("#EXT-X-ENDLIST")
    return _text(lines)


def _segment_lines(segment: MediaSegment, *, is_new_key: bool, is_new_init: bool) -> Iterable[str]:
    if segment.has_discontinuity:
        yield "#EXT-X-DISCONTINUITY"
    if is_new_key:
        yield f"#EXT-X-KEY:{_attributes(_key_attributes(segment.key))}"
    if is_new_init:
        if segment.init is None:
            raise ValueError(
                f"segment {segment.url} has no init section, but the one before it has; HLS cannot express that"
            )
        yield f"#EXT-X-MAP:{_attributes(_init_attributes(segment.init))}"
    if segment.program_date_time is not None:
        yield f"#EXT-X-PROGRAM-DATE-TIME:{segment.program_date_time.isoformat()}"
    if segment.byte_range is not None:
        yield f"#EXT-X-BYTERANGE:{segment.byte_range.size}@{segment.byte_range.start}"
    yield f"#EXTINF:{_decimal(segment.duration)},{segment.title}"
    yield segment.url


def _variant_attributes(variant: Variant) -> dict[str, str | None]:
    return {
        "BANDWIDTH": _number(variant.bandwidth),
        "AVERAGE-BANDWIDTH": _number(variant.average_bandwidth),
        "CODECS": _quoted(variant.codecs),
        "RESOLUTION": None if variant.resolution is None else "{}x{}".format(*variant.resolution),
        "FRAME-RATE": variant.frame_rate,
        "VIDEO-RANGE": variant.video_range,
        "AUDIO": _quoted(variant.audio),
    }


def _rendition_attributes(rendition: Rendition) -> dict[str, str | None]:
    return {
        "TYPE": rendition.kind,
        "GROUP-ID": _quoted(rendition.group),
        "NAME": _quoted(rendition.name),
        "LANGUAGE": _quoted(rendition.language),
        "DEFAULT": "YES" if rendition.is_default else None,
        "AUTOSELECT": "YES" if rendition.is_autoselect else None,
        "CHANNELS": _quoted(rendition.channels),
        "URI": _quoted(rendition.url),
    }


def _key_attributes(key: Key | None) -> dict[str, str | None]:
    if key is None:
        return {"METHOD": "NONE"}
    return {
        "METHOD": key.method,
        "URI": _quoted(key.url),
        "IV": None if key.iv is None else f"0x{key.iv.hex()}",
        "KEYFORMAT": _quoted(key.key_format),
    }


def _init_attributes(init: InitSection) -> dict[str, str | None]:
    part = init.byte_range
    return {"URI": _quoted(init.url), "BYTERANGE": None if part is None else f'"{part.size}@{part.start}"'}


def _attributes(values: dict[str, str | None]) -> str:
    return ",".join(f"{name}={value}" for name, value in values.items() if value is not None)


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _quoted(text: str | None) -> str | None:
    if text is None:
        return None
    if '"' in text:
        raise ValueError(f"attribute {text!r} contains a quote, which HLS cannot express")
    return f'"{text}"'


def _decimal(value: float) -> str:
    return format(Decimal(repr(float(value))), "f")


def _text(lines: list[str]) -> str:
    for line in lines:
        if "\n" in line or "\r" in line:
            raise ValueError(f"line {line!r} contains a line break")
    return "\n".join(lines) + "\n"
