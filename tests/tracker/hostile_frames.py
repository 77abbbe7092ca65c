"""Messages and frames that violate the protocol."""

import json
import random

from websockets.frames import Frame, Opcode

from tests.tracker.examples import SWARM, peer, wire_announce

UPGRADE = (
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def text(payload: bytes) -> bytes:
    return Frame(Opcode.TEXT, payload).serialize(mask=True)


HOSTILE = {
    "null": b"null",
    "deep": b'{"action":"announce","offers":' + b"[" * 100_000,
    "deep objects": b'{"a":' * 40_000,
    "lone surrogate": b'{"action":"announce","info_hash":"\\ud800' + b"a" * 19 + b'"}',
    "surrogate in an id": json.dumps(wire_announce(1, peer_id="\ud800" + "a" * 19)).encode(),
    "huge number": b'{"action":"announce","left":' + b"9" * 100_000 + b"}",
    "huge exponent": b'{"action":"announce","numwant":1e999999999}',
    "many keys": b"{" + b",".join(b'"%d":0' % i for i in range(30_000)) + b"}",
    "same key": b'{"action":"announce","action":"scrape","action":null}',
    "a mebibyte": b'{"action":"announce","x":"' + b"x" * 2**20 + b'"}',
    "bad utf-8": b'{"action":"announce","x":"\xff"}',
    "nul": bytes(1000),
    "scrape of many": json.dumps({"action": "scrape", "info_hash": ["x" * 20] * 10_000}).encode(),
    "many offers": json.dumps(wire_announce(2, count=1500)).encode(),
}

GOOD = [
    json.dumps(wire_announce(2, count=3)).encode(),
    json.dumps({"action": "scrape"}).encode(),
    json.dumps({**wire_announce(3), "answer": {"sdp": "x"}, "to_peer_id": peer(1), "offer_id": "x"}).encode(),
    json.dumps({"action": "signal", "info_hash": SWARM, "peer_id": peer(2), "signal": []}).encode(),
]


def mutated(rng: random.Random) -> bytes:
    """Return a frame with a valid message of which some bytes were changed; some frames are invalid, too."""
    message = bytearray(rng.choice(GOOD))
    for _ in range(rng.randrange(4)):
        start = rng.randrange(len(message))
        message[start : start + rng.randrange(5)] = rng.randbytes(rng.randrange(4))
    frame = bytearray(Frame(Opcode.TEXT, bytes(message)).serialize(mask=True))
    if rng.random() < 0.1:
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    return bytes(frame)
