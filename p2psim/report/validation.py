"""Report of a validation: every claim with its verdict, and the comparison of simulated with measured runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from p2psim import plots
from p2psim.analysis.claims.boundaries import Boundary, boundaries_frame, contradictions, holding_ranges_frame
from p2psim.analysis.claims.definitions import Claim, agreement
from p2psim.analysis.claims.findings import Finding
from p2psim.analysis.claims.verdicts import ClaimResult
from p2psim.analysis.comparison.result import Comparison
from p2psim.analysis.dimensions import reference_changes
from p2psim.analysis.formatting import format_interval, format_range, format_value
from p2psim.experiment.design_points import say_changes
from p2psim.report.comparison import comparison_parts
from p2psim.report.html import answer, figure, heading, page, paragraph, provenance, table

__all__ = ["Validation", "agreement_text", "claims_frame", "contradictions_texts", "write_validation"]

_MARKS = {"holds": "holds", "fails": "fails", "holds only if": "only"}
"""Verdict → class of the table cell, which sets its colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Results of a validation: claims and comparisons."""

    results: Sequence[ClaimResult]
    comparisons: Sequence[Comparison]
    seed: int
    replications: int


def claims_frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """Return one row per claim: the claimed range, the estimate in its base case, the verdict."""
    rows = []
    for result in results:
        base, claim = result.base, result.claim
        row = {"id": claim.id, "statement": claim.statement, "case": base.case.label, "metric": base.case.metric}
        rows.append(row | _found(base) | {"verdict": result.verdict, "condition": result.condition})
    return pd.DataFrame(rows)


def agreement_text(results: Sequence[ClaimResult]) -> str:
    """Return a sentence with the savings on which all claims agree; empty if fewer than two claims state a saving."""
    claims = [result.claim for result in results if result.claim.saving is not None]
    if len(claims) < 2:
        return ""
    low, high = agreement(claims)
    names = ", ".join(claim.id for claim in claims)
    if low > high:
        return f"The claims contradict each other: no saving lies in all of {names}."
    share = format_value(low, "share") if low == high else format_range(low, high, "share")
    return f"The claims nearly contradict each other: only a saving of {share} lies in all of {names}."


def contradictions_texts(results: Sequence[ClaimResult]) -> list[str]:
    """Return sentences that state which claims are mutually exclusive, and which never hold in the same scenario."""
    first = agreement_text(results)
    return [*([first] if first else []), *contradictions(_boundaries(results))]


def answer_text(validation: Validation) -> str:
    """Return a sentence with the number of claims by verdict and of scenarios in which the simulator agrees."""
    counts = {verdict: sum(result.verdict == verdict for result in validation.results) for verdict in _MARKS}
    parts = [
        f"{counts[verdict]} {'holds' if counts[verdict] == 1 and verdict == 'holds' else text}"
        for verdict, text in (("holds", "hold"), ("holds only if", "hold only under conditions"), ("fails", "fail"))
        if counts[verdict]
    ]
    claims_text = f"Of {len(validation.results)} claims {', '.join(parts)}."
    total = len(validation.comparisons)
    if total == 0:
        return claims_text
    agree = sum(comparison.agrees for comparison in validation.comparisons)
    differ = sum(comparison.verdict == "differs" for comparison in validation.comparisons)
    parts = [f"agrees with {agree}", *([f"differs from {differ}"] if differ else [])]
    rest = f"; {total - agree - differ} are inconclusive: record more" if agree + differ < total else ""
    return f"{claims_text} Of {total} measured scenarios, the simulator {' and '.join(parts)}{rest}."


def write_validation(folder: str | Path, validation: Validation) -> Path:
    """Write report.html, its figures as PNG and its tables as CSV files, and return the path of the report."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    claims_frame(validation.results).to_csv(target / "claims.csv", index=False)
    _cases_frame(validation.results).to_csv(target / "cases.csv", index=False)
    if any(result.boundaries for result in validation.results):
        boundaries_frame(_boundaries(validation.results)).to_csv(target / "boundaries.csv", index=False)
    if validation.comparisons:
        frames = [comparison.table().assign(trace=comparison.name) for comparison in validation.comparisons]
        pd.concat(frames, ignore_index=True).to_csv(target / "compare.csv", index=False)
    path = target / "report.html"
    path.write_text(page("What sharing between viewers saves", _parts(validation, target)), encoding="utf-8")
    return path


def _parts(validation: Validation, folder: Path) -> list[str]:
    parts = [
        answer(answer_text(validation)),
        paragraph(
            f"Every claim was tested by {validation.replications} replications of its scenario from seed "
            f"{validation.seed}. A claim holds if its whole 95 % interval lies in the claimed range; it fails if no "
            "part of it does.",
            quiet=True,
        ),
        *_claims_parts(validation.results, folder),
        *_curve_parts(validation.results, folder),
        *_boundaries_parts(validation.results, folder),
        *_cases_parts(validation.results),
    ]
    if validation.comparisons:
        parts += comparison_parts(validation.comparisons, folder)
    return [*parts, *provenance(None, validation.seed, validation.replications)]


