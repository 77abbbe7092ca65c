"""``p2psim simulate``: replications of a scenario, summarised."""

import argparse

from p2psim.cli.options import add_common, add_replications, add_scenario, read_scenario
from p2psim.cli.output import emit, note, print_table

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

SUMMARY = "simulate replications of a scenario, print metrics with their intervals, save tables"
EXAMPLES = """\
  p2psim simulate live-24s
  p2psim simulate mine.toml --replications 20 --out results
  p2psim simulate live-24s --set stream.latency="40 s" --set viewers.count=200 --json
  p2psim simulate live-24s --events --out results    # the full trace of each replication too"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scenario(parser)
    add_replications(parser, default=10)
    add_common(parser, out="save a report, tables (CSV, Parquet), scenario and provenance there")
    parser.add_argument("--events", action="store_true", help="keep every event; saves a trace of each replication")
    parser.add_argument(
        "--no-baseline", action="store_false", dest="baseline",
        help="do not simulate the same viewers without P2P; leaves out the metrics that need it",
    )  # fmt: skip


def execute(arguments: argparse.Namespace) -> int:
    """Simulate, print, save."""
    from p2psim.analysis.metrics import METRICS
    from p2psim.analysis.statistics import Interval
    from p2psim.analysis.wording import say, say_interval
    from p2psim.experiment import simulate
    from p2psim.report import write_results

    scenario = read_scenario(arguments)
    results = simulate(
        scenario, arguments.replications, arguments.seed, arguments.jobs, arguments.events, not arguments.quiet
    )
    summary = results.summary(arguments.baseline)
    if arguments.out:
        folder = results.save(arguments.out, arguments.baseline)
        write_results(folder / "report.html", results, arguments.baseline)
        note(f"saved in {folder}", arguments.quiet)
    if arguments.json:
        metrics = {
            row["metric"]: {end: row[end] for end in ("mean", "low", "high")} for row in summary.to_dict("records")
        }
        run = {"scenario": scenario.name, "digest": scenario.digest, "seed": arguments.seed}
        emit({**run, "replications": arguments.replications, **metrics})
        return 0
    rows = []
    for row in summary.to_dict("records"):
        interval = Interval(row["mean"], row["low"], row["high"])
        _, _, ends = say_interval(interval, row["unit"]).partition(" (")
        rows.append([row["metric"], say(row["mean"], row["unit"]), ends.rstrip(")"), METRICS[row["metric"]].text])
    title = f"{scenario.name}: {arguments.replications} replications from seed {arguments.seed}"
    print_table(["metric", "mean", "95 % interval", ""], rows, title)
    return 0
