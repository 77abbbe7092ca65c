"""Round-trip times between two viewers: a median by their regions, and a random factor of each pair.

The factor is computed from the numbers of the two viewers, so that no table of pairs is needed.
"""

import math

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry

__all__ = ["pair_rtt", "regional_rtt"]

_PRIME = 2147483647
_EARTH = 6371.0
"""Mean radius, km."""
_LIGHT_IN_FIBRE = 200_000.0
"""km/s: two thirds of the speed of light."""


@entry
def pair_rtt(median: float, sigma: float, key: int, a: int, b: int) -> float:
    """Return the round-trip time of a pair, seconds: lognormal around `median`; equal for (a, b) and (b, a)."""
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


def regional_rtt(
    own: float, latitude: NDArray[np.float64], longitude: NDArray[np.float64], stretch: float
) -> NDArray[np.float64]:
    """Return the median round-trip times between regions, seconds, shape (regions, regions).

    Parameters
    ----------
    own
        Round-trip time within a region, to which the fibre between two regions adds.
    latitude, longitude : array (regions,)
        Degrees.
    stretch
        Length of the fibre between two regions, in great-circle distances.
    """
    phi, theta = np.radians(latitude), np.radians(longitude)
    across = (1 - np.cos(phi[:, None] - phi)) / 2
    along = np.cos(phi[:, None]) * np.cos(phi) * (1 - np.cos(theta[:, None] - theta)) / 2
    distance = 2 * _EARTH * np.arcsin(np.sqrt(np.clip(across + along, 0.0, 1.0)))
    return own + 2 * stretch * distance / _LIGHT_IN_FIBRE
