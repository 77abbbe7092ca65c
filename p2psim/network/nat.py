"""Who can reach whom: mapping × filtering (RFC 4787), decided by rule.

With STUN alone and both sides probing at once, a pair connects iff both map endpoint-independently, or exactly one
does and its filtering is not address-and-port-dependent. A viewer whose UDP is blocked connects to nobody.
"""

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry

__all__ = ["MAPPING_INDEPENDENT", "connects", "pair_success", "reachability"]

# in the order of p2psim.scenario.NAT_KINDS: public, full-cone, restricted, port-restricted, symmetric, blocked
MAPPING_INDEPENDENT = (True, True, True, True, False, False)
_FILTERING_BY_PORT = (False, False, False, True, True, True)
_BLOCKED = 5


@entry
def connects(a: int, b: int) -> bool:
    """Whether viewers behind NATs of kinds `a` and `b` can connect without a relay."""
    if a == _BLOCKED or b == _BLOCKED:
        return False
    if MAPPING_INDEPENDENT[a] and MAPPING_INDEPENDENT[b]:
        return True
    if MAPPING_INDEPENDENT[a] and not _FILTERING_BY_PORT[a]:
        return True
    return MAPPING_INDEPENDENT[b] and not _FILTERING_BY_PORT[b]


def reachability() -> NDArray[np.bool_]:
    """Matrix (kinds, kinds) of `connects`."""
    kinds = range(len(MAPPING_INDEPENDENT))
    return np.array([[connects(a, b) for b in kinds] for a in kinds])


def pair_success(shares: NDArray[np.float64]) -> float:
    """Share of pairs that connect in a population with these shares of the kinds (shape (kinds,))."""
    weights = np.asarray(shares, float) / np.sum(shares)
    return float(weights @ reachability() @ weights)
