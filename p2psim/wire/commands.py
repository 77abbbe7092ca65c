"""The six commands peers exchange on a data channel, and their frames.

A frame is ``cstr … cend``; a command too long for one message is cut into ``cstr … dend``, ``dstr … dend`` and at last
``dstr … cend``. Any message that is no frame is segment data. Fields are self-describing, so unknown ones are skipped.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from p2psim.wire.errors import RemoteProtocolError
from p2psim.wire.values import Value, decode_value, encode_ids, encode_int

__all__ = [
    "MAX_MESSAGE_SIZE",
    "SEGMENT_DATA_START",
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
"""Bytes of the longest message on a data channel, frames and segment data alike."""

FRAME_START: Final = b"cstr"
FRAME_END: Final = b"cend"
PIECE_START: Final = b"dstr"
PIECE_END: Final = b"dend"
MARK_SIZE: Final = 4


@dataclass(frozen=True, slots=True)
class SegmentsAnnouncement:
    """Everything the sender has; it replaces the sender's earlier announcement."""

    stored: tuple[int, ...] = ()
    loading: tuple[int, ...] = ()
    """Segments on their way over HTTP."""


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """Asks for a segment, from a byte onwards."""

    segment: int
    request: int
    first_byte: int = 0


@dataclass(frozen=True, slots=True)
class SegmentData:
    """Opens a response: `size` bytes of segment data follow."""

    segment: int
    request: int
    size: int


@dataclass(frozen=True, slots=True)
class SegmentDataSendingCompleted:
    """Closes a response."""

    segment: int
    request: int


@dataclass(frozen=True, slots=True)
class SegmentAbsent:
    """The segment asked for cannot be served."""

    segment: int
    request: int


@dataclass(frozen=True, slots=True)
class CancelSegmentRequest:
    """The response is no longer wanted."""

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
SEGMENT_DATA_START: Final = FRAME_START + bytes((_CODES[SegmentData],))
"""Beginning of every frame with a `SegmentData` command."""
_ACKNOWLEDGEMENTS: Final[
    dict[int, type[SegmentDataSendingCompleted] | type[SegmentAbsent] | type[CancelSegmentRequest]]
] = {
    3: SegmentDataSendingCompleted,
    4: SegmentAbsent,
    5: CancelSegmentRequest,
}


def encode(command: Command, max_message_size: int = MAX_MESSAGE_SIZE, *, upstream_faults: bool = False) -> list[bytes]:
    """Return the messages to send, in order: one frame, or several for a long command.

    Raises
    ------
    ValueError
        A number is negative or too large for the wire.
    """
    payload = bytes((_CODES[type(command)],)) + _encode_fields(command, upstream_faults)
    return _frames(payload, max_message_size)


def is_command(message: bytes) -> bool:
    """Whether a message is a command frame and not segment data."""
    return (
        len(message) >= 2 * MARK_SIZE
        and message[:MARK_SIZE] in (FRAME_START, PIECE_START)
        and message[-MARK_SIZE:] in (FRAME_END, PIECE_END)
    )


def decode(payload: bytes, *, upstream_faults: bool = False) -> Command:
    """Read a command without its frame marks.

    Raises
    ------
    RemoteProtocolError
        It is malformed, of an unknown kind, or lacks a field.
    """
    if not payload:
        raise RemoteProtocolError("truncated", "command without a code")
    code = payload[0]
    if code not in _CODES.values():
        raise RemoteProtocolError("unknown-command", f"command code {code}; known are 0 to 5")
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
    """Read every field behind the command code by its one-letter name; of two alike the later holds."""
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
        raise RemoteProtocolError("bad-value", f"field {name} is {ids!r}; it must be a list of ids")
    return ids


def _count(fields: dict[str, Value], name: str) -> int:
    if name not in fields:
        raise RemoteProtocolError("missing-field", f"field {name}")
    number = fields[name]
    if not isinstance(number, int) or number < 0:
        raise RemoteProtocolError("bad-value", f"field {name} is {number!r}; it must be an integer of 0 or more")
    return number
