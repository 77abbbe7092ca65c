"""HLS playlists (RFC 8216): records of what they say, and how they are written.

`parse_playlist` of `p2psim.wire.hls_parser` reads them. URLs in parsed records are absolute; the writer puts down any
reference as it stands.
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
    """Part of a resource, from byte `start` to byte `end`, the last one included."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"byte range {self.start}-{self.end}; it must begin at 0 or later and not be empty")

    @property
    def size(self) -> int:
        """Bytes in the range."""
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True)
class InitSection:
    """What a decoder needs before the segments that follow it."""

    url: str
    byte_range: ByteRange | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """How the segments that follow are encrypted."""

    method: str
    url: str
    iv: bytes | None = None
    """Absent: the media sequence number."""
    key_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One quality of a master playlist; attributes absent from it are None."""

    url: str
    bandwidth: int | None = None
    """Peak bits per second."""
    average_bandwidth: int | None = None
    codecs: str | None = None
    resolution: tuple[int, int] | None = None
    frame_rate: str | None = None
    """As written: the swarm's identity is derived from the text."""
    video_range: str | None = None
    audio: str | None = None
    """Group of the audio renditions that go with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """An alternative of a master playlist, such as an audio language."""

    kind: RenditionKind
    group: str
    name: str
    url: str | None = None
    """Absent: it is inside the variants' own segments."""
    language: str | None = None
    channels: str | None = None
    is_default: bool = False
    is_autoselect: bool = False


@dataclass(frozen=True, slots=True)
class MasterPlaylist:
    """The qualities of a stream, in the order of the file."""

    variants: tuple[Variant, ...]
    renditions: tuple[Rendition, ...] = ()
    version: int = 3
    session_data: tuple[tuple[str, str], ...] = ()
    """Further facts, as pairs of DATA-ID and VALUE."""

    def data(self, data_id: str) -> str | None:
        """Value of a fact; None if the playlist does not give it."""
        return dict(self.session_data).get(data_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSegment:
    """A piece of media."""

    url: str
    duration: float
    media_sequence: int
    title: str = ""
    byte_range: ByteRange | None = None
    has_discontinuity: bool = False
    """The encoding or the time line breaks before it."""
    program_date_time: datetime | None = None
    key: Key | None = None
    init: InitSection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlaylist:
    """The segments of one quality."""

    target_duration: int
    segments: tuple[MediaSegment, ...]
    media_sequence: int = 0
    """Number of the first segment."""
    discontinuity_sequence: int = 0
    is_ended: bool = False
    """Nothing will be added; a playlist that is not ended is live."""
    playlist_type: PlaylistType | None = None
    version: int = 3

    @property
    def duration(self) -> float:
        """Seconds of media listed."""
        return sum(segment.duration for segment in self.segments)


def format_master_playlist(playlist: MasterPlaylist) -> str:
    """Write a master playlist."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{playlist.version}"]
    lines += [f"#EXT-X-MEDIA:{_attributes(_rendition_attributes(rendition))}" for rendition in playlist.renditions]
    lines += [
        f"#EXT-X-SESSION-DATA:DATA-ID={_quoted(name)},VALUE={_quoted(value)}" for name, value in playlist.session_data
    ]
    for variant in playlist.variants:
        lines += [f"#EXT-X-STREAM-INF:{_attributes(_variant_attributes(variant))}", variant.url]
    return _text(lines)


def format_media_playlist(playlist: MediaPlaylist) -> str:
    """Write a media playlist.

    Raises
    ------
    ValueError
        The segments are not numbered one after the other from `media_sequence`, or a text holds a line break or quote.
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
                f"segment {segment.url} has media sequence {segment.media_sequence}; its place is {number}"
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
            raise ValueError(f"segment {segment.url} has no init section after one that has; HLS cannot say so")
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
        raise ValueError(f"attribute {text!r} holds a quote, which HLS cannot write")
    return f'"{text}"'


def _decimal(value: float) -> str:
    return format(Decimal(repr(float(value))), "f")


def _text(lines: list[str]) -> str:
    for line in lines:
        if "\n" in line or "\r" in line:
            raise ValueError(f"line {line!r} holds a line break")
    return "\n".join(lines) + "\n"
