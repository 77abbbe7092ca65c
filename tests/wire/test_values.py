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
    encode_string,
)
from tests.wire.vectors import VECTORS, by_name, ids_of

numbers = st.integers(-(2**55) + 1, 2**55 - 1)
segment_ids = st.lists(st.integers(0, 2**40), max_size=60) | st.builds(
    lambda first, count: list(range(first, first + count)), st.integers(0, 2**31), st.integers(0, 700)
)


@pytest.mark.parametrize("case", **by_name(VECTORS["int"]))
def test_int_vector(case):
    encoded = bytes.fromhex(case["hex"])
    assert encode_int(case["value"]) == encoded
    assert decode_int(encoded) == (case["decoded"], case["byte_length"])


@given(numbers, st.binary(max_size=3))
def test_int_round_trip(value, rest):
    encoded = encode_int(value)
    assert decode_int(b"\xff" + encoded + rest, 1) == (value, 1 + len(encoded))


@pytest.mark.parametrize("value", [2**55, -(2**55), 10**30])
def test_int_too_long_for_strict_readers(value):
    with pytest.raises(ValueError, match="7 bytes"):
        encode_int(value)


@pytest.mark.parametrize(("encoded", "value"), [("00", 0), ("0180", 0), ("0f" + "00" * 14 + "05", 5)])
def test_int_sizes_that_only_lenient_readers_take(encoded, value):
    data = bytes.fromhex(encoded)
    assert decode_int(data) == (value, len(data))


@pytest.mark.parametrize("case", **by_name(VECTORS["similar_int_array"]))
def test_array_vector(case):
    ids, encoded = ids_of(case["input"]), bytes.fromhex(case["hex"])
    assert encode_ids(ids, upstream_faults=True) == encoded
    heard, _ = decode_ids(encoded, upstream_faults=True)
    assert len(heard) == case["decoded_count"]
    assert (sorted(heard) == sorted(ids)) == case["roundtrip_ok"]
    assert sorted(decode_ids(encoded)[0]) == sorted(ids)


def test_full_group_is_split_so_that_every_reader_gets_it():
    case = VECTORS["similar_int_array_split_workaround"]
    encoded = encode_ids(range(256))
    assert encoded.hex() == case["hex"]
    for upstream_faults in (False, True):
        assert decode_ids(encoded, upstream_faults=upstream_faults) == (tuple(range(256)), len(encoded))


@given(segment_ids)
def test_array_round_trip(ids):
    encoded = encode_ids(ids)
    for upstream_faults in (False, True):
        decoded, end = decode_ids(b"x" + encoded + b"rest", 1, upstream_faults=upstream_faults)
        assert sorted(decoded) == sorted(ids)
        assert end == 1 + len(encoded)


def test_array_keeps_groups_in_order_of_appearance():
    assert decode_ids(encode_ids([1000, 3, 1001, 1]))[0] == (1000, 1001, 3, 1)


def test_array_refuses_what_the_wire_cannot_say():
    with pytest.raises(ValueError, match="-1 is negative"):
        encode_ids([5, -1])
    with pytest.raises(ValueError, match="256 groups"):
        encode_ids(range(0, 256 * 256, 256))


@pytest.mark.parametrize("case", **by_name(VECTORS["string"]))
def test_string_vector(case):
    encoded = bytes.fromhex(case["hex"])
    assert encode_string(case["input"], upstream_faults=True) == encoded
    assert decode_string(encoded) == (case["decoded"], case["byte_length"])


@given(st.text(max_size=1000))
def test_string_round_trip(text):
    encoded = encode_string(text)
    assert decode_string(b"x" + encoded + b"rest", 1) == (text, 1 + len(encoded))


def test_string_too_long():
    assert decode_string(encode_string("x" * 4095))[0] == "x" * 4095
    with pytest.raises(ValueError, match="4096 bytes"):
        encode_string("x" * 4096)


@given(st.one_of(numbers.map(encode_int), segment_ids.map(encode_ids), st.text(max_size=50).map(encode_string)))
def test_every_value_cut_short_is_refused(encoded):
    assert decode_value(encoded)[1] == len(encoded)
    for size in range(len(encoded)):
        with pytest.raises(RemoteProtocolError) as caught:
            decode_value(encoded[:size])
        assert caught.value.fault == "truncated"


@pytest.mark.parametrize("read", [decode_int, decode_ids, decode_string, decode_value])
def test_wrong_type(read):
    with pytest.raises(RemoteProtocolError) as caught:
        read(b"\x30\x00")
    assert caught.value.fault == "unknown-type"


def test_group_of_negative_ids():
    with pytest.raises(RemoteProtocolError, match="bad-value"):
        decode_ids(bytes.fromhex("1001018105"))
