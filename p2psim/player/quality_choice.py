"""Quality choice of hls.js: bandwidth estimate and level of the ladder, with its defaults.

Bandwidth is estimated by two exponentially weighted averages over seconds of loading, of which the lower one counts
(hls.js `ewma-bandwidth-estimator.ts`, after Shaka Player): quickly down, slowly up. The level is the highest whose
bitrate a share of the estimate exceeds, a smaller share for levels above the present one (`abr-controller.ts`); of a
recording, it must also load before the buffer runs dry. Not modelled: giving up a fragment that loads too slowly.
"""

from typing import Any

from p2psim.compiled import entry, inner

__all__ = ["best_level", "estimate", "learn"]

_MIN_SPAN = 0.05
"""Loading times count as at least this, seconds."""
_MAX_STARVATION = 4.0
"""Seconds of stalling that a recording's player accepts rather than fall to the lowest level."""


@entry
def learn(averages: Any, row: int, size: float, seconds: float, fast: float, slow: float) -> None:
    """Update the estimate with `size` bytes that loaded in `seconds`; `fast` and `slow` are half-lives in seconds."""
    span = max(seconds, _MIN_SPAN)
    value = size / span
    for i in range(2):
        kept = 0.5 ** (span / (fast if i == 0 else slow))
        averages[row, i] = value * (1.0 - kept) + kept * averages[row, i]
    averages[row, 2] += span


@entry
def estimate(averages: Any, row: int, default: float, fast: float, slow: float) -> float:
    """Return the estimated bandwidth, bytes/s."""
    span = averages[row, 2]
    if span <= 0.0:
        return default
    # an average that began with nothing is too low by what it has not seen
    quick = averages[row, 0] / (1.0 - 0.5 ** (span / fast))
    steady = averages[row, 1] / (1.0 - 0.5 ** (span / slow))
    return min(quick, steady)


@entry
def best_level(
    bitrate: Any, level: int, bandwidth: float, margin: float, margin_up: float, segment: float, buffered: float
) -> int:
    """Return the level to request next; `buffered` seconds may be spent on loading it (infinite for a live stream).

    Parameters
    ----------
    bitrate : array (levels,)
        Ascending, bytes/s.
    """
    found = _highest(bitrate, level, bandwidth, margin, margin_up, segment, buffered)
    if found < 0:
        patience = buffered + min(segment, _MAX_STARVATION)
        found = _highest(bitrate, level, bandwidth, margin, margin_up, segment, patience)
    return max(0, found)


@inner
def _highest(
    bitrate: Any, level: int, bandwidth: float, margin: float, margin_up: float, segment: float, patience: float
) -> int:
    for i in range(len(bitrate) - 1, -1, -1):
        usable = (margin if i <= level else margin_up) * bandwidth
        if usable > bitrate[i] and bitrate[i] * segment / usable < patience:
            return i
    return -1
