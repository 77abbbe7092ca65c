"""Roles of viewers: how they treat their peers. One table, from which drawing, simulator and real viewers derive.

To add a role, add a row at the end with its field of [viewers] (`p2psim.scenario.model.Viewers`); a real viewer behaves
by `p2psim.testbed.peer.adversaries.BEHAVIOURS`, a simulated one by `p2psim.simulation.kernel.transfers`.
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["FREE_RIDER", "HONEST", "LIAR", "POLLUTER", "ROLES", "SHARES", "STALLER"]

HONEST, POLLUTER, LIAR, STALLER, FREE_RIDER = "honest", "polluter", "liar", "staller", "free-rider"

SHARES: Mapping[str, str] = MappingProxyType(
    {POLLUTER: "polluters", LIAR: "liars", STALLER: "stallers", FREE_RIDER: "free_riders"}
)
"""Role → field of [viewers] with the share of the viewers that have it; the others are honest."""

ROLES = (HONEST, *SHARES)
"""Names of the roles, in the order in which populations number them."""
