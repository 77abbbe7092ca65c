"""Calibration of the network parameters: fitted to traces of some scenarios, validated on the others.

Parameters are estimated from the tables of the traces (`identification`); the goodput, if that fails, by simulation
(`refinement`). A parameter that is not identified keeps its default. The scenarios held out of the fit are then
simulated with the fitted values and with their own: the P2P share should be within 3 points of the measured one,
start-up and transfer times within 10 %. Nothing is tuned to reach these limits.
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
from p2psim.analysis.calibration.observation import STARTUP_PARTS, observe, startup_parts
from p2psim.analysis.calibration.refinement import refine_goodput, with_network
from p2psim.analysis.comparison.compare import CompareOptions, compare_all
from p2psim.analysis.runs import Runs, jobs_for
from p2psim.errors import InputError, one_of
from p2psim.rng import stream
from p2psim.trace import TABLES, Trace, required_columns
from p2psim.trace.schema import ACTORS

__all__ = ["JUDGED", "MEAN_POINTS", "Calibration", "FitCheck", "calibrate", "scenarios_to_hold_out", "trace_digest"]

JUDGED: Mapping[str, float] = {"p2p_ratio": 0.03, "startup": 0.10, "http_time": 0.10, "p2p_time": 0.10}
"""Metric → limit of the error: for the share a difference (0.03 is three points), for times a relative one."""
MEAN_POINTS = 0.02
"""Limit of the mean absolute error of the P2P share over the held-out scenarios."""
_HELD_OUT = 0.3
"""Share of the scenarios that are held out if none is named."""


@dataclass(frozen=True, slots=True)
class FitCheck:
    """A metric of one scenario: measured, simulated with its own network, and with the fitted network."""

    scenario: str
    metric: str
    measured: float
    before: float
    after: float
    held_out: bool

    def error(self, simulated: float) -> float:
        """Return the error of a simulated value: of a share the difference, of a time the relative difference."""
        difference = simulated - self.measured
        if self.metric == "p2p_ratio":
            return difference
        return difference / self.measured if self.measured else math.nan

    @property
    def passes(self) -> bool:
        """True if the error with the fitted network is within the limit, or if nothing was measured (no transfer)."""
        error = self.error(self.after)
        return math.isnan(self.measured) or abs(error) <= JUDGED[self.metric]

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON and tables."""
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
    """Estimates of the network parameters, and their validation."""

    estimates: Mapping[str, Estimate]
    checks: tuple[FitCheck, ...]
    startup: pd.DataFrame = field(repr=False)
    """Mean seconds of the parts of the start-up per scenario, measured and simulated."""
    sources: Mapping[str, str]
    """Run → digest, of the fitted traces."""
    held_out: tuple[str, ...]
    """Names of the held-out scenarios."""
    actor: str = ""
    """Kind of viewers that the fit was restricted to; empty: all."""
    actors: tuple[str, ...] = ()
    """Kinds of viewers in the fitted traces."""
    places: tuple[str, ...] = ()
    """Networks on which the fitted traces were recorded."""

    @property
    def values(self) -> dict[str, float]:
        """Identified fields of the section `network` and their values, in canonical units."""
        return {name: estimate.value for name, estimate in self.estimates.items() if estimate.value is not None}

    @property
    def mean_error(self) -> float:
        """Mean absolute error of the P2P share over the held-out scenarios; NaN if there are none."""
        checks = [check for check in self.checks if check.held_out and check.metric == "p2p_ratio"]
        return float(np.mean([abs(check.error(check.after)) for check in checks])) if checks else math.nan

    @property
    def agrees(self) -> bool:
        """True if every check on a held-out scenario passes; False if no scenario was held out."""
        passes = [check.passes for check in self.checks if check.held_out]
        return bool(passes) and all(passes) and self.mean_error <= MEAN_POINTS

    def table(self) -> pd.DataFrame:
        """Return one row per parameter: default, estimate, interval, how it was identified."""
        return pd.DataFrame([_plain(estimate) for estimate in self.estimates.values()])

    def report(self) -> pd.DataFrame:
        """Return one row per scenario and metric."""
        return pd.DataFrame([check.to_dict() for check in self.checks])

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return {
            "actor": self.actor or "any",
            "parameters": [_plain(estimate) for estimate in self.estimates.values()],
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
    """Fit the network parameters to traces of some scenarios, and validate them on the others.

    Parameters
    ----------
    traces
        Traces or their folders; several recordings of a scenario are fitted or held out together.
    hold_out
        Names of the scenarios to hold out of the fit; none: about a third, chosen by a hash of their names.
    actor
        ``"aiortc"`` or ``"browser"``: fit only the exchange among viewers of this kind, and validate on traces that
        have no others.
    place
        ``"loopback"`` or ``"lab"``: use only traces recorded there.

    Raises
    ------
    InputError
        For a folder without a trace, an unknown name, or no trace to fit.
    """
    if replications < 2:
        raise InputError(f"replications = {replications}: the comparison needs at least 2")
    if actor:
        one_of("actor", actor, ACTORS)
    if place:
        one_of("place", place, PLACES)
    usable = _usable(traces, actor, place)
    held_out = scenarios_to_hold_out(usable, hold_out)
    fitted = [trace for trace in usable if trace.scenario.name not in held_out]
    if not fitted:
        wanted = " ".join(part for part in (f"of {actor}" if actor else "", f"in the {place}" if place else "") if part)
        raise InputError(f"no traces to fit: {f'none is {wanted}, or ' if wanted else ''}all are held out")
    session = runs if runs is not None else Runs(processes=1)
    estimates = _estimates(fitted, actor, session, replications, seed)
    values = {name: estimate.value for name, estimate in estimates.items() if estimate.value is not None}
    pure = [trace for trace in usable if not actor or (trace["viewers"]["actor"] == actor).all()]
    return Calibration(
        estimates=estimates,
        checks=tuple(_checks(pure, values, held_out, session, replications, seed)),
        startup=_startup(pure, values, session, seed),
        sources={f"{trace.name} (seed {trace.manifest.seed})": trace_digest(trace) for trace in fitted},
        held_out=held_out,
        actor=actor,
        actors=tuple(sorted({kind for trace in fitted for kind in trace["viewers"]["actor"] if actor in ("", kind)})),
        places=tuple(sorted({recording_place(trace) for trace in fitted} - {""})),
    )


def _usable(traces: Sequence[Trace | str | Path], actor: str, place: str) -> list[Trace]:
    """Return the traces with viewers of the kind `actor` that were recorded in `place`; empty names: any."""
    opened = [trace if isinstance(trace, Trace) else Trace.read(trace) for trace in traces]
    with_actor = [trace for trace in opened if not actor or (trace["viewers"]["actor"] == actor).any()]
    return [trace for trace in with_actor if not place or recording_place(trace) == place]


def trace_digest(trace: Trace) -> str:
    """Return a hash of scenario, seed and tables, by which a result identifies its data."""
    digest = hashlib.sha256(f"{trace.scenario.digest} {trace.manifest.seed} {trace.manifest.replication}".encode())
    for name in TABLES:
        digest.update(trace[name][required_columns(name)].to_csv(index=False, lineterminator="\n").encode())
    return digest.hexdigest()[:16]


def scenarios_to_hold_out(traces: Sequence[Trace], requested: Sequence[str]) -> tuple[str, ...]:
    """Return the scenarios to hold out of a fit: the requested ones, else a third chosen by a hash of their names."""
    names = sorted({trace.scenario.name for trace in traces})
    if requested:
        return tuple(sorted({one_of("hold-out", name, names) for name in requested}))
    shuffled = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return tuple(sorted(shuffled[: max(1, round(_HELD_OUT * len(names)))])) if len(names) > 1 else ()


def _estimates(traces: Sequence[Trace], actor: str, runs: Runs, replications: int, seed: int) -> dict[str, Estimate]:
    observed = observe(traces, actor)
    rng = stream(seed, 0, "calibration")
    estimates = identify(observed, rng)
    pure = [trace for trace in traces if not actor or (trace["viewers"]["actor"] == actor).all()]
    if estimates["goodput"].identified or not pure:
        return estimates
    values = {name: estimate.value for name, estimate in estimates.items() if estimate.value is not None}
    goodput = refine_goodput(
        pure,
        lambda goodput: values | overheads(observed.transfers, goodput),
        runs=runs,
        replications=replications,
        seed=seed,
        rng=rng,
    )
    if not goodput.identified:
        return estimates | {"goodput": goodput}
    return estimates | {"goodput": goodput} | overhead_estimates(observed.transfers, goodput.interval.mean, rng)


def _checks(
    traces: Sequence[Trace],
    values: Mapping[str, float],
    held_out: Sequence[str],
    runs: Runs,
    replications: int,
    seed: int,
) -> list[FitCheck]:
    """Compare with the networks of the scenarios and with the fitted one, averaged over recordings of a scenario."""
    both = [*traces, *(with_network(trace, values) for trace in traces)]
    comparisons = compare_all(both, CompareOptions(replications=replications, seed=seed, calibration=NONE), runs)
    own, fitted = comparisons[: len(traces)], comparisons[len(traces) :]
    rows = [
        (trace.scenario.name, metric, before.measured, before.simulated, after.differences[metric].simulated)
        for trace, comparison, after in zip(traces, own, fitted, strict=True)
        for metric, before in comparison.differences.items()
        if metric in JUDGED
    ]
    table = pd.DataFrame(rows, columns=["scenario", "metric", "measured", "before", "after"])
    means = table.groupby(["scenario", "metric"], sort=False).mean()
    return [
        FitCheck(str(name), str(metric), float(measured), float(before), float(after), held_out=name in held_out)
        for (name, metric), (measured, before, after) in zip(means.index, means.to_numpy(float), strict=True)
    ]


def _startup(traces: Sequence[Trace], values: Mapping[str, float], runs: Runs, seed: int) -> pd.DataFrame:
    """Return the mean seconds of the parts of the start-up, measured and simulated."""
    jobs = [job for trace in traces for job in jobs_for(with_network(trace, values).scenario, seed, 1, events=True)]
    rows = []
    for trace, run in zip(traces, runs.make(jobs), strict=True):
        for world, world_trace in (("measured", trace), ("simulated", run.trace)):
            if world_trace is not None:
                rows.append({"scenario": trace.scenario.name, "world": world, **startup_parts(world_trace)})
    table = pd.DataFrame(rows, columns=["scenario", "world", *STARTUP_PARTS])
    return table.groupby(["scenario", "world"], as_index=False, sort=False).mean()


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {
        "parameter": f"network.{estimate.name}",
        "default": estimate.default,
        "estimate": estimate.interval.mean,
        "low": estimate.interval.low,
        "high": estimate.interval.high,
        "identified": estimate.identified,
        "how": estimate.how,
    }
