"""Client side of the WebTorrent tracker protocol, as bittorrent-tracker 11.2 implements it in browsers.

Each text frame contains one JSON object. Ids of 20 bytes are strings of 20 characters below U+0100, one per byte.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

__all__ = [
    "DEFAULT_ANNOUNCE_INTERVAL",
    "OFFER_TIMEOUT",
    "AnnounceEvent",
    "AnnounceTimer",
    "AnswerReceived",
    "ConnectionBroken",
    "IntervalChanged",
    "Offer",
    "OfferReceived",
    "SwarmCounted",
    "TrackerEvent",
    "TrackerIdGiven",
    "TrackerWarned",
    "encode_announce",
    "encode_answer",
    "new_offer_id",
    "read_message",
    "reconnect_delay",
]

DEFAULT_ANNOUNCE_INTERVAL: Final = 30.0
"""Announce interval in seconds until a reply states one."""
OFFER_TIMEOUT: Final = 50.0
"""Seconds after which an offer without an answer is discarded."""

_NUMWANT_WITHOUT_OFFERS: Final = 50
_RECONNECT_LEAST: Final = 10.0
_RECONNECT_MOST: Final = 3600.0
_RECONNECT_SPREAD: Final = 300.0
_ID_SIZE: Final = 20

AnnounceEvent = Literal["started", "stopped", "completed"]


@dataclass(frozen=True, slots=True)
class Offer:
    """WebRTC offer that an announce carries."""

    offer_id: str
    sdp: str


@dataclass(frozen=True, slots=True)
class TrackerWarned:
    """Warning or failure from the tracker, or a message that is malformed; it has no other effect."""

    text: str
    is_failure: bool = False


@dataclass(frozen=True, slots=True)
class IntervalChanged:
    """New announce interval in seconds, counted from the reply."""

    interval: float


@dataclass(frozen=True, slots=True)
class TrackerIdGiven:
    """Tracker id, which every later message must repeat."""

    tracker_id: str


@dataclass(frozen=True, slots=True)
class SwarmCounted:
    """Numbers of peers with and without the complete stream."""

    complete: int
    incomplete: int


@dataclass(frozen=True, slots=True)
class OfferReceived:
    """Offer of another peer."""

    peer_id: str
    offer_id: str
    sdp: str


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """Answer of another peer to an offer."""

    peer_id: str
    offer_id: str
    sdp: str


@dataclass(frozen=True, slots=True)
class ConnectionBroken:
    """Violation of the protocol: the client must close the socket and reconnect after `reconnect_delay`."""

    reason: str


TrackerEvent = (
    TrackerWarned | IntervalChanged | TrackerIdGiven | SwarmCounted | OfferReceived | AnswerReceived | ConnectionBroken
)


def new_offer_id(rng: np.random.Generator) -> str:
    """Return a random offer id of 20 bytes in its wire form."""
    return rng.bytes(_ID_SIZE).decode("latin-1")


def encode_announce(
    info_hash: str,
    peer_id: str,
    offers: Sequence[Offer] = (),
    *,
    event: AnnounceEvent | None = None,
    tracker_id: str | None = None,
) -> str:
    """Return an announce in JSON.

    The first announce has the event ``started`` and later ones have none. An announce with ``stopped`` or ``completed``
    carries no offers.
    """
    is_offering = event not in ("stopped", "completed")
    message: dict[str, object] = {
        "numwant": len(offers) if is_offering else _NUMWANT_WITHOUT_OFFERS,
        "uploaded": 0,
        "downloaded": 0,
    }
    if event is not None:
        message["event"] = event
    message |= {"action": "announce", "info_hash": info_hash, "peer_id": peer_id}
    if tracker_id is not None:
        message["trackerid"] = tracker_id
    if is_offering:
        message["offers"] = [
            {"offer": {"type": "offer", "sdp": offer.sdp}, "offer_id": offer.offer_id} for offer in offers
        ]
    return _json(message)


def encode_answer(
    info_hash: str, peer_id: str, to_peer_id: str, offer_id: str, sdp: str, *, tracker_id: str | None = None
) -> str:
    """Return the answer to another peer's offer in JSON."""
    message: dict[str, object] = {
        "action": "announce",
        "info_hash": info_hash,
        "peer_id": peer_id,
        "to_peer_id": to_peer_id,
        "answer": {"type": "answer", "sdp": sdp},
        "offer_id": offer_id,
    }
    if tracker_id is not None:
        message["trackerid"] = tracker_id
    return _json(message)


