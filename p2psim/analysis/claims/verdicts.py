"""Verdicts on claims from simulations: a claim *holds*, *fails*, or *holds only if* a condition is met.

A case is inside if its whole 95 % interval over replications lies in the claimed range, below or above if no part of it
does, and inconclusive if the interval contains an end of the range. A claim holds if all its cases are inside and fails
if all are outside; otherwise it holds only under a condition. If the claim varies a field, the condition is the range
of the field in which the line through the estimates lies in the claimed range.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from p2psim.analysis.claims.boundaries import Boundary, boundary_cases, holding_ranges
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
from p2psim.analysis.claims.findings import Finding, status
from p2psim.analysis.dimensions import Dimension
from p2psim.analysis.formatting import format_value
from p2psim.analysis.metrics import Metric, Sums, estimate, sums, with_baseline
from p2psim.analysis.runs import BASELINE, Job, Runs, jobs_for
from p2psim.scenario import Scenario
from p2psim.simulation import Run
from p2psim.trace import Trace

__all__ = ["ClaimResult", "Judge", "decide"]

HOLDS, FAILS, ONLY_IF = "holds", "fails", "holds only if"


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """Result of testing a claim."""

    claim: Claim
    findings: tuple[Finding, ...]
    verdict: str
    condition: str = ""
    """Condition of the verdict *holds only if*."""
    remarks: tuple[str, ...] = ()
    """Sentences with arithmetic and context."""
    boundaries: tuple[Boundary, ...] = ()
    """Boundaries of the claim along each dimension."""

    @property
    def base(self) -> Finding:
        """Finding of the case that the statement of the claim is about."""
        return self.findings[self.claim.base]

    @property
    def text(self) -> str:
        """Verdict with its condition."""
        return f"{self.verdict} {self.condition}".strip()

    def to_dict(self) -> dict[str, Any]:
        """Return the values for JSON."""
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
    """Tests claims by simulation; a run that several claims need is simulated once."""

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
        self._sums_by_run: dict[int, Sums] = {}
        # a boundary is interpolated between many points, so that each needs fewer replications
        self._boundary_judge = Judge(runs, seed, max(2, replications // 2), measured) if dimensions else self
        self._boundary_judge._sums_by_run = self._sums_by_run

    def prepare(self, claims: Sequence[Claim]) -> None:
        """Simulate all runs of all claims at once, so that no processor is idle at the end of a claim."""
        cases = [case for claim in claims for case in claim.cases]
        along = [case for claim in claims for each in self._dimensions for case in boundary_cases(claim, each)]
        jobs = [job for case in cases for job in self._jobs(case)]
        self._runs.make([*jobs, *(job for case in along for job in self._boundary_judge._jobs(case))])

    def judge(self, claim: Claim) -> ClaimResult:
        """Return the result of testing a claim."""
        findings = tuple(self._find(case) for case in claim.cases)
        verdict, condition = decide(claim, findings)
        remarks, boundaries = tuple(self._remarks(claim, findings)), tuple(self._boundaries(claim))
        return ClaimResult(claim, findings, verdict, condition, remarks, boundaries)

    def _boundaries(self, claim: Claim) -> Iterator[Boundary]:
        for dimension in self._dimensions:
            if cases := boundary_cases(claim, dimension):
                yield Boundary(dimension, tuple(self._boundary_judge._find(case) for case in cases))

    def _jobs(self, case: Case) -> Iterator[Job]:
        for scenario in _scenarios(case):
            yield from self._jobs_of(scenario, case, case.metric in TRACE_METRICS)
            if CLAIM_METRICS[case.metric].paired or case.metric == "month_bytes":
                yield from self._jobs_of(_baseline(scenario), case)

    def _find(self, case: Case) -> Finding:
        metric = CLAIM_METRICS[case.metric]
        interval = estimate(metric, self._sums(case, metric))
        return Finding(case, interval, status(interval, case.low, case.high))

    def _sums(self, case: Case, metric: Metric) -> list[Sums]:
        if case.metric in TRACE_METRICS:
            return [sample_interval(trace) for trace in self._traces(case)]
        if case.metric == "stale_share":
            return [stale_offer_counts(run) for run in self._runs_of(case.scenario, case)]
        if case.sizes:
            by_size = [self._plain_sums(scenario, case) for scenario in _scenarios(case)]
            rates = [[run["origin_bytes"] for run in replications] for replications in by_size]
            return [{"growth": growth_exponent(each, case.sizes)} for each in zip(*rates, strict=True)]
        if metric.paired or case.metric == "month_bytes":
            return [with_bills(run, case.prices) for run in self._paired_sums(case)]
        return self._plain_sums(case.scenario, case)

    def _traces(self, case: Case) -> list[Trace]:
        if case.source == "measured":
            return list(self._measured)
        runs = self._runs.make(self._jobs_of(case.scenario, case, events=True))
        return [run.trace for run in runs if run.trace is not None]

    def _plain_sums(self, scenario: Scenario, case: Case) -> list[Sums]:
        return [self._sums_of(run) for run in self._runs_of(scenario, case)]

    def _sums_of(self, run: Run) -> Sums:
        """Return the sums of a run, computed once; `Runs` keeps every run, so its id is unique."""
        if id(run) not in self._sums_by_run:
            self._sums_by_run[id(run)] = sums(run.totals)
        return self._sums_by_run[id(run)]

    def _runs_of(self, scenario: Scenario, case: Case) -> list[Run]:
        return self._runs.make(self._jobs_of(scenario, case))

    def _jobs_of(self, scenario: Scenario, case: Case, events: bool = False) -> list[Job]:
        return jobs_for(scenario, self._seed, max(self._replications, case.replications), events)

    def _paired_sums(self, case: Case) -> list[Sums]:
        pairs = zip(self._runs_of(case.scenario, case), self._runs_of(_baseline(case.scenario), case), strict=True)
        return [with_baseline(self._sums_of(run), self._sums_of(base)) for run, base in pairs]

    def _remarks(self, claim: Claim, findings: Sequence[Finding]) -> Iterator[str]:
        if claim.note:
            yield claim.note
        for finding in findings:
            if finding.case.metric == "month_bytes":
                yield self._month(finding)
        for finding in findings:
            if finding.status == "no data":
                yield f"{finding.case.label}: no data for this metric"
            elif finding.status == "inconclusive":
                yield f"{finding.case.label}: inconclusive, the interval contains a bound; use more replications"

    def _month(self, finding: Finding) -> str:
        """Return a sentence with the arithmetic from the mean rate to the bytes of a month."""
        runs = self._paired_sums(finding.case)
        rate, base = (estimate("origin_rate", rows).mean for rows in (runs, [_base_sums(run) for run in runs]))
        month, base_month, saved = (format_value(each * MONTH, "size") for each in (rate, base, base - rate))
        return (
            f"{finding.case.label}: {format_value(rate, 'rate')} x 86,400 s x 30 / 8 = {month}; without P2P "
            f"{format_value(base, 'rate')} -> {base_month}; saved {saved}"
        )


def decide(claim: Claim, findings: Sequence[Finding]) -> tuple[str, str]:
    """Return the verdict and, if it is *holds only if*, its condition."""
    statuses = [finding.status for finding in findings if finding.status != "no data"]
    if statuses and all(each == "inside" for each in statuses):
        return HOLDS, ""
    if claim.vary is not None:
        condition = _ranges(claim, findings)
        return (ONLY_IF, condition + _exceptions(findings)) if condition else (FAILS, "")
    inside = [finding.case.label for finding in findings if finding.status == "inside"]
    inconclusive = [finding.case.label for finding in findings if finding.status == "inconclusive"]
    if inside:
        prefix = "read as: " if claim.kind == "readings" else ""
        return ONLY_IF, prefix + "; or ".join(inside)
    return (ONLY_IF, f"more replications confirm it: {'; '.join(inconclusive)}") if inconclusive else (FAILS, "")


def _ranges(claim: Claim, findings: Sequence[Finding]) -> str:
    """Return the condition on the varied field under which the claim holds; empty if it never holds."""
    assert claim.vary is not None
    seen = [finding for finding in findings if finding.status != "no data" and not math.isnan(finding.case.at)]
    if len(seen) < 2:
        return ""
    at, means = [f.case.at for f in seen], [f.interval.mean for f in seen]
    unit, is_count = claim.vary.unit, isinstance(claim.vary.values[0], int)
    what = f"{claim.vary.what} {'are' if is_count else 'is'}"
    first, last = at[0], at[-1]
    parts = []
    for begin, end in holding_ranges(at, means, seen[0].case.low, seen[0].case.high):
        least = str(math.ceil(begin)) if is_count else format_value(begin, unit)
        most = str(math.floor(end)) if is_count else format_value(end, unit)
        if begin == first:
            parts.append(f"{what} at most about {most}")
        elif end == last:
            parts.append(f"{what} at least about {least}")
        else:
            parts.append(f"{what} about {least} to {most}")
    return "; or ".join(parts)


def _exceptions(findings: Sequence[Finding]) -> str:
    """Return the exceptions to the condition: other cases in which the claim does not hold."""
    others = [f.case.label for f in findings if math.isnan(f.case.at) and f.status not in ("inside", "no data")]
    return f"; but not: {'; nor: '.join(others)}" if others else ""


def _scenarios(case: Case) -> list[Scenario]:
    if case.source == "measured":
        return []
    return [case.scenario.replace({"viewers.count": size}) for size in case.sizes] or [case.scenario]


def _baseline(scenario: Scenario) -> Scenario:
    return scenario.replace({"policy.name": BASELINE})


def _base_sums(paired: Sums) -> Sums:
    return {name.removeprefix("base_"): number for name, number in paired.items() if name.startswith("base_")}
