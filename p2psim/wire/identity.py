"""Swarm ids, info hashes and peer ids of p2p-media-loader 2.3.

Numbers, white space and sorting follow the rules of ECMAScript, so that the hashes equal those computed in browsers.
"""

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import numpy as np

__all__ = [
    "PEER_ID_PREFIX",
    "Quality",
    "StreamKind",
    "info_hash",
    "manifest_swarm_id",
    "new_peer_id",
    "quality_text",
    "stream_index",
    "stream_swarm_id",
]

StreamKind = Literal["main", "secondary"]

PEER_ID_PREFIX: Final = "-PM0203-"
"""Prefix of the peer ids of p2p-media-loader 2.3: client and version."""

_PROTOCOL: Final = "v2"
_PEER_ID_SIZE: Final = 20
_PEER_ID_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_JS_WHITE_SPACE: Final = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_DECIMAL_CODEC: Final = re.compile(r"(avc1?)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
_DECIMAL_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Properties that distinguish the qualities of a stream; None means unknown."""

    bitrate: int | None = None
    """Bits per second, as in the playlist."""
    codecs: str | None = None
    width: int | None = None
    height: int | None = None
    language: str | None = None
    channels: str | int | None = None
    name: str | None = None
    frame_rate: str | float | None = None
    """Text of the attribute if it comes from a playlist."""
    video_range: str | None = None


def manifest_swarm_id(url: str) -> str:
    """Return the swarm id of a manifest: the URL of its response without the query."""
    return url.partition("?")[0]


def quality_text(quality: Quality) -> str:
    """Return the text that is hashed: the nine normalised fields joined by hyphens."""
    fields = (
        quality.bitrate or 0,
        _codecs(quality.codecs),
        "" if quality.width is None else quality.width,
        "" if quality.height is None else quality.height,
        _language(quality.language),
        str(quality.channels).partition("/")[0] if quality.channels else "",
        (quality.name or "").lower().strip(_JS_WHITE_SPACE),
        _frame_rate(quality.frame_rate),
        (quality.video_range or "").upper().strip(_JS_WHITE_SPACE),
    )
    return "-".join(map(str, fields))


def stream_index(quality: Quality) -> str:
    """Return the hash of a quality: SHA-1 in 28 characters of base64."""
    return b64encode(_sha1(quality_text(quality))).decode()


def stream_swarm_id(swarm_id: str, kind: StreamKind, index: str) -> str:
    """Return the swarm id of one quality; `index` is its `stream_index`."""
    return f"{_PROTOCOL}-{swarm_id}-{kind}-{index}"


def info_hash(stream_swarm: str) -> str:
    """Return the info hash of a stream's swarm id: 20 ASCII characters."""
    return b64encode(_sha1(stream_swarm)[:15]).decode()


def new_peer_id(rng: np.random.Generator, prefix: str = PEER_ID_PREFIX) -> str:
    """Return a random peer id: the prefix, followed by letters and digits up to 20 characters."""
    if not prefix.isascii() or len(prefix) > _PEER_ID_SIZE:
        raise ValueError(f"peer id prefix {prefix!r}: at most {_PEER_ID_SIZE} ASCII characters are accepted")
    drawn = rng.integers(len(_PEER_ID_ALPHABET), size=_PEER_ID_SIZE - len(prefix))
    return prefix + "".join(_PEER_ID_ALPHABET[position] for position in drawn)


def _sha1(text: str) -> bytes:
    return hashlib.sha1(text.encode(), usedforsecurity=False).digest()


def _codecs(codecs: str | None) -> str:
    if not codecs:
        return ""
    names = (_codec(name.strip(_JS_WHITE_SPACE).lower()) for name in codecs.split(","))
    return ",".join(sorted(names, key=lambda name: name.encode("utf-16-be")))


def _codec(name: str) -> str:
    """Return a codec name with the decimal parameters of RFC 4281 in the hexadecimal form of RFC 6381."""
    decimal = _DECIMAL_CODEC.fullmatch(name)
    if decimal is None:
        return name
    return f"{decimal[1]}.{int(decimal[2]):02x}00{int(decimal[3]):02x}"


def _language(language: str | None) -> str:
    return "" if language is None or language == "und" else language[:2].lower()


def _frame_rate(frame_rate: str | float | None) -> str:
    if not frame_rate:
        return ""
    text = str(frame_rate).strip(_JS_WHITE_SPACE)
    if not text:
        return "0"  # in JavaScript a blank string is truthy, and as a number it is 0
    if not _DECIMAL_NUMBER.fullmatch(text):
        return ""
    value = float(text)
    return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
