"""The order in which peers are to fetch a segment that none of them has: by a hash of peer and segment.

FNV-1a over ``peer|segment`` (ids as text), then the finaliser of MurmurHash3, on 32 bits: each segment puts the peers
in another order, and all who know each other agree on it.
"""

from p2psim.compiled import entry, inner

__all__ = ["item_hash", "peer_hash"]

_OFFSET, _PRIME, _MASK = 2166136261, 16777619, 0xFFFFFFFF


def peer_hash(name: str) -> int:
    """Hash of the part that a peer's hashes begin with."""
    value = _OFFSET
    for byte in f"{name}|".encode():
        value = ((value ^ byte) * _PRIME) & _MASK
    return value


@entry
def item_hash(peer: int, item: int) -> int:
    """Hash of a peer (`peer_hash`) and the id of a segment."""
    digits = 1
    while item // digits >= 10:
        digits *= 10
    value = peer
    while digits > 0:
        value = _times(value ^ (48 + item // digits % 10), _PRIME)
        digits //= 10
    value = _times(value ^ (value >> 16), 0x85EBCA6B)
    value = _times(value ^ (value >> 13), 0xC2B2AE35)
    return value ^ (value >> 16)


@inner
def _times(a: int, b: int) -> int:
    """Product on 32 bits, of factors whose whole product might not fit 64."""
    return ((a & 0xFFFF) * b + ((((a >> 16) * b) & 0xFFFF) << 16)) & _MASK
