"""The report of a comparison: whether the simulator predicts what was measured."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from p2psim import plots
from p2psim.analysis.comparison.compare import Comparison
from p2psim.analysis.formatting import format_interval, format_value
from p2psim.report.html import answer, figure, heading, page, paragraph, provenance, table

__all__ = ["comparison_parts", "write_comparison"]


_CLASSES = {"agrees": "holds", "not shown": "only", "differs": "fails"}


def write_comparison(folder: str | Path, comparisons: Sequence[Comparison], seed: int) -> Path:
    """Write report.html, its figures and tables; give the path of the report.

    Beside it stand ``measured.png`` and ``checks.csv`` for all traces, and for each ``compare-NAME.csv`` and the
    overlays ``NAME-share.png``, ``NAME-peers.png``, ``NAME-http.png`` and ``NAME-p2p.png`` (transfer times).
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for each in comparisons:
        each.table().to_csv(target / f"compare-{each.name}.csv", index=False)
    checks = [each.checks_table().assign(trace=each.name) for each in comparisons]
    pd.concat(checks, ignore_index=True).to_csv(target / "checks.csv", index=False)
    path = target / "report.html"
    path.write_text(page("Simulated against measured", _parts(comparisons, seed, target)), encoding="utf-8")
    return path


def _parts(comparisons: Sequence[Comparison], seed: int, folder: Path) -> list[str]:
    parts = [
        answer(_answer(comparisons)),
        *comparison_parts(comparisons, folder),
    ]
    for each in comparisons:
        head = ["metric", "measured", "simulated", "difference (90 % interval)", "limit", ""]
        parts += [
            heading(each.name),
            paragraph(f"Interval: {each.noise}; {each.replications} simulated. In brackets: informs only.", quiet=True),
            table(head, each.rows()),
            *_overlays(each, folder),
        ]
    return [*parts, *provenance(None, seed)]


def _answer(comparisons: Sequence[Comparison]) -> str:
    counts = Counter(each.verdict for each in comparisons)
    margin = format_value(comparisons[0].equivalence.margin, "points")
    text = (
        f"Simulated and measured agree in {counts['agrees']} of {len(comparisons)} scenarios: P2P share within "
        f"{margin}, and every other metric of the gate within its limit."
    )
    if counts["differs"]:
        text += f" They differ in {counts['differs']}."
    if counts["not shown"]:
        text += (
            f" In {counts['not shown']} equality is not shown, nor a difference: an interval reaches across its limit, "
            "and more recordings would tell."
        )
    return text


def _overlays(found: Comparison, folder: Path) -> list[str]:
    curves, parts = found.curves(), []
    times = curves["at"].unique()
    width = float(times[1] - times[0]) if len(times) > 1 else 1.0
    for column, name, caption in (
        ("p2p_share", "share", "P2P share over time"),
        ("peers", "peers", "Connected peers over time"),
    ):
        drawn, ax = plots.sheet(6.4, 3.2)
        plots.overlay(curves, ax=ax, column=column, bins=width)
        parts.append(figure(drawn, caption, folder / f"{found.name}-{name}.png"))
    for source, caption in (("http", "over HTTP"), ("p2p", "from peers")):
        drawn, ax = plots.sheet(6.4, 3.2)
        plots.distribution(found.transfers[found.transfers["source"] == source], ax=ax, column="time")
        parts.append(figure(drawn, f"How long whole segments took {caption}", folder / f"{found.name}-{source}.png"))
    return parts


def comparison_parts(comparisons: Sequence[Comparison], folder: Path | None = None) -> list[str]:
    """Give table and figure of the P2P shares of both worlds; a copy of the figure is written into `folder`."""
    rows, points = [], []
    for each in comparisons:
        share = each.differences["p2p_ratio"]
        rows.append(
            [
                each.name,
                format_value(share.measured, "share"),
                format_value(share.simulated, "share"),
                format_interval(share.interval, "points"),
                format_value(each.differences["startup"].interval.mean, "time"),
                *(format_value(each.distances[source], "time") for source in ("http", "p2p")),
                f"agrees within ±{format_value(each.equivalence.margin, 'points')}"
                if each.agrees
                else each.verdict_text,
            ]
        )
        low, high = share.measured + share.interval.low, share.measured + share.interval.high
        ends = {"measured": share.measured, "simulated": share.simulated, "low": low, "high": high}
        points.append({"trace": each.name, **ends})
    head = [
        "trace",
        "measured",
        "simulated",
        "difference",
        "start-up later by",
        "HTTP times apart",
        "P2P times apart",
        "",
    ]
    drawn, ax = plots.sheet(4.8, 4.6)
    plots.scatter(pd.DataFrame(points), ax=ax, margin=comparisons[0].equivalence.margin)
    return [
        heading("Simulated against measured"),
        paragraph(
            "P2P share of real peers (WebRTC on one machine), and of simulations of the same viewers.", quiet=True
        ),
        table(head, rows, [_CLASSES[each.verdict] for each in comparisons]),
        figure(
            drawn,
            "P2P share, simulated against measured, with 90 % intervals of the difference",
            folder / "measured.png" if folder is not None else None,
        ),
    ]
