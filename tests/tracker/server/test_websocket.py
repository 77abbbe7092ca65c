import asyncio
import socket
from contextlib import contextmanager

import hypothesis.strategies as st
import pytest
from hypothesis import given
from p2p_tracker.server.websocket import CLOSE, PING, PONG, TEXT, Codec
from websockets.frames import Frame, Opcode

LIMIT = 100_000
CONTINUATION, BINARY = Opcode.CONT, Opcode.BINARY


class Recorder:
    """Keeps what a codec reads and writes."""

    def __init__(self):
        self.parts = None
        self.out = []
        self.seen = []

    def write(self, data):
        self.out.append(bytes(data))

    def on_control(self, kind, payload):
        self.seen.append((kind, payload))

    def on_message(self, data):
        self.seen.append((TEXT, data))


@contextmanager
def codec(user):
    with socket.socket() as sock:
        found = Codec(sock, LIMIT)
        found.user = user
        yield found


def masked(opcode, payload, fin=True):
    """Build a client's frame with the code of another library."""
    return Frame(Opcode(opcode), payload, fin=fin).serialize(mask=True)


def read(*blocks):
    """Feed blocks to a fresh codec; return what its user saw and was made to send, and whether a frame is awaited."""

    async def run():
        user = Recorder()
        with codec(user) as fresh:
            for block in blocks:
                fresh.feed(block)
            return user.seen, b"".join(user.out), bool(fresh.pending)

    return asyncio.run(run())


def cut(data, sizes):
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
def test_messages_are_the_same_however_the_bytes_are_cut(plan, sizes):
    data, expected = b"", []
    for opcode, parts, has_ping in plan:
        if sum(map(len, parts)) > LIMIT:
            parts = parts[:1]
        for place, part in enumerate(parts):
            is_last = place == len(parts) - 1
            data += masked(opcode if place == 0 else 0, part, is_last)
            if has_ping and not is_last:
                data += masked(PING, b"between")
                expected.append((PING, b"between"))
        expected.append((TEXT, b"".join(parts)))
    assert read(*cut(data, sizes)) == (expected, b"", False)


def test_byte_by_byte_and_with_trailing_data():
    data = masked(TEXT, b"one") + masked(TEXT, b"2" * 126) + masked(PONG, b"")
    expected = [(TEXT, b"one"), (TEXT, b"2" * 126), (PONG, b"")]
    assert read(*cut(data, [1] * len(data))) == (expected, b"", False)
    assert read(masked(TEXT, b"x") + b"\x81") == ([(TEXT, b"x")], b"", True)
    assert read(masked(TEXT, b"x")[:-1]) == ([], b"", True)


def test_a_codec_serves_one_connection_after_the_other():
    async def run():
        one, two = Recorder(), Recorder()
        with codec(one) as lent:
            lent.feed(masked(TEXT, b"start", fin=False))
            assert not lent.pending
            lent.user = two
            lent.feed(masked(BINARY, b"whole"))
            lent.send(TEXT, b"reply")
            lent.user = one
            lent.feed(masked(CONTINUATION, b" and end"))
        assert (one.seen, one.out) == ([(TEXT, b"start and end")], [])
        assert (two.seen, two.out) == ([(TEXT, b"whole")], [b"\x81\x05reply"])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1" + masked(TEXT, b"compressed")[1:], 1002),
        (Frame(Opcode.TEXT, b"unmasked").serialize(mask=False), 1002),
        (b"\x83\x80abcd", 1002),
        (b"\x8b\x80abcd", 1002),
        (b"\x09\x80abcd", 1002),
        (b"\x89\xfe\x00\x7eabcd", 1002),
        (masked(0, b"x"), 1002),
        (masked(TEXT, b"x", fin=False) + masked(TEXT, b"y"), 1002),
        (masked(CLOSE, b"\x03"), 1002),
        (masked(CLOSE, b"\x03\xed"), 1002),
        (masked(CLOSE, b"\x03\xe8\xff"), 1007),
        (b"\x81\xff" + (LIMIT + 1).to_bytes(8, "big") + b"abcd", 1009),
        (masked(TEXT, bytes(LIMIT), fin=False) + masked(0, b"x"), 1009),
    ],
)
def test_broken_frames_end_with_a_code(data, code):
    seen, sent, _ = read(masked(TEXT, b"good"), data)
    assert seen == [(TEXT, b"good")]
    assert sent[:1] == b"\x88"
    assert int.from_bytes(sent[2:4], "big") == code
    assert len(sent) == 2 + sent[1]


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_an_error(data):
    seen, sent, _ = read(data)
    assert sent[:1] in (b"", b"\x88")
    assert len(seen) <= len(data) // 6


@pytest.mark.parametrize("size", [0, 1, 125, 126, 8192, 8193, 65535, 65536])
def test_frames_are_what_another_library_writes(size):
    async def run():
        user = Recorder()
        with codec(user) as fresh:
            fresh.send(TEXT, bytes(size))
        return b"".join(user.out)

    assert asyncio.run(run()) == Frame(Opcode.TEXT, bytes(size)).serialize(mask=False)
