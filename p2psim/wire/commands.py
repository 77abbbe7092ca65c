"""Commands that peers exchange on a data channel, and their frames (p2p-media-loader 2.x).

A frame is ``cstr … cend``. A command that is too long for one message is divided into ``cstr … dend``, any number of
``dstr … dend``, and ``dstr … cend``. A message that is not a frame is segment data. Fields are self-describing, so
unknown fields are skipped.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from p2psim.wire.errors import RemoteProtocolError
from p2psim.wire.values import Value, decode_value, encode_ids, encode_int

__all__ = [
    "MAX_MESSAGE_SIZE",
    "CancelSegmentRequest",
    "Command",
    "SegmentAbsent",
    "SegmentData",
    "SegmentDataSendingCompleted",
    "SegmentRequest",
    "SegmentsAnnouncement",
    "decode",
    "decode_fields",
    "encode",
    "is_command",
]

MAX_MESSAGE_SIZE: Final = 65535
"""Largest message on a data channel in bytes, for frames and segment data."""

FRAME_START: Final = b"cstr"
FRAME_END: Final = b"cend"
PIECE_START: Final = b"dstr"
PIECE_END: Final = b"dend"
MARK_SIZE: Final = 4


@dataclass(frozen=True, slots=True)
class SegmentsAnnouncement:
    """Announcement of all segments that the sender has; it replaces its previous announcement."""

    stored: tuple[int, ...] = ()
    loading: tuple[int, ...] = ()
    """Segments that the sender is downloading over HTTP."""


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """Request for a segment from byte `first_byte` on; `request` identifies the request."""

    segment: int
    request: int
    first_byte: int = 0


@dataclass(frozen=True, slots=True)
class SegmentData:
    """Start of a response: `size` bytes of segment data follow."""

    segment: int
    request: int
    size: int


@dataclass(frozen=True, slots=True)
class SegmentDataSendingCompleted:
    """End of a response."""

    segment: int
    request: int


@dataclass(frozen=True, slots=True)
class SegmentAbsent:
    """Refusal of a request: the sender does not have the segment."""

    segment: int
    request: int


@dataclass(frozen=True, slots=True)
class CancelSegmentRequest:
    """Cancellation of a request by its sender."""

    segment: int
    request: int


Command = (
    SegmentsAnnouncement
    | SegmentRequest
    | SegmentData
    | SegmentDataSendingCompleted
    | SegmentAbsent
    | CancelSegmentRequest
)

_CODES: Final[dict[type[Command], int]] = {
    SegmentsAnnouncement: 0,
    SegmentRequest: 1,
    SegmentData: 2,
    SegmentDataSendingCompleted: 3,
    SegmentAbsent: 4,
    CancelSegmentRequest: 5,
}
_ACKNOWLEDGEMENTS: Final[
    dict[int, type[SegmentDataSendingCompleted] | type[SegmentAbsent] | type[CancelSegmentRequest]]
] = {
    3: SegmentDataSendingCompleted,
    4: SegmentAbsent,
    5: CancelSegmentRequest,
}


def encode(command: Command, max_message_size: int = MAX_MESSAGE_SIZE, *, upstream_faults: bool = False) -> list[bytes]:
    """Return the messages that carry a command, in order: one frame, or several for a long command.

    `upstream_faults` reproduces faults of the 2.x library (`p2psim.wire.values`).

    Raises
    ------
    ValueError
        When a number is negative or too large for the encoding.
    """
    payload = bytes((_CODES[type(command)],)) + _encode_fields(command, upstream_faults)
    return _frames(payload, max_message_size)


def is_command(message: bytes) -> bool:
    """Return whether a message is a command frame; otherwise it is segment data."""
    return (
        len(message) >= 2 * MARK_SIZE
        and message[:MARK_SIZE] in (FRAME_START, PIECE_START)
        and message[-MARK_SIZE:] in (FRAME_END, PIECE_END)
    )


def decode(payload: bytes, *, upstream_faults: bool = False) -> Command:
    """Return the command that a payload without frame marks encodes.

    Raises
    ------
    RemoteProtocolError
        When the payload is malformed, has an unknown command code, or lacks a field.
    """
    if not payload:
        raise RemoteProtocolError("truncated", "the command is empty; it must begin with a command code")
    code = payload[0]
    if code not in _CODES.values():
        raise RemoteProtocolError("unknown-command", f"command code {code}; codes 0 to 5 are known")
    fields = decode_fields(payload, upstream_faults=upstream_faults)
    if code == 0:
        return SegmentsAnnouncement(_ids(fields, "l"), _ids(fields, "p"))
    segment, request = _count(fields, "i"), _count(fields, "r")
    if code == 1:
        return SegmentRequest(segment, request, _count(fields, "b") if "b" in fields else 0)
    if code == 2:
        return SegmentData(segment, request, _count(fields, "s"))
    return _ACKNOWLEDGEMENTS[code](segment, request)


def decode_fields(payload: bytes, *, upstream_faults: bool = False) -> dict[str, Value]:
    """Return the fields after the command code by their one-letter names; of a repeated field, the last value."""
    fields: dict[str, Value] = {}
    offset = 1
    while offset < len(payload):
        name = chr(payload[offset])
        fields[name], offset = decode_value(payload, offset + 1, upstream_faults=upstream_faults)
    return fields


def _encode_fields(command: Command, upstream_faults: bool) -> bytes:
    if isinstance(command, SegmentsAnnouncement):
        lists = ((b"l", command.stored), (b"p", command.loading))
        return b"".join(name + encode_ids(ids, upstream_faults=upstream_faults) for name, ids in lists if ids)
    numbers = [(b"i", command.segment), (b"r", command.request)]
    if isinstance(command, SegmentRequest) and command.first_byte:
        numbers.append((b"b", command.first_byte))
    if isinstance(command, SegmentData):
        numbers.insert(1, (b"s", command.size))
    for name, number in numbers:
        if number < 0:
            raise ValueError(f"{type(command).__name__}: field {name.decode()} is {number}; it must be 0 or more")
    return b"".join(name + encode_int(number) for name, number in numbers)


def _frames(payload: bytes, max_message_size: int) -> list[bytes]:
    if len(payload) + 2 * MARK_SIZE <= max_message_size:
        return [FRAME_START + payload + FRAME_END]
    count = ceil(len(payload) / max_message_size)
    if ceil(len(payload) / count) + 2 * MARK_SIZE > max_message_size:
        count += 1
    size = ceil(len(payload) / count)
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)]
    starts = [FRAME_START] + [PIECE_START] * (len(pieces) - 1)
    ends = [PIECE_END] * (len(pieces) - 1) + [FRAME_END]
    return [start + piece + end for start, piece, end in zip(starts, pieces, ends, strict=True)]


def _ids(fields: dict[str, Value], name: str) -> tuple[int, ...]:
    ids = fields.get(name, ())
    if not isinstance(ids, tuple):
        raise RemoteProtocolError("bad-value", f"field {name} is {ids!r}; it must be a list of segment ids")
    return ids


def _count(fields: dict[str, Value], name: str) -> int:
    if name not in fields:
        raise RemoteProtocolError("missing-field", f"the command lacks the field {name}")
    number = fields[name]
    if not isinstance(number, int) or number < 0:
        raise RemoteProtocolError("bad-value", f"field {name} is {number!r}; it must be an integer of 0 or more")
    return number
