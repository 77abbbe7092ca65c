from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.wire.errors import RemoteProtocolError
from p2psim.wire.values import (
    decode_ids,
    decode_int,
    decode_string,
    decode_value,
    encode_ids,
    encode_int,
)
from tests.wire.vectors import VECTORS, Case, by_name, ids_of

numbers = st.integers(-(2**55) + 1, 2**55 - 1)
segment_ids = st.lists(st.integers(0, 2**40), max_size=60) | st.builds(
    lambda first, count: list(range(first, first + count)), st.integers(0, 2**31), st.integers(0, 700)
)


def encode_string(text: str) -> bytes:
    """Return a string value, which no known command contains: UTF-8 after a length of twelve bits."""
    body = text.encode()
    return bytes((0x20 | len(body) >> 8, len(body) & 0xFF)) + body


@pytest.mark.parametrize("case", **by_name(VECTORS["int"]))
def test_integers_equal_the_vectors(case: Case) -> None:
    encoded = bytes.fromhex(case["hex"])
    assert encode_int(case["value"]) == encoded
    assert decode_int(encoded) == (case["decoded"], case["byte_length"])


@given(numbers, st.binary(max_size=3))
def test_integers_survive_a_round_trip(value: int, rest: bytes) -> None:
    encoded = encode_int(value)
    assert decode_int(b"\xff" + encoded + rest, 1) == (value, 1 + len(encoded))


@pytest.mark.parametrize("value", [2**55, -(2**55), 10**30])
def test_integers_of_more_than_seven_bytes_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        encode_int(value)


@pytest.mark.parametrize(("encoded", "value"), [("00", 0), ("0180", 0), ("0f" + "00" * 14 + "05", 5)])
def test_integers_of_unusual_sizes_are_decoded(encoded: str, value: int) -> None:
    data = bytes.fromhex(encoded)
    assert decode_int(data) == (value, len(data))


@pytest.mark.parametrize("case", **by_name(VECTORS["similar_int_array"]))
def test_lists_of_ids_equal_the_vectors(case: Case) -> None:
    ids, encoded = ids_of(case["input"]), bytes.fromhex(case["hex"])
    assert encode_ids(ids, upstream_faults=True) == encoded
    decoded, _ = decode_ids(encoded, upstream_faults=True)
    assert len(decoded) == case["decoded_count"]
    assert (sorted(decoded) == sorted(ids)) == case["roundtrip_ok"]
    assert sorted(decode_ids(encoded)[0]) == sorted(ids)


def test_a_full_group_is_split_so_that_every_decoder_reads_it() -> None:
    case = VECTORS["similar_int_array_split_workaround"]
    encoded = encode_ids(range(256))
    assert encoded.hex() == case["hex"]
    for upstream_faults in (False, True):
        assert decode_ids(encoded, upstream_faults=upstream_faults) == (tuple(range(256)), len(encoded))


@given(segment_ids)
def test_lists_of_ids_survive_a_round_trip(ids: list[int]) -> None:
    encoded = encode_ids(ids)
    for upstream_faults in (False, True):
        decoded, end = decode_ids(b"x" + encoded + b"rest", 1, upstream_faults=upstream_faults)
        assert sorted(decoded) == sorted(ids)
        assert end == 1 + len(encoded)


def test_groups_of_ids_keep_the_order_of_appearance() -> None:
    assert decode_ids(encode_ids([1000, 3, 1001, 1]))[0] == (1000, 1001, 3, 1)


def test_lists_that_cannot_be_encoded_are_refused() -> None:
    with pytest.raises(ValueError, match="-1 is negative"):
        encode_ids([5, -1])
    with pytest.raises(ValueError, match="256 groups"):
        encode_ids(range(0, 256 * 256, 256))


@pytest.mark.parametrize("case", **by_name(VECTORS["string"]))
def test_strings_are_decoded_as_in_the_vectors(case: Case) -> None:
    encoded = bytes.fromhex(case["hex"])
    assert decode_string(encoded) == (case["decoded"], case["byte_length"])


@given(st.text(max_size=1000) | st.just("x" * 4095))
def test_strings_survive_a_round_trip(text: str) -> None:
    encoded = encode_string(text)
    assert decode_string(b"x" + encoded + b"rest", 1) == (text, 1 + len(encoded))


@given(st.one_of(numbers.map(encode_int), segment_ids.map(encode_ids), st.text(max_size=50).map(encode_string)))
def test_every_truncated_value_is_refused(encoded: bytes) -> None:
    assert decode_value(encoded)[1] == len(encoded)
    for size in range(len(encoded)):
        with pytest.raises(RemoteProtocolError) as caught:
            decode_value(encoded[:size])
        assert caught.value.fault == "truncated"


@pytest.mark.parametrize("decode", [decode_int, decode_ids, decode_string, decode_value])
def test_a_value_of_another_type_is_refused(decode: Callable[[bytes], object]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(b"\x30\x00")
    assert caught.value.fault == "unknown-type"


def test_a_group_of_negative_ids_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="bad-value"):
        decode_ids(bytes.fromhex("1001018105"))
