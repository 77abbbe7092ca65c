"""What a viewer and a WebTorrent tracker say to each other, as bittorrent-tracker 11.2 does it in browsers.

Text frames with one JSON object each. Twenty-byte ids are strings of twenty characters below U+0100, one per byte.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

__all__ = [
    "DEFAULT_ANNOUNCE_INTERVAL",
    "GATHERING_TIMEOUT",
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
"""Seconds between announces until a reply says otherwise."""
OFFER_TIMEOUT: Final = 50.0
"""Seconds until an offer without answer is dropped."""
GATHERING_TIMEOUT: Final = 5.0
"""Seconds that ICE gathering may take; then the offer goes out with what there is."""

_NUMWANT_WITHOUT_OFFERS: Final = 50
_RECONNECT_LEAST: Final = 10.0
_RECONNECT_MOST: Final = 3600.0
_RECONNECT_SPREAD: Final = 300.0
_ID_SIZE: Final = 20

AnnounceEvent = Literal["started", "stopped", "completed"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A connection that waits for someone to answer."""

    offer_id: str
    sdp: str


@dataclass(frozen=True, slots=True)
class TrackerWarned:
    """The tracker complained, or said what cannot be understood; nothing else changes."""

    text: str
    is_failure: bool = False


@dataclass(frozen=True, slots=True)
class IntervalChanged:
    """Announce every so many seconds, counted from now."""

    interval: float


@dataclass(frozen=True, slots=True)
class TrackerIdGiven:
    """Goes into every later message."""

    tracker_id: str


@dataclass(frozen=True, slots=True)
class SwarmCounted:
    """How many have the whole content, and how many do not."""

    complete: int
    incomplete: int


@dataclass(frozen=True, slots=True)
class OfferReceived:
    """Another peer wants to connect."""

    peer_id: str
    offer_id: str
    sdp: str


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """Another peer took up an offer."""

    peer_id: str
    offer_id: str
    sdp: str


@dataclass(frozen=True, slots=True)
class ConnectionBroken:
    """The client must close the socket and come back after `reconnect_delay`."""

    reason: str


TrackerEvent = (
    TrackerWarned | IntervalChanged | TrackerIdGiven | SwarmCounted | OfferReceived | AnswerReceived | ConnectionBroken
)


def new_offer_id(rng: np.random.Generator) -> str:
    """Draw twenty random bytes in the form they have on the wire."""
    return rng.bytes(_ID_SIZE).decode("latin-1")


def encode_announce(
    info_hash: str,
    peer_id: str,
    offers: Sequence[Offer] = (),
    *,
    event: AnnounceEvent | None = None,
    tracker_id: str | None = None,
) -> str:
    """Write an announce: with "started" the first time, without event later; a leaving viewer offers nothing."""
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
    """Write the answer to another peer's offer."""
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
    """Read what the tracker sent, as the member `peer_id` of one swarm understands it, in the order to act.

    A message for another swarm or from ourselves means nothing. One that is no JSON is only a warning; one without a
    known action breaks the connection.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return (TrackerWarned("the tracker's message is no JSON"),)
    if not isinstance(message, dict) or message.get("action") not in ("announce", "scrape"):
        return (ConnectionBroken(f"the tracker's message has no known action: {text[:80]}"),)
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
        return TrackerWarned(f"{name} without description, peer or offer id")
    return kind(peer_id, offer_id, sdp)


def reconnect_delay(retries: int, rng: np.random.Generator) -> float:
    """Seconds to wait after a lost connection; `retries` counts attempts since the last success, from 0.

    The spread of five minutes is there even for the first attempt.
    """
    backoff = min(_RECONNECT_LEAST * 2.0 ** min(retries, 20), _RECONNECT_MOST)
    return float(rng.uniform(0.0, _RECONNECT_SPREAD)) + backoff


@dataclass(frozen=True, slots=True)
class AnnounceTimer:
    """When the next announce without event is due: started with the first announce, set anew by every reply."""

    interval: float = DEFAULT_ANNOUNCE_INTERVAL
    due_at: float | None = None
    """None: not running. A lost connection stops it, and only a reply starts it again."""

    def started(self, now: float) -> "AnnounceTimer":
        """Begin with the default interval."""
        return self.replied(now, DEFAULT_ANNOUNCE_INTERVAL)

    def replied(self, now: float, interval: float) -> "AnnounceTimer":
        """Count the interval that a reply names from now, even if it is the old one."""
        return AnnounceTimer(interval, now + interval)

    def fired(self) -> "AnnounceTimer":
        """Go on to the next round; rounds do not drift."""
        return AnnounceTimer(self.interval, None if self.due_at is None else self.due_at + self.interval)

    def disconnected(self) -> "AnnounceTimer":
        """Stop."""
        return AnnounceTimer(self.interval)


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def _json(message: Mapping[str, object]) -> str:
    """Write JSON as browsers do: no spaces, no escapes beyond those that JSON demands."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