def read_message(text: str, info_hash: str, peer_id: str) -> tuple[TrackerEvent, ...]:
    """Return the events that a tracker's message means for the peer `peer_id` of one swarm, in order.

    A message of another swarm, or from the peer itself, means none. A message that is not JSON causes a warning, and
    one without a known action ends the connection.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return (TrackerWarned("the tracker sent a message that is not JSON"),)
    if not isinstance(message, dict) or message.get("action") not in ("announce", "scrape"):
        return (ConnectionBroken(f"the tracker sent a message without a known action: {text[:80]}"),)
    if message["action"] == "scrape" or message.get("info_hash") != info_hash or message.get("peer_id") == peer_id:
        return ()
    if failure := message.get("failure reason"):
        return (TrackerWarned(str(failure), is_failure=True),)
    return tuple(_announce_events(message))


def _announce_events(message: Mapping[str, object]) -> list[TrackerEvent]:
    events: list[TrackerEvent] = []
    if warning := message.get("warning message"):
        events.append(TrackerWarned(str(warning)))
    interval = message.get("interval") or message.get("min interval")
    if isinstance(interval, int | float) and interval is not True and math.isfinite(interval) and interval > 0:
        events.append(IntervalChanged(float(interval)))
    if tracker_id := message.get("tracker id"):
        events.append(TrackerIdGiven(str(tracker_id)))
    if message.get("complete") is not None:
        events.append(SwarmCounted(_count(message["complete"]), _count(message.get("incomplete"))))
    for name, kind in (("offer", OfferReceived), ("answer", AnswerReceived)):
        if message.get(name) and message.get("peer_id"):
            events.append(_description(message, name, kind))
    return events


def _description(
    message: Mapping[str, object], name: str, kind: type[OfferReceived] | type[AnswerReceived]
) -> TrackerEvent:
    description, peer_id, offer_id = message[name], message["peer_id"], message.get("offer_id")
    sdp = description.get("sdp") if isinstance(description, dict) else None
    if not (isinstance(sdp, str) and isinstance(peer_id, str) and isinstance(offer_id, str)):
        return TrackerWarned(f"the tracker relayed an {name} without session description, peer id or offer id")
    return kind(peer_id, offer_id, sdp)


def reconnect_delay(retries: int, rng: np.random.Generator) -> float:
    """Return the seconds to wait before reconnecting; `retries` is the number of attempts since the last success.

    Even the first delay has a random part of up to five minutes.
    """
    backoff = min(_RECONNECT_LEAST * 2.0 ** min(retries, 20), _RECONNECT_MOST)
    return float(rng.uniform(0.0, _RECONNECT_SPREAD)) + backoff


@dataclass(frozen=True, slots=True)
class AnnounceTimer:
    """Timer of the announces without event: started by the first announce, and restarted by each reply."""

    interval: float = DEFAULT_ANNOUNCE_INTERVAL
    due_at: float | None = None
    """Time of the next announce; None if the timer is stopped: by a lost connection, until the next reply."""

    def started(self, now: float) -> "AnnounceTimer":
        """Return the timer after the first announce, with the default interval."""
        return self.replied(now, DEFAULT_ANNOUNCE_INTERVAL)

    def replied(self, now: float, interval: float) -> "AnnounceTimer":
        """Return the timer after a reply, whose interval is counted from now even if it is unchanged."""
        return AnnounceTimer(interval, now + interval)

    def fired(self) -> "AnnounceTimer":
        """Return the timer after it has fired; the next time is counted from the previous one, so it does not drift."""
        return AnnounceTimer(self.interval, None if self.due_at is None else self.due_at + self.interval)

    def disconnected(self) -> "AnnounceTimer":
        """Return the stopped timer."""
        return AnnounceTimer(self.interval)


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def _json(message: Mapping[str, object]) -> str:
    """Return JSON as browsers write it: without spaces, and with only the escapes that JSON requires."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
