"""Shift in time and padding of MPEG transport streams (ISO/IEC 13818-1).

A clip that is repeated keeps a gapless timeline if every clock in its packets is shifted by the length of the clip;
null packets, which demultiplexers skip, bring a segment to the size of its bitrate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["CLOCK_RATE", "PACKET_SIZE", "Clocks", "find_clocks", "pad", "shift"]

PACKET_SIZE: Final = 188
CLOCK_RATE: Final = 90_000
"""Ticks per second of the clocks."""

_SYNC: Final = 0x47
_CLOCK_WRAP: Final = 1 << 33
_PCR_SIZE: Final = 6
_STAMP_SIZE: Final = 5
_NULL_PACKET: Final = bytes((_SYNC, 0x1F, 0xFF, 0x10)) + b"\xff" * (PACKET_SIZE - 4)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Offsets in a segment of its program clock references, and of its presentation and decoding time stamps."""

    references: tuple[int, ...]
    stamps: tuple[int, ...]


def find_clocks(data: bytes) -> Clocks:
    """Return the clocks in all packets of a segment.

    Raises
    ------
    ValueError
        The data are not a sequence of packets.
    """
    if len(data) % PACKET_SIZE or any(data[start] != _SYNC for start in range(0, len(data), PACKET_SIZE)):
        raise ValueError(f"{len(data)} bytes: not a sequence of transport stream packets of {PACKET_SIZE} bytes")
    references: list[int] = []
    stamps: list[int] = []
    for start in range(0, len(data), PACKET_SIZE):
        has_adaptation, has_payload = data[start + 3] & 0x20, data[start + 3] & 0x10
        adaptation_size = data[start + 4] + 1 if has_adaptation else 0
        if adaptation_size > 1 and data[start + 5] & 0x10:
            references.append(start + 6)
        if has_payload and data[start + 1] & 0x40:
            stamps += _stamps(data, start + 4 + adaptation_size)
    return Clocks(tuple(references), tuple(stamps))


def shift(data: bytes, clocks: Clocks, ticks: int) -> bytes:
    """Return a segment shifted by `ticks` of the 90 kHz clock, which wraps at 33 bits."""
    if ticks % _CLOCK_WRAP == 0:
        return data
    shifted = bytearray(data)
    for offset in clocks.references:
        field = int.from_bytes(shifted[offset : offset + _PCR_SIZE], "big")
        base, rest = field >> 15, field & 0x7FFF
        base = (base + ticks) % _CLOCK_WRAP
        shifted[offset : offset + _PCR_SIZE] = (base << 15 | rest).to_bytes(_PCR_SIZE, "big")
    for offset in clocks.stamps:
        stamp = (_read_stamp(shifted, offset) + ticks) % _CLOCK_WRAP
        shifted[offset : offset + _STAMP_SIZE] = _write_stamp(shifted[offset] >> 4, stamp)
    return bytes(shifted)


def pad(data: bytes, size: int) -> bytes:
    """Return data with null packets up to `size` bytes, rounded down to whole packets; longer data stay as they are."""
    missing = max(0, size - len(data)) // PACKET_SIZE
    return data + _NULL_PACKET * missing


def _stamps(data: bytes, start: int) -> Iterator[int]:
    """Yield the offsets of the time stamps of a packetised elementary stream that begins at `start`."""
    if data[start : start + 3] != b"\x00\x00\x01":
        return
    flags = data[start + 7] >> 6
    if flags & 0b10:
        yield start + 9
    if flags == 0b11:
        yield start + 9 + _STAMP_SIZE


def _read_stamp(data: bytearray, offset: int) -> int:
    first, second, third, fourth, fifth = data[offset : offset + _STAMP_SIZE]
    return (first >> 1 & 0x07) << 30 | second << 22 | third >> 1 << 15 | fourth << 7 | fifth >> 1


def _write_stamp(prefix: int, stamp: int) -> bytes:
    """Return the bytes of a time stamp: parts of 3, 15 and 15 bits, each followed by a marker bit."""
    return bytes(
        (
            prefix << 4 | (stamp >> 30) << 1 | 1,
            stamp >> 22 & 0xFF,
            (stamp >> 15 & 0x7F) << 1 | 1,
            stamp >> 7 & 0xFF,
            (stamp & 0x7F) << 1 | 1,
        )
    )
