"""Schema of a trace: its tables and their columns, the same for simulated and measured runs.

Times are seconds from the start of the run, sizes bytes, rates bytes per second. A time that did not come is NaN.
Columns may be added in later versions, none is renamed. A trace of any origin has all required columns. An optional
column is recorded by some programs alone; where it is missing, `Trace.with_defaults` fills in its default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from p2psim.scenario.population import DEPARTURES

__all__ = [
    "ACTORS",
    "OUTCOMES",
    "PATHS",
    "REQUIRED",
    "SAMPLE_PERIOD",
    "SOURCES",
    "STATES",
    "TABLES",
    "VALUES",
    "Column",
    "ConnectionOutcome",
    "Kind",
    "Outcome",
    "Path",
    "State",
    "required_columns",
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

Kind = Literal["str", "int", "float", "bool"]

REQUIRED: Final = object()
"""Stands for the default of a column that every trace has."""


@dataclass(frozen=True, slots=True)
class Column:
    """Column of a table: the kind of its values, their meaning, and the default of an optional one."""

    kind: Kind
    meaning: str
    default: Any = REQUIRED
    """A value for every row, or a function of the number of rows."""

    @property
    def is_optional(self) -> bool:
        """True if a trace may lack the column."""
        return self.default is not REQUIRED

    def defaults(self, rows: int) -> NDArray[Any]:
        """Return the values of a column that was not recorded, shape (rows,)."""
        return np.asarray(self.default(rows) if callable(self.default) else np.full(rows, self.default))


TABLES: Mapping[str, Mapping[str, Column]] = MappingProxyType(
    {
        "viewers": {
            "viewer": Column("str", "name of the viewer"),
            "joined_at": Column("float", "time at which it joined"),
            "left_at": Column("float", "time at which it left; NaN: it stayed to the end of the run"),
            "departure": Column("str", "how it left: clean, crash, end"),
            "channel": Column("str", "channel that it watched first"),
            "nat": Column("str", "kind of its NAT"),
            "uplink": Column("float", "rate of its uplink"),
            "downlink": Column("float", "rate of its downlink"),
            "device": Column("str", "class of its device, such as desktop or mobile"),
            "actor": Column("str", "program that watched: aiortc, browser, simulated"),
            "peer_id": Column("str", "peer id towards the tracker (measured)", ""),
            "role": Column("str", "honest, or how it treats its peers: free-rider, polluter, liar, staller", "honest"),
            "region": Column("str", "region (simulated); empty where there is only one", ""),
            "home": Column("int", "number of its home (simulated); by default a home for each viewer", np.arange),
            "neighbourhood": Column("int", "number of its neighbourhood (simulated); -1: none", -1),
            "carrier": Column("int", "number of its carrier-grade NAT (simulated); -1: none", -1),
        },
        "transfers": {
            "viewer": Column("str", "viewer that received"),
            "stream": Column("str", "channel of the segment"),
            "segment": Column("int", "number of the segment"),
            "source": Column("str", "http, p2p"),
            "from_viewer": Column("str", "viewer that sent; empty for HTTP"),
            "relayed": Column("bool", "True if the bytes went through a TURN relay"),
            "started_at": Column("float", "time of the request"),
            "first_byte_at": Column("float", "time of the first byte"),
            "ended_at": Column("float", "time of the end"),
            "bytes": Column("int", "media bytes received, those after the end included"),
            "first_byte": Column("int", "offset of the request into the segment; above 0: a resumed transfer"),
            "outcome": Column("str", "completed, aborted, stalled, failed, invalid"),
            "quality": Column("int", "place of the quality in the ladder (simulated)", 0),
            "server": Column("str", "HTTP server: origin, edge-N, second (simulated); empty for P2P", ""),
            "header_at": Column("float", "time at which the peer's answer began, before its bytes (measured)", nan),
            "late_bytes": Column("int", "part of bytes that came after the end", 0),
        },
        "segments": {
            "viewer": Column("str", "viewer that held the segment"),
            "stream": Column("str", "channel"),
            "segment": Column("int", "number of the segment"),
            "quality": Column("int", "place of the quality in the ladder"),
            "size": Column("int", "size of the segment"),
            "available_at": Column("float", "time at which the origin published it"),
            "requested_at": Column("float", "time of the first request"),
            "completed_at": Column("float", "time at which all of it was there"),
            "due_at": Column("float", "time at which the playhead reached it, whether it was there or not"),
            "played_at": Column("float", "time at which its play began"),
            "bytes_http": Column("int", "bytes received over HTTP"),
            "bytes_p2p": Column("int", "bytes received from peers"),
            "poisoned": Column("bool", "True if its bytes were not the origin's", False),
        },
        "connections": {
            "viewer": Column("str", "viewer that writes the row"),
            "other": Column("str", "viewer at the other end"),
            "initiated_at": Column("float", "time at which the offer was begun"),
            "opened_at": Column("float", "time at which the data channel opened"),
            "closed_at": Column("float", "time at which it closed"),
            "path": Column("str", "kind of the ICE candidates in use: host, srflx, prflx, relay"),
            "outcome": Column("str", "open, failed, duplicate"),
            "answered_at": Column("float", "time at which the answer to the offer was back", nan),
        },
        "announces": {
            "viewer": Column("str", "viewer that announced itself"),
            "at": Column("float", "time of the announce"),
            "event": Column("str", "event of the tracker protocol: started, completed, stopped, or empty"),
            "offers_sent": Column("int", "offers in the announce"),
            "offers_received": Column(
                "int", "offers relayed to the viewer: before this announce (simulated), up to the next (measured)"
            ),
            "answers_received": Column("int", "answers relayed to the viewer, counted as offers_received"),
            "peers_known": Column("int", "members of the swarm according to the reply"),
        },
        "playback": {
            "viewer": Column("str", "viewer whose player changed its state"),
            "at": Column("float", "time of the change"),
            "state": Column("str", "starting, playing, stalled, ended"),
            "position": Column("float", "media time of the playhead"),
            "buffer": Column("float", "seconds buffered ahead of the playhead"),
            "latency": Column("float", "seconds from the playhead to the live edge; NaN for VOD"),
        },
        "samples": {
            "viewer": Column("str", "viewer whose statistics these are"),
            "at": Column("float", "time of the sample"),
            "peers": Column("int", "connected peers"),
            "download_rate": Column("float", "media received since the sample before"),
            "upload_rate": Column("float", "media sent since the sample before"),
            "p2p_share": Column("float", "share of the media received so far that came from peers"),
            "downloaded": Column("int", "media bytes received so far"),
            "uploaded": Column("int", "media bytes sent so far"),
            "buffer": Column("float", "seconds buffered ahead of the playhead"),
        },
        "origin": {
            "at": Column("float", "time at which the response began"),
            "viewer": Column("str", "viewer that asked"),
            "path": Column("str", "path of the URL"),
            "bytes": Column("int", "bytes of the body that were sent"),
            "status": Column("int", "HTTP status"),
            "duration": Column("float", "seconds from the request to the end of the response"),
        },
    }
)
"""Columns of each table, the required ones first."""


def required_columns(name: str) -> list[str]:
    """Return the names of the columns that a table has in every trace."""
    return [column for column, declared in TABLES[name].items() if not declared.is_optional]


VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "viewers": {"departure": DEPARTURES, "actor": ACTORS},
        "transfers": {"source": SOURCES, "outcome": OUTCOMES},
        "connections": {"path": ("", *PATHS), "outcome": get_args(ConnectionOutcome)},
        "playback": {"state": STATES},
    }
)
"""Table → column of texts → the values that it can have."""
