"""From runs to verdicts: a claim *holds*, *fails*, or *holds only if* something.

A case is inside when the whole 95 % interval over replications lies in what was said, below or above when none of it
does, across when a bound runs through it. A claim holds when all its cases are inside, fails when all are below or
above, and holds only if its condition is met otherwise. Where one field was varied, the region in which the claim
holds is read off the line through the estimates.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from p2psim.analysis.claims.boundaries import Boundary, Dimension, boundary_cases, holding_ranges
from p2psim.analysis.claims.definitions import Case, Claim
from p2psim.analysis.claims.evidence import (
    CLAIM_METRICS,
    MONTH,
    TRACE_METRICS,
    growth_exponent,
    sample_interval,
    stale_offer_counts,
    with_bills,
)
from p2psim.analysis.formatting import format_value
from p2psim.analysis.metrics import Metric, Sums, estimate, sums, with_baseline
from p2psim.analysis.runs import BASELINE, Job, Runs, jobs_for
from p2psim.analysis.statistics import Interval
from p2psim.scenario import Scenario
from p2psim.simulation import Run
from p2psim.trace import Trace

__all__ = ["ClaimResult", "Finding", "Judge", "Status", "decide", "status"]

Status = Literal["inside", "below", "above", "across", "unknown"]
HOLDS, FAILS, ONLY_IF = "holds", "fails", "holds only if"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the runs of a case gave."""

    case: Case
    interval: Interval
    status: Status

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON: what was said (`low`, `high`) and what was found (`mean` and its interval)."""
        return {
            "case": self.case.label,
            "metric": self.case.metric,
            "unit": self.case.unit,
            "claimed": {"low": self.case.low, "high": self.case.high},
            "found": self.interval.to_dict(),
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What became of a claim."""

    claim: Claim
    findings: tuple[Finding, ...]
    verdict: str
    condition: str = ""
    """When, where the verdict is *holds only if*."""
    remarks: tuple[str, ...] = ()
    """Arithmetic and context in words."""
    boundaries: tuple[Boundary, ...] = ()
    """Where it ends, dimension by dimension."""

    @property
    def base(self) -> Finding:
        """The case that the claim's statement is about."""
        return self.findings[self.claim.base]

    @property
    def text(self) -> str:
        """ClaimResult and condition in words."""
        return f"{self.verdict} {self.condition}".strip()

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {
            "id": self.claim.id,
            "statement": self.claim.statement,
            **self.base.to_dict(),
            "verdict": self.verdict,
            "condition": self.condition,
            "remarks": list(self.remarks),
            "cases": [finding.to_dict() for finding in self.findings],
            "boundaries": [boundary.to_dict() for boundary in self.boundaries],
        }


