"""Typed values inside a peer command: the high half of the first byte is the type.

Faults of the 2.x library are reproduced on request (``upstream_faults=True``), to talk like it or to hear like it: a
group of 256 ids is written and read with a count of zero, a string's length counts UTF-16 units, a value cut short by
the end of the command is read as far as it goes.
"""

from collections.abc import Iterable

from p2psim.wire.errors import RemoteProtocolError

__all__ = [
    "Value",
    "decode_ids",
    "decode_int",
    "decode_string",
    "decode_value",
    "encode_ids",
    "encode_int",
    "encode_string",
]

Value = int | str | tuple[int, ...]

_INT, _IDS, _STRING = 0, 1, 2
_MAX_INT_SIZE = 7  # later releases refuse longer ones
_MAX_GROUPS = 255
_MAX_GROUP_SIZE = 255  # 256 would be written as 0
_MAX_STRING_SIZE = 4095


def encode_int(value: int) -> bytes:
    """Sign and magnitude, big-endian, in the fewest bytes that leave a bit for the sign."""
    size = value.bit_length() // 8 + 1
    if size > _MAX_INT_SIZE:
        raise ValueError(f"integer {value} does not fit in {_MAX_INT_SIZE} bytes")
    magnitude = abs(value).to_bytes(size, "big")
    sign = 0x80 if value < 0 else 0
    return bytes((_INT << 4 | size, magnitude[0] | sign)) + magnitude[1:]


def decode_int(data: bytes, offset: int = 0, *, upstream_faults: bool = False) -> tuple[int, int]:
    """Return the integer at `offset` and the offset behind it."""
    size = _first_byte(data, offset, _INT) & 0x0F
    end = offset + 1 + size
    body = data[offset + 1 : end]
    if len(body) < size and not upstream_faults:
        raise RemoteProtocolError("truncated", f"integer of {size} bytes has {len(body)}")
    if not body:
        return 0, end
    magnitude = int.from_bytes(bytes((body[0] & 0x7F,)) + body[1:], "big")
    return (-magnitude if body[0] & 0x80 else magnitude), end


def encode_ids(ids: Iterable[int], *, upstream_faults: bool = False) -> bytes:
    """Group ids that share all but their low byte, in order of first appearance."""
    groups: dict[int, bytearray] = {}
    for number in ids:
        if number < 0:
            raise ValueError(f"segment id {number} is negative; ids count from 0")
        groups.setdefault(number & ~0xFF, bytearray()).append(number & 0xFF)
    parts = [(common, low) for common, lows in groups.items() for low in _split(lows, upstream_faults)]
    if len(parts) > _MAX_GROUPS:
        raise ValueError(f"{len(parts)} groups of segment ids; one array holds {_MAX_GROUPS}")
    body = b"".join(encode_int(common | len(low) & 0xFF) + low for common, low in parts)
    return bytes((_IDS << 4, len(parts))) + body


def decode_ids(data: bytes, offset: int = 0, *, upstream_faults: bool = False) -> tuple[tuple[int, ...], int]:
    """Return the ids at `offset` and the offset behind them; a count of zero means 256."""
    _first_byte(data, offset, _IDS)
    group_count = _byte(data, offset + 1)
    offset += 2
    ids: list[int] = []
    for _ in range(group_count):
        header, offset = decode_int(data, offset, upstream_faults=upstream_faults)
        if header < 0:
            raise RemoteProtocolError("bad-value", f"group of ids begins with {header}")
        count = header & 0xFF
        if count == 0 and not upstream_faults:
            count = 256
        low = data[offset : offset + count]
        if len(low) < count:
            raise RemoteProtocolError("truncated", f"group of {count} ids has {len(low)}")
        common = header & ~0xFF
        ids.extend(common | byte for byte in low)
        offset += count
    return tuple(ids), offset


def encode_string(text: str, *, upstream_faults: bool = False) -> bytes:
    """UTF-8 behind a length of twelve bits."""
    body = text.encode()
    length = len(text.encode("utf-16-le")) // 2 if upstream_faults else len(body)
    if length > _MAX_STRING_SIZE:
        raise ValueError(f"string of {length} bytes; at most {_MAX_STRING_SIZE} fit")
    return bytes((_STRING << 4 | length >> 8, length & 0xFF)) + body


def decode_string(data: bytes, offset: int = 0, *, upstream_faults: bool = False) -> tuple[str, int]:
    """Return the string at `offset` and the offset behind it; bytes that are no UTF-8 become U+FFFD."""
    first = _first_byte(data, offset, _STRING)
    length = (first & 0x0F) << 8 | _byte(data, offset + 1)
    end = offset + 2 + length
    body = data[offset + 2 : end]
    if len(body) < length and not upstream_faults:
        raise RemoteProtocolError("truncated", f"string of {length} bytes has {len(body)}")
    return body.decode(errors="replace"), end


def decode_value(data: bytes, offset: int = 0, *, upstream_faults: bool = False) -> tuple[Value, int]:
    """Return the value at `offset`, whatever its type, and the offset behind it."""
    kind = _byte(data, offset) >> 4
    if kind == _INT:
        return decode_int(data, offset, upstream_faults=upstream_faults)
    if kind == _IDS:
        return decode_ids(data, offset, upstream_faults=upstream_faults)
    if kind == _STRING:
        return decode_string(data, offset, upstream_faults=upstream_faults)
    raise RemoteProtocolError("unknown-type", f"value of type {kind}; known are 0 to 2")


def _split(lows: bytearray, upstream_faults: bool) -> list[bytes]:
    if upstream_faults:
        return [bytes(lows)]
    return [bytes(lows[start : start + _MAX_GROUP_SIZE]) for start in range(0, len(lows), _MAX_GROUP_SIZE)]


def _byte(data: bytes, offset: int) -> int:
    if offset >= len(data):
        raise RemoteProtocolError("truncated", f"command of {len(data)} bytes ends inside a value")
    return data[offset]


def _first_byte(data: bytes, offset: int, kind: int) -> int:
    first = _byte(data, offset)
    if first >> 4 != kind:
        raise RemoteProtocolError("unknown-type", f"value of type {first >> 4} where {kind} belongs")
    return first
