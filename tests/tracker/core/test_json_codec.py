import json
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from p2p_tracker.core.json_codec import decode, encode
from p2p_tracker.core.protocol import (
    Announce,
    AnnounceReply,
    Answer,
    AnswerRelay,
    Failure,
    OfferRelay,
    PeersReply,
    PeersRequest,
    Scrape,
    ScrapeEntry,
    ScrapeReply,
    Signal,
    SignalRelay,
)
from p2p_tracker.errors import Refusal

from tests.tracker.examples import SWARM, as_bytes, peer, wire_announce

IDS = st.text(st.characters(max_codepoint=0xFF), min_size=20, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def relay_of(message: Announce) -> list[dict[str, Any]]:
    return [
        json.loads(encode(OfferRelay(message.info_hash, "p" * 20, offer.offer_id, offer.offer)))
        for offer in message.offers
    ]


@given(info_hash=IDS, peer_id=IDS, offer_id=IDS, sdp=TEXTS, is_ascii=st.booleans())
def test_offers_of_any_code_points_are_relayed_unchanged(
    info_hash: str, peer_id: str, offer_id: str, sdp: str, is_ascii: bool
) -> None:
    offer = {"type": "offer", "sdp": sdp}
    sent = {"action": "announce", "info_hash": info_hash, "peer_id": peer_id}
    data = json.dumps({**sent, "offers": [{"offer": offer, "offer_id": offer_id}]}, ensure_ascii=is_ascii).encode()
    message = decode(data)
    assert isinstance(message, Announce)
    assert (message.info_hash, message.peer_id) == (info_hash, peer_id)
    assert relay_of(message) == [
        {"action": "announce", "info_hash": info_hash, "peer_id": "p" * 20, "offer_id": offer_id, "offer": offer}
    ]


@given(info_hash=IDS, peer_id=IDS, to=IDS, offer_id=IDS, sdp=TEXTS)
def test_answers_are_relayed_unchanged(info_hash: str, peer_id: str, to: str, offer_id: str, sdp: str) -> None:
    answer = {"type": "answer", "sdp": sdp}
    fields = {"action": "announce", "info_hash": info_hash, "peer_id": peer_id, "offer_id": offer_id, "answer": answer}
    message = decode(as_bytes({**fields, "to_peer_id": to, "trackerid": None}))
    assert isinstance(message, Answer)
    assert (message.peer_id, message.to_peer_id) == (peer_id, to)
    relay = encode(AnswerRelay(message.info_hash, message.peer_id, message.offer_id, message.answer))
    assert json.loads(relay) == fields


def test_a_session_description_is_relayed_byte_for_byte() -> None:
    offer = b'{ "sdp" : "v=0\\r\\n\\u2028\xe2\x80\xa8\\/\\"" ,"type":"offer", "x":[1e3, null]}'
    head = b'{"action":"announce","info_hash":"%b","peer_id":"%b",' % (SWARM.encode(), peer(1).encode())
    message = decode(head + b'"offers":[{"offer_id":"\\u0001\xc3\xbf-id","offer":' + offer + b"}]}")
    assert isinstance(message, Announce)
    (item,) = message.offers
    assert encode(OfferRelay(SWARM, peer(1), item.offer_id, item.offer)) == (
        head + b'"offer_id":"\\u0001\xc3\xbf-id","offer":' + offer + b"}"
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("", 0, 0, None)),
        ({"event": None}, ("", 0, 0, None)),
        ({"event": "paused", "offers": None}, ("paused", 0, 0, None)),
        ({"event": "started", "left": 0}, ("started", 0, 0, 0)),
        ({"left": 5.0, "numwant": 3.0}, ("", 0, 3, 5)),
        ({"left": None, "numwant": None}, ("", 0, None, None)),
        ({"left": -1, "numwant": "5"}, ("", 0, None, -1)),
        ({"left": True, "numwant": 2.5}, ("", 0, None, None)),
        ({"left": 2**63, "uploaded": "many", "corrupt": {}}, ("", 0, 0, 2**63)),
        ({"offers": {}}, ("", 0, 0, None)),
        ({"offers": [{"fake_offer": 1}]}, ("", 0, 0, None)),
        ({"offers": [None, 5, "x", [], {"offer": {}, "offer_id": "x"}]}, ("", 1, 0, None)),
        ({"offers": [{"offer": None, "offer_id": "x"}, {"offer": {}, "offer_id": 5}]}, ("", 0, 0, None)),
        ({"offers": [{"offer": None, "offer_id": "x"}, {"offer": {}, "offer_id": "x"}]}, ("", 1, 0, None)),
        ({"answer": None, "to_peer_id": None}, ("", 0, 0, None)),
        ({"to_peer_id": 5}, ("", 0, 0, None)),
    ],
)
def test_announces_of_all_known_clients_are_decoded(
    fields: dict[str, Any], expected: tuple[str, int, int | None, int | None]
) -> None:
    message = decode(as_bytes(wire_announce(1, **fields)))
    assert isinstance(message, Announce)
    assert (message.event, len(message.offers), message.numwant, message.left) == expected


