"""Commands of a queue pass: records that the caller of a hook carries out in order.

==========  =======================================================================================
START_HTTP  fetch `segment` over HTTP, from `first_byte` on
START_P2P   request `segment` from the neighbour at place `neighbour`, from `first_byte` on
ABORT_HTTP  stop the fetch of `segment`
ABORT_P2P   cancel the request of `segment` to the neighbour at place `neighbour`
DELIVER     hand `segment` to the player
REJECT      tell the player that `segment` cannot be had
STORE       keep `segment`, whose last bytes came from `source` (it is counted as stored already)
COMPLETE    all bytes of `segment` were there before the attempt began: report it as loaded
ANNOUNCE    tell the neighbours what is stored and loading, once the pass is over
==========  =======================================================================================
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from p2psim.bundle import Bundle
from p2psim.compiled import inner
from p2psim.policy.state.records import NOBODY, Loaders

__all__ = [
    "ABORT_HTTP",
    "ABORT_P2P",
    "ANNOUNCE",
    "COMMAND",
    "COMPLETE",
    "DELIVER",
    "REJECT",
    "START_HTTP",
    "START_P2P",
    "STORE",
    "Commands",
    "add",
    "announce",
    "clear",
]

START_HTTP, START_P2P, ABORT_HTTP, ABORT_P2P, DELIVER, REJECT, STORE, COMPLETE, ANNOUNCE = range(9)

COMMAND = np.dtype(
    [
        ("kind", "i4"),
        ("segment", "i4"),  # index, or NOBODY
        ("neighbour", "i4"),  # place in the viewer's list of neighbours, or NOBODY
        ("source", "i4"),  # HTTP, P2P, or 0
        ("first_byte", "i8"),
    ]
)


class Commands(Bundle):
    """Commands of one pass, and its working memory."""

    count: NDArray[np.int64]
    """Number of commands, (1,)."""
    row: Any
    """(commands,), see COMMAND."""
    facts: NDArray[np.float64]
    """Facts for a user-defined decision (`p2psim.policy.facts`)."""
    order: NDArray[np.int64]
    """Segments of a prefetch round, and the order in which they are looked at; (2 × slots + 16,)."""


@inner
def clear(out: Commands) -> None:
    """Empty the list of commands."""
    out.count[0] = 0


@inner
def add(out: Commands, kind: int, segment: int, neighbour: int, source: int, first_byte: int) -> None:
    """Append a command."""
    row = out.row[out.count[0]]
    row.kind, row.segment, row.neighbour, row.source, row.first_byte = kind, segment, neighbour, source, first_byte
    out.count[0] += 1


@inner
def announce(L: Loaders, v: int, out: Commands) -> None:
    """Append ANNOUNCE, unless an announcement is due already or the viewer does not upload."""
    if L.viewer[v].announce == 0 and L.viewer[v].uploads != 0:
        L.viewer[v].announce = 1
        add(out, ANNOUNCE, NOBODY, NOBODY, 0, 0)
