"""Report of a comparison of measured and simulated runs."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from p2psim import plots
from p2psim.analysis.comparison.gate import description
from p2psim.analysis.comparison.result import Comparison
from p2psim.analysis.formatting import format_interval, format_value
from p2psim.report.html import answer, figure, heading, page, paragraph, provenance, table

__all__ = ["comparison_parts", "write_comparison"]


_CLASSES = {"agrees": "holds", "inconclusive": "only", "differs": "fails"}
"""Verdict → class of the table cell, which sets its colour."""


def write_comparison(folder: str | Path, comparisons: Sequence[Comparison], seed: int) -> Path:
    """Write report.html with its figures and tables, and return the path of the report.

    The folder also gets ``measured.png`` and ``checks.csv`` for all comparisons, and for each one ``compare-NAME.csv``
    and the figures ``NAME-share.png``, ``NAME-peers.png``, ``NAME-http.png`` and ``NAME-p2p.png`` (transfer times).
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for comparison in comparisons:
        comparison.table().to_csv(target / f"compare-{comparison.name}.csv", index=False)
    checks = [comparison.checks_table().assign(trace=comparison.name) for comparison in comparisons]
    pd.concat(checks, ignore_index=True).to_csv(target / "checks.csv", index=False)
    path = target / "report.html"
    path.write_text(page("Simulated against measured", _parts(comparisons, seed, target)), encoding="utf-8")
    return path


def _parts(comparisons: Sequence[Comparison], seed: int, folder: Path) -> list[str]:
    parts = [
        answer(_answer(comparisons)),
        *comparison_parts(comparisons, folder),
    ]
    for comparison in comparisons:
        head = ["metric", "description", "measured", "simulated", "difference (90 % interval)", "limit", "verdict"]
        basis = f"Interval: {comparison.noise}; {comparison.replications} simulated runs."
        parts += [
            heading(comparison.name),
            paragraph(f"{basis} Verdicts in brackets are of metrics that are not part of the gate.", quiet=True),
            table(head, [[row[0], description(row[0]), *row[1:]] for row in comparison.rows()]),
            *_overlays(comparison, folder),
        ]
    return [*parts, *provenance(None, seed)]


def _answer(comparisons: Sequence[Comparison]) -> str:
    counts = Counter(comparison.verdict for comparison in comparisons)
    margin = format_value(comparisons[0].equivalence.margin, "points")
    text = (
        f"Simulated and measured runs agree in {counts['agrees']} of {len(comparisons)} scenarios: the P2P shares "
        f"differ by less than {margin}, and every other metric of the gate is within its limit."
    )
    if counts["differs"]:
        text += f" They differ in {counts['differs']}."
    if counts["inconclusive"]:
        text += f" In {counts['inconclusive']} the result is inconclusive: an interval contains its limit; record more."
    return text


def _overlays(comparison: Comparison, folder: Path) -> list[str]:
    curves, parts = comparison.curves(), []
    times = curves["at"].unique()
    width = float(times[1] - times[0]) if len(times) > 1 else 1.0
    for column, name, caption in (
        ("p2p_share", "share", "P2P share over time"),
        ("peers", "peers", "Connected peers over time"),
    ):
        drawn, ax = plots.sheet(6.4, 3.2)
        plots.overlay(curves, ax=ax, column=column, bins=width)
        parts.append(figure(drawn, caption, folder / f"{comparison.name}-{name}.png"))
    transfers = comparison.transfers
    for source, caption in (("http", "over HTTP"), ("p2p", "from peers")):
        drawn, ax = plots.sheet(6.4, 3.2)
        plots.distribution(transfers[transfers["source"] == source], ax=ax, column="time")
        parts.append(figure(drawn, f"Transfer times of segments {caption}", folder / f"{comparison.name}-{source}.png"))
    return parts


def comparison_parts(comparisons: Sequence[Comparison], folder: Path | None = None) -> list[str]:
    """Return table and figure of the measured and simulated P2P shares; a copy of the figure is written to `folder`."""
    rows = [_share_row(comparison) for comparison in comparisons]
    head = [
        "trace",
        "measured P2P share",
        "simulated",
        "difference (90 % interval)",
        "start-up, difference",
        "HTTP times, distance",
        "P2P times, distance",
        "verdict",
    ]
    drawn, ax = plots.sheet(4.8, 4.6)
    plots.scatter(pd.DataFrame(map(_point, comparisons)), ax=ax, margin=comparisons[0].equivalence.margin)
    return [
        heading("Simulated against measured"),
        paragraph(
            "P2P share of real peers (WebRTC on one machine) and of simulations of the same viewers.", quiet=True
        ),
        table(head, rows, [_CLASSES[comparison.verdict] for comparison in comparisons]),
        figure(
            drawn,
            "P2P share, simulated against measured, with 90 % intervals of the difference",
            folder / "measured.png" if folder is not None else None,
        ),
    ]


def _share_row(comparison: Comparison) -> list[str]:
    share = comparison.differences["p2p_ratio"]
    margin = format_value(comparison.equivalence.margin, "points")
    return [
        comparison.name,
        format_value(share.measured, "share"),
        format_value(share.simulated, "share"),
        format_interval(share.interval, "points"),
        format_value(comparison.differences["startup"].interval.mean, "time"),
        *(format_value(comparison.distances[source], "time") for source in ("http", "p2p")),
        f"agrees within ±{margin}" if comparison.agrees else comparison.verdict_text,
    ]


def _point(comparison: Comparison) -> dict[str, object]:
    share = comparison.differences["p2p_ratio"]
    low, high = share.measured + share.interval.low, share.measured + share.interval.high
    ends = {"measured": share.measured, "simulated": share.simulated, "low": low, "high": high}
    return {"trace": comparison.name, **ends}