@pytest.mark.parametrize(
    ("fields", "action", "info_hash", "reason"),
    [
        ({"info_hash": "short"}, "announce", "short", "info_hash"),
        ({"info_hash": "ā" * 20}, "announce", "ā" * 20, "info_hash"),
        ({"info_hash": "x" * 9999}, "announce", "x" * 64, "info_hash"),
        ({"info_hash": 5}, "announce", None, "info_hash"),
        ({"info_hash": [SWARM]}, "announce", None, "info_hash"),
        ({"info_hash": None}, "announce", None, "info_hash"),
        ({"peer_id": "x" * 21}, "announce", SWARM, "peer_id"),
        ({"peer_id": None}, "announce", SWARM, "peer_id"),
        ({"peer_id": 5}, "announce", SWARM, "peer_id"),
        ({"event": "exploded"}, "announce", SWARM, "event 'exploded'"),
        ({"event": 5}, "announce", SWARM, "event 5"),
        ({"action": "dance"}, "announce", SWARM, "action 'dance'"),
        ({"action": None}, "announce", SWARM, "action"),
        ({"answer": {}, "offer_id": "x"}, "announce", SWARM, "to_peer_id"),
        ({"answer": {}, "to_peer_id": peer(2)}, "announce", SWARM, "offer_id"),
        ({"answer": {}, "to_peer_id": peer(2), "offer_id": 5}, "announce", SWARM, "offer_id"),
        ({"action": "signal", "to_peer_id": peer(2)}, "signal", SWARM, "no signal"),
        ({"action": "signal", "signal": {}}, "signal", SWARM, "to_peer_id"),
        ({"action": "signal", "signal": {}, "peer_id": "x"}, "signal", SWARM, "peer_id"),
        ({"action": "peers", "info_hash": "x"}, "peers", "x", "info_hash"),
        ({"action": "scrape", "info_hash": "x"}, "scrape", "x", "info_hash"),
        ({"action": "scrape", "info_hash": {}}, "scrape", None, "info_hash"),
        ({"action": "scrape", "info_hash": ["x", 5]}, "scrape", "x", "info_hash"),
    ],
)
def test_refusals_carry_action_and_info_hash_of_the_reply(
    fields: dict[str, Any], action: str, info_hash: str | None, reason: str
) -> None:
    with pytest.raises(Refusal) as caught:
        decode(as_bytes({**wire_announce(1), **fields}))
    refusal = caught.value
    assert (refusal.action, refusal.info_hash, refusal.close_code) == (action, info_hash, 1008)
    assert reason in refusal.reason


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 1008),
        (b"null", 1008),
        (b"[]", 1008),
        (b"5", 1008),
        (b'"announce"', 1008),
        (b"{}", 1008),
        (b"{", 1008),
        (b'{"action":"announce"} x', 1008),
        (b'{"action":"announce","x":"\xff"}', 1007),
        (b'{"action":"\\ud800"}', 1008),
        (b'{"action":"announce","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 1008),
        (b"[" * 100_000, 1008),
        (b'{"action":"announce","offers":' + b"[" * 100_000, 1008),
    ],
)
def test_data_that_is_not_a_message_closes_the_connection(data: bytes, code: int) -> None:
    with pytest.raises(Refusal) as caught:
        decode(data)
    assert caught.value.info_hash is None
    assert caught.value.close_code == code


