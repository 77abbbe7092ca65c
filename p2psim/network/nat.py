"""NAT traversal: which pairs of viewers connect, by mapping and filtering of their NATs (RFC 4787).

With STUN alone and both sides probing at once, a pair connects if both map endpoint-independently, or if exactly one
does and its filtering is not address-and-port-dependent: the check from the unforeseen port of the other then passes.
Where neither maps independently, an answer comes from another port than it was sent to, which ICE refuses (RFC 8445,
7.2.5.2.1), unless one of the mappings depends on the address alone: then the port stays the same once checks have
arrived, which they do if no filter depends on ports. A viewer whose UDP is blocked connects to nobody.
"""

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry

__all__ = ["BLOCKED", "MAPPING_INDEPENDENT", "PUBLIC", "connects", "pair_success", "reachability", "twice_translated"]

_EI, _AD, _APD = 0, 1, 2
# in the order of p2psim.scenario.NAT_KINDS: public, full-cone, restricted, port-restricted, symmetric, blocked, AD/EI …
_MAPPING = (_EI, _EI, _EI, _EI, _APD, _APD, _AD, _AD, _AD, _APD, _APD)
_FILTERING = (_EI, _EI, _AD, _APD, _APD, _APD, _EI, _AD, _APD, _EI, _AD)
MAPPING_INDEPENDENT = tuple(mapping == _EI for mapping in _MAPPING)
_MAPPING_BY_PORT = tuple(mapping == _APD for mapping in _MAPPING)
_FILTERING_BY_PORT = tuple(filtering == _APD for filtering in _FILTERING)
PUBLIC, BLOCKED = 0, 5


@entry
def connects(a: int, b: int) -> bool:
    """Return whether viewers behind NATs of kinds `a` and `b` can connect without a relay."""
    if a == BLOCKED or b == BLOCKED:
        return False
    if MAPPING_INDEPENDENT[a] and MAPPING_INDEPENDENT[b]:
        return True
    if MAPPING_INDEPENDENT[a] and not _FILTERING_BY_PORT[a]:
        return True
    if MAPPING_INDEPENDENT[b]:
        return not _FILTERING_BY_PORT[b]
    if MAPPING_INDEPENDENT[a] or (_MAPPING_BY_PORT[a] and _MAPPING_BY_PORT[b]):
        return False
    return not (_FILTERING_BY_PORT[a] or _FILTERING_BY_PORT[b])


def reachability() -> NDArray[np.bool_]:
    """Return the matrix of `connects`, shape (kinds, kinds)."""
    kinds = range(len(MAPPING_INDEPENDENT))
    return np.array([[connects(a, b) for b in kinds] for a in kinds])


def twice_translated(inner: int, outer: int) -> int:
    """Return the kind of NAT that equals two layers: the more restrictive mapping and filtering of the two."""
    if BLOCKED in (inner, outer):
        return BLOCKED
    if PUBLIC in (inner, outer):
        return inner + outer
    wanted = (max(_MAPPING[inner], _MAPPING[outer]), max(_FILTERING[inner], _FILTERING[outer]))
    kinds = [kind for kind in range(len(_MAPPING)) if kind not in (PUBLIC, BLOCKED)]
    return next(kind for kind in kinds if (_MAPPING[kind], _FILTERING[kind]) == wanted)


def pair_success(shares: NDArray[np.float64]) -> float:
    """Return the share of pairs that connect in a population with given shares of the kinds, shape (kinds,)."""
    weights = np.asarray(shares, float) / np.sum(shares)
    return float(weights @ reachability() @ weights)
