"""The report of a validation: every claim with its verdict, and simulated against measured."""

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
from p2psim.analysis.comparison.compare import Comparison
from p2psim.analysis.formatting import format_interval, format_range, format_value
from p2psim.report.comparison import comparison_parts
from p2psim.report.html import answer, figure, heading, page, paragraph, provenance, table

__all__ = ["Validation", "agreement_text", "claims_frame", "contradictions_texts", "write_validation"]

_MARKS = {"holds": "holds", "fails": "fails", "holds only if": "only"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Everything that a validation found."""

    verdicts: Sequence[ClaimResult]
    comparisons: Sequence[Comparison]
    seed: int
    replications: int


def claims_frame(verdicts: Sequence[ClaimResult]) -> pd.DataFrame:
    """Give one row per claim: what was said, what was found in its base case, the verdict."""
    rows = []
    for verdict in verdicts:
        base, claim = verdict.base, verdict.claim
        row = {"id": claim.id, "statement": claim.statement, "case": base.case.label, "metric": base.case.metric}
        rows.append(row | _found(base) | {"verdict": verdict.verdict, "condition": verdict.condition})
    return pd.DataFrame(rows)


def agreement_text(verdicts: Sequence[ClaimResult]) -> str:
    """Say in which savings all claims that name one agree; empty where fewer than two do."""
    claims = [verdict.claim for verdict in verdicts if verdict.claim.saving is not None]
    if len(claims) < 2:
        return ""
    low, high = agreement(claims)
    names = ", ".join(claim.id for claim in claims)
    if low > high:
        return f"The claims contradict each other: no saving lies in all of {names}."
    share = format_value(low, "share") if low == high else format_range(low, high, "share")
    return f"The claims nearly contradict each other: only a saving of {share} lies in all of {names}."


def contradictions_texts(verdicts: Sequence[ClaimResult]) -> list[str]:
    """Say which claims exclude each other, and which never hold in the same world."""
    first = agreement_text(verdicts)
    return [*([first] if first else []), *contradictions([(each.claim, each.boundaries) for each in verdicts])]


def answer_text(found: Validation) -> str:
    """Say in a sentence what became of the claims and of the simulator."""
    counts = {word: sum(verdict.verdict == word for verdict in found.verdicts) for word in _MARKS}
    parts = [
        f"{counts[word]} {'holds' if counts[word] == 1 and word == 'holds' else text}"
        for word, text in (("holds", "hold"), ("holds only if", "hold only under conditions"), ("fails", "fail"))
        if counts[word]
    ]
    said = f"Of {len(found.verdicts)} claims {', '.join(parts)}."
    if not found.comparisons:
        return said
    agree = sum(each.agrees for each in found.comparisons)
    differ = sum(each.verdict == "differs" for each in found.comparisons)
    untold = len(found.comparisons) - agree - differ
    parts = [f"to agree with {agree}", *([f"to differ from {differ}"] if differ else [])]
    shown = f"Of {len(found.comparisons)} measured scenarios the simulator is shown {' and '.join(parts)}"
    return f"{said} {shown}{f'; {untold} would need more recordings to tell' if untold else ''}."


def write_validation(folder: str | Path, found: Validation) -> Path:
    """Write report.html, its figures as PNG and its tables as CSV; give the path of the report."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    claims_frame(found.verdicts).to_csv(target / "claims.csv", index=False)
    _cases_frame(found.verdicts).to_csv(target / "cases.csv", index=False)
    if any(verdict.boundaries for verdict in found.verdicts):
        boundaries_frame(_claimed(found.verdicts)).to_csv(target / "boundaries.csv", index=False)
    if found.comparisons:
        frames = [each.table().assign(trace=each.name) for each in found.comparisons]
        pd.concat(frames, ignore_index=True).to_csv(target / "compare.csv", index=False)
    path = target / "report.html"
    path.write_text(page("What sharing between viewers saves", _parts(found, target)), encoding="utf-8")
    return path


def _parts(found: Validation, folder: Path) -> list[str]:
    parts = [
        answer(answer_text(found)),
        paragraph(
            f"Every claim was tested by {found.replications} replications of its scenario from seed {found.seed}. "
            "A claim holds when the whole 95 % interval lies in what was said; it fails when none of it does.",
            quiet=True,
        ),
    ]
    parts += [
        *_claims_parts(found.verdicts, folder),
        *_curve_parts(found.verdicts, folder),
        *_boundaries_parts(found.verdicts, folder),
        *_cases_parts(found.verdicts),
    ]
    if found.comparisons:
        parts += comparison_parts(found.comparisons, folder)
    return [*parts, *provenance(None, found.seed, found.replications)]


def _claims_parts(verdicts: Sequence[ClaimResult], folder: Path) -> list[str]:
    rows = [
        [
            verdict.claim.id,
            verdict.claim.statement,
            verdict.base.case.metric,
            format_range(verdict.base.case.low, verdict.base.case.high, verdict.base.case.unit),
            format_interval(verdict.base.interval, verdict.base.case.unit),
            verdict.text,
        ]
        for verdict in verdicts
    ]
    frame = claims_frame(verdicts).assign(label=[verdict.base.case.metric for verdict in verdicts])
    drawn, ax = plots.sheet(7.5, 0.42 * len(frame) + 1.0)
    plots.claims(frame, ax=ax)
    return [
        heading("The claims"),
        table(["", "claim", "metric", "claimed", "found", "verdict"], rows, [_MARKS[v.verdict] for v in verdicts]),
        paragraph(" ".join(contradictions_texts(verdicts))),
        figure(drawn, "Interval said and interval found in the case that the claim is about", folder / "claims.png"),
    ]


def _claimed(verdicts: Sequence[ClaimResult]) -> list[tuple[Claim, Sequence[Boundary]]]:
    return [(verdict.claim, verdict.boundaries) for verdict in verdicts]


def _boundaries_parts(verdicts: Sequence[ClaimResult], folder: Path) -> list[str]:
    """Show where each claim ends, along every dimension."""
    ranges = holding_ranges_frame(_claimed(verdicts))
    if ranges.empty:
        return []
    drawn, ax = plots.sheet(7.4, 0.34 * ranges["claim"].nunique() + 1.3)
    plots.boundaries(ranges, ax=ax)
    whats = list(dict.fromkeys(ranges["what"]))
    rows = []
    for verdict in verdicts:
        held = {each.dimension.what: each.text.partition(": ")[2] for each in verdict.boundaries}
        rows.append([verdict.claim.id, *(held.get(what, "") for what in whats)])
    return [
        heading("Where each claim ends"),
        paragraph(
            "One thing is varied at a time, with the same viewers, around a stream 36 s behind live "
            "(data/dimensions.toml).",
            quiet=True,
        ),
        figure(
            drawn,
            "Where each claim holds along each dimension, from its least to its greatest value",
            folder / "boundaries.png",
        ),
        table(["", *whats], rows),
    ]


def _curve_parts(verdicts: Sequence[ClaimResult], folder: Path) -> list[str]:
    """Draw the share over the live latency, where a claim varied it."""
    for verdict in verdicts:
        vary = verdict.claim.vary
        if vary is not None and vary.field == "stream.latency" and verdict.base.case.metric == "p2p_ratio":
            drawn, ax = plots.sheet(6.4, 3.6)
            claim_range = (verdict.base.case.low, verdict.base.case.high)
            plots.curve(curve_frame(verdict.findings), ax=ax, claim=claim_range)
            text = f"The trade-off between live latency and P2P share; the band is claim {verdict.claim.id}"
            return [heading("Live latency decides"), figure(drawn, text, folder / "latency.png")]
    return []


def curve_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Give value of the varied field, mean, low and high of each case."""
    varied = [finding for finding in findings if not math.isnan(finding.case.at)]
    return pd.DataFrame([{"at": finding.case.at, **finding.interval.to_dict()} for finding in varied])


def _cases_parts(verdicts: Sequence[ClaimResult]) -> list[str]:
    parts = [heading("Case by case")]
    for verdict in verdicts:
        parts.append(paragraph(f"{verdict.claim.id}: {verdict.claim.statement}. It {verdict.text}."))
        rows = [
            [
                finding.case.label,
                finding.case.metric,
                format_range(finding.case.low, finding.case.high, finding.case.unit),
                format_interval(finding.interval, finding.case.unit),
                finding.status,
            ]
            for finding in verdict.findings
        ]
        parts.append(table(["case", "metric", "claimed", "found", ""], rows))
        parts += [paragraph(remark, quiet=True) for remark in verdict.remarks]
    return parts


def _cases_frame(verdicts: Sequence[ClaimResult]) -> pd.DataFrame:
    rows = []
    for verdict in verdicts:
        for finding in verdict.findings:
            case = finding.case
            row = {"id": verdict.claim.id, "case": case.label, "metric": case.metric, "digest": case.scenario.digest}
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
