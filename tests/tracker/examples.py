"""Messages, peers and trackers that several tests of the tracker use."""

import json
import random
from collections.abc import Callable
from typing import Any

from p2p_tracker.config.options import TrackerOptions
from p2p_tracker.core.events import Observer
from p2p_tracker.core.protocol import Announce, Answer, Offer
from p2p_tracker.core.swarm import Membership
from p2p_tracker.core.tracker import Tracker

SWARM = "swarm-aaaaaaaaaaaaaa"
OTHER_SWARM = "swarm-bbbbbbbbbbbbbb"


def peer(number: int) -> str:
    """Return the peer id of a numbered peer."""
    return f"-PM0203-{number:012d}"


def offers(count: int, by: int = 0) -> list[Offer]:
    return [Offer(f"offer {by}.{i}", f"id {by}.{i}") for i in range(count)]


def announce(number: int, swarm: str = SWARM, **fields: Any) -> Announce:
    return Announce(swarm, peer(number), **fields)


def answer(number: int, to: int, swarm: str = SWARM) -> Answer:
    return Answer(swarm, peer(number), peer(to), "an id", "an answer")


class Recorder(Observer):
    """Observer that keeps every event as a tuple of its name and arguments."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if callable(vars(Observer).get(name)) and not name.startswith("_"):
            record: Callable[..., None] = lambda *arguments: self.events.append((name, *arguments))  # noqa: E731
            return record
        return super().__getattribute__(name)

    @property
    def names(self) -> list[object]:
        """Names of the events, in order."""
        return [name for name, *_ in self.events]


def new_tracker(observer: Observer | None = None, **options: Any) -> Tracker[object]:
    """Return a tracker whose interval does not vary unless `options` says so."""
    options.setdefault("interval_jitter", 0.0)
    return Tracker(TrackerOptions(**options), random.Random(7), observer)


def memberships(tracker: Tracker[object], connection: object) -> list[Membership[object]]:
    """Return the memberships of a connection; none if the tracker does not know it."""
    client = tracker._clients.get(connection)
    return [] if client is None else client.memberships()


def wire_announce(number: int, swarm: str = SWARM, count: int = 0, **fields: Any) -> dict[str, Any]:
    """Return an announce with `count` offers in the form that p2p-media-loader sends."""
    items = [
        {"offer": {"type": "offer", "sdp": f"v=0\r\no={number}.{i}\u2028\r\n"}, "offer_id": f"{number:010d}{i:010d}"}
        for i in range(count)
    ]
    return {
        "numwant": count,
        "uploaded": 0,
        "downloaded": 0,
        "action": "announce",
        "info_hash": swarm,
        "peer_id": peer(number),
        "offers": items,
        **fields,
    }


def answer_to(offer: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a peer's answer to a relayed offer."""
    return {
        "action": "announce",
        "info_hash": offer["info_hash"],
        "peer_id": peer(number),
        "to_peer_id": offer["peer_id"],
        "answer": {"type": "answer", "sdp": f"v=0\r\na={number}\u2028\r\n"},
        "offer_id": offer["offer_id"],
    }


def as_bytes(message: object) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()
