"""Simulations for a plan: swarms of several sizes in steady state, and a smaller event of the same shape.

Viewers exchange segments with the few dozen neighbours that the tracker introduced, so the P2P share depends on the
size of the swarm only while it is not much larger than a neighbourhood. A plan simulates swarms of ascending sizes and
takes a larger one to be like the largest; the change at the last step of size is added to the interval. Replication *i*
of every simulation has the same seed, and its `http-only` pair has the same viewers.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p2psim.analysis.metrics import BILLED_BIN
from p2psim.analysis.planning.audience import ARRIVING, Audience, channel_sizes, draw_stays
from p2psim.analysis.planning.inputs import Inputs
from p2psim.analysis.runs import BASELINE, Job, Runs
from p2psim.rng import stream
from p2psim.scenario import Scenario
from p2psim.simulation import Run
from p2psim.trace import BIN

__all__ = ["Effort", "Sampler", "Traffic", "sizes_for"]

Floats = NDArray[np.float64]

WARMUP = 900.0
"""Seconds until the number of neighbours is steady: it grows for a quarter of an hour."""
FAIR = 30
"""Minimum number of viewers at the peak of a simulated event; a smaller sample would vary too much."""
_COLUMNS = ("viewers", "stalled", "origin", "p2p", "relayed")
_SIZES = (2, 4, 10, 30, 100, 300, 1000)
"""Sizes of swarms to choose from."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Amount of simulation for a plan."""

    replications: int = 8
    window: float = 600.0
    """Seconds of steady state that are evaluated."""
    largest: int = 300
    """Viewers of the largest swarm."""
    least: int = 300
    """Minimum number of viewers of each size in a replication, in several swarms if needed: small ones vary much."""
    event: float = 1_000_000.0
    """Viewer-seconds of a replication of the event."""
    variants: int = 8
    """Replications of each change of an input."""
    reference: int = 60
    """Viewers of the swarm in which inputs are changed."""

    @staticmethod
    def of(audience: Audience, replications: int, quick: bool) -> "Effort":
        """Return the effort for an audience: more for a large one, little with `quick`."""
        if quick:
            return Effort(
                replications, window=300.0, largest=100, least=60, event=400_000.0, variants=min(replications, 4),
                reference=30,
            )  # fmt: skip
        largest = 1000 if audience.peak >= 10_000 else 300
        return Effort(replications, largest=largest, variants=replications)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes and viewer-seconds with and without sharing; arrays of shape (replications, bins)."""

    at: Floats
    """Beginning of each bin, seconds; shape (bins,)."""
    viewer_seconds: Floats
    origin: Floats
    p2p: Floats
    relayed: Floats
    base: Floats
    """Bytes of the origin without sharing."""
    stalled: Floats
    """Viewer-seconds stalled."""
    base_stalled: Floats


def sizes_for(low: float, high: float, largest: int) -> list[int]:
    """Return the sizes of swarms to simulate, for swarms from `low` to `high` viewers, none above `largest`.

    At least two sizes, so that the change at the last step is known; a swarm of one viewer needs no simulation.
    """
    top = max(2, min(largest, round(high)))
    below = [size for size in _SIZES if size < top]
    return [*[size for size in below if size <= low][-1:], *[size for size in below if size > low], top]


class Sampler:
    """Simulates the swarms and the event of a plan; each run is simulated once."""

    def __init__(self, runs: Runs, seed: int, effort: Effort) -> None:
        self._runs, self._seed, self.effort = runs, seed, effort

    def make(self, jobs: Iterable[Job]) -> None:
        """Simulate all jobs in parallel."""
        self._runs.make(jobs)

    def sizes(self, inputs: Inputs) -> list[int]:
        """Return the sizes of the swarms to simulate in steady state."""
        audience, shares = inputs.audience, channel_sizes(inputs.audience)
        least = min(viewers for viewers in audience.viewers if viewers > 0)
        low = least * min(shares[-1], self.event_scale(inputs) or shares[-1])
        return sizes_for(low, audience.peak * shares[0], self.effort.largest)

    def steady_jobs(self, inputs: Inputs, size: int, replications: int, least: int) -> list[Job]:
        """Return the runs of swarms in steady state, each followed by its pair without sharing.

        A replication has as many swarms as are needed for `least` viewers.
        """
        return [job for replication in range(replications) for job in self._steady(inputs, size, replication, least)]

    def event_jobs(self, inputs: Inputs) -> list[Job]:
        """Return the runs of the event, each followed by its pair; none if it is too long to be simulated."""
        if self.event_scale(inputs) == 0:
            return []
        return [job for replication in range(self.effort.replications) for job in self._event(inputs, replication)]

    def event_scale(self, inputs: Inputs) -> float:
        """Return the share of the (largest channel's) audience to simulate; 0 if it is constant or too long."""
        audience = inputs.audience
        if audience.is_constant:
            return 0.0
        top = channel_sizes(audience)[0]
        scale = min(1.0, self.effort.event / (audience.mean * top * audience.seconds)) * top
        return float(scale) if audience.peak * scale >= min(FAIR, audience.peak * top) else 0.0

    def steady(self, inputs: Inputs, size: int, replications: int, least: int) -> Traffic:
        """Return the traffic of swarms in steady state, one bin per replication."""
        finished = [
            self._runs.make(self._steady(inputs, size, replication, least)) for replication in range(replications)
        ]
        rows = [
            np.asarray(
                sum(_binned_sums(runs[i], runs[i + 1], self.effort.window)[:, :1] for i in range(0, len(runs), 2))
            )
            for runs in finished
        ]
        return _stacked(np.zeros(1), rows)

    def event(self, inputs: Inputs) -> Traffic:
        """Return the traffic of the event in bins of five minutes."""
        rows = []
        for replication in range(self.effort.replications):
            shared, base = self._runs.make(self._event(inputs, replication))
            rows.append(_binned_sums(shared, base, BILLED_BIN))
        return _stacked(np.arange(rows[0].shape[1], dtype=float) * BILLED_BIN, rows)

    def _steady(self, inputs: Inputs, size: int, replication: int, least: int) -> list[Job]:
        jobs = []
        for copy in range(math.ceil(least / size)):
            index = replication * 1000 + copy
            rng = stream(self._seed, index, "plan")
            seconds = WARMUP + self.effort.window
            stays = draw_stays((0.0,), (float(size),), seconds, inputs.viewing, inputs.spread, rng)
            jobs += _pair(_with(inputs.scenario, stays, seconds, WARMUP), self._seed, index)
        return jobs

    def _event(self, inputs: Inputs, replication: int) -> list[Job]:
        audience, scale = inputs.audience, self.event_scale(inputs)
        viewers = [each * scale for each in audience.viewers]
        rng = stream(self._seed, replication, "plan")
        stays = draw_stays(audience.at, viewers, audience.seconds, inputs.viewing, inputs.spread, rng)
        return _pair(_with(inputs.scenario, stays, max(audience.seconds, 2 * ARRIVING), 0.0), self._seed, replication)


def _with(
    scenario: Scenario, drawn: tuple[tuple[float, ...], tuple[float, ...]], seconds: float, warmup: float
) -> Scenario:
    joins, stays = drawn
    return scenario.replace(
        {
            "duration": seconds,
            "warmup": warmup,
            "viewers.count": max(1, len(joins)),
            "viewers.arrivals": "recorded",
            "viewers.arrival_times": joins or (0.0,),
            "viewers.viewing_times": stays or (1.0,),
        }
    )


def _pair(scenario: Scenario, seed: int, replication: int) -> list[Job]:
    base = scenario.replace({"policy.name": BASELINE})
    return [Job(scenario, seed, replication), Job(base, seed, replication)]


def _binned_sums(shared: Run, base: Run, width: float) -> Floats:
    """Return the sums of both runs in bins; shape (7, bins)."""
    sums = []
    for run, columns in ((shared, _COLUMNS), (base, ("origin", "stalled"))):
        timeline = run.totals.timeline
        late = timeline[timeline["at"] >= run.totals.scenario.warmup]
        amounts = late[list(columns)].to_numpy(float)
        bins = max(1, int(len(amounts) * BIN // width))  # an incomplete last bin is left out
        amounts = amounts[: int(bins * width / BIN)]
        index = np.minimum((np.arange(len(amounts)) * BIN / width).astype(int), bins - 1)
        sums += [np.bincount(index, amounts[:, column], bins) for column in range(len(columns))]
    rows: Floats = np.array(sums, float)
    rows[[_COLUMNS.index("viewers"), _COLUMNS.index("stalled"), -1]] *= BIN
    return rows


def _stacked(at: Floats, rows: Sequence[Floats]) -> Traffic:
    viewers, stalled, origin, p2p, relayed, base, base_stalled = np.stack(rows, axis=1)
    return Traffic(at, viewers, origin, p2p, relayed, base, stalled, base_stalled)
