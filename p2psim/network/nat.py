"""NAT traversal: which pairs of viewers connect, by mapping and filtering of their NATs (RFC 4787).

With STUN alone and both sides probing at once, a pair connects if both map endpoint-independently, or if exactly one
does and its filtering is not address-and-port-dependent: the check from the unforeseen port of the other then passes.
Where neither maps independently, an answer comes from another port than it was sent to, which ICE refuses (RFC 8445,
7.2.5.2.1), unless one of the mappings depends on the address alone: then the port stays the same once checks have
arrived, which they do if no filter depends on ports. A viewer whose UDP is blocked connects to nobody.
"""

import numpy as np
from numpy.typing import NDArray

from p2psim.scenario import nat_kinds
from p2psim.scenario.nat_kinds import KINDS, NAT_KINDS

__all__ = ["BLOCKED", "PUBLIC", "connects", "pair_success", "reachability", "twice_translated"]

_STRICTNESS = ("EI", "AD", "APD")
"""From the most permissive on."""
_MAPPING_INDEPENDENT = tuple(kind.mapping == "EI" for kind in KINDS)
_MAPPING_BY_PORT = tuple(kind.mapping == "APD" for kind in KINDS)
_FILTERING_BY_PORT = tuple(kind.filtering == "APD" for kind in KINDS)
PUBLIC, BLOCKED = NAT_KINDS.index(nat_kinds.PUBLIC), NAT_KINDS.index(nat_kinds.BLOCKED)


def connects(a: int, b: int) -> bool:
    """Return whether viewers behind NATs of kinds `a` and `b` can connect without a relay."""
    if a == BLOCKED or b == BLOCKED:
        return False
    if _MAPPING_INDEPENDENT[a] and _MAPPING_INDEPENDENT[b]:
        return True
    if _MAPPING_INDEPENDENT[a] and not _FILTERING_BY_PORT[a]:
        return True
    if _MAPPING_INDEPENDENT[b]:
        return not _FILTERING_BY_PORT[b]
    if _MAPPING_INDEPENDENT[a] or (_MAPPING_BY_PORT[a] and _MAPPING_BY_PORT[b]):
        return False
    return not (_FILTERING_BY_PORT[a] or _FILTERING_BY_PORT[b])


def reachability() -> NDArray[np.bool_]:
    """Return the matrix of `connects`, shape (kinds, kinds)."""
    kinds = range(len(KINDS))
    return np.array([[connects(a, b) for b in kinds] for a in kinds])


def twice_translated(inner: int, outer: int) -> int:
    """Return the kind of NAT that equals two layers: the more restrictive mapping and filtering of the two."""
    if BLOCKED in (inner, outer):
        return BLOCKED
    if PUBLIC in (inner, outer):
        return inner if outer == PUBLIC else outer
    layers = KINDS[inner], KINDS[outer]
    mapping = max((kind.mapping for kind in layers), key=_STRICTNESS.index)
    filtering = max((kind.filtering for kind in layers), key=_STRICTNESS.index)
    return next(
        number
        for number, kind in enumerate(KINDS)
        if number not in (PUBLIC, BLOCKED) and (kind.mapping, kind.filtering) == (mapping, filtering)
    )


def pair_success(shares: NDArray[np.float64]) -> float:
    """Return the share of pairs that connect in a population with given shares of the kinds, shape (kinds,)."""
    weights = np.asarray(shares, float) / np.sum(shares)
    return float(weights @ reachability() @ weights)
