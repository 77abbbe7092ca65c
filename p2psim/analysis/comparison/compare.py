"""Comparison of simulated with measured runs of the same scenario and viewers, with tests of equivalence.

Recordings of one scenario are compared together, each with simulations of its viewers; intervals are those of
randomized blocks (`p2psim.analysis.statistics.block_difference`). A recording is assumed to vary as the simulated runs
of its viewers do, and additionally as the recordings differ from each other; no other measurement noise is assumed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.calibration.conditions import SHIPPED, conditions, with_calibrated_network
from p2psim.analysis.comparison.distances import curve_distance, time_distance
from p2psim.analysis.comparison.gate import GATE, LIMITS, MARGIN, check_difference, check_distance
from p2psim.analysis.comparison.result import LEVEL, Comparison, Difference
from p2psim.analysis.metrics import metrics
from p2psim.analysis.runs import Job, Runs
from p2psim.analysis.statistics import Equivalence, Interval, block_difference, difference, equivalence
from p2psim.errors import InputError, at_least, one_of
from p2psim.scenario import Scenario
from p2psim.trace import Totals, Trace, totals

__all__ = [
    "COMPARED",
    "MARGIN",
    "REPLICATIONS",
    "CompareOptions",
    "compare",
    "compare_all",
    "compare_scenarios",
    "compare_traces",
    "with_recorded_arrivals",
]

REPLICATIONS = 20
"""Default number of simulations: with few, the interval is wide and depends much on their random numbers."""

COMPARED = (
    "p2p_ratio", "offload", "media_bytes", "http_bytes", "p2p_bytes", "startup", "stalls", "stall_ratio", "peers",
    "http_time", "p2p_time", "latency",
)  # fmt: skip
"""Metrics that are compared; those in bytes are totals of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """Options of a comparison; an invalid one raises InputError."""

    replications: int = REPLICATIONS
    """Simulations of each scenario, at least 2."""
    seed: int = 1
    margin: float = MARGIN
    """Difference of the P2P share (0.03 is three points) up to which both are equal."""
    gate: Mapping[str, float] | None = None
    """Metrics that decide → their limits (`p2psim.analysis.comparison.gate`); None: those of `GATE`."""
    simulated_with: Mapping[str, object] | None = None
    """Changes to the scenario of the simulations alone: dotted names → values in canonical units or as text."""
    calibration: str = SHIPPED
    """Network of the simulations: ``"shipped"`` (the preset for the conditions of the trace, if there is one),
    ``"none"`` (that of the scenario), a preset of the section `network`, or a TOML file with one."""

    def __post_init__(self) -> None:
        if self.replications < 2:
            raise InputError(f"replications = {self.replications}: a comparison needs at least 2")
        if not 0 < self.margin <= 1:
            raise InputError(f"margin = {self.margin!r}: a share above 0 is expected, 0.03 for three points")
        for metric in self.gate or ():
            one_of("gate", metric, LIMITS)
        at_least("seed", self.seed, 0)

    @property
    def limits(self) -> dict[str, float]:
        """Limits of the metrics of the gate."""
        return _limits(self.gate, self.margin)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of one world, measured or simulated, reduced to what is compared."""

    world: str
    totals: list[Totals]
    metrics: list[dict[str, float]]
    transfers: pd.DataFrame

    @staticmethod
    def of(world: str, traces: Sequence[Trace]) -> "_Runs":
        runs = [totals(trace) for trace in traces]
        times = [_times(trace).assign(world=world, replication=index) for index, trace in enumerate(traces)]
        return _Runs(world, runs, [_metrics(run) for run in runs], pd.concat(times, ignore_index=True))

    def times(self, source: str) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
        rows = self.transfers[self.transfers["source"] == source]
        return [
            rows.loc[rows["replication"] == index, "time"].dropna().to_numpy(float) for index in range(len(self.totals))
        ]

    def curves(self, column: str) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
        return [run.timeline[column].to_numpy(float) for run in self.totals]

    def timelines(self) -> pd.DataFrame:
        frames = [run.timeline.assign(world=self.world, replication=index) for index, run in enumerate(self.totals)]
        return pd.concat(frames, ignore_index=True)


def compare(
    trace: Trace | str | Path,
    *,
    replications: int = REPLICATIONS,
    seed: int = 1,
    margin: float = MARGIN,
    runs: Runs | None = None,
    gate: Mapping[str, float] | None = None,
    simulated_with: Mapping[str, object] | None = None,
    calibration: str = SHIPPED,
) -> Comparison:
    """Simulate the scenario of a measured trace with the viewers that were measured, and compare.

    Parameters
    ----------
    trace
        A measured trace or its folder.
    runs
        Session that simulates and caches runs; None: a new one with one process.
    replications, seed, margin, gate, simulated_with, calibration
        See `CompareOptions`.

    Raises
    ------
    InputError
        For a folder without a trace, or an invalid option.
    """
    options = CompareOptions(
        replications=replications,
        seed=seed,
        margin=margin,
        gate=gate,
        simulated_with=simulated_with,
        calibration=calibration,
    )
    return compare_all([trace], options, runs)[0]


def compare_all(
    traces: Sequence[Trace | str | Path], options: CompareOptions | None = None, runs: Runs | None = None
) -> list[Comparison]:
    """Compare each trace separately; the simulations for all of them run in parallel."""
    return _compared_groups([(trace.name, [trace]) for trace in map(_read, traces)], options, runs)


def compare_scenarios(
    traces: Sequence[Trace | str | Path], options: CompareOptions | None = None, runs: Runs | None = None
) -> list[Comparison]:
    """Compare recordings of the same scenario together: one comparison per scenario.

    The replications are distributed over the recordings of a scenario, at least one for each.
    """
    return _compared_groups(_grouped([_read(trace) for trace in traces]), options, runs)


def _compared_groups(
    groups: Sequence[tuple[str, list[Trace]]], options: CompareOptions | None, runs: Runs | None
) -> list[Comparison]:
    chosen = options if options is not None else CompareOptions()
    session = runs if runs is not None else Runs(processes=1)
    jobs = [_jobs(group, chosen) for _, group in groups]
    finished = iter(session.make([job for group_jobs in jobs for job in group_jobs]))
    comparisons = []
    for (name, group), group_jobs in zip(groups, jobs, strict=True):
        group_runs = zip(group_jobs, finished, strict=False)  # `group_jobs` ends first
        simulated = [run.trace for _, run in group_runs if run.trace is not None]
        comparisons.append(_compared(name, group, simulated, chosen))
    return comparisons


def compare_traces(
    trace: Trace | str | Path,
    other: Trace | str | Path,
    margin: float = MARGIN,
    gate: Mapping[str, float] | None = None,
) -> Comparison:
    """Compare two traces without simulation; one run each gives no interval, so the estimates alone decide."""
    first = _read(trace)
    return _compared(first.name, [first], [_read(other)], CompareOptions(margin=margin, gate=gate), is_estimate=True)


def with_recorded_arrivals(trace: Trace) -> Scenario:
    """Return the scenario with the recorded arrival times; unchanged if viewers left during the run."""
    viewers = trace["viewers"]
    if not (viewers["departure"] == "end").all():
        return trace.scenario
    joins = tuple(sorted(float(at) for at in viewers["joined_at"]))
    return trace.scenario.replace(
        {"viewers.count": len(joins), "viewers.arrivals": "recorded", "viewers.arrival_times": joins}
    )


def _read(trace: Trace | str | Path) -> Trace:
    return trace if isinstance(trace, Trace) else Trace.read(trace)


def _limits(gate: Mapping[str, float] | None, margin: float) -> dict[str, float]:
    chosen = {name: LIMITS[name].size for name in GATE} if gate is None else dict(gate)
    return chosen | ({"p2p_ratio": margin} if "p2p_ratio" in chosen else {})


def _grouped(traces: Sequence[Trace]) -> list[tuple[str, list[Trace]]]:
    """Return the recordings by scenario and conditions, under the name of the first of each group.

    Groups with the same name get their conditions appended, or if these are equal too, their digests.
    """
    groups: dict[tuple[str, str], list[Trace]] = {}
    for trace in traces:
        groups.setdefault((trace.scenario.digest, conditions(trace)), []).append(trace)
    names = Counter(group[0].name for group in groups.values())
    names_with_conditions = Counter((group[0].name, where) for (_, where), group in groups.items())
    named = []
    for (digest, where), group in groups.items():
        name = group[0].name
        if names[name] == 1:
            suffix = ""
        else:
            suffix = f"-{where}" if names_with_conditions[name, where] == 1 else f"-{digest[:8]}"
        named.append((name + suffix, group))
    return named


def _jobs(group: Sequence[Trace], options: CompareOptions) -> list[Job]:
    scenarios = [
        with_calibrated_network(with_recorded_arrivals(trace), trace, options.calibration).replace(
            options.simulated_with or {}
        )
        for trace in group
    ]
    viewers = [(trace.manifest.seed, trace.manifest.replication) for trace in group]
    count = max(options.replications, len(group))
    return [
        Job(scenarios[index % len(group)], options.seed, index, events=True, viewers=viewers[index % len(group)])
        for index in range(count)
    ]


def _compared(
    name: str, measured: Sequence[Trace], simulated: Sequence[Trace], options: CompareOptions, is_estimate: bool = False
) -> Comparison:
    real, virtual, limits = _Runs.of("measured", measured), _Runs.of("simulated", simulated), options.limits
    differences = {metric: _difference(metric, real, virtual, are_blocks=not is_estimate) for metric in COMPARED}
    spreads = {
        f"{source}_times": time_distance(real.times(source), virtual.times(source)) for source in ("http", "p2p")
    }
    spreads["peers_over_time"] = curve_distance(real.curves("peers"), virtual.curves("peers"))
    checks = {
        metric: check_difference(metric, limits, found.measured, found.interval, is_estimate)
        for metric, found in differences.items()
    } | {metric: check_distance(metric, limits, distance) for metric, distance in spreads.items()}
    return Comparison(
        name=name,
        recordings=len(measured),
        replications=len(simulated),
        differences=differences,
        spreads=spreads,
        equivalence=_share_equivalence(differences["p2p_ratio"].interval, options.margin, is_estimate),
        checks=tuple(checks[metric] for metric in LIMITS),
        transfers=pd.concat([real.transfers, virtual.transfers], ignore_index=True),
        timelines=pd.concat([real.timelines(), virtual.timelines()], ignore_index=True),
    )


def _share_equivalence(share: Interval, margin: float, is_estimate: bool) -> Equivalence:
    tested = equivalence(share, margin)
    if not is_estimate:
        return tested
    return Equivalence(margin, tested.low, tested.high, tested.p_value, bool(abs(share.mean) < margin))


def _metrics(run: Totals) -> dict[str, float]:
    sizes = {f"{source}_bytes": float(run.timeline[source].sum()) for source in ("http", "p2p")}
    sizes["media_bytes"] = sum(sizes.values())
    return {name: number for name, number in (metrics(run) | sizes).items() if name in COMPARED}


def _difference(name: str, measured: _Runs, simulated: _Runs, are_blocks: bool) -> Difference:
    """Return the difference of means; with `are_blocks`, simulations take the viewers of the recordings in turn."""
    of_measured, of_simulated = ([run[name] for run in runs.metrics] for runs in (measured, simulated))
    real, virtual = (np.asarray(values, float) for values in (of_measured, of_simulated))
    real, virtual = real[np.isfinite(real)], virtual[np.isfinite(virtual)]
    real_mean, virtual_mean = (float(values.mean()) if len(values) else float("nan") for values in (real, virtual))
    if not len(virtual) or not len(real):
        return Difference(name, real_mean, virtual_mean, Interval(float("nan")))
    if are_blocks:
        blocks = [of_simulated[index :: len(of_measured)] for index in range(len(of_measured))]
        interval = block_difference(blocks, of_measured, LEVEL)
        # each recording has the same weight, however often it was simulated
        return Difference(name, real_mean, real_mean + interval.mean, interval)
    return Difference(name, real_mean, virtual_mean, difference(virtual, real, LEVEL))


def _times(trace: Trace) -> pd.DataFrame:
    rows = trace["transfers"]
    completed = rows[rows["outcome"] == "completed"]
    return pd.DataFrame({"source": completed["source"], "time": completed["ended_at"] - completed["started_at"]})
