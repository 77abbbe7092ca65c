from contextlib import suppress

import hypothesis.strategies as st
import pytest
from hypothesis import given
from websockets.frames import Frame, Opcode

from tracker.errors import FrameError
from tracker.websocket import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    accept_key,
    close_frame,
    close_reason,
    frame,
    upgrade_problem,
)

LIMIT = 100_000


def masked(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """Build a client's frame with the code of another library."""
    return Frame(Opcode(opcode), payload, fin=fin).serialize(mask=True)


def feed(reader: FrameReader, data: bytes, sizes: list[int]) -> list[tuple[int, bytes]]:
    messages, start = [], 0
    for size in [*sizes, len(data)]:
        messages += reader.feed(memoryview(data)[start : start + size], LIMIT)
        start += size
    return messages


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
        expected.append((opcode, b"".join(parts)))
    reader = FrameReader()
    assert feed(reader, data, sizes) == expected
    assert reader.take_tail() == b""


def test_byte_by_byte_and_with_trailing_data():
    data = masked(TEXT, b"one") + masked(TEXT, b"2" * 126) + masked(PONG, b"")
    reader = FrameReader()
    assert feed(reader, data, [1] * len(data)) == [(TEXT, b"one"), (TEXT, b"2" * 126), (PONG, b"")]
    assert reader.feed(memoryview(masked(TEXT, b"x") + b"\x81"), LIMIT) == [(TEXT, b"x")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1" + masked(TEXT, b"compressed")[1:], 1002),
        (frame(TEXT, b"unmasked"), 1002),
        (b"\x83\x80abcd", 1002),
        (b"\x8b\x80abcd", 1002),
        (b"\x09\x80abcd", 1002),
        (b"\x89\xfe\x00\x7eabcd", 1002),
        (masked(0, b"x"), 1002),
        (masked(TEXT, b"x", fin=False) + masked(TEXT, b"y"), 1002),
        (b"\x81\xff" + (LIMIT + 1).to_bytes(8, "big") + b"abcd", 1009),
        (b"\x81\xff" + b"\xff" * 8 + b"abcd", 1009),
        (masked(TEXT, bytes(LIMIT), fin=False) + masked(0, b"x"), 1009),
    ],
)
def test_broken_frames_end_with_a_code_after_the_good_ones(data, code):
    with pytest.raises(FrameError) as caught:
        FrameReader().feed(memoryview(masked(TEXT, b"good") + data), LIMIT)
    assert caught.value.code == code
    assert caught.value.messages == [(TEXT, b"good")]


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_an_error(data):
    with suppress(FrameError):
        FrameReader().feed(memoryview(data), LIMIT)


@given(st.sampled_from([TEXT, PING, PONG]), st.sampled_from([0, 1, 125, 126, 65535, 65536]))
def test_frames_are_what_another_library_writes(opcode, size):
    if opcode == TEXT or size <= 125:
        assert frame(opcode, bytes(size)) == Frame(Opcode(opcode), bytes(size)).serialize(mask=False)


def test_close_frames_carry_code_and_reason():
    assert close_frame(1001, "bye") == b"\x88\x05\x03\xe9bye"
    assert len(close_frame(1008, "é" * 200)) <= 127
    assert close_reason(close_frame(1008, "é" * 200)[2:]) == 1008
    assert close_reason(b"") == 1005
    assert close_reason(b"\x0f\xa0own") == 4000


@pytest.mark.parametrize(
    ("payload", "code"), [(b"\x03", 1002), (b"\x03\xed", 1002), (b"\x00\x01", 1002), (b"\x03\xe8\xff", 1007)]
)
def test_senseless_close_frames_are_errors(payload, code):
    with pytest.raises(FrameError) as caught:
        close_reason(payload)
    assert caught.value.code == code


GOOD = {
    "upgrade": "websocket",
    "connection": "keep-alive, Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, None),
        ({"upgrade": "WebSocket", "connection": "upgrade"}, None),
        ({"upgrade": "h2c"}, "Upgrade"),
        ({"connection": "keep-alive"}, "Connection"),
        ({"sec-websocket-version": "8"}, "Version"),
        ({"sec-websocket-key": "short"}, "Key"),
        ({"sec-websocket-key": "é" * 24}, "Key"),
    ],
)
def test_upgrades_are_checked(changed, named):
    problem = upgrade_problem({**GOOD, **changed})
    assert (problem is None) if named is None else (named in problem)


def test_the_example_of_the_standard():
    assert accept_key(GOOD["sec-websocket-key"]) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert CLOSE == 8
