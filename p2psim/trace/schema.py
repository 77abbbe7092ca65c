"""What is observed: the tables of a trace, the same for simulated and measured runs.

Times are seconds from the start of the run, sizes bytes, rates bytes per second. A time that did not come is NaN.
Columns may be added in later versions, none is renamed. A simulated trace has more of them: of viewers their `region`,
`home`, `neighbourhood` and `carrier` (numbers, -1: none); of transfers the `quality` and, over HTTP, the `server`
(origin, edge-N, second). Connections of both worlds have `answered_at`, when the answer to the offer was back.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from p2psim.scenario.population import DEPARTURES

__all__ = [
    "ACTORS",
    "OUTCOMES",
    "PATHS",
    "SAMPLE_PERIOD",
    "SOURCES",
    "STATES",
    "TABLES",
    "VALUES",
    "ConnectionOutcome",
    "Outcome",
    "Path",
    "State",
]

SAMPLE_PERIOD = 2.0
"""Seconds between two samples of a viewer."""

ACTORS = ("aiortc", "browser", "simulated")
"""Kinds of viewers."""
SOURCES = ("http", "p2p")
"""Sources of a transfer."""
Outcome = Literal["completed", "aborted", "stalled", "failed", "invalid"]
OUTCOMES = get_args(Outcome)
"""Outcomes of a transfer."""
ConnectionOutcome = Literal["open", "failed", "duplicate", "refused"]
Path = Literal["host", "srflx", "prflx", "relay"]
PATHS = get_args(Path)
"""Ways of a connection, by the kind of candidate that ICE chose: the two hosts themselves; an address that STUN told;
one that only showed in a check; a relay."""
State = Literal["starting", "playing", "stalled", "ended"]
STATES = get_args(State)
"""States of a player, in the order of their first appearance."""

TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "viewers": {
            "viewer": "str",
            "joined_at": "float",
            "left_at": "float",
            "departure": "str",
            "channel": "str",
            "nat": "str",
            "uplink": "float",
            "downlink": "float",
            "device": "str",  # a class of data/presets/devices.toml
            "actor": "str",
        },
        "transfers": {
            "viewer": "str",
            "stream": "str",
            "segment": "int",
            "source": "str",
            "from_viewer": "str",  # empty for http
            "relayed": "bool",
            "started_at": "float",
            "first_byte_at": "float",
            "ended_at": "float",
            "bytes": "int",
            "first_byte": "int",  # offset into the segment; above 0 for a resumed one
            "outcome": "str",
        },
        "segments": {
            "viewer": "str",
            "stream": "str",
            "segment": "int",
            "quality": "int",
            "size": "int",
            "available_at": "float",
            "requested_at": "float",
            "completed_at": "float",
            "due_at": "float",
            "played_at": "float",
            "bytes_http": "int",
            "bytes_p2p": "int",
        },
        "connections": {
            "viewer": "str",
            "other": "str",
            "initiated_at": "float",
            "opened_at": "float",
            "closed_at": "float",
            "path": "str",  # empty where it never opened
            "outcome": "str",
        },
        "announces": {
            "viewer": "str",
            "at": "float",
            "event": "str",
            "offers_sent": "int",
            "offers_received": "int",
            "answers_received": "int",
            "peers_known": "int",
        },
        "playback": {
            "viewer": "str",
            "at": "float",
            "state": "str",
            "position": "float",
            "buffer": "float",
            "latency": "float",
        },
        "samples": {
            "viewer": "str",
            "at": "float",
            "peers": "int",
            "download_rate": "float",
            "upload_rate": "float",
            "p2p_share": "float",
            "downloaded": "int",
            "uploaded": "int",
            "buffer": "float",
        },
        "origin": {
            "at": "float",
            "viewer": "str",
            "path": "str",
            "bytes": "int",
            "status": "int",
            "duration": "float",
        },
    }
)
"""Table → column → kind ("str", "int", "float" or "bool")."""

VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "viewers": {"departure": DEPARTURES, "actor": ACTORS},
        "transfers": {"source": SOURCES, "outcome": OUTCOMES},
        "connections": {"path": ("", *PATHS), "outcome": get_args(ConnectionOutcome)},
        "playback": {"state": STATES},
    }
)
"""Table → column of texts → the values that it can have."""
