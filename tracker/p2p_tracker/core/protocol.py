"""The messages of the WebTorrent tracker protocol.

There is no official specification; what bittorrent-tracker does is the protocol. Rules that hold here:

* Identifiers are strings of exactly 20 code points up to U+00FF, one per byte.
* Offers, answers and offer ids are opaque: bytes of JSON in a server (`json_codec`), any handle in a simulation.
* Two actions are extensions: ``peers`` lists a swarm, and ``signal`` brings anything to one peer. A standard client
  would destroy its socket at an action it does not know, so signals go only to peers that announced with
  ``"accepts": ["signal"]`` or used an extension themselves.
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
"""Events that a client may name; all but the last four of the wire mean a plain announce."""

Opaque: TypeAlias = Any
"""What only the two peers understand: bytes of JSON in a server, any handle in a simulation."""


class Offer(Struct, frozen=True, gc=False):
    """An offer of a connection, good for one receiver; both fields are opaque."""

    offer: Opaque
    offer_id: Opaque


@final
class Announce(Struct, frozen=True, gc=False):
    """A peer is in a swarm (or leaves it), and offers connections to others."""

    info_hash: str
    peer_id: str
    event: str = ""
    offers: Sequence[Offer] = ()
    numwant: int | None = None
    left: int | None = None
    accepts_signals: bool = False


@final
class Answer(Struct, frozen=True, gc=False):
    """A peer accepts an offer of `to_peer_id`."""

    info_hash: str
    peer_id: str
    to_peer_id: str
    offer_id: Opaque
    answer: Opaque


class Scrape(Struct, frozen=True, gc=False):
    """A question for the counts of some swarms, or of all (`None`)."""

    info_hashes: tuple[str, ...] | None = None


class Signal(Struct, frozen=True, gc=False):
    """Anything for one other peer, such as a candidate found late; an extension."""

    info_hash: str
    peer_id: str
    to_peer_id: str
    signal: Opaque


class PeersRequest(Struct, frozen=True, gc=False):
    """A question for who is in a swarm; an extension."""

    info_hash: str
    peer_id: str


Incoming: TypeAlias = Announce | Answer | Scrape | Signal | PeersRequest


_ACTIONS: dict[type, str] = {Scrape: "scrape", Signal: "signal", PeersRequest: "peers"}


@final
class AnnounceReply(Struct, frozen=True, gc=False):
    """What an announcing peer learns: when to announce again (seconds), and how many are there."""

    info_hash: str
    interval: int
    complete: int
    incomplete: int


@final
class OfferRelay(Struct, frozen=True, gc=False):
    """An offer on its way to a receiver; `peer_id` is who offers."""

    info_hash: str
    peer_id: str
    offer_id: Opaque
    offer: Opaque


@final
class AnswerRelay(Struct, frozen=True, gc=False):
    """An answer on its way to who offered; `peer_id` is who answers."""

    info_hash: str
    peer_id: str
    offer_id: Opaque
    answer: Opaque


class ScrapeEntry(Struct, frozen=True, gc=False):
    """The counts of one swarm."""

    complete: int
    incomplete: int
    downloaded: int


class ScrapeReply(Struct, frozen=True):
    """The counts of the swarms asked for, by info hash."""

    files: dict[str, ScrapeEntry]


class Failure(Struct, frozen=True, gc=False):
    """A refusal in a form that every client understands."""

    action: str
    info_hash: str
    reason: str


class SignalRelay(Struct, frozen=True, gc=False):
    """A signal on its way; `peer_id` is who sent it."""

    info_hash: str
    peer_id: str
    signal: Opaque


class PeersReply(Struct, frozen=True):
    """Who is in a swarm, as pairs of peer id and whether it has all of the stream."""

    info_hash: str
    peers: list[tuple[str, bool]]


Outgoing: TypeAlias = AnnounceReply | OfferRelay | AnswerRelay | ScrapeReply | SignalRelay | PeersReply | Failure


def is_id(text: object) -> TypeGuard[str]:
    """Tell whether `text` can stand for 20 bytes."""
    return type(text) is str and len(text) == ID_LENGTH and (text.isascii() or max(text) <= "\xff")


def action_of(message: Incoming) -> str:
    """Name the action that a reply to a message must carry."""
    return _ACTIONS.get(type(message), "announce")
