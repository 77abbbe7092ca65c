from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.wire.commands import (
    CancelSegmentRequest,
    Command,
    SegmentAbsent,
    SegmentData,
    SegmentDataSendingCompleted,
    SegmentRequest,
    SegmentsAnnouncement,
    decode,
    decode_fields,
    encode,
    is_command,
)
from p2psim.wire.errors import RemoteProtocolError
from p2psim.wire.joiner import CommandJoiner
from tests.wire.vectors import VECTORS, Case, by_name, ids_of

counts = st.integers(0, 2**53 - 1)
id_lists = st.lists(st.integers(0, 2**40), unique=True, max_size=60).map(sorted).map(tuple)
commands = st.one_of(
    st.builds(SegmentsAnnouncement, id_lists, id_lists),
    st.builds(SegmentRequest, counts, counts, counts),
    st.builds(SegmentData, counts, counts, counts),
    st.builds(SegmentDataSendingCompleted, counts, counts),
    st.builds(SegmentAbsent, counts, counts),
    st.builds(CancelSegmentRequest, counts, counts),
)


def command_of(fields: dict[str, Any]) -> Command:
    match fields["c"]:
        case 0:
            return SegmentsAnnouncement(ids_of(fields.get("l", ())), ids_of(fields.get("p", ())))
        case 1:
            return SegmentRequest(fields["i"], fields["r"], fields.get("b", 0))
        case 2:
            return SegmentData(fields["i"], fields["r"], fields["s"])
        case 3:
            return SegmentDataSendingCompleted(fields["i"], fields["r"])
        case 4:
            return SegmentAbsent(fields["i"], fields["r"])
    return CancelSegmentRequest(fields["i"], fields["r"])


def join(messages: list[bytes]) -> bytes:
    joiner = CommandJoiner()
    payloads = [joiner.push(message) for message in messages]
    assert payloads[:-1] == [None] * (len(messages) - 1)
    assert payloads[-1] is not None
    return payloads[-1]


@pytest.mark.parametrize("case", **by_name(VECTORS["commands"]))
def test_commands_equal_the_vectors(case: Case) -> None:
    command, messages = command_of(case["command"]), [bytes.fromhex(text) for text in case["messages_hex"]]
    assert encode(command, upstream_faults=True) == messages
    assert [is_command(message) for message in messages] == case["is_command"]
    assert decode(join(messages)) == command
    if "error" in case:
        with pytest.raises(RemoteProtocolError):
            decode(join(messages), upstream_faults=True)
    else:
        assert decode(join(messages), upstream_faults=True) == command


@pytest.mark.parametrize("case", **by_name(VECTORS["command_chunking"]))
def test_long_commands_are_divided_as_in_the_vectors(case: Case) -> None:
    announcement = SegmentsAnnouncement(ids_of(case["ids"]))
    messages = encode(announcement, case["max_message_size"])
    assert [message.hex() for message in messages] == case["messages_hex"]
    assert any(len(message) > case["max_message_size"] for message in messages) == case["any_over_max"]
    assert join(messages).hex() == case["joined_hex"]
    assert decode(join(messages)) == announcement


@pytest.mark.parametrize("case", **by_name(VECTORS["classification"]))
def test_messages_are_classified_as_in_the_vectors(case: Case) -> None:
    assert is_command(bytes.fromhex(case["hex"])) == case["is_command"]


@pytest.mark.parametrize("case", **by_name(VECTORS["malformed"]))
def test_malformed_commands_are_refused_or_read_as_in_the_vectors(case: Case) -> None:
    payload = bytes.fromhex(case["payload_hex"])
    with pytest.raises(RemoteProtocolError):
        decode(payload)
    if "error" in case:
        with pytest.raises(RemoteProtocolError):
            decode_fields(payload, upstream_faults=True)
        return
    code = {"c": payload[0]} if payload else {}
    assert code | decode_fields(payload, upstream_faults=True) == case["decoded"]


@given(commands, st.sampled_from([65535, 300, 64, 24]))
def test_commands_survive_a_round_trip(command: Command, max_message_size: int) -> None:
    messages = encode(command, max_message_size)
    assert all(is_command(message) for message in messages)
    assert decode(join(messages)) == command


@given(st.integers(0, 3000), st.integers(1000, 4000))
def test_messages_do_not_exceed_their_maximum_size(count: int, max_message_size: int) -> None:
    messages = encode(SegmentsAnnouncement(tuple(range(count))), max_message_size)
    assert max(map(len, messages)) <= max_message_size


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_protocol_errors(payload: bytes) -> None:
    for upstream_faults in (False, True):
        try:
            decode(payload, upstream_faults=upstream_faults)
        except RemoteProtocolError:
            continue


def test_order_of_fields_and_unknown_fields_do_not_matter() -> None:
    assert decode(bytes.fromhex("01 72012a 7a0105 690105")) == SegmentRequest(5, 42)


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ("01 690105", "missing-field"),
        ("02 690105 72012a", "missing-field"),
        ("01 690181 72012a", "bad-value"),
        ("01 69200161 72012a", "bad-value"),
        ("00 6c0105", "bad-value"),
        ("06", "unknown-command"),
        ("", "truncated"),
        ("01 69", "truncated"),
    ],
)
def test_protocol_errors_name_their_fault(payload: str, fault: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(bytes.fromhex(payload))
    assert caught.value.fault == fault


@pytest.mark.parametrize(
    "command", [SegmentRequest(-1, 0), SegmentData(0, 0, -5), SegmentAbsent(0, -1), SegmentsAnnouncement((-3,))]
)
def test_negative_numbers_are_errors_of_the_caller(command: Command) -> None:
    with pytest.raises(ValueError, match="-"):
        encode(command)
