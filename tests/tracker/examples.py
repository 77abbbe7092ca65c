"""Messages and peers that the tests of the tracker share."""

import json
import random

from p2p_tracker.config.options import TrackerOptions
from p2p_tracker.core.events import Observer
from p2p_tracker.core.protocol import Announce, Answer, Offer
from p2p_tracker.core.tracker import Tracker

SWARM = "swarm-aaaaaaaaaaaaaa"
OTHER_SWARM = "swarm-bbbbbbbbbbbbbb"


def peer(number: int) -> str:
    return f"-PM0203-{number:012d}"


def offers(count: int, by: int = 0) -> list[Offer]:
    return [Offer(f"offer {by}.{i}", f"id {by}.{i}") for i in range(count)]


def announce(number: int, swarm: str = SWARM, **fields) -> Announce:
    return Announce(swarm, peer(number), **fields)


def answer(number: int, to: int, swarm: str = SWARM) -> Answer:
    return Answer(swarm, peer(number), peer(to), "an id", "an answer")


class Recorder(Observer):
    """Keeps every event as a tuple."""

    def __init__(self):
        self.events = []

    def __getattribute__(self, name):
        if callable(vars(Observer).get(name)) and not name.startswith("_"):
            return lambda *arguments: self.events.append((name, *arguments))
        return super().__getattribute__(name)


def new_tracker(observer: Observer | None = None, **options) -> Tracker:
    options.setdefault("interval_jitter", 0.0)
    return Tracker(TrackerOptions(**options), random.Random(7), observer)


def wire_announce(number: int, swarm: str = SWARM, count: int = 0, **fields) -> dict:
    """Write an announce as p2p-media-loader sends it."""
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


def answer_to(offer: dict, number: int) -> dict:
    """Write the answer of a peer to an offer as it was relayed."""
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
