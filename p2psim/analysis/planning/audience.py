"""Audience over time: number of concurrent viewers, channels, and arrivals and stays drawn to match.

The curve gives the number of viewers present; arrivals and departures are drawn such that this number is met with any
distribution of viewing times.
"""

import csv
import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p2psim.errors import InputError, one_of
from p2psim.scenario.presets import read_presets
from p2psim.units import parse_quantity

__all__ = ["Audience", "channel_sizes", "constant", "draw_stays", "event", "events", "read_csv"]

Floats = NDArray[np.float64]

STEP = 5.0
"""Seconds between two steps along the curve while viewers are drawn."""
SHORTEST = 1.0
"""Minimum duration of a stay, seconds."""
ARRIVING = 30.0
"""Seconds over which the initial viewers arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A piecewise linear curve of concurrent viewers; a single point is a constant audience."""

    name: str
    at: tuple[float, ...]
    """Seconds from the beginning, ascending."""
    viewers: tuple[float, ...]
    channels: int = 1
    zipf: float = 1.0
    """Exponent of Zipf's law: the share of the k-th channel is proportional to 1/k to this power."""

    @property
    def is_constant(self) -> bool:
        """True if the number of viewers never changes."""
        return len(set(self.viewers)) == 1

    @property
    def seconds(self) -> float:
        """Seconds from the first to the last point; 0 for a single point."""
        return self.at[-1] - self.at[0]

    @property
    def peak(self) -> float:
        """Maximum number of concurrent viewers, all channels together."""
        return max(self.viewers)

    @property
    def mean(self) -> float:
        """Mean number of concurrent viewers over time."""
        if self.seconds == 0:
            return self.viewers[0]
        return float(np.trapezoid(self.viewers, self.at)) / self.seconds

    def present(self, at: Floats | float) -> Floats:
        """Return the number of viewers at the given times."""
        return np.asarray(np.interp(at, self.at, self.viewers), float)


def constant(viewers: float, channels: int = 1, zipf: float = 1.0) -> Audience:
    """Return an audience of constant size."""
    return Audience(name="constant", at=(0.0,), viewers=(float(viewers),), channels=channels, zipf=zipf)


def events() -> Mapping[str, Mapping[str, object]]:
    """Return the curves of events by name, from data/presets/events.toml."""
    return read_presets("events")


def event(name: str, peak: float, channels: int = 1, zipf: float = 1.0) -> Audience:
    """Return the audience of an event with `peak` viewers at its maximum; raises InputError for an unknown name."""
    shape = events()[one_of("event", name, events())]
    minutes, shares = (np.array(shape[key], float) for key in ("minutes", "shares"))
    return Audience(
        name=name,
        at=tuple((minutes * 60).tolist()),
        viewers=tuple((shares * peak).tolist()),
        channels=channels,
        zipf=zipf,
    )


def read_csv(path: str | Path, channels: int = 1, zipf: float = 1.0) -> Audience:
    """Return the audience in a CSV file with two columns, time (seconds, or with a unit) and concurrent viewers.

    A header line is allowed. Raises InputError with the line at fault.
    """
    file = Path(path)
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = [(number, row) for number, row in enumerate(csv.reader(opened), 1) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"{path}: cannot be read ({reason}); a CSV of time and viewers is expected") from None
    if rows and not _is_number(rows[0][1][-1]):
        rows = rows[1:]
    points = [_point(path, number, row) for number, row in rows]
    if len(points) < 2:
        raise InputError(f"{path}: {len(points)} points: at least two lines of time and viewers are expected")
    for (number, _), (earlier, _), (later, _) in zip(rows[1:], points, points[1:], strict=False):
        if later <= earlier:
            raise InputError(f"{path}, line {number}: time {later:g} s is not after {earlier:g} s; times must ascend")
    if max(viewers for _, viewers in points) < 1:
        raise InputError(f"{path}: the number of viewers is never 1 or more; at least one viewer is needed")
    start = points[0][0]
    return Audience(
        name=file.stem,
        at=tuple(at - start for at, _ in points),
        viewers=tuple(viewers for _, viewers in points),
        channels=channels,
        zipf=zipf,
    )


def channel_sizes(audience: Audience) -> Floats:
    """Return the share of the viewers on each channel, largest first."""
    weights = np.arange(1, audience.channels + 1, dtype=float) ** -audience.zipf
    shares: Floats = weights / weights.sum()
    return shares


def draw_stays(
    at: Sequence[float], viewers: Sequence[float], seconds: float, viewing: float, spread: float,
    rng: np.random.Generator,
) -> tuple[tuple[float, ...], tuple[float, ...]]:  # fmt: skip
    """Draw arrival times and stays such that the number of viewers present follows the curve.

    Viewing times are lognormal with mean `viewing` (seconds) and sigma `spread`. The initial viewers have watched
    before: their remaining time is a uniform part of a viewing time drawn in proportion to its length. Later, a viewer
    who leaves is replaced if the curve requires it, and where the curve falls faster, viewers leave early.

    Returns
    -------
    arrival times, stays : tuple of float, seconds
    """
    mu = math.log(viewing) - spread**2 / 2
    first = round(float(np.interp(0.0, at, viewers)))
    joins = (rng.random(first) * ARRIVING).tolist()
    stays = (rng.lognormal(mu + spread**2, spread, first) * rng.random(first)).tolist()
    leaving = [(join + stay, index) for index, (join, stay) in enumerate(zip(joins, stays, strict=True))]
    heapq.heapify(leaving)
    for now in np.arange(STEP, seconds + STEP, STEP).tolist():
        while leaving and leaving[0][0] <= now:
            heapq.heappop(leaving)
        wanted = round(float(np.interp(now, at, viewers)))
        for _ in range(wanted - len(leaving)):
            join, stay = now - STEP * float(rng.random()), float(rng.lognormal(mu, spread))
            stay = max(stay, now - join + SHORTEST)  # else the viewer would be gone at this step
            heapq.heappush(leaving, (join + stay, len(joins)))
            joins.append(join)
            stays.append(stay)
        if wanted < len(leaving):
            early = set(rng.choice(len(leaving), len(leaving) - wanted, replace=False).tolist())
            for index in early:
                viewer = leaving[index][1]
                stays[viewer] = max(SHORTEST, now - joins[viewer])
            leaving = [departure for index, departure in enumerate(leaving) if index not in early]
            heapq.heapify(leaving)
    order = np.argsort(joins, kind="stable")
    return tuple(np.array(joins)[order].tolist()), tuple(np.maximum(np.array(stays), SHORTEST)[order].tolist())


def _point(path: str | Path, number: int, row: Sequence[str]) -> tuple[float, float]:
    cells = [cell.strip() for cell in row]
    if len(cells) != 2:
        raise InputError(f"{path}, line {number}: {','.join(row)!r}: two columns are expected, time and viewers")
    if not _is_number(cells[1]):
        raise InputError(f"{path}, line {number}: viewers = {cells[1]!r}: a number is expected, for example 250")
    try:
        at = float(cells[0]) if _is_number(cells[0]) else parse_quantity(cells[0], "time")
    except InputError as error:
        raise InputError(f"{path}, line {number}: {error}") from None
    viewers = float(cells[1])
    if not math.isfinite(at) or not math.isfinite(viewers) or viewers < 0:
        raise InputError(f"{path}, line {number}: {','.join(row)!r}: finite numbers of at least 0 are expected")
    return at, viewers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
