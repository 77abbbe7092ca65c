"""Report of a simulated scenario: summary, figures, provenance."""

import math
from pathlib import Path

from p2psim import plots
from p2psim.analysis.formatting import format_interval, format_value
from p2psim.analysis.metrics import METRICS
from p2psim.analysis.statistics import Interval
from p2psim.experiment import Results
from p2psim.report.html import answer, figure, heading, page, paragraph, provenance, table

__all__ = ["write_results"]


def write_results(path: str | Path, results: Results, baseline: bool = False) -> Path:
    """Write the HTML document and return its path; with `baseline` it includes the metrics relative to http-only."""
    scenario = results.scenario
    rows = []
    for row in results.estimates(baseline).to_dict("records"):
        if math.isnan(row["mean"]):  # undefined in this scenario
            continue
        interval = Interval(row["mean"], row["low"], row["high"])
        rows.append([row["metric"], METRICS[row["metric"]].text, format_interval(interval, row["unit"])])
    drawn, ax = plots.sheet()
    plots.timeline(results.timeline, ax=ax)
    spread, ax = plots.sheet()
    plots.distribution(results.viewers, ax=ax, column="startup")
    parts = [
        answer(answer_text(results, baseline)),
        paragraph(scenario.description, quiet=True),
        figure(drawn, "Sources of the media bytes over time, mean of the replications"),
        figure(spread, "Distribution of the time from joining to the first frame, all replications"),
        heading("Summary"),
        table(["metric", "description", "mean (95 % interval)"], rows),
        *provenance(scenario, results.seed, len(results.runs)),
    ]
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(scenario.name, parts), encoding="utf-8")
    return target


def answer_text(results: Results, baseline: bool) -> str:
    """Return a sentence that states the effect of sharing."""
    share = format_interval(results.interval("p2p_ratio"), "share")
    stalled = format_value(results.interval("stall_ratio").mean, "share")
    text = f"{share} of the media bytes came from peers; viewers stalled {stalled} of the time"
    if not baseline:
        return f"{text}."
    saving = format_interval(results.interval("origin_saving"), "share")
    return f"{text}, and the origin sent {saving} fewer bytes than without sharing."
