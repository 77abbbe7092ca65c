"""Report of a measured run."""

from pathlib import Path

from p2psim import plots
from p2psim.analysis.formatting import format_value
from p2psim.analysis.metrics import METRICS, metrics
from p2psim.report.html import answer, figure, heading, page, paragraph, provenance, table
from p2psim.trace import Trace, discrepancies, totals

__all__ = ["write_measurement"]


def write_measurement(path: str | Path, trace: Trace, in_flight: float) -> Path:
    """Write the HTML document and return its path.

    `in_flight` is the share of the bytes by which sent and received amounts of transfers may differ.
    """
    run = totals(trace)
    values = metrics(run)
    drawn, ax = plots.sheet()
    plots.timeline(run.timeline, ax=ax)
    spread, ax = plots.sheet()
    plots.distribution(run.viewers, ax=ax, column="startup")
    share, stalled = format_value(values["p2p_ratio"], "share"), format_value(values["stall_ratio"], "share")
    rows = [[name, METRICS[name].text, format_value(number, METRICS[name].unit)] for name, number in values.items()]
    problems = discrepancies(trace, in_flight)
    parts = [
        answer(f"{share} of the media bytes came from peers; viewers stalled {stalled} of the time."),
        paragraph(f"Measured with real viewers for {trace.scenario.duration:g} s. {trace.scenario.description}", True),
        *(paragraph(f"Inconsistent data: {line}") for line in problems),
        heading("Summary"),
        table(["metric", "description", "measured"], rows),
        figure(drawn, "Sources of the media bytes over time"),
        figure(spread, "Distribution of the time from joining to the first frame"),
        *provenance(trace.scenario, trace.manifest.seed, 1),
    ]
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(f"{trace.scenario.name}: measured", parts), encoding="utf-8")
    return target
