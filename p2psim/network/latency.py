"""Round trips between two viewers: a property of the pair, drawn from the pair itself, so that it needs no memory."""

import math

from p2psim.compiled import entry

__all__ = ["pair_rtt"]

_PRIME = 2147483647


@entry
def pair_rtt(median: float, sigma: float, key: int, a: int, b: int) -> float:
    """Round-trip time of a pair, seconds: lognormal around `median`; the same for (a, b) and (b, a) under one key."""
    if sigma == 0.0:
        return median
    low, high = min(a, b), max(a, b)
    state = (key * 69621 + low * 48271 + high * 16807 + 12345) % _PRIME
    for _ in range(4):
        state = (state * 48271 + low + 1) % _PRIME
    first = (state + 1) / (_PRIME + 1)
    for _ in range(4):
        state = (state * 48271 + high + 1) % _PRIME
    second = state / _PRIME
    return median * math.exp(sigma * math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second))
