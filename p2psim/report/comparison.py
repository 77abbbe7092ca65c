"""The report of a comparison: whether the simulator predicts what was measured."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from p2psim import plots
from p2psim.analysis.comparison import Comparison
from p2psim.analysis.wording import say, say_interval
from p2psim.report.html import answer, figure, heading, page, paragraph, provenance, table

__all__ = ["comparison_parts", "write_comparison"]


def write_comparison(folder: str | Path, comparisons: Sequence[Comparison], seed: int) -> Path:
    """Write report.html and a table of metrics for each trace; give the path of the report."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for each in comparisons:
        each.table().to_csv(target / f"compare-{each.name}.csv", index=False)
    path = target / "report.html"
    path.write_text(page("Simulated against measured", _parts(comparisons, seed)), encoding="utf-8")
    return path


def _parts(comparisons: Sequence[Comparison], seed: int) -> list[str]:
    agree, margin = sum(each.agrees for each in comparisons), say(comparisons[0].equivalence.margin, "points")
    parts = [
        answer(f"Simulated and measured P2P share are the same within {margin} in {agree} of {len(comparisons)} runs."),
        *comparison_parts(comparisons),
    ]
    for each in comparisons:
        drawn, ax = plots.sheet(6.4, 3.2)
        plots.distribution(each.transfers[each.transfers["source"] == "p2p"], ax=ax, column="time")
        parts += [
            heading(each.name),
            table(["metric", "measured", "simulated", "difference (95 % interval)"], each.rows()),
            figure(drawn, "How long whole segments took from peers"),
        ]
    return [*parts, *provenance(None, seed)]


def comparison_parts(comparisons: Sequence[Comparison], folder: Path | None = None) -> list[str]:
    """Give table and figure of the P2P shares of both worlds; a copy of the figure is written into `folder`."""
    rows, points = [], []
    for each in comparisons:
        share = each.differences["p2p_ratio"]
        verdict = "agrees" if each.agrees else "differs"
        rows.append(
            [
                each.name,
                say(share.measured, "share"),
                say(share.simulated, "share"),
                say_interval(share.interval, "points"),
                say(each.differences["startup"].interval.mean, "time"),
                *(say(each.distances[source], "time") for source in ("http", "p2p")),
                f"{verdict} within ±{say(each.equivalence.margin, 'points')}",
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
        table(head, rows, ["holds" if each.agrees else "fails" for each in comparisons]),
        figure(
            drawn,
            "P2P share, simulated against measured, with 95 % intervals of the difference",
            folder / "measured.png" if folder is not None else None,
        ),
    ]
