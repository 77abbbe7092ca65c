"""Shift and padding of MPEG transport streams."""

import io
from typing import Any

import av
import pytest

from p2psim.testbed.origin.mpegts import CLOCK_RATE, PACKET_SIZE, find_clocks, pad, shift


def packet(*, flags: int, adaptation: bytes = b"", payload: bytes = b"") -> bytes:
    body = bytes((len(adaptation),)) + adaptation if flags & 0x20 else b""
    head = bytes((0x47, 0x41, 0x00, flags))
    return (head + body + payload).ljust(PACKET_SIZE, b"\xff")


def reference(ticks: int) -> bytes:
    return bytes((0x10,)) + (ticks << 15 | 0x7E00 | 5).to_bytes(6, "big")


def stamp(prefix: int, ticks: int) -> bytes:
    """Return a time stamp with the bit layout of ISO/IEC 13818-1, table 2-21."""
    bits = f"{ticks:033b}"
    return int(f"{prefix:04b}{bits[:3]}1{bits[3:18]}1{bits[18:]}1", 2).to_bytes(5, "big")


def video(presentation: int, decoding: int, clock: int) -> bytes:
    header = b"\x00\x00\x01\xe0\x00\x00\x80\xc0\x0a" + stamp(3, presentation) + stamp(1, decoding)
    return packet(flags=0x30, adaptation=reference(clock), payload=header)


@pytest.mark.parametrize("ticks", [0, 1, 90_000, 2**33 - 1, 2**33 + 7, 5 * 2**33])
def test_shift_changes_every_clock(ticks: int) -> None:
    data = packet(flags=0x10, payload=b"\x00table") + video(2**33 - 50_000, 1_000, 777) + packet(flags=0x10)
    shifted = shift(data, find_clocks(data), ticks)
    new = [(before + ticks) % 2**33 for before in (2**33 - 50_000, 1_000, 777)]
    assert shifted == packet(flags=0x10, payload=b"\x00table") + video(*new) + packet(flags=0x10)


def test_packets_without_clocks() -> None:
    data = packet(flags=0x10) + packet(flags=0x30, adaptation=b"") + packet(flags=0x30, adaptation=b"\x00" * 9)
    data += packet(flags=0x20, adaptation=b"\x00" * 183) + packet(flags=0x10, payload=b"\x00\x00\x01\xbe" + bytes(9))
    clocks = find_clocks(data)
    assert (clocks.references, clocks.stamps) == ((), ())


@pytest.mark.parametrize("data", [b"\x47" * 187, b"\x46" * 188])
def test_other_data_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a sequence of transport stream packets"):
        find_clocks(data)


def test_padding() -> None:
    data = packet(flags=0x10)
    assert pad(data, 100) == data
    padded = pad(data, 3 * PACKET_SIZE + 187)
    assert len(padded) == 3 * PACKET_SIZE
    assert {padded[start : start + 4] for start in (188, 376)} == {b"\x47\x1f\xff\x10"}


def test_a_decoder_sees_the_shift() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))

    def times(data: bytes) -> list[tuple[int, int]]:
        with av.open(io.BytesIO(data), "r", format="mpegts") as container:
            packets: list[Any] = list(container.demux(video=0))
        return [(item.pts, item.dts) for item in packets if item.pts is not None]

    data = buffer.getvalue()
    shifted = times(shift(data, find_clocks(data), 3 * CLOCK_RATE))
    assert shifted == [(pts + 3 * CLOCK_RATE, dts + 3 * CLOCK_RATE) for pts, dts in times(data)]
    assert len(shifted) == 5
