"""The network's few parameters from traces: fitted on part of the scenarios, judged on the others.

What a trace shows by itself is estimated from its tables (`identification`); the goodput alone, where that fails, by
simulation (`refinement`). What cannot be told keeps its default. Scenarios kept out of the fit are then simulated with
the new values and with their own: the P2P share should be within 3 points, start-up and transfer times within 10 %.
Nothing is tuned to reach that.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from p2psim.analysis.calibration.conditions import NONE, PLACES, recording_place
from p2psim.analysis.calibration.identification import Estimate, identify, overhead_estimates, overheads
from p2psim.analysis.calibration.observation import ACTORS, STARTUP_PARTS, observe, startup_parts
from p2psim.analysis.calibration.refinement import refine_goodput, with_network
from p2psim.analysis.comparison.compare import compare_all
from p2psim.analysis.runs import Runs, jobs_for
from p2psim.errors import InputError, one_of
from p2psim.rng import stream
from p2psim.trace import TABLES, Trace

__all__ = ["JUDGED", "MEAN_POINTS", "Calibration", "FitCheck", "calibrate", "kept_out", "trace_digest"]

JUDGED: Mapping[str, float] = {"p2p_ratio": 0.03, "startup": 0.10, "http_time": 0.10, "p2p_time": 0.10}
"""Metric → how far simulated may be from measured: the share in points (a fraction), the times relatively."""
MEAN_POINTS = 0.02
"""Mean absolute error of the P2P share over the scenarios kept out."""
_HELD_OUT = 0.3
"""Share of the scenarios that are kept out unless they are named."""


@dataclass(frozen=True, slots=True)
class FitCheck:
    """A metric of one scenario: measured, simulated with its own network, and with the calibrated one."""

    scenario: str
    metric: str
    measured: float
    before: float
    after: float
    held_out: bool

    def error(self, simulated: float) -> float:
        """Give the difference: of shares in points (a fraction), of times relative."""
        off = simulated - self.measured
        return off if self.metric == "p2p_ratio" else off / self.measured if self.measured else math.nan

    @property
    def passes(self) -> bool:
        """Whether the calibrated simulator is near enough; what neither has (a time of no transfer) does."""
        error = self.error(self.after)
        return math.isnan(self.measured) or abs(error) <= JUDGED[self.metric]

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON and tables."""
        return {
            "scenario": self.scenario,
            "metric": self.metric,
            "measured": self.measured,
            "before": self.before,
            "after": self.after,
            "error_before": self.error(self.before),
            "error_after": self.error(self.after),
            "limit": JUDGED[self.metric],
            "held_out": self.held_out,
            "passes": self.passes,
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """Estimates of the network's parameters, and how far they carry."""

    estimates: Mapping[str, Estimate]
    checks: tuple[FitCheck, ...]
    startup: pd.DataFrame = field(repr=False)
    """Parts of the start-up per scenario, measured and simulated: no parameter of the network covers the last one."""
    sources: Mapping[str, str]
    """Run → digest, of those that were fitted."""
    held_out: tuple[str, ...]
    """Names of the scenarios kept out."""
    actor: str = ""
    """Kind of viewers that was asked for; empty: all."""
    actors: tuple[str, ...] = ()
    """Kinds of viewers that were fitted."""
    places: tuple[str, ...] = ()
    """Where they were recorded."""

    @property
    def values(self) -> dict[str, float]:
        """Fields of the network that the traces tell, as `Scenario.replace` and presets take them."""
        return {name: found.value for name, found in self.estimates.items() if found.value is not None}

    @property
    def mean_error(self) -> float:
        """Mean absolute error of the P2P share over the scenarios kept out; NaN where there are none."""
        found = [abs(x.error(x.after)) for x in self.checks if x.held_out and x.metric == "p2p_ratio"]
        return float(np.mean(found)) if found else math.nan

    @property
    def agrees(self) -> bool:
        """Whether every check on a scenario kept out passes; with none kept out, nothing is shown."""
        kept = [check.passes for check in self.checks if check.held_out]
        return bool(kept) and all(kept) and self.mean_error <= MEAN_POINTS

    def table(self) -> pd.DataFrame:
        """Give one row per parameter: default, estimate, interval, how it was identified."""
        return pd.DataFrame([_plain(found) for found in self.estimates.values()])

    def report(self) -> pd.DataFrame:
        """Give one row per scenario and metric."""
        return pd.DataFrame([check.to_dict() for check in self.checks])

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {
            "actor": self.actor or "any",
            "parameters": [_plain(found) for found in self.estimates.values()],
            "checks": [check.to_dict() for check in self.checks],
            "startup": self.startup.to_dict(orient="records"),
            "mean_absolute_error": self.mean_error,
            "held_out": list(self.held_out),
            "sources": dict(self.sources),
            "agrees": self.agrees,
        }


def calibrate(
    traces: Sequence[Trace | str | Path],
    *,
    hold_out: Sequence[str] = (),
    actor: str = "",
    place: str = "",
    replications: int = 5,
    seed: int = 1,
    runs: Runs | None = None,
) -> Calibration:
    """Fit the network on some of the scenarios that were measured, and judge it on the others.

    Parameters
    ----------
    traces
        Traces or their folders; several runs of one scenario belong together.
    hold_out
        Names of the scenarios kept out of the fit; none: every third or so, chosen by their names.
    actor
        ``"aiortc"`` or ``"browser"``: fit only what viewers of this kind did among themselves; judge where all are.
    place
        ``"loopback"`` or ``"lab"``: take only traces that were recorded there.

    Raises
    ------
    InputError
        For a folder that is no trace, an unknown name, or nothing left to fit.
    """
    if replications < 2:
        raise InputError(f"replications = {replications}: the comparison needs at least 2")
    if actor:
        one_of("actor", actor, ACTORS)
    if place:
        one_of("place", place, PLACES)
    found = [trace if isinstance(trace, Trace) else Trace.read(trace) for trace in traces]
    found = [trace for trace in found if not actor or (trace["viewers"]["actor"] == actor).any()]
    found = [trace for trace in found if not place or recording_place(trace) == place]
    kept = kept_out(found, hold_out)
    fitted = [trace for trace in found if trace.scenario.name not in kept]
    if not fitted:
        asked = " ".join(part for part in (f"of {actor}" if actor else "", f"in the {place}" if place else "") if part)
        raise InputError(f"no traces to fit: {f'none is {asked}, or ' if asked else ''}all are held out")
    session = runs if runs is not None else Runs(processes=1)
    estimates = _estimates(fitted, actor, session, replications, seed)
    values = {name: x.value for name, x in estimates.items() if x.value is not None}
    pure = [trace for trace in found if not actor or (trace["viewers"]["actor"] == actor).all()]
    return Calibration(
        estimates=estimates,
        checks=tuple(_checks(pure, values, kept, session, replications, seed)),
        startup=_startup(pure, values, session, seed),
        sources={f"{trace.name} (seed {trace.manifest.seed})": trace_digest(trace) for trace in fitted},
        held_out=kept,
        actor=actor,
        actors=tuple(sorted({kind for trace in fitted for kind in trace["viewers"]["actor"] if actor in ("", kind)})),
        places=tuple(sorted({recording_place(trace) for trace in fitted} - {""})),
    )


def trace_digest(trace: Trace) -> str:
    """Hash what was run and what was observed, so that a result can name its data."""
    found = hashlib.sha256(f"{trace.scenario.digest} {trace.manifest.seed} {trace.manifest.replication}".encode())
    for name, columns in TABLES.items():
        found.update(trace[name][list(columns)].to_csv(index=False, lineterminator="\n").encode())
    return found.hexdigest()[:16]


def kept_out(traces: Sequence[Trace], asked: Sequence[str]) -> tuple[str, ...]:
    """Name the scenarios to keep out of a fit: those asked for, else a third chosen by their names alone."""
    names = sorted({trace.scenario.name for trace in traces})
    if asked:
        return tuple(sorted({one_of("hold-out", name, names) for name in asked}))
    shuffled = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return tuple(sorted(shuffled[: max(1, round(_HELD_OUT * len(names)))])) if len(names) > 1 else ()


def _estimates(traces: Sequence[Trace], actor: str, runs: Runs, replications: int, seed: int) -> dict[str, Estimate]:
    observed = observe(traces, actor)
    rng = stream(seed, 0, "calibration")
    found = identify(observed, rng)
    pure = [trace for trace in traces if not actor or (trace["viewers"]["actor"] == actor).all()]
    if found["goodput"].identified or not pure:
        return found
    told = {name: each.value for name, each in found.items() if each.value is not None}
    goodput = refine_goodput(
        pure,
        lambda x: told | overheads(observed.transfers, x),
        runs=runs,
        replications=replications,
        seed=seed,
        rng=rng,
    )
    if not goodput.identified:
        return found | {"goodput": goodput}
    return found | {"goodput": goodput} | overhead_estimates(observed.transfers, goodput.interval.mean, rng)


def _checks(
    traces: Sequence[Trace], values: Mapping[str, float], kept: Sequence[str], runs: Runs, replications: int, seed: int
) -> list[FitCheck]:
    """Compare as the scenarios are and as calibrated, runs of one scenario averaged."""
    both = [*traces, *(with_network(trace, values) for trace in traces)]
    found = compare_all(both, replications=replications, seed=seed, runs=runs, calibration=NONE)
    rows = [
        (trace.scenario.name, metric, old.differences[metric].measured, old.differences[metric].simulated, x.simulated)
        for trace, old, new in zip(traces, found[: len(traces)], found[len(traces) :], strict=True)
        for metric, x in new.differences.items()
        if metric in JUDGED
    ]
    table = pd.DataFrame(rows, columns=["scenario", "metric", "measured", "before", "after"])
    means = table.groupby(["scenario", "metric"], sort=False).mean()
    return [
        FitCheck(str(name), str(metric), float(was), float(before), float(after), held_out=name in kept)
        for (name, metric), (was, before, after) in zip(means.index, means.to_numpy(float), strict=True)
    ]


def _startup(traces: Sequence[Trace], values: Mapping[str, float], runs: Runs, seed: int) -> pd.DataFrame:
    """Where the time to the first frame goes in both worlds, in seconds."""
    jobs = [job for trace in traces for job in jobs_for(with_network(trace, values).scenario, seed, 1, events=True)]
    rows = []
    for trace, made in zip(traces, runs.make(jobs), strict=True):
        for world, each in (("measured", trace), ("simulated", made.trace)):
            if each is not None:
                rows.append({"scenario": trace.scenario.name, "world": world, **startup_parts(each)})
    table = pd.DataFrame(rows, columns=["scenario", "world", *STARTUP_PARTS])
    return table.groupby(["scenario", "world"], as_index=False, sort=False).mean()


def _plain(found: Estimate) -> dict[str, Any]:
    return {
        "parameter": f"network.{found.name}",
        "default": found.default,
        "estimate": found.interval.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "identified": found.identified,
        "how": found.how,
    }
