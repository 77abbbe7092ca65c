"""Simulated against measured: the same scenario, the same viewers, the same metrics, and tests of equivalence.

Recordings of one scenario are compared together, each with simulations of the viewers that came to it: intervals are of
randomized blocks (`p2psim.analysis.statistics.block_difference`). A recording is taken to vary as the simulated runs of
its viewers do, and as much more as recordings show; nothing else is allowed for the noise of recording.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.calibration.conditions import SHIPPED, conditions, with_calibrated_network
from p2psim.analysis.comparison.distances import Distance, curve_distance, time_distance
from p2psim.analysis.comparison.gate import GATE, LIMITS, MARGIN, Check, Verdict, check_difference, check_distance
from p2psim.analysis.formatting import format_interval, format_value
from p2psim.analysis.metrics import METRICS, metrics
from p2psim.analysis.runs import Job, Runs
from p2psim.analysis.statistics import Equivalence, Interval, block_difference, difference, equivalence
from p2psim.errors import InputError, at_least, one_of
from p2psim.scenario import Scenario
from p2psim.trace import BIN, Totals, Trace, totals

__all__ = [
    "COMPARED",
    "MARGIN",
    "REPLICATIONS",
    "Comparison",
    "Difference",
    "compare",
    "compare_all",
    "compare_scenarios",
    "compare_traces",
    "with_recorded_arrivals",
]

LEVEL = 0.90
"""Of the intervals: the one that two one-sided tests at 5 % look at."""
REPLICATIONS = 20
"""Few runs give a wide interval, and one that depends much on which few; a run with events takes a moment."""

COMPARED = (
    "p2p_ratio", "offload", "media_bytes", "http_bytes", "p2p_bytes", "startup", "stalls", "stall_ratio", "peers",
    "http_time", "p2p_time", "latency",
)  # fmt: skip
"""Metrics held against each other; those in bytes are totals of the run."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric in both worlds; `interval` (90 %) is of simulated minus measured."""

    metric: str
    measured: float
    simulated: float
    interval: Interval

    @property
    def relative(self) -> float:
        """Difference as a share of the measured value; NaN where that is 0."""
        return self.interval.mean / self.measured if self.measured else float("nan")

    def to_dict(self) -> dict[str, float]:
        """Give plain values: measured, simulated, difference and its interval."""
        return {
            "measured": self.measured,
            "simulated": self.simulated,
            "difference": self.interval.mean,
            "low": self.interval.low,
            "high": self.interval.high,
            "relative": self.relative,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measured traces of one scenario (or any others) against simulations of it."""

    name: str
    recordings: int
    replications: int
    differences: Mapping[str, Difference]
    spreads: Mapping[str, Distance]
    """``http_times``, ``p2p_times`` (seconds), ``peers_over_time`` (connected peers) → how far apart they are."""
    equivalence: Equivalence
    """Of the P2P share."""
    checks: tuple[Check, ...]
    """Every metric held to its limit."""
    transfers: pd.DataFrame = field(repr=False)
    """Completed transfers of both: world, replication (of measured ones: recording), source, time."""
    timelines: pd.DataFrame = field(repr=False)
    """Second by second, of both: world, replication, and the columns of `p2psim.trace.TIMELINE`."""

    @property
    def agrees(self) -> bool:
        """Whether no metric of the gate fails."""
        return not any(check.fails for check in self.checks)

    @property
    def verdict(self) -> Verdict:
        """Differs where one metric of the gate does; else not shown, where equality of one is not."""
        found = {check.verdict for check in self.checks if check.fails}
        return "differs" if "differs" in found else "not shown" if found else "agrees"

    @property
    def verdict_text(self) -> str:
        """The verdict, with the metrics of the gate that stand behind it."""
        words: tuple[Verdict, ...] = ("differs", "not shown")
        failing = [check for check in self.checks if check.fails]
        failed = {word: [check.metric for check in failing if check.verdict == word] for word in words}
        parts = [f"{word}: {', '.join(names)}" for word, names in failed.items() if names]
        return "; ".join(parts) or "agrees"

    @property
    def distances(self) -> dict[str, float]:
        """Source → Wasserstein distance between the distributions of transfer times, seconds."""
        return {source: self.spreads[f"{source}_times"].value for source in ("http", "p2p")}

    @property
    def noise(self) -> str:
        """Where the spread between recordings comes from."""
        if self.recordings > 1:
            return f"spread of {self.recordings} recordings"
        return "one recording, taken to vary as simulated runs do"

    def table(self) -> pd.DataFrame:
        """Give one row per metric."""
        return pd.DataFrame([{"metric": name, **found.to_dict()} for name, found in self.differences.items()])

    def rows(self) -> list[list[str]]:
        """Give rows in words: metric, measured, simulated, difference with its interval, limit, verdict.

        Verdicts of metrics that only inform stand in brackets.
        """
        found = []
        for check in self.checks:
            row, limit = self.differences.get(check.metric), check.limit.format(check.limit.size)
            verdict = check.verdict if check.gates else f"({check.verdict})"
            if row is not None:
                unit = METRICS[check.metric].unit if check.metric in METRICS else "size"
                gap = format_interval(row.interval, "points" if unit == "share" else unit)
                cells = [format_value(row.measured, unit), format_value(row.simulated, unit), gap, f"±{limit}"]
            else:
                spread, unit = self.spreads[check.metric], "number" if check.metric == "peers_over_time" else "time"
                parts = [
                    format_value(spread.value, unit),
                    format_value(spread.relative, "share"),
                    format_value(spread.own, "share"),
                ]
                cells = ["", "", "{} apart, {}; chance {}".format(*parts), limit]
            found.append([check.metric, *cells, verdict])
        return found

    def checks_table(self) -> pd.DataFrame:
        """Give one row per check."""
        return pd.DataFrame([check.to_dict() for check in self.checks])

    def curves(self, points: int = 30) -> pd.DataFrame:
        """Give P2P share and connected peers of every run over time: world, replication, at, p2p_share, peers."""
        width = max(BIN, float(np.ceil(self.timelines["at"].max() / points)))
        sums = self.timelines.assign(at=self.timelines["at"] // width * width, bins=1).groupby(
            ["world", "replication", "at"]
        )
        found = sums[["http", "p2p", "peers", "bins"]].sum().reset_index()
        media = (found["p2p"] + found["http"]).where(lambda total: total > 0)
        shares = {"p2p_share": found["p2p"] / media, "peers": found["peers"] / found["bins"]}
        return found[["world", "replication", "at"]].assign(**shares)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {
            "trace": self.name,
            "agrees": self.agrees,
            "recordings": self.recordings,
            "replications": self.replications,
            "noise": self.noise,
            "level": LEVEL,
            **{name: found.to_dict() for name, found in self.differences.items()},
            **{name: found.to_dict() for name, found in self.spreads.items()},
            "transfer_time_distance": self.distances,
            "equivalence": {
                "metric": "p2p_ratio",
                "margin": self.equivalence.margin,
                "low": self.equivalence.low,
                "high": self.equivalence.high,
                "p_value": self.equivalence.p_value,
                "equivalent": self.equivalence.equivalent,
            },
            "checks": [check.to_dict() for check in self.checks],
        }


@dataclass(frozen=True, slots=True)
class _World:
    """Runs of one world, as far as they are compared."""

    name: str
    runs: list[Totals]
    metrics: list[dict[str, float]]
    transfers: pd.DataFrame

    @staticmethod
    def of(name: str, traces: Sequence[Trace]) -> "_World":
        runs = [totals(trace) for trace in traces]
        times = [_times(trace).assign(world=name, replication=index) for index, trace in enumerate(traces)]
        return _World(name, runs, [_metrics(run) for run in runs], pd.concat(times, ignore_index=True))

    def times(self, source: str) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
        rows = self.transfers[self.transfers["source"] == source]
        return [
            rows.loc[rows["replication"] == index, "time"].dropna().to_numpy(float) for index in range(len(self.runs))
        ]

    def curves(self, column: str) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
        return [run.timeline[column].to_numpy(float) for run in self.runs]

    def timelines(self) -> pd.DataFrame:
        frames = [run.timeline.assign(world=self.name, replication=index) for index, run in enumerate(self.runs)]
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
    """Simulate what was measured, with the viewers that came, and compare.

    Parameters
    ----------
    trace
        A measured trace or its folder.
    margin
        Difference of the P2P share (a fraction) below which both are taken as equal.
    gate
        Metrics that decide → their limits (see `p2psim.analysis.comparison.gate`); by default its `GATE`.
    simulated_with
        Changes to the scenario of the simulations alone, dotted names → values in canonical units or as text: what the
        gate must notice.
    calibration
        The network of the simulations: ``"shipped"`` (the preset for the trace's conditions, where there is one),
        ``"none"`` (the scenario's own), a preset of the section `network`, or a TOML file with one.

    Raises
    ------
    InputError
        For a folder that is no trace, or fewer than two replications.
    """
    return compare_all(
        [trace], replications=replications, seed=seed, margin=margin, runs=runs, gate=gate,
        simulated_with=simulated_with, calibration=calibration,
    )[0]  # fmt: skip


def compare_all(
    traces: Sequence[Trace | str | Path],
    *,
    replications: int = REPLICATIONS,
    seed: int = 1,
    margin: float = MARGIN,
    runs: Runs | None = None,
    gate: Mapping[str, float] | None = None,
    simulated_with: Mapping[str, object] | None = None,
    calibration: str = SHIPPED,
) -> list[Comparison]:
    """Compare several traces one by one, all simulations of all of them at once; for the parameters see `compare`."""
    groups = [(trace.name, [trace]) for trace in map(_read, traces)]
    return _all(groups, replications, seed, margin, runs, gate, simulated_with, calibration)


def compare_scenarios(
    traces: Sequence[Trace | str | Path],
    *,
    replications: int = REPLICATIONS,
    seed: int = 1,
    margin: float = MARGIN,
    runs: Runs | None = None,
    gate: Mapping[str, float] | None = None,
    simulated_with: Mapping[str, object] | None = None,
    calibration: str = SHIPPED,
) -> list[Comparison]:
    """Compare several traces, recordings of one scenario together: one comparison per scenario.

    Replications are shared out among the recordings of a scenario, at least one for each.
    """
    return _all(
        _grouped([_read(trace) for trace in traces]),
        replications,
        seed,
        margin,
        runs,
        gate,
        simulated_with,
        calibration,
    )


def _all(
    groups: Sequence[tuple[str, list[Trace]]],
    replications: int,
    seed: int,
    margin: float,
    runs: Runs | None,
    gate: Mapping[str, float] | None,
    simulated_with: Mapping[str, object] | None,
    calibration: str,
) -> list[Comparison]:
    if replications < 2:
        raise InputError(f"replications = {replications}: a comparison needs at least 2")
    if not 0 < margin <= 1:
        raise InputError(f"margin = {margin!r}: a share above 0 is expected, 0.03 for three points")
    for metric in gate or ():
        one_of("gate", metric, LIMITS)
    at_least("seed", seed, 0)
    session = runs if runs is not None else Runs(processes=1)
    jobs = [_jobs(group, seed, replications, simulated_with or {}, calibration) for _, group in groups]
    made = iter(session.make([job for each in jobs for job in each]))
    limits = _limits(gate, margin)
    comparisons = []
    for (name, group), own in zip(groups, jobs, strict=True):
        simulated = [run.trace for _, run in zip(own, made, strict=False) if run.trace is not None]  # `own` ends first
        comparisons.append(_compared(name, group, simulated, margin, limits))
    return comparisons


def compare_traces(
    trace: Trace | str | Path,
    other: Trace | str | Path,
    margin: float = MARGIN,
    gate: Mapping[str, float] | None = None,
) -> Comparison:
    """Compare two traces as they are; from one run each comes no interval, so equality is judged by the estimate."""
    first = _read(trace)
    return _compared(first.name, [first], [_read(other)], margin, _limits(gate, margin), is_estimate=True)


def with_recorded_arrivals(trace: Trace) -> Scenario:
    """Give the scenario with the arrivals that were recorded, so that only chance in the network differs."""
    viewers = trace["viewers"]
    if not (viewers["departure"] == "end").all():
        return trace.scenario
    joins = tuple(sorted(float(at) for at in viewers["joined_at"]))
    return trace.scenario.replace({"viewers.count": len(joins), "viewers.arrivals": "recorded", "viewers.joins": joins})


def _read(trace: Trace | str | Path) -> Trace:
    return trace if isinstance(trace, Trace) else Trace.read(trace)


def _limits(gate: Mapping[str, float] | None, margin: float) -> dict[str, float]:
    chosen = {name: LIMITS[name].size for name in GATE} if gate is None else dict(gate)
    return chosen | ({"p2p_ratio": margin} if "p2p_ratio" in chosen else {})


def _grouped(traces: Sequence[Trace]) -> list[tuple[str, list[Trace]]]:
    """Put recordings of one scenario under the same conditions together, under the name of the first.

    Groups that share a name get their conditions added, or where these are the same, their digests.
    """
    groups: dict[tuple[str, str], list[Trace]] = {}
    for trace in traces:
        groups.setdefault((trace.scenario.digest, conditions(trace)), []).append(trace)
    names = Counter(group[0].name for group in groups.values())
    places = Counter((group[0].name, where) for (_, where), group in groups.items())
    found = []
    for (digest, where), group in groups.items():
        name = group[0].name
        more = "" if names[name] == 1 else f"-{where}" if places[name, where] == 1 else f"-{digest[:8]}"
        found.append((name + more, group))
    return found


def _jobs(
    group: Sequence[Trace], seed: int, replications: int, changes: Mapping[str, object], calibration: str
) -> list[Job]:
    came = [
        with_calibrated_network(with_recorded_arrivals(trace), trace, calibration).replace(changes) for trace in group
    ]
    who = [(trace.manifest.seed, trace.manifest.replication) for trace in group]
    count = max(replications, len(group))
    return [
        Job(came[index % len(group)], seed, index, events=True, viewers=who[index % len(group)])
        for index in range(count)
    ]


def _compared(
    name: str,
    measured: Sequence[Trace],
    simulated: Sequence[Trace],
    margin: float,
    gate: Mapping[str, float],
    is_estimate: bool = False,
) -> Comparison:
    real, drawn = _World.of("measured", measured), _World.of("simulated", simulated)
    differences = {
        metric: _difference(
            metric, [row[metric] for row in real.metrics], [row[metric] for row in drawn.metrics], not is_estimate
        )
        for metric in COMPARED
    }
    spreads = {f"{source}_times": time_distance(real.times(source), drawn.times(source)) for source in ("http", "p2p")}
    spreads["peers_over_time"] = curve_distance(real.curves("peers"), drawn.curves("peers"))
    checks = {
        metric: check_difference(metric, gate, found.measured, found.interval, is_estimate)
        for metric, found in differences.items()
    } | {metric: check_distance(metric, gate, found) for metric, found in spreads.items()}
    share = differences["p2p_ratio"].interval
    judged = equivalence(share, margin)
    if is_estimate:
        judged = Equivalence(margin, judged.low, judged.high, judged.p_value, bool(abs(share.mean) < margin))
    return Comparison(
        name=name,
        recordings=len(measured),
        replications=len(simulated),
        differences=differences,
        spreads=spreads,
        equivalence=judged,
        checks=tuple(checks[metric] for metric in LIMITS),
        transfers=pd.concat([real.transfers, drawn.transfers], ignore_index=True),
        timelines=pd.concat([real.timelines(), drawn.timelines()], ignore_index=True),
    )


def _metrics(run: Totals) -> dict[str, float]:
    sizes = {f"{source}_bytes": float(run.timeline[source].sum()) for source in ("http", "p2p")}
    sizes["media_bytes"] = sum(sizes.values())
    return {name: number for name, number in (metrics(run) | sizes).items() if name in COMPARED}


def _difference(name: str, measured: Sequence[float], simulated: Sequence[float], is_mirrored: bool) -> Difference:
    """Compare means; mirrored: the simulations are of the recordings' viewers, in turn."""
    real, drawn = (np.asarray(values, float) for values in (measured, simulated))
    real, drawn = real[np.isfinite(real)], drawn[np.isfinite(drawn)]
    was, is_now = (float(values.mean()) if len(values) else float("nan") for values in (real, drawn))
    if not len(drawn) or not len(real):
        return Difference(name, was, is_now, Interval(float("nan")))
    if is_mirrored:
        blocks = [simulated[index :: len(measured)] for index in range(len(measured))]
        found = block_difference(blocks, measured, LEVEL)
        return Difference(name, was, was + found.mean, found)  # each recording counts alike, however often simulated
    return Difference(name, was, is_now, difference(drawn, real, LEVEL))


def _times(trace: Trace) -> pd.DataFrame:
    rows = trace["transfers"]
    done = rows[rows["outcome"] == "completed"]
    return pd.DataFrame({"source": done["source"], "time": done["ended_at"] - done["started_at"]})
