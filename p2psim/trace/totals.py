"""Totals of a run: a table with a row per viewer and one with a row per second, from which every metric is computed.

The kernel of a simulation counts them as it runs; `p2psim.trace.accounting.totals` computes them from a trace.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from p2psim.scenario import Scenario

__all__ = ["BIN", "TIMELINE", "VIEWER_TOTALS", "Totals"]

BIN = 1.0
"""Width of a row of the timeline, seconds."""

VIEWER_TOTALS: Mapping[str, str] = MappingProxyType(
    {
        "viewer": "str",
        "joined_at": "float",
        "left_at": "float",
        "departure": "str",
        "nat": "str",
        "uplink": "float",
        "downlink": "float",
        "device": "str",
        "actor": "str",
        "region": "str",  # empty where there is only one
        "home": "int",
        "role": "str",  # honest, or how it treats its peers
        "bytes_http": "float",  # media bytes received over HTTP, waste included
        "bytes_p2p": "float",  # media bytes received from peers, waste included
        "bytes_uploaded": "float",
        "bytes_relayed": "float",  # part of bytes_p2p that came through a relay
        "bytes_far": "float",  # part of bytes_p2p that came from another region
        "wasted_http": "float",  # received and never played
        "wasted_p2p": "float",
        "bytes_played": "float",  # size of the segments whose play began
        "watched": "float",  # seconds from joining to leaving
        "played": "float",  # seconds of media played
        "startup": "float",  # seconds from joining to the first frame; NaN: none was shown
        "stalls": "int",
        "poisoned": "int",  # segments played whose bytes were not the origin's
        "stalled": "float",  # seconds stalled after the start
        "latency": "float",  # seconds to the live edge, mean while playing; NaN for VOD
        "peers": "float",  # connected peers, mean over the time watched
        "http_transfers": "int",  # completed transfers
        "p2p_transfers": "int",
        "http_wait": "float",  # sum over completed transfers of request → first byte
        "p2p_wait": "float",
        "http_time": "float",  # sum over completed transfers of request → end
        "p2p_time": "float",
        "switches": "int",  # changes to another quality
        "zaps": "int",  # changes to another channel
        "zap_wait": "float",  # sum over zaps of the time to the first frame
    }
)

TIMELINE: Mapping[str, str] = MappingProxyType(
    {
        "at": "float",  # start of the bin
        "viewers": "int",  # watching at the start of the bin
        "stalled": "int",  # of these, stalled
        "peers": "float",  # connections per viewer at the start of the bin
        "http": "float",  # media bytes received over HTTP during the bin
        "p2p": "float",
        "origin": "float",  # media bytes sent during the bin by the origin or, where there are any, by edges
        "relayed": "float",  # part of p2p that came through a relay
        "far": "float",  # part of p2p that came from another region
        "filled": "float",  # sent by the origin to edges
        "second": "float",  # part of http that a second CDN sent
    }
)


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of a run: `viewers` has the columns of VIEWER_TOTALS, `timeline` those of TIMELINE."""

    scenario: Scenario
    seed: int
    replication: int
    world: str
    viewers: pd.DataFrame
    timeline: pd.DataFrame
