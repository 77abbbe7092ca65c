"""Parser of HLS playlists; it returns the records of `p2psim.wire.hls`.

Unknown tags are skipped, and known tags must be valid. The package ``m3u8`` is not used, because it accepts an HTML
page as an empty playlist, rejects variants that state only AVERAGE-BANDWIDTH (hls.js plays them), and discards the text
of FRAME-RATE.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import urljoin

from p2psim.wire.errors import RemoteProtocolError
from p2psim.wire.hls import (
    ByteRange,
    InitSection,
    Key,
    MasterPlaylist,
    MediaPlaylist,
    MediaSegment,
    PlaylistType,
    Rendition,
    RenditionKind,
    Variant,
)

__all__ = ["parse_playlist"]

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_ATTRIBUTE: Final = re.compile(r'\s*([A-Za-z0-9-]+)\s*=\s*("[^"]*"|[^",]*)\s*(?:,|$)')
_MEDIA_TAGS: Final = ("#EXTINF:", "#EXT-X-TARGETDURATION:")
_RENDITION_KINDS: Final[dict[str, RenditionKind]] = {
    "AUDIO": "AUDIO",
    "VIDEO": "VIDEO",
    "SUBTITLES": "SUBTITLES",
    "CLOSED-CAPTIONS": "CLOSED-CAPTIONS",
}
_PLAYLIST_TYPES: Final[dict[str, PlaylistType]] = {"VOD": "VOD", "EVENT": "EVENT"}

T = TypeVar("T")


def parse_playlist(text: str, url: str) -> MasterPlaylist | MediaPlaylist:
    """Return the playlist that a text contains; its URLs are resolved against `url`, the URL of the response.

    Raises
    ------
    RemoteProtocolError
        When the text is not a playlist, or a tag violates RFC 8216.
    """
    lines = [line.strip() for line in _LINE_END.split(text.removeprefix("\ufeff"))]
    if lines[0] != "#EXTM3U":
        raise RemoteProtocolError(
            "bad-playlist", f"the playlist begins with {lines[0][:40]!r}; it must begin with #EXTM3U"
        )
    if any(line.startswith(_MEDIA_TAGS) for line in lines):
        return _MediaParser(url).parse(lines)
    return _parse_master(lines, url)


def _parse_master(lines: list[str], url: str) -> MasterPlaylist:
    variants: list[Variant] = []
    renditions: list[Rendition] = []
    session_data: list[tuple[str, str]] = []
    version = 1
    pending: dict[str, str] | None = None
    for line in lines:
        tag, _, value = line.partition(":")
        if not line.startswith("#"):
            if line and pending is not None:
                variants.append(_variant(pending, urljoin(url, line)))
                pending = None
        elif tag == "#EXT-X-STREAM-INF":
            pending = _attributes(value)
        elif tag == "#EXT-X-MEDIA":
            renditions.append(_rendition(_attributes(value), url))
        elif tag == "#EXT-X-SESSION-DATA":
            attributes = _attributes(value)
            session_data.append((_required(attributes, "DATA-ID", tag), attributes.get("VALUE", "")))
        elif tag == "#EXT-X-VERSION":
            version = _integer(value, tag)
    if pending is not None or not variants:
        reason = (
            "a variant without a URL" if pending is not None else "the playlist has neither a variant nor a segment"
        )
        raise RemoteProtocolError("bad-playlist", reason)
    return MasterPlaylist(tuple(variants), tuple(renditions), version, tuple(session_data))


def _variant(attributes: dict[str, str], url: str) -> Variant:
    bandwidth, average = (_optional(attributes, name, _integer) for name in ("BANDWIDTH", "AVERAGE-BANDWIDTH"))
    if bandwidth is None and average is None:
        raise RemoteProtocolError("bad-playlist", f"variant {url} without BANDWIDTH or AVERAGE-BANDWIDTH")
    return Variant(
        url=url,
        bandwidth=bandwidth,
        average_bandwidth=average,
        codecs=attributes.get("CODECS"),
        resolution=_optional(attributes, "RESOLUTION", _resolution),
        frame_rate=attributes.get("FRAME-RATE"),
        video_range=attributes.get("VIDEO-RANGE"),
        audio=attributes.get("AUDIO"),
    )


def _rendition(attributes: dict[str, str], url: str) -> Rendition:
    kind = _required(attributes, "TYPE", "#EXT-X-MEDIA")
    if kind not in _RENDITION_KINDS:
        raise RemoteProtocolError(
            "bad-playlist", f"rendition of type {kind}; the types are {', '.join(_RENDITION_KINDS)}"
        )
    reference = attributes.get("URI")
    return Rendition(
        kind=_RENDITION_KINDS[kind],
        group=_required(attributes, "GROUP-ID", "#EXT-X-MEDIA"),
        name=_required(attributes, "NAME", "#EXT-X-MEDIA"),
        url=urljoin(url, reference) if reference else None,
        language=attributes.get("LANGUAGE"),
        channels=attributes.get("CHANNELS"),
        is_default=attributes.get("DEFAULT") == "YES",
        is_autoselect=attributes.get("AUTOSELECT") == "YES",
    )


@dataclass(slots=True)
class _Pending:
    """Values of the tags since the last segment, which apply to the next one."""

    duration: float | None = None
    title: str = ""
    byte_range: str | None = None
    has_discontinuity: bool = False
    program_date_time: datetime | None = None


@dataclass(slots=True)
class _MediaParser:
    url: str
    target_duration: int | None = None
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    is_ended: bool = False
    playlist_type: PlaylistType | None = None
    version: int = 1
    key: Key | None = None
    init: InitSection | None = None
    pending: _Pending = field(default_factory=_Pending)
    segments: list[MediaSegment] = field(default_factory=list)

    def parse(self, lines: list[str]) -> MediaPlaylist:
        for line in lines:
            if line.startswith("#"):
                tag, _, value = line.partition(":")
                self._tag(tag, value)
            elif line:
                self._segment(urljoin(self.url, line))
        if self.target_duration is None:
            raise RemoteProtocolError("bad-playlist", "the playlist has no #EXT-X-TARGETDURATION")
        if self.pending.duration is not None:
            raise RemoteProtocolError("bad-playlist", "a segment without a URL")
        return MediaPlaylist(
            target_duration=self.target_duration,
            segments=tuple(self.segments),
            media_sequence=self.media_sequence,
            discontinuity_sequence=self.discontinuity_sequence,
            is_ended=self.is_ended,
            playlist_type=self.playlist_type,
            version=self.version,
        )

    def _tag(self, tag: str, value: str) -> None:
        match tag:
            case "#EXTINF":
                duration, _, self.pending.title = value.partition(",")
                self.pending.duration = _seconds(duration, tag)
            case "#EXT-X-BYTERANGE":
                self.pending.byte_range = value
            case "#EXT-X-DISCONTINUITY":
                self.pending.has_discontinuity = True
            case "#EXT-X-PROGRAM-DATE-TIME":
                self.pending.program_date_time = _date_time(value, tag)
            case "#EXT-X-KEY":
                self.key = _key(_attributes(value), self.url)
            case "#EXT-X-MAP":
                self.init = _init(_attributes(value), self.url)
            case "#EXT-X-TARGETDURATION":
                self.target_duration = _integer(value, tag)
            case "#EXT-X-MEDIA-SEQUENCE":
                self.media_sequence = self._before_segments(_integer(value, tag), tag)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                self.discontinuity_sequence = self._before_segments(_integer(value, tag), tag)
            case "#EXT-X-PLAYLIST-TYPE":
                self.playlist_type = _playlist_type(value, tag)
            case "#EXT-X-VERSION":
                self.version = _integer(value, tag)
            case "#EXT-X-ENDLIST":
                self.is_ended = True

    def _before_segments(self, value: int, tag: str) -> int:
        if self.segments:
            raise RemoteProtocolError("bad-playlist", f"{tag} after the first segment; it must precede all segments")
        return value

    def _segment(self, url: str) -> None:
        pending, self.pending = self.pending, _Pending()
        if pending.duration is None:
            raise RemoteProtocolError("bad-playlist", f"segment {url} without #EXTINF")
        self.segments.append(
            MediaSegment(
                url=url,
                duration=pending.duration,
                media_sequence=self.media_sequence + len(self.segments),
                title=pending.title,
                byte_range=self._byte_range(pending.byte_range, url),
                has_discontinuity=pending.has_discontinuity,
                program_date_time=pending.program_date_time,
                key=self.key,
                init=self.init,
            )
        )

    def _byte_range(self, text: str | None, url: str) -> ByteRange | None:
        if text is None:
            return None
        before = self.segments[-1] if self.segments else None
        if before is not None and before.url == url and before.byte_range is not None:
            return _byte_range(text, default_start=before.byte_range.end + 1)
        return _byte_range(text, default_start=None)


def _attributes(text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    offset = 0
    while offset < len(text):
        match = _ATTRIBUTE.match(text, offset)
        if match is None:
            raise RemoteProtocolError(
                "bad-playlist",
                f"attributes {text[offset : offset + 40]!r}; they must be NAME=VALUE pairs separated by commas",
            )
        attributes[match[1]] = match[2].strip().strip('"')
        offset = match.end()
    return attributes


def _key(attributes: dict[str, str], url: str) -> Key | None:
    method = _required(attributes, "METHOD", "#EXT-X-KEY")
    if method == "NONE":
        return None
    return Key(
        method=method,
        url=urljoin(url, _required(attributes, "URI", "#EXT-X-KEY")),
        iv=_optional(attributes, "IV", _octets),
        key_format=attributes.get("KEYFORMAT"),
    )


def _init(attributes: dict[str, str], url: str) -> InitSection:
    part = attributes.get("BYTERANGE")
    return InitSection(
        url=urljoin(url, _required(attributes, "URI", "#EXT-X-MAP")),
        byte_range=None if part is None else _byte_range(part, default_start=0),
    )


def _required(attributes: dict[str, str], name: str, tag: str) -> str:
    if name not in attributes:
        raise RemoteProtocolError("bad-playlist", f"{tag} without {name}")
    return attributes[name]


def _optional(attributes: dict[str, str], name: str, read: Callable[[str, str], T]) -> T | None:
    return read(attributes[name], name) if name in attributes else None


def _integer(text: str, name: str) -> int:
    return int(_matched(r"[0-9]{1,20}", text, name)[0])


def _seconds(text: str, name: str) -> float:
    return float(_matched(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+", text, name)[0])


def _resolution(text: str, name: str) -> tuple[int, int]:
    match = _matched(r"([0-9]{1,6})x([0-9]{1,6})", text, name)
    return int(match[1]), int(match[2])


def _octets(text: str, name: str) -> bytes:
    digits = _matched(r"0[xX]([0-9A-Fa-f]{1,32})", text, name)[1]
    return bytes.fromhex(digits.zfill(32))


def _byte_range(text: str, default_start: int | None) -> ByteRange:
    match = _matched(r"([0-9]{1,18})(?:@([0-9]{1,18}))?", text, "byte range")
    start = default_start if match[2] is None else int(match[2])
    if start is None:
        raise RemoteProtocolError(
            "bad-playlist", f"byte range {text!r} without a start, and no preceding range of the same resource"
        )
    if int(match[1]) == 0:
        raise RemoteProtocolError("bad-playlist", f"byte range {text!r} is empty; it must contain at least one byte")
    return ByteRange(start, start + int(match[1]) - 1)


def _playlist_type(text: str, name: str) -> PlaylistType:
    return _PLAYLIST_TYPES[_matched("|".join(_PLAYLIST_TYPES), text, name)[0]]


def _date_time(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise RemoteProtocolError("bad-playlist", f"{name} {text!r}; it must be ISO 8601") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _matched(pattern: str, text: str, name: str) -> re.Match[str]:
    match = re.fullmatch(pattern, text.strip(), re.ASCII)
    if match is None:
        raise RemoteProtocolError("bad-playlist", f"{name} is {text[:40]!r}; it must match {pattern}")
    return match
