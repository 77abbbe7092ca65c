"""JSON form of the messages.

* Opaque parts are `msgspec.Raw` views of the received bytes, which `encode` splices into the relayed message, so a
  session description is relayed byte for byte.
* A message that cannot be served raises `Refusal`, with the `action` and `info_hash` that the reply needs: a client
  destroys its socket when a message lacks `action`, and throws when a failure lacks `info_hash`.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from p2p_tracker.core.protocol import (
    EVENTS,
    Announce,
    AnnounceReply,
    Answer,
    AnswerRelay,
    Incoming,
    Offer,
    OfferRelay,
    Outgoing,
    PeersReply,
    PeersRequest,
    Scrape,
    ScrapeReply,
    Signal,
    SignalRelay,
    is_id,
)
from p2p_tracker.errors import Refusal

__all__ = ["decode", "encode"]

_LONGEST_ECHO = 64  # code points of an invalid value that a failure repeats
_ID_RULE = "20 characters up to U+00FF are accepted"
_EVENT_RULE = "started, update, completed, stopped, paused and none are accepted"
_ACTION_RULE = "announce, scrape, signal and peers are accepted"
_OBJECT = ord("{")
_STRING = ord('"')
_ABSENT = Raw(b"")


class _WireOffer(Offer, frozen=True, gc=False):
    offer: Raw
    offer_id: Raw


class _WireMessage(Struct, gc=False):
    """Fields of all messages of a client, as they are on the wire."""

    action: str
    info_hash: str | list[str] | None = None
    peer_id: str | None = None
    offers: list[_WireOffer] | None = None
    numwant: Any = None
    left: Any = None
    event: str | None = None
    to_peer_id: str | None = None
    offer_id: Raw = _ABSENT
    answer: Raw = _ABSENT
    signal: Raw = _ABSENT
    accepts: Any = None


_decode_wire = msgspec.json.Decoder(_WireMessage).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
_decode_offer = msgspec.json.Decoder(_WireOffer).decode
_decode_any = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode


def decode(data: bytes) -> Incoming:
    """Return the message of a client that `data` holds.

    Raises
    ------
    Refusal
        When `data` is not a message, or not one that is served.
    """
    # msgspec does not check the UTF-8 inside Raw, and a browser closes its connection when it receives invalid UTF-8
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            raise Refusal("the message is not valid UTF-8", close_code=1007) from None
    try:
        wire = _decode_wire(data)
    except msgspec.ValidationError:
        wire = _decode_leniently(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise Refusal("the message is not valid JSON") from None
    if wire.action == "announce":
        info_hash, peer_id = wire.info_hash, wire.peer_id
        if not is_id(info_hash):
            raise Refusal(f"invalid info_hash: {_ID_RULE}", info_hash=_echo(info_hash))
        if not is_id(peer_id):
            raise Refusal(f"invalid peer_id: {_ID_RULE}", info_hash=info_hash)
        answer = wire.answer
        if answer is _ABSENT or memoryview(answer)[0] != _OBJECT:
            return _announce(wire, info_hash, peer_id)
        to_peer_id, offer_id = wire.to_peer_id, wire.offer_id
        if not is_id(to_peer_id):
            raise Refusal(f"invalid to_peer_id: {_ID_RULE}", info_hash=info_hash)
        if offer_id is _ABSENT or memoryview(offer_id)[0] != _STRING:
            raise Refusal("invalid offer_id: a string is accepted", info_hash=info_hash)
        return Answer(info_hash, peer_id, to_peer_id, offer_id, answer)
    if wire.action == "scrape":
        return _scrape(wire)
    if wire.action in ("signal", "peers"):
        return _extension(wire)
    raise Refusal(f"unknown action {_shortened(wire.action)}: {_ACTION_RULE}", info_hash=_echo(wire.info_hash))


def _announce(wire: _WireMessage, info_hash: str, peer_id: str) -> Announce:
    event = wire.event or ""
    if event not in EVENTS:
        raise Refusal(f"unknown event {_shortened(event)}: {_EVENT_RULE}", info_hash=info_hash)
    numwant, left, offers = wire.numwant, wire.left, wire.offers or ()
    for item in offers:
        # this loop is a fifth of the cost of an announce, so it does without a call of `_is_offer`
        if memoryview(item.offer)[0] != _OBJECT or memoryview(item.offer_id)[0] != _STRING:
            offers = [item for item in offers if _is_offer(item)]
            break
    return Announce(
        info_hash,
        peer_id,
        event,
        offers,
        numwant if type(numwant) is int else _integer(numwant),
        left if type(left) is int else _integer(left),
        wire.accepts is not None and isinstance(wire.accepts, list) and "signal" in wire.accepts,
    )


def _extension(wire: _WireMessage) -> Signal | PeersRequest:
    action, info_hash, peer_id, to_peer_id = wire.action, wire.info_hash, wire.peer_id, wire.to_peer_id
    if not is_id(info_hash):
        raise Refusal(f"invalid info_hash: {_ID_RULE}", action=action, info_hash=_echo(info_hash))
    if not is_id(peer_id):
        raise Refusal(f"invalid peer_id: {_ID_RULE}", action=action, info_hash=info_hash)
    if action == "peers":
        return PeersRequest(info_hash, peer_id)
    if not is_id(to_peer_id):
        raise Refusal(f"invalid to_peer_id: {_ID_RULE}", action=action, info_hash=info_hash)
    if wire.signal is _ABSENT:
        raise Refusal("the message has no signal", action=action, info_hash=info_hash)
    return Signal(info_hash, peer_id, to_peer_id, wire.signal)


def _scrape(wire: _WireMessage) -> Scrape:
    requested = wire.info_hash
    if requested is None:
        return Scrape()
    info_hashes = (requested,) if isinstance(requested, str) else tuple(requested)
    for info_hash in info_hashes:
        if not is_id(info_hash):
            raise Refusal(f"invalid info_hash: {_ID_RULE}", action="scrape", info_hash=_echo(info_hash))
    return Scrape(info_hashes)


def _is_offer(item: _WireOffer) -> bool:
    return memoryview(item.offer)[0] == _OBJECT and memoryview(item.offer_id)[0] == _STRING


def _integer(value: object) -> int | None:
    # some clients write 5.0 for 5; anything else that is not an integer counts as absent
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _decode_leniently(data: bytes) -> _WireMessage:
    """Decode a message in which a field has the wrong type, keeping the fields that can be used."""
    try:
        fields = _decode_fields(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise Refusal("the message is not a JSON object") from None
    action, info_hash = _decoded(fields, "action"), _decoded(fields, "info_hash")
    if not isinstance(action, str):
        raise Refusal(f"invalid action: {_ACTION_RULE}", info_hash=_echo(info_hash))
    peer_id, to_peer_id, event = (_decoded(fields, name) for name in ("peer_id", "to_peer_id", "event"))
    if event is not None and not isinstance(event, str):
        raise Refusal(f"unknown event {_shortened(event)}: {_EVENT_RULE}", info_hash=_echo(info_hash))
    if info_hash is not None and not isinstance(info_hash, str | list):
        raise Refusal(f"invalid info_hash: {_ID_RULE}", action=action if action == "scrape" else "announce")
    return _WireMessage(
        action=action,
        info_hash=info_hash,
        peer_id=peer_id if isinstance(peer_id, str) else None,
        to_peer_id=to_peer_id if isinstance(to_peer_id, str) else None,
        offers=_lenient_offers(fields.get("offers")),
        numwant=_decoded(fields, "numwant"),
        left=_decoded(fields, "left"),
        event=event,
        offer_id=fields.get("offer_id", _ABSENT),
        answer=fields.get("answer", _ABSENT),
        signal=fields.get("signal", _ABSENT),
        accepts=_decoded(fields, "accepts"),
    )


def _decoded(fields: dict[str, Raw], name: str) -> Any:
    raw = fields.get(name)
    try:
        return None if raw is None else _decode_any(raw)
    except (msgspec.DecodeError, RecursionError, ValueError):  # pragma: no cover - the whole message has been decoded
        return None


def _lenient_offers(raw: Raw | None) -> list[_WireOffer]:
    try:
        items = [] if raw is None else _decode_items(raw)
    except msgspec.DecodeError:
        return []
    offers = []
    for item in items:
        try:
            offers.append(_decode_offer(item))
        except msgspec.DecodeError:
            continue
    return offers


def _echo(info_hash: object) -> str | None:
    return info_hash[:_LONGEST_ECHO] if isinstance(info_hash, str) else None


def _shortened(value: object) -> str:
    return repr(value)[:_LONGEST_ECHO]


def _splice(message: OfferRelay | AnswerRelay, name: bytes, description: bytes) -> bytes:
    return b"".join(
        (
            b'{"action":"announce","info_hash":',
            _encode_json(message.info_hash),
            b',"peer_id":',
            _encode_json(message.peer_id),
            b',"offer_id":',
            message.offer_id,
            name,
            description,
            b"}",
        )
    )


def encode(message: Outgoing) -> bytes:
    """Return the JSON form of a message for a client; its opaque parts must be bytes-like JSON."""
    # most of the bytes that a tracker sends are session descriptions, which need not be parsed
    if type(message) is OfferRelay:
        return _splice(message, b',"offer":', message.offer)
    if type(message) is AnswerRelay:
        return _splice(message, b',"answer":', message.answer)
    if type(message) is AnnounceReply:
        return b'{"action":"announce","interval":%d,"info_hash":%b,"complete":%d,"incomplete":%d}' % (
            message.interval,
            _encode_json(message.info_hash),
            message.complete,
            message.incomplete,
        )
    if isinstance(message, ScrapeReply):
        return b'{"action":"scrape","files":%b}' % _encode_json(message.files)
    if isinstance(message, SignalRelay):
        return b'{"action":"signal","info_hash":%b,"peer_id":%b,"signal":%b}' % (
            _encode_json(message.info_hash),
            _encode_json(message.peer_id),
            message.signal,
        )
    if isinstance(message, PeersReply):
        peers = [{"peer_id": peer_id, "complete": is_complete} for peer_id, is_complete in message.peers]
        return _encode_json({"action": "peers", "info_hash": message.info_hash, "peers": peers})
    return _encode_json({"action": message.action, "info_hash": message.info_hash, "failure reason": message.reason})
