"""``p2psim measure``: the scenario for real."""

import argparse
from pathlib import Path

from p2psim.cli.options import add_common, add_scenario, port, read_scenario
from p2psim.cli.output import emit, note, print_table, warn

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

SUMMARY = "run a scenario for real (tracker, origin, WebRTC peers on this machine) and save its trace"
EXAMPLES = """\
  p2psim measure live-24s --out traces/live
  p2psim measure live-24s --set viewers.count=4 --set duration="60 s"
  p2psim measure live-24s --tracker ws://127.0.0.1:8000/    # a tracker that runs already"""

IN_FLIGHT = 0.02
"""Share of bytes that the two ends of aborted transfers may disagree on."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scenario(parser)
    add_common(parser, out="trace folder to write (default: p2psim-NAME in the current folder)")
    parser.add_argument("--tracker", metavar="URL", help="use this tracker (default: one is started)")
    for name in ("origin", "tracker"):
        help_text = f"port of the {name} that is started (default: a free one)"
        parser.add_argument(f"--{name}-port", type=port, default=0, metavar="PORT", help=help_text)
    parser.add_argument("--logs", metavar="FOLDER", help="keep the logs of all processes there")


def execute(arguments: argparse.Namespace) -> int:
    """Measure, save, print."""
    from p2psim.analysis.metrics import METRICS, metrics
    from p2psim.analysis.wording import say
    from p2psim.experiment import Bar
    from p2psim.report import write_measurement
    from p2psim.testbed import measure
    from p2psim.trace import discrepancies, totals

    scenario = read_scenario(arguments)
    folder = arguments.out or f"p2psim-{scenario.name}"
    with Bar("measuring", arguments.quiet) as bar:
        trace = measure(
            scenario,
            seed=arguments.seed,
            out=folder,
            progress=lambda done: bar(done, 1),
            tracker_url=arguments.tracker,
            origin_port=arguments.origin_port,
            tracker_port=arguments.tracker_port,
            keep_logs=arguments.logs,
        )
    found = metrics(totals(trace))
    for line in discrepancies(trace, IN_FLIGHT):
        warn(line)
    write_measurement(Path(folder) / "report.html", trace, IN_FLIGHT)
    note(f"saved in {folder}", arguments.quiet)
    if arguments.json:
        emit({"trace": folder, "scenario": scenario.name, "digest": scenario.digest, "seed": arguments.seed, **found})
    else:
        rows = [[name, say(number, METRICS[name].unit)] for name, number in found.items()]
        print_table(["metric", "measured"], rows, f"{scenario.name}: measured for {scenario.duration:g} s")
    return 0
