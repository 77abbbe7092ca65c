import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2psim.wire.tracker_messages import (
    AnnounceTimer,
    AnswerReceived,
    ConnectionBroken,
    IntervalChanged,
    Offer,
    OfferReceived,
    SwarmCounted,
    TrackerIdGiven,
    TrackerWarned,
    encode_announce,
    encode_answer,
    new_offer_id,
    read_message,
    reconnect_delay,
)

INFO_HASH = "RJhoUxftMVvf2gSHwVVX"
ME = "-PM0203-AAAAAAAAAAAA"
OTHER = "-PM0203-BBBBBBBBBBBB"
OFFER_ID = '\x00\x1f"\\\x7f\x80ÿ' + "x" * 13


def message(**fields: object) -> str:
    return json.dumps({"action": "announce", "info_hash": INFO_HASH} | fields)


def test_the_first_announce_equals_that_of_bittorrent_tracker() -> None:
    text = encode_announce(INFO_HASH, ME, [Offer(OFFER_ID, "v=0\r\n")], event="started")
    assert text == (
        '{"numwant":1,"uploaded":0,"downloaded":0,"event":"started","action":"announce",'
        f'"info_hash":"{INFO_HASH}","peer_id":"{ME}","offers":[{{"offer":{{"type":"offer","sdp":"v=0\\r\\n"}},'
        '"offer_id":"\\u0000\\u001f\\"\\\\\x7f\x80ÿxxxxxxxxxxxxx"}]}'
    )


def test_a_later_announce_has_no_event_and_repeats_the_tracker_id() -> None:
    text = encode_announce(INFO_HASH, ME, [], tracker_id="t")
    assert list(json.loads(text)) == [
        "numwant",
        "uploaded",
        "downloaded",
        "action",
        "info_hash",
        "peer_id",
        "trackerid",
        "offers",
    ]


def test_an_announce_with_stopped_carries_no_offers() -> None:
    fields = json.loads(encode_announce(INFO_HASH, ME, [Offer(OFFER_ID, "v=0")], event="stopped"))
    assert fields["event"] == "stopped"
    assert "offers" not in fields


def test_an_answer_equals_that_of_bittorrent_tracker() -> None:
    assert encode_answer(INFO_HASH, ME, OTHER, "o" * 20, "v=0") == (
        f'{{"action":"announce","info_hash":"{INFO_HASH}","peer_id":"{ME}","to_peer_id":"{OTHER}",'
        '"answer":{"type":"answer","sdp":"v=0"},"offer_id":"oooooooooooooooooooo"}'
    )


def test_an_answer_repeats_the_tracker_id_last() -> None:
    fields = json.loads(encode_answer(INFO_HASH, ME, OTHER, "o" * 20, "v=0", tracker_id="t"))
    assert list(fields)[-1] == "trackerid"


@given(st.integers(0, 2**32))
def test_offer_ids_survive_the_wire(seed: int) -> None:
    offer_id = new_offer_id(np.random.default_rng(seed))
    assert len(offer_id) == 20
    assert max(offer_id) <= "\xff"
    assert json.loads(encode_answer(INFO_HASH, ME, OTHER, offer_id, "").encode())["offer_id"] == offer_id


def test_a_reply_means_its_events_in_order() -> None:
    text = message(complete=1, incomplete=4, interval=20, **{"tracker id": "t", "warning message": "slow"})
    assert read_message(text, INFO_HASH, ME) == (
        TrackerWarned("slow"),
        IntervalChanged(20.0),
        TrackerIdGiven("t"),
        SwarmCounted(1, 4),
    )


@pytest.mark.parametrize(("name", "event_type"), [("offer", OfferReceived), ("answer", AnswerReceived)])
def test_offers_and_answers_are_read(name: str, event_type: type[OfferReceived | AnswerReceived]) -> None:
    text = message(peer_id=OTHER, offer_id=OFFER_ID, **{name: {"type": name, "sdp": "v=0"}})
    assert read_message(text, INFO_HASH, ME) == (event_type(OTHER, OFFER_ID, "v=0"),)


@pytest.mark.parametrize(
    "text",
    [
        message(interval=5, info_hash="x" * 20),
        message(interval=5, peer_id=ME),
        json.dumps({"action": "announce", "interval": 5}),
        message(),
        message(interval=0),
        message(offer={"sdp": "v=0"}, offer_id=OFFER_ID),
        json.dumps({"action": "scrape", "files": {}}),
    ],
)
def test_messages_without_meaning_for_the_peer_cause_no_event(text: str) -> None:
    assert read_message(text, INFO_HASH, ME) == ()


@pytest.mark.parametrize(
    "interval", ["30", True, -5, [], {}, 1e400], ids=["text", "true", "negative", "list", "object", "infinite"]
)
def test_invalid_intervals_are_ignored(interval: object) -> None:
    assert read_message(message(interval=interval), INFO_HASH, ME) == ()


def test_min_interval_replaces_a_missing_interval() -> None:
    assert read_message(message(**{"min interval": 7}), INFO_HASH, ME) == (IntervalChanged(7.0),)


def test_a_failure_excludes_other_events() -> None:
    text = message(interval=20, **{"failure reason": "no"})
    assert read_message(text, INFO_HASH, ME) == (TrackerWarned("no", is_failure=True),)


def test_a_message_that_is_not_json_causes_a_warning() -> None:
    (event,) = read_message("<html>", INFO_HASH, ME)
    assert isinstance(event, TrackerWarned)


@pytest.mark.parametrize("text", ["{}", "null", "5", "[]", '{"action":"error","failure reason":"x"}'])
def test_unknown_action_breaks_the_connection(text: str) -> None:
    (event,) = read_message(text, INFO_HASH, ME)
    assert isinstance(event, ConnectionBroken)


@pytest.mark.parametrize("offer", ["v=0", {"type": "offer"}, {"sdp": 5}, [1]])
def test_malformed_session_descriptions_cause_a_warning(offer: object) -> None:
    (event,) = read_message(message(peer_id=OTHER, offer_id=OFFER_ID, offer=offer), INFO_HASH, ME)
    assert isinstance(event, TrackerWarned)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_arbitrary_values_raise_nothing(value: object) -> None:
    names = (
        "interval",
        "complete",
        "incomplete",
        "offer",
        "answer",
        "peer_id",
        "offer_id",
        "tracker id",
        "warning message",
    )
    for name in names:
        fields = {"peer_id": OTHER, "offer_id": OFFER_ID, "offer": {"sdp": "v"}, "complete": 1} | {name: value}
        read_message(message(**fields), INFO_HASH, ME)


@given(st.integers(0, 60), st.integers(0, 2**32))
def test_the_reconnect_delay_grows_to_an_hour(retries: int, seed: int) -> None:
    least = min(10 * 2**retries, 3600)
    assert least <= reconnect_delay(retries, np.random.default_rng(seed)) <= least + 300


def test_reconnect_delay_spreads_over_five_minutes() -> None:
    rng = np.random.default_rng(1)
    delays = [reconnect_delay(0, rng) for _ in range(2000)]
    assert abs(np.mean(delays) - 160) < 8


def test_announce_timer() -> None:
    timer = AnnounceTimer().started(100.0)
    assert timer.due_at == 130.0
    timer = timer.replied(101.0, 20.0)
    assert timer.due_at == 121.0
    assert timer.fired().due_at == 141.0
    assert timer.replied(110.0, 20.0).due_at == 130.0
    stopped = timer.disconnected()
    assert stopped.due_at is None
    assert stopped.fired().due_at is None
    assert stopped.replied(200.0, 20.0).due_at == 220.0
