"""The messages of the WebTorrent tracker protocol.

There is no official specification; the reference is the implementation bittorrent-tracker. Rules that hold here:

* Identifiers are strings of exactly 20 code points up to U+00FF, one per byte.
* Offers, answers and offer ids are opaque: JSON bytes in a server (`json_codec`), any object in a simulation.
* Two actions are extensions: ``peers`` lists the peers of a swarm, and ``signal`` relays any JSON value to one peer. A
  standard client destroys its socket when it receives an unknown action, so signals are relayed only to peers that
  announced with ``"accepts": ["signal"]`` or have used an extension themselves.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeGuard, final

from msgspec import Struct

__all__ = [
    "EVENTS",
    "ID_LENGTH",
    "Announce",
    "AnnounceReply",
    "Answer",
    "AnswerRelay",
    "Failure",
    "Incoming",
    "Offer",
    "OfferRelay",
    "Opaque",
    "Outgoing",
    "PeersReply",
    "PeersRequest",
    "Scrape",
    "ScrapeEntry",
    "ScrapeReply",
    "Signal",
    "SignalRelay",
    "action_of",
    "is_id",
]

ID_LENGTH = 20

EVENTS = frozenset({"", "empty", "update", "started", "completed", "stopped", "paused"})
"""Events accepted in an announce; those other than ``completed`` and ``stopped`` have no effect of their own."""

Opaque: TypeAlias = Any
"""Data that only the two peers interpret: JSON bytes in a server, any object in a simulation."""


class Offer(Struct, frozen=True, gc=False):
    """WebRTC offer, for one receiver; both fields are opaque."""

    offer: Opaque
    offer_id: Opaque


@final
class Announce(Struct, frozen=True, gc=False):
    """Announce: a peer joins a swarm, stays in it or leaves it, and brings offers for other peers."""

    info_hash: str
    peer_id: str
    event: str = ""
    offers: Sequence[Offer] = ()
    numwant: int | None = None
    left: int | None = None
    accepts_signals: bool = False


@final
class Answer(Struct, frozen=True, gc=False):
    """Answer to an offer of the peer `to_peer_id`."""

    info_hash: str
    peer_id: str
    to_peer_id: str
    offer_id: Opaque
    answer: Opaque


class Scrape(Struct, frozen=True, gc=False):
    """Request for the counts of some swarms, or of all (`None`)."""

    info_hashes: tuple[str, ...] | None = None


class Signal(Struct, frozen=True, gc=False):
    """Opaque data for one other peer, such as a late ICE candidate (an extension)."""

    info_hash: str
    peer_id: str
    to_peer_id: str
    signal: Opaque


class PeersRequest(Struct, frozen=True, gc=False):
    """Request for the peers of a swarm (an extension)."""

    info_hash: str
    peer_id: str


Incoming: TypeAlias = Announce | Answer | Scrape | Signal | PeersRequest


_ACTIONS: dict[type, str] = {Scrape: "scrape", Signal: "signal", PeersRequest: "peers"}


@final
class AnnounceReply(Struct, frozen=True, gc=False):
    """Reply to an announce: the announce interval in seconds, and the counts of the swarm."""

    info_hash: str
    interval: int
    complete: int
    incomplete: int


@final
class OfferRelay(Struct, frozen=True, gc=False):
    """Relayed offer of the peer `peer_id`."""

    info_hash: str
    peer_id: str
    offer_id: Opaque
    offer: Opaque


@final
class AnswerRelay(Struct, frozen=True, gc=False):
    """Relayed answer of the peer `peer_id`."""

    info_hash: str
    peer_id: str
    offer_id: Opaque
    answer: Opaque


class ScrapeEntry(Struct, frozen=True, gc=False):
    """Counts of one swarm."""

    complete: int
    incomplete: int
    downloaded: int


class ScrapeReply(Struct, frozen=True):
    """Reply to a scrape: counts by info hash."""

    files: dict[str, ScrapeEntry]


class Failure(Struct, frozen=True, gc=False):
    """Reply to a message that is refused, in the form that every client understands."""

    action: str
    info_hash: str
    reason: str


class SignalRelay(Struct, frozen=True, gc=False):
    """Relayed signal of the peer `peer_id`."""

    info_hash: str
    peer_id: str
    signal: Opaque


class PeersReply(Struct, frozen=True):
    """Reply to a `PeersRequest`: pairs of a peer id and whether that peer has the complete stream."""

    info_hash: str
    peers: list[tuple[str, bool]]


Outgoing: TypeAlias = AnnounceReply | OfferRelay | AnswerRelay | ScrapeReply | SignalRelay | PeersReply | Failure


def is_id(text: object) -> TypeGuard[str]:
    """Return whether `text` is an identifier: 20 code points up to U+00FF."""
    return type(text) is str and len(text) == ID_LENGTH and (text.isascii() or max(text) <= "\xff")


def action_of(message: Incoming) -> str:
    """Return the action that the reply to a message must carry."""
    return _ACTIONS.get(type(message), "announce")
