import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import hypothesis.strategies as st
import pytest
from hypothesis import given
from p2p_tracker.server.websocket import CLOSE, PING, PONG, TEXT, Codec, WSMsgType
from websockets.frames import Frame, Opcode

LIMIT = 100_000
CONTINUATION, BINARY = Opcode.CONT, Opcode.BINARY

Received: TypeAlias = tuple[list[tuple[WSMsgType, bytes]], bytes, bool]
"""Messages and control frames received, bytes sent, and whether a frame is incomplete."""


class Recorder:
    """User of a codec that keeps what the codec reads and writes."""

    def __init__(self) -> None:
        self.parts: bytearray | None = None
        self.out: list[bytes] = []
        self.received: list[tuple[WSMsgType, bytes]] = []

    def write(self, data: bytes) -> None:
        self.out.append(bytes(data))

    def on_control(self, kind: WSMsgType, payload: bytes) -> None:
        self.received.append((kind, payload))

    def on_message(self, data: bytes) -> None:
        self.received.append((TEXT, data))


@contextmanager
def codec(user: Recorder) -> Iterator[Codec]:
    with socket.socket() as sock:
        fresh = Codec(sock, LIMIT)
        fresh.user = user
        yield fresh


def masked(opcode: int | WSMsgType, payload: bytes, fin: bool = True) -> bytes:
    """Return a client's frame, built by another library."""
    return Frame(Opcode(WSMsgType(opcode).value), payload, fin=fin).serialize(mask=True)


def read(*blocks: bytes) -> Received:
    """Return what a fresh codec receives and sends when it is fed with blocks of bytes."""

    async def run() -> Received:
        user = Recorder()
        with codec(user) as fresh:
            for block in blocks:
                fresh.feed(block)
            return user.received, b"".join(user.out), bool(fresh.pending)

    return asyncio.run(run())


def cut(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield data[start : start + size]
        start += size
    yield data[start:]


PAYLOADS = st.binary(max_size=300) | st.integers(0, 70_000).map(bytes)


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.lists(PAYLOADS, min_size=1, max_size=3), st.booleans()), max_size=5),
    st.lists(st.integers(0, 200), max_size=30),
)
def test_messages_do_not_depend_on_how_the_bytes_are_divided(
    plan: list[tuple[int, list[bytes], bool]], sizes: list[int]
) -> None:
    data = b""
    expected: list[tuple[WSMsgType, bytes]] = []
    for opcode, parts, has_ping in plan:
        if sum(map(len, parts)) > LIMIT:
            parts = parts[:1]
        for position, part in enumerate(parts):
            is_last = position == len(parts) - 1
            data += masked(opcode if position == 0 else 0, part, is_last)
            if has_ping and not is_last:
                data += masked(PING, b"between")
                expected.append((PING, b"between"))
        expected.append((TEXT, b"".join(parts)))
    assert read(*cut(data, sizes)) == (expected, b"", False)


def test_frames_are_read_byte_by_byte_and_with_trailing_data() -> None:
    data = masked(TEXT, b"one") + masked(TEXT, b"2" * 126) + masked(PONG, b"")
    expected = [(TEXT, b"one"), (TEXT, b"2" * 126), (PONG, b"")]
    assert read(*cut(data, [1] * len(data))) == (expected, b"", False)
    assert read(masked(TEXT, b"x") + b"\x81") == ([(TEXT, b"x")], b"", True)
    assert read(masked(TEXT, b"x")[:-1]) == ([], b"", True)


def test_a_codec_serves_several_connections_in_turn() -> None:
    async def run() -> None:
        one, two = Recorder(), Recorder()
        with codec(one) as shared:
            shared.feed(masked(TEXT, b"start", fin=False))
            assert not shared.pending
            shared.user = two
            shared.feed(masked(BINARY, b"whole"))
            shared.send(TEXT, b"reply")
            shared.user = one
            shared.feed(masked(CONTINUATION, b" and end"))
        assert (one.received, one.out) == ([(TEXT, b"start and end")], [])
        assert (two.received, two.out) == ([(TEXT, b"whole")], [b"\x81\x05reply"])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\xc1" + masked(TEXT, b"compressed")[1:], 1002, id="reserved bit"),
        pytest.param(Frame(Opcode.TEXT, b"unmasked").serialize(mask=False), 1002, id="no mask"),
        pytest.param(b"\x83\x80abcd", 1002, id="reserved opcode 3"),
        pytest.param(b"\x8b\x80abcd", 1002, id="reserved opcode 11"),
        pytest.param(b"\x09\x80abcd", 1002, id="fragmented ping"),
        pytest.param(b"\x89\xfe\x00\x7eabcd", 1002, id="long ping"),
        pytest.param(masked(0, b"x"), 1002, id="continuation of nothing"),
        pytest.param(masked(TEXT, b"x", fin=False) + masked(TEXT, b"y"), 1002, id="text within text"),
        pytest.param(masked(CLOSE, b"\x03"), 1002, id="close with half a code"),
        pytest.param(masked(CLOSE, b"\x03\xed"), 1002, id="close with code 1005"),
        pytest.param(masked(CLOSE, b"\x03\xe8\xff"), 1007, id="close with invalid UTF-8"),
        pytest.param(b"\x81\xff" + (LIMIT + 1).to_bytes(8, "big") + b"abcd", 1009, id="too long"),
        pytest.param(masked(TEXT, bytes(LIMIT), fin=False) + masked(0, b"x"), 1009, id="too long in fragments"),
    ],
)
def test_invalid_frames_are_closed_with_a_code(data: bytes, code: int) -> None:
    received, sent, _ = read(masked(TEXT, b"good"), data)
    assert received == [(TEXT, b"good")]
    assert sent[:1] == b"\x88"
    assert int.from_bytes(sent[2:4], "big") == code
    assert len(sent) == 2 + sent[1]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_frames_or_an_error(data: bytes) -> None:
    received, sent, _ = read(data)
    assert sent[:1] in (b"", b"\x88")
    assert len(received) <= len(data) // 6


@pytest.mark.parametrize("size", [0, 1, 125, 126, 8192, 8193, 65535, 65536])
def test_frames_equal_those_of_another_library(size: int) -> None:
    async def run() -> bytes:
        user = Recorder()
        with codec(user) as fresh:
            fresh.send(TEXT, bytes(size))
        return b"".join(user.out)

    assert asyncio.run(run()) == Frame(Opcode.TEXT, bytes(size)).serialize(mask=False)