FIELDS = ["action", "info_hash", "peer_id", "offers", "event", "answer", "to_peer_id", "offer_id", "numwant", "left"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["announce", "scrape", SWARM]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["offer", "offer_id", "x"]), inner),
    max_leaves=6,
)
MESSAGES = st.dictionaries(st.sampled_from(FIELDS), VALUES).map(lambda message: json.dumps(message).encode())


@given(st.binary() | MESSAGES)
def test_arbitrary_data_is_decoded_or_refused(data: bytes) -> None:
    with suppress(Refusal):
        decode(data)


@pytest.mark.parametrize(
    ("scrape_fields", "expected"),
    [
        ({}, None),
        ({"info_hash": SWARM}, (SWARM,)),
        ({"info_hash": [SWARM, SWARM]}, (SWARM, SWARM)),
        ({"info_hash": []}, ()),
    ],
)
def test_a_scrape_names_no_swarm_one_or_several(
    scrape_fields: dict[str, Any], expected: tuple[str, ...] | None
) -> None:
    assert decode(as_bytes({"action": "scrape", **scrape_fields})) == Scrape(expected)


@given(info_hash=IDS, peer_id=IDS, to=IDS, signal=TEXTS)
def test_messages_of_the_extensions_are_relayed_unchanged(info_hash: str, peer_id: str, to: str, signal: str) -> None:
    fields = {"action": "signal", "info_hash": info_hash, "peer_id": peer_id, "signal": {"candidate": signal}}
    message = decode(as_bytes({**fields, "to_peer_id": to}))
    assert isinstance(message, Signal)
    assert message.to_peer_id == to
    assert json.loads(encode(SignalRelay(message.info_hash, message.peer_id, message.signal))) == fields
    scrape_fields = {"action": "peers", "info_hash": info_hash, "peer_id": peer_id}
    assert decode(as_bytes(scrape_fields)) == PeersRequest(info_hash, peer_id)
    assert json.loads(encode(PeersReply(info_hash, [(to, True)]))) == {
        "action": "peers",
        "info_hash": info_hash,
        "peers": [{"peer_id": to, "complete": True}],
    }


@pytest.mark.parametrize(
    ("accepts", "expected"), [(["signal"], True), ([], False), ("signal", False), (None, False), ({}, False)]
)
def test_an_announce_says_whether_it_accepts_signals(accepts: object, expected: bool) -> None:
    message = decode(as_bytes(wire_announce(1, accepts=accepts)))
    assert isinstance(message, Announce)
    assert message.accepts_signals is expected


@given(info_hash=IDS, numbers=st.tuples(*[st.integers(0, 2**40)] * 3))
def test_replies_have_the_fields_that_clients_read(info_hash: str, numbers: tuple[int, int, int]) -> None:
    a, b, c = numbers
    assert json.loads(encode(AnnounceReply(info_hash, a, b, c))) == {
        "action": "announce",
        "info_hash": info_hash,
        "interval": a,
        "complete": b,
        "incomplete": c,
    }
    assert json.loads(encode(ScrapeReply({info_hash: ScrapeEntry(a, b, c)}))) == {
        "action": "scrape",
        "files": {info_hash: {"complete": a, "incomplete": b, "downloaded": c}},
    }
    assert json.loads(encode(Failure("scrape", info_hash, "no"))) == {
        "action": "scrape",
        "info_hash": info_hash,
        "failure reason": "no",
    }
