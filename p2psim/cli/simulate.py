"""``p2psim simulate``: replications of a scenario and their summary."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from p2psim.cli.options import add_common, add_raw, add_replications, add_scenario, folder, read_scenario, share, whole
from p2psim.cli.output import emit, note, print_frame, print_table, warn
from p2psim.errors import InputError, one_of

if TYPE_CHECKING:
    import pandas as pd

    from p2psim.experiment import Results
    from p2psim.scenario import Scenario

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

SUMMARY = "simulate replications of a scenario, print metrics with their intervals, save tables"
EXAMPLES = """\
  p2psim simulate live-24s
  p2psim simulate mine.toml --replications 20 --out results
  p2psim simulate live-24s --set stream.live_latency="40 s" --set viewers.count=200 --json
  p2psim simulate live-24s --events --out results    # with the full trace of each replication
  p2psim simulate live-24s --precision "2 %"         # as many replications as needed
  p2psim simulate thousand-for-an-hour --checkpoint long --every "10 min"
  p2psim simulate thousand-for-an-hour --checkpoint long --resume    # continues after a kill, with the same result"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    add_scenario(parser)
    add_replications(parser, default=10)
    add_common(parser, out="write a report, tables (CSV, Parquet), scenario and provenance to this folder")
    add_raw(parser)
    parser.add_argument("--events", action="store_true", help="record every event; saves a trace of each replication")
    parser.add_argument(
        "--no-baseline", action="store_false", dest="baseline",
        help="do not simulate the same viewers without P2P; metrics relative to http-only are left out",
    )  # fmt: skip
    parser.add_argument(
        "--intervals", metavar="METHOD", default="student",
        help="intervals: Student's t (jackknife for ratios of totals), or the BCa bootstrap: {methods} "
        "(default: student)",
    )  # fmt: skip
    stopping = parser.add_argument_group("as many replications as needed")
    stopping.add_argument(
        "--precision", metavar="SHARE", type=share,
        help='add replications until half the interval is at most this share of the mean, for example "2 %%"',
    )  # fmt: skip
    stopping.add_argument("--metric", default="p2p_ratio", help="metric of --precision: {metrics} (default: p2p_ratio)")
    stopping.add_argument(
        "--most", metavar="N", type=whole(2), default=200, help="maximum number of replications of --precision (200)"
    )
    saving = parser.add_argument_group("long runs")
    saving.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        type=folder,
        help="keep finished runs in this folder, and checkpoints of unfinished ones",
    )
    saving.add_argument("--every", metavar="TIME", help='simulated time between checkpoints (default "10 min")')
    saving.add_argument("--resume", action="store_true", help="continue from the checkpoints")


def execute(arguments: argparse.Namespace) -> int:
    """Simulate, print, save; status 0."""
    scenario = read_scenario(arguments)
    results, summary = _simulated(scenario, arguments)
    _remark(results, arguments)
    if arguments.out:
        from p2psim.report import write_results

        folder = results.save(arguments.out, arguments.baseline)
        write_results(folder / "report.html", results, arguments.baseline)
        note(f"saved in {folder}", arguments.quiet)
    if arguments.json:
        metrics = {
            row["metric"]: {end: row[end] for end in ("mean", "low", "high")} for row in summary.to_dict("records")
        }
        run = {"scenario": scenario.name, "digest": scenario.digest, "seed": arguments.seed}
        emit({**run, "replications": len(results.runs), **metrics})
    else:
        _print(scenario, summary, len(results.runs), arguments)
    return 0


def _simulated(scenario: "Scenario", arguments: argparse.Namespace) -> "tuple[Results, pd.DataFrame]":
    from p2psim.analysis.statistics import METHODS
    from p2psim.experiment import simulate
    from p2psim.units import parse_quantity

    every = parse_quantity(arguments.every or "10 min", "time")
    if not 0 < every < math.inf:
        raise InputError(f"--every {arguments.every}: a time above 0 is expected")
    one_of("--intervals", arguments.intervals, METHODS)
    _check_folder(arguments)
    try:
        results = simulate(
            scenario, arguments.replications, arguments.seed, arguments.jobs, arguments.events, not arguments.quiet,
            precision=arguments.precision, metric=arguments.metric, most=arguments.most,
            checkpoint=arguments.checkpoint, every=every,
        )  # fmt: skip
        return results, results.estimates(arguments.baseline, arguments.intervals)
    except KeyboardInterrupt as interrupt:
        if arguments.checkpoint is None:
            raise
        folder = arguments.checkpoint
        text = f"interrupted; finished runs are kept in {folder}: repeat the command with --resume to continue"
        raise type(interrupt)(text) from None


def _check_folder(arguments: argparse.Namespace) -> None:
    if arguments.checkpoint is None:
        if arguments.resume:
            raise InputError("--resume: give --checkpoint FOLDER with the folder of the interrupted simulation")
        if arguments.every is not None:
            raise InputError(f"--every {arguments.every}: give --checkpoint FOLDER with a folder for the checkpoints")
        return
    begun = any(Path(arguments.checkpoint).glob("*.*"))
    if begun and not arguments.resume:
        raise InputError(
            f"{arguments.checkpoint}: contains a simulation; add --resume to continue it, or give a new folder"
        )
    if arguments.resume and not begun:
        raise InputError(f"{arguments.checkpoint}: contains no simulation; leave out --resume to start one")


def _remark(results: "Results", arguments: argparse.Namespace) -> None:
    """Print warnings about few replications, missed precision and the warm-up."""
    from p2psim.analysis.statistics import few_replications, is_precise

    count, scenario = len(results.runs), results.scenario
    if text := few_replications(count):
        warn(text)
    if arguments.precision is not None and not is_precise(results.interval(arguments.metric), arguments.precision):
        warn(f"{arguments.metric} has not reached the precision after {count} replications; --most allows more")
    if scenario.viewers.arrivals in ("poisson", "diurnal"):
        settled = results.warmup()
        if math.isnan(settled):
            note("warm-up: no steady state within the run (MSER-5 of p2p_ratio); use a longer duration")
        elif settled > scenario.warmup:
            note(
                f"warm-up: p2p_ratio is steady after about {settled:g} s (MSER-5), {scenario.warmup:g} s are cut; "
                f'use --set warmup="{settled:g} s" to study the steady state'
            )


def _print(scenario: "Scenario", summary: "pd.DataFrame", count: int, arguments: argparse.Namespace) -> None:
    from p2psim.analysis.formatting import format_interval, format_value
    from p2psim.analysis.metrics import METRICS
    from p2psim.analysis.statistics import Interval

    title = f"{scenario.name}: {count} replications from seed {arguments.seed}"
    if arguments.raw:
        print_frame(summary, title)
        return
    rows = []
    for row in summary.to_dict("records"):
        interval = Interval(row["mean"], row["low"], row["high"])
        _, _, ends = format_interval(interval, row["unit"]).partition(" (")
        rows.append(
            [row["metric"], format_value(row["mean"], row["unit"]), ends.rstrip(")"), METRICS[row["metric"]].text]
        )
    print_table(["metric", "mean", "95 % interval", "description"], rows, title)