class Judge:
    """Judges claims from runs that it shares among them."""

    def __init__(
        self,
        runs: Runs,
        seed: int,
        replications: int,
        measured: Sequence[Trace] = (),
        dimensions: Sequence[Dimension] = (),
    ) -> None:
        self._runs, self._seed, self._replications = runs, seed, replications
        self._measured, self._dimensions = measured, tuple(dimensions)
        self._known: dict[int, Sums] = {}
        # a boundary is read off many points, each of which needs fewer replications
        self._along = Judge(runs, seed, max(2, replications // 2), measured) if dimensions else self
        self._along._known = self._known

    def prepare(self, claims: Sequence[Claim]) -> None:
        """Make all runs of all claims at once, so that no processor waits for the end of a claim."""
        cases = [case for claim in claims for case in claim.cases]
        edges = [case for claim in claims for each in self._dimensions for case in boundary_cases(claim, each)]
        jobs = [job for case in cases for job in self._jobs(case)]
        self._runs.make([*jobs, *(job for case in edges for job in self._along._jobs(case))])

    def judge(self, claim: Claim) -> ClaimResult:
        """Give the verdict on a claim."""
        findings = tuple(self._find(case) for case in claim.cases)
        verdict, condition = decide(claim, findings)
        remarks, boundaries = tuple(self._remarks(claim, findings)), tuple(self._boundaries(claim))
        return ClaimResult(claim, findings, verdict, condition, remarks, boundaries)

    def _boundaries(self, claim: Claim) -> Iterator[Boundary]:
        for dimension in self._dimensions:
            if cases := boundary_cases(claim, dimension):
                yield Boundary(dimension, tuple(self._along._find(case) for case in cases))

    def _jobs(self, case: Case) -> Iterator[Job]:
        for scenario in _scenarios(case):
            yield from self._asked(scenario, case, case.metric in TRACE_METRICS)
            if CLAIM_METRICS[case.metric].paired or case.metric == "month_bytes":
                yield from self._asked(_baseline(scenario), case)

    def _find(self, case: Case) -> Finding:
        metric = CLAIM_METRICS[case.metric]
        interval = estimate(metric, self._sums(case, metric))
        return Finding(case, interval, status(interval, case.low, case.high))

    def _sums(self, case: Case, metric: Metric) -> list[Sums]:
        if case.metric in TRACE_METRICS:
            return [sample_interval(trace) for trace in self._traces(case)]
        if case.metric == "stale_share":
            return [stale_offer_counts(run) for run in self._made(case.scenario, case)]
        if case.sizes:
            rates = [[found["origin_bytes"] for found in self._plain(scenario, case)] for scenario in _scenarios(case)]
            return [{"growth": growth_exponent(each, case.sizes)} for each in zip(*rates, strict=True)]
        if metric.paired or case.metric == "month_bytes":
            return [with_bills(found, case.prices) for found in self._against_baseline(case)]
        return self._plain(case.scenario, case)

    def _traces(self, case: Case) -> list[Trace]:
        if case.source == "measured":
            return list(self._measured)
        made = self._runs.make(self._asked(case.scenario, case, events=True))
        return [run.trace for run in made if run.trace is not None]

    def _plain(self, scenario: Scenario, case: Case) -> list[Sums]:
        return [self._summed(run) for run in self._made(scenario, case)]

    def _summed(self, run: Run) -> Sums:
        """Add up a run, which many cases look at, once; `Runs` keeps it, so that its identity is its own."""
        if id(run) not in self._known:
            self._known[id(run)] = sums(run.totals)
        return self._known[id(run)]

    def _made(self, scenario: Scenario, case: Case) -> list[Run]:
        return self._runs.make(self._asked(scenario, case))

    def _asked(self, scenario: Scenario, case: Case, events: bool = False) -> list[Job]:
        return jobs_for(scenario, self._seed, max(self._replications, case.replications), events)

    def _against_baseline(self, case: Case) -> list[Sums]:
        pairs = zip(self._made(case.scenario, case), self._made(_baseline(case.scenario), case), strict=True)
        return [with_baseline(self._summed(run), self._summed(base)) for run, base in pairs]

    def _remarks(self, claim: Claim, findings: Sequence[Finding]) -> Iterator[str]:
        if claim.note:
            yield claim.note
        for finding in findings:
            if finding.case.metric == "month_bytes":
                yield self._month(finding)
        for finding in findings:
            if finding.status == "unknown":
                yield f"{finding.case.label}: nothing to see it in"
            elif finding.status == "across":
                yield f"{finding.case.label}: the bound runs through the interval; more replications would decide"

    def _month(self, finding: Finding) -> str:
        """Write the arithmetic of a month out."""
        found = self._against_baseline(finding.case)
        rate, base = (estimate("origin_rate", rows).mean for rows in (found, [_base_sums(row) for row in found]))
        month, base_month, saved = (format_value(each * MONTH, "size") for each in (rate, base, base - rate))
        return (
            f"{finding.case.label}: {format_value(rate, 'rate')} x 86,400 s x 30 / 8 = {month}; without P2P "
            f"{format_value(base, 'rate')} -> {base_month}; saved {saved}"
        )


def status(interval: Interval, low: float, high: float) -> Status:
    """Say where an estimate lies; without an interval (one run) the estimate alone decides."""
    if math.isnan(interval.mean):
        return "unknown"
    least = interval.mean if math.isnan(interval.low) else interval.low
    most = interval.mean if math.isnan(interval.high) else interval.high
    if low <= least and most <= high:
        return "inside"
    if most < low:
        return "below"
    return "above" if least > high else "across"


def decide(claim: Claim, findings: Sequence[Finding]) -> tuple[str, str]:
    """Give the verdict and, where it is *holds only if*, the condition."""
    states = [finding.status for finding in findings if finding.status != "unknown"]
    if states and all(state == "inside" for state in states):
        return HOLDS, ""
    if claim.vary is not None:
        condition = _stretches(claim, findings)
        return (ONLY_IF, condition + _exceptions(findings)) if condition else (FAILS, "")
    inside = [finding.case.label for finding in findings if finding.status == "inside"]
    across = [finding.case.label for finding in findings if finding.status == "across"]
    if inside:
        word = "it means: " if claim.kind == "readings" else ""
        return ONLY_IF, word + "; or ".join(inside)
    return (ONLY_IF, f"more runs confirm it: {'; '.join(across)}") if across else (FAILS, "")


def _stretches(claim: Claim, findings: Sequence[Finding]) -> str:
    """Say for which values of the varied field the claim holds."""
    assert claim.vary is not None
    seen = [finding for finding in findings if finding.status != "unknown" and not math.isnan(finding.case.at)]
    if len(seen) < 2:
        return ""
    at, means = [f.case.at for f in seen], [f.interval.mean for f in seen]
    words = isinstance(claim.vary.values[0], str)
    what = f"{claim.vary.what} {'is' if words else 'are'}"
    first, last = at[0], at[-1]
    parts = []
    for begin, end in holding_ranges(at, means, seen[0].case.low, seen[0].case.high):
        least = format_value(begin, "time") if words else str(math.ceil(begin))
        most = format_value(end, "time") if words else str(math.floor(end))
        if begin == first:
            parts.append(f"{what} at most about {most}")
        elif end == last:
            parts.append(f"{what} at least about {least}")
        else:
            parts.append(f"{what} about {least} to {most}")
    return "; or ".join(parts)


def _exceptions(findings: Sequence[Finding]) -> str:
    """Name the cases beside the varied ones in which the claim does not hold."""
    others = [f.case.label for f in findings if math.isnan(f.case.at) and f.status not in ("inside", "unknown")]
    return f"; but not: {'; nor: '.join(others)}" if others else ""


def _scenarios(case: Case) -> list[Scenario]:
    if case.source == "measured":
        return []
    return [case.scenario.replace({"viewers.count": size}) for size in case.sizes] or [case.scenario]


def _baseline(scenario: Scenario) -> Scenario:
    return scenario.replace({"policy.name": BASELINE})


def _base_sums(found: Sums) -> Sums:
    return {name.removeprefix("base_"): number for name, number in found.items() if name.startswith("base_")}