def _claims_parts(results: Sequence[ClaimResult], folder: Path) -> list[str]:
    rows = [
        [
            result.claim.id,
            result.claim.statement,
            result.base.case.metric,
            format_range(result.base.case.low, result.base.case.high, result.base.case.unit),
            format_interval(result.base.interval, result.base.case.unit),
            result.text,
        ]
        for result in results
    ]
    frame = claims_frame(results).assign(label=[result.base.case.metric for result in results])
    drawn, ax = plots.sheet(7.5, 0.42 * len(frame) + 1.0)
    plots.claims(frame, ax=ax)
    head = ["", "claim", "metric", "claimed", "found (95 % interval)", "verdict"]
    return [
        heading("The claims"),
        table(head, rows, [_MARKS[result.verdict] for result in results]),
        paragraph(" ".join(contradictions_texts(results))),
        figure(drawn, "Claimed range and estimate in the base case of each claim", folder / "claims.png"),
    ]


def _boundaries(results: Sequence[ClaimResult]) -> list[tuple[Claim, Sequence[Boundary]]]:
    return [(result.claim, result.boundaries) for result in results]


def _boundaries_parts(results: Sequence[ClaimResult], folder: Path) -> list[str]:
    """Return the section with the boundaries of each claim along every dimension."""
    ranges = holding_ranges_frame(_boundaries(results))
    if ranges.empty:
        return []
    whats = list(dict.fromkeys(ranges["what"]))
    drawn, ax = plots.sheet(max(7.4, 1.2 * len(whats)), 0.34 * ranges["claim"].nunique() + 1.3)
    plots.boundaries(ranges, ax=ax)
    rows = []
    for result in results:
        held = {each.dimension.what: each.text.partition(": ")[2] for each in result.boundaries}
        rows.append([result.claim.id, *(held.get(what, "") for what in whats)])
    return [
        heading("Boundaries of the claims"),
        paragraph(
            "One dimension is varied at a time, with the same viewers. The scenario of a claim is changed to "
            f"{say_changes(reference_changes())}, unless the claim states other changes (data/dimensions.toml).",
            quiet=True,
        ),
        figure(
            drawn,
            "Ranges in which each claim holds, along each dimension from its least to its greatest value",
            folder / "boundaries.png",
        ),
        table(["", *whats], rows),
    ]


def _curve_parts(results: Sequence[ClaimResult], folder: Path) -> list[str]:
    """Return the section with the P2P share over the live latency, if a claim varied it."""
    for result in results:
        vary = result.claim.vary
        if vary is not None and vary.field == "stream.live_latency" and result.base.case.metric == "p2p_ratio":
            drawn, ax = plots.sheet(6.4, 3.6)
            claim_range = (result.base.case.low, result.base.case.high)
            plots.curve(curve_frame(result.findings), ax=ax, claim=claim_range)
            text = f"The trade-off between live latency and P2P share; the band is claim {result.claim.id}"
            return [heading("P2P share and live latency"), figure(drawn, text, folder / "latency.png")]
    return []


def curve_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return the value of the varied field, mean, low and high of each case."""
    varied = [finding for finding in findings if not math.isnan(finding.case.at)]
    return pd.DataFrame([{"at": finding.case.at, **finding.interval.to_dict()} for finding in varied])


def _cases_parts(results: Sequence[ClaimResult]) -> list[str]:
    parts = [heading("Case by case")]
    for result in results:
        parts.append(paragraph(f"{result.claim.id}: {result.claim.statement}. It {result.text}."))
        rows = [
            [
                finding.case.label,
                finding.case.metric,
                format_range(finding.case.low, finding.case.high, finding.case.unit),
                format_interval(finding.interval, finding.case.unit),
                finding.status,
            ]
            for finding in result.findings
        ]
        parts.append(table(["case", "metric", "claimed", "found", "status"], rows))
        parts += [paragraph(remark, quiet=True) for remark in result.remarks]
    return parts


def _cases_frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    rows = []
    for result in results:
        for finding in result.findings:
            case = finding.case
            row = {"id": result.claim.id, "case": case.label, "metric": case.metric, "digest": case.scenario.digest}
            rows.append(row | _found(finding) | {"status": finding.status})
    return pd.DataFrame(rows)


def _found(finding: Finding) -> dict[str, object]:
    case, interval = finding.case, finding.interval
    return {
        "low": case.low,
        "high": case.high,
        "mean": interval.mean,
        "found_low": interval.low,
        "found_high": interval.high,
        "unit": case.unit,
        "claimed": format_range(case.low, case.high, case.unit),
        "found": format_interval(interval, case.unit),
    }
