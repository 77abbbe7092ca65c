"""Typed values of a peer command; the upper four bits of the first byte are the type.

With ``upstream_faults=True`` the functions reproduce faults of the 2.x library: a group of 256 ids is encoded and
decoded with a count of zero, and a value that the end of the command truncates is decoded as far as it goes.
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
]

Value = int | str | tuple[int, ...]

_INT, _IDS, _STRING = 0, 1, 2
_MAX_INT_SIZE = 7  # later releases reject longer integers
_MAX_GROUPS = 255
_MAX_GROUP_SIZE = 255  # 256 would be encoded as 0


def encode_int(value: int) -> bytes:
    """Return an integer as sign and magnitude, big-endian, in the fewest bytes that leave a bit for the sign."""
    size = value.bit_length() // 8 + 1
    if size > _MAX_INT_SIZE:
        raise ValueError(f"integer {value} does not fit in {_MAX_INT_SIZE} bytes")
    magnitude = abs(value).to_bytes(size, "big")
    sign = 0x80 if value < 0 else 0
    return bytes((_INT << 4 | size, magnitude[0] | sign)) + magnitude[1:]


def decode_int(data: bytes, offset: int = 0, *, upstream_faults: bool = False) -> tuple[int, int]:
    """Return the integer at `offset` and the offset after it."""
    size = _first_byte(data, offset, _INT) & 0x0F
    end = offset + 1 + size
    body = data[offset + 1 : end]
    if len(body) < size and not upstream_faults:
        raise RemoteProtocolError("truncated", f"an integer of {size} bytes is truncated to {len(body)}")
    if not body:
        return 0, end
    magnitude = int.from_bytes(bytes((body[0] & 0x7F,)) + body[1:], "big")
    return (-magnitude if body[0] & 0x80 else magnitude), end


def encode_ids(ids: Iterable[int], *, upstream_faults: bool = False) -> bytes:
    """Return a list of ids, grouped by all but their low byte in the order of first appearance."""
    groups: dict[int, bytearray] = {}
    for number in ids:
        if number < 0:
            raise ValueError(f"segment id {number} is negative; it must be 0 or more")
        groups.setdefault(number & ~0xFF, bytearray()).append(number & 0xFF)
    parts = [(common, low) for common, lows in groups.items() for low in _split(lows, upstream_faults)]
    if len(parts) > _MAX_GROUPS:
        raise ValueError(f"{len(parts)} groups of segment ids; at most {_MAX_GROUPS} fit in a list")
    body = b"".join(encode_int(common | len(low) & 0xFF) + low for common, low in parts)
    return bytes((_IDS << 4, len(parts))) + body


def decode_ids(data: bytes, offset: int = 0, *, upstream_faults: bool = False) -> tuple[tuple[int, ...], int]:
    """Return the ids at `offset` and the offset after them; a count of zero means 256."""
    _first_byte(data, offset, _IDS)
    group_count = _byte(data, offset + 1)
    offset += 2
    ids: list[int] = []
    for _ in range(group_count):
        header, offset = decode_int(data, offset, upstream_faults=upstream_faults)
        if header < 0:
            raise RemoteProtocolError("bad-value", f"a group of ids begins with {header}; it must begin with 0 or more")
        count = header & 0xFF
        if count == 0 and not upstream_faults:
            count = 256
        low = data[offset : offset + count]
        if len(low) < count:
            raise RemoteProtocolError("truncated", f"a group of {count} ids is truncated to {len(low)}")
        common = header & ~0xFF
        ids.extend(common | byte for byte in low)
        offset += count
    return tuple(ids), offset


def decode_string(data: bytes, offset: int = 0, *, upstream_faults: bool = False) -> tuple[str, int]:
    """Return the string at `offset` and the offset after it; invalid UTF-8 is replaced by U+FFFD."""
    first = _first_byte(data, offset, _STRING)
    length = (first & 0x0F) << 8 | _byte(data, offset + 1)
    end = offset + 2 + length
    body = data[offset + 2 : end]
    if len(body) < length and not upstream_faults:
        raise RemoteProtocolError("truncated", f"a string of {length} bytes is truncated to {len(body)}")
    return body.decode(errors="replace"), end


def decode_value(data: bytes, offset: int = 0, *, upstream_faults: bool = False) -> tuple[Value, int]:
    """Return the value at `offset`, of any type, and the offset after it."""
    value_type = _byte(data, offset) >> 4
    if value_type == _INT:
        return decode_int(data, offset, upstream_faults=upstream_faults)
    if value_type == _IDS:
        return decode_ids(data, offset, upstream_faults=upstream_faults)
    if value_type == _STRING:
        return decode_string(data, offset, upstream_faults=upstream_faults)
    raise RemoteProtocolError("unknown-type", f"a value of type {value_type}; types 0 to 2 are known")


def _split(lows: bytearray, upstream_faults: bool) -> list[bytes]:
    if upstream_faults:
        return [bytes(lows)]
    return [bytes(lows[start : start + _MAX_GROUP_SIZE]) for start in range(0, len(lows), _MAX_GROUP_SIZE)]


def _byte(data: bytes, offset: int) -> int:
    if offset >= len(data):
        raise RemoteProtocolError("truncated", f"the command of {len(data)} bytes ends inside a value")
    return data[offset]


def _first_byte(data: bytes, offset: int, value_type: int) -> int:
    first = _byte(data, offset)
    if first >> 4 != value_type:
        raise RemoteProtocolError("unknown-type", f"a value of type {first >> 4}; it must be of type {value_type}")
    return first
