import pytest

from p2psim.wire.errors import RemoteProtocolError
from p2psim.wire.joiner import CommandJoiner
from tests.wire.vectors import VECTORS, Case, by_name


@pytest.mark.parametrize("case", **by_name(VECTORS["joiner_errors"]))
def test_errors_equal_the_vectors(case: Case) -> None:
    joiner = CommandJoiner()
    *before, last = (bytes.fromhex(text) for text in case["messages_hex"])
    for message in before:
        assert joiner.push(message) is None
    with pytest.raises(RemoteProtocolError) as caught:
        joiner.push(last)
    assert caught.value.fault == case["error"]


def test_frames_of_a_command_are_joined() -> None:
    joiner = CommandJoiner()
    assert [joiner.push(frame) for frame in (b"cstrAdend", b"dstrBdend", b"dstrCcend")] == [None, None, b"ABC"]
    assert joiner.push(b"cstrDcend") == b"D"


def test_an_empty_command_is_joined() -> None:
    assert CommandJoiner().push(b"cstrcend") == b""


def test_a_start_inside_a_command_discards_both() -> None:
    joiner = CommandJoiner()
    joiner.push(b"cstrAdend")
    with pytest.raises(RemoteProtocolError):
        joiner.push(b"cstrBdend")
    with pytest.raises(RemoteProtocolError) as caught:
        joiner.push(b"dstrCcend")
    assert caught.value.fault == "no-first-chunk"
    assert joiner.push(b"cstrDcend") == b"D"


def test_a_command_beyond_the_maximum_size_is_refused() -> None:
    joiner = CommandJoiner(max_size=10)
    joiner.push(b"cstr12345dend")
    joiner.push(b"dstr67890dend")
    with pytest.raises(RemoteProtocolError) as caught:
        joiner.push(b"dstr!dend")
    assert caught.value.fault == "too-large"
