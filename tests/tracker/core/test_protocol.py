import pytest
from p2p_tracker.core.protocol import Announce, Answer, Incoming, PeersRequest, Scrape, Signal, action_of, is_id

from tests.tracker.examples import SWARM, peer


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (Announce(SWARM, peer(1)), "announce"),
        (Answer(SWARM, peer(1), peer(2), "id", "answer"), "announce"),
        (Scrape(), "scrape"),
        (Signal(SWARM, peer(1), peer(2), {}), "signal"),
        (PeersRequest(SWARM, peer(1)), "peers"),
    ],
)
def test_a_reply_has_the_action_of_its_message(message: Incoming, action: str) -> None:
    assert action_of(message) == action


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x" * 20, True), ("ÿ" * 20, True), ("Ā" + "x" * 19, False), ("x" * 19, False), (None, False)],
)
def test_identifiers_are_twenty_code_points_up_to_u00ff(text: object, expected: bool) -> None:
    assert is_id(text) is expected
