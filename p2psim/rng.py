"""Random streams: one root seed, a named stream for each purpose, and a generator for compiled code.

Two scenarios that differ in one field must have the same viewers (common random numbers). So every purpose has a stream
of its own, and the draw of entity *i* does not depend on the number of entities.
"""

import math
import zlib
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from p2psim.compiled import entry

__all__ = ["constant_streams", "kernel_streams", "stream", "uniform"]

# MRG32k3a: L'Ecuyer, "Good parameters and implementations for combined multiple recursive random number
# generators", Operations Research 47 (1999). Its products stay below 2**53, so int64 never overflows.
_M1 = 4294967087
_M2 = 4294944443
_NORM = 1.0 / (_M1 + 1)


def _word(key: Hashable) -> int:
    return zlib.crc32(repr(key).encode())


def _sequence(seed: int, key: tuple[Hashable, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=tuple(_word(part) for part in key))


def stream(seed: int, *key: Hashable) -> np.random.Generator:
    """Return the generator of a purpose, for example ``stream(seed, replication, "uplink")``."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, key)))


def kernel_streams(seed: int, count: int, *key: Hashable) -> NDArray[np.int64]:
    """Return the states of independent streams for `uniform`, shape (count, 6); row i does not depend on `count`."""
    words = _sequence(seed, key).generate_state(6 * count, np.uint32).astype(np.int64).reshape(count, 6)
    words[:, :3] = words[:, :3] % (_M1 - 1) + 1
    words[:, 3:] = words[:, 3:] % (_M2 - 1) + 1
    return words


def constant_streams(value: float, count: int) -> NDArray[np.int64]:
    """Return streams that always yield `value`, as the generator with which traces of the real loader were recorded."""
    states = np.zeros((count, 6), np.int64)
    mantissa, exponent = math.frexp(value)
    states[:, 0] = -1
    states[:, 1] = int(mantissa * 2.0**53)
    states[:, 2] = exponent - 53
    return states


@entry
def uniform(states: NDArray[np.int64], row: int) -> float:
    """Return a draw from [0, 1) by the stream in `row` (MRG32k3a); a row that begins with -1 is a constant stream."""
    if states[row, 0] == -1:
        return math.ldexp(float(states[row, 1]), int(states[row, 2]))
    p1 = (1403580 * states[row, 1] - 810728 * states[row, 0]) % _M1
    states[row, 0] = states[row, 1]
    states[row, 1] = states[row, 2]
    states[row, 2] = p1
    p2 = (527612 * states[row, 5] - 1370589 * states[row, 3]) % _M2
    states[row, 3] = states[row, 4]
    states[row, 4] = states[row, 5]
    states[row, 5] = p2
    return float(((p1 - p2) % _M1) * _NORM)
