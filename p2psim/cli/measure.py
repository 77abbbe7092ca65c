"""``p2psim measure``: runs of a scenario with real peers."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from p2psim.cli.options import add_common, add_raw, add_scenario, port, read_scenarios, whole
from p2psim.cli.output import emit, note, print_table, warn

if TYPE_CHECKING:
    from p2psim.experiment import Bar
    from p2psim.scenario import Scenario
    from p2psim.trace import Trace

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

SUMMARY = "run a scenario with a real tracker, origin and WebRTC peers on this machine, and save its trace"
EXAMPLES = """\
  p2psim measure live-24s --out traces/live
  p2psim measure live-24s --set viewers.count=4 --set duration="60 s"
  p2psim measure measured-pair measured-churn --repeat 3 --out traces    # resumable: repeat the command
  p2psim measure live-24s --tracker ws://127.0.0.1:8000/    # use a running tracker
  sudo p2psim measure live-24s --lab --set nat.mix=average --set relay.availability=1"""

IN_FLIGHT = 0.02
"""Share of the bytes by which sent and received amounts may differ, because of aborted transfers."""

SHOWN = ("p2p_ratio", "startup", "stall_ratio", "peers")
"""Metrics in the table of a series."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    add_scenario(parser, several=True)
    add_common(parser, out="write the trace to this folder (default: p2psim-NAME in the current folder)")
    add_raw(parser)
    parser.add_argument(
        "--repeat", metavar="N", type=whole(1), default=1,
        help="measure each scenario N times, with consecutive seeds from --seed; with several scenarios or repetitions "
        "each trace is written to the folder NAME-SEED in --out, and existing traces are not measured again",
    )  # fmt: skip
    parser.add_argument("--tracker", metavar="URL", help="use this running tracker (default: start one)")
    for name in ("origin", "tracker"):
        help_text = f"port of the started {name} (default: any free port)"
        parser.add_argument(f"--{name}-port", type=port, default=0, metavar="PORT", help=help_text)
    help_text = "run every viewer on its own host with NAT, link and delays (network namespaces; needs root)"
    parser.add_argument("--lab", action="store_true", help=help_text)
    parser.add_argument("--logs", metavar="FOLDER", help="keep the logs of all processes in this folder")


def execute(arguments: argparse.Namespace) -> int:
    """Measure, save, print."""
    from p2psim.analysis.metrics import METRICS
    from p2psim.experiment import Bar
    from p2psim.report import write_measurement

    scenarios = read_scenarios(arguments)
    if len(scenarios) > 1 or arguments.repeat > 1:
        return _record_series(arguments, scenarios)
    (scenario,) = scenarios
    folder = arguments.out or f"p2psim-{scenario.name}"
    with Bar("measuring", arguments.quiet) as bar:
        trace = _record(arguments, scenario, arguments.seed, folder, arguments.logs, lambda done: bar(done, 1))
    write_measurement(Path(folder) / "report.html", trace, IN_FLIGHT)
    values = _metrics(trace)
    note(f"saved in {folder}", arguments.quiet)
    if arguments.json:
        emit(_summary(trace, folder, values))
    else:
        rows = [[name, _text(name, number, arguments.raw), METRICS[name].text] for name, number in values.items()]
        print_table(
            ["metric", "measured", "description"], rows, f"{scenario.name}: measured for {scenario.duration:g} s"
        )
    return 0


def _record_series(arguments: argparse.Namespace, scenarios: "list[Scenario]") -> int:
    """Measure the recordings that do not exist yet, and print one line for each recording."""
    from p2psim.analysis.metrics import METRICS
    from p2psim.experiment import Bar
    from p2psim.testbed.series import plan_series

    folder = arguments.out or "p2psim-measured"
    recordings = plan_series(scenarios, arguments.repeat, arguments.seed, folder, in_lab=arguments.lab)
    summaries, rows = [], []
    with Bar("measuring", arguments.quiet) as bar:
        for number, recording in enumerate(recordings):
            trace = recording.finished()
            if trace is None:
                logs = None if arguments.logs is None else Path(arguments.logs) / recording.folder.name
                trace = _record(
                    arguments, recording.scenario, recording.seed, recording.folder, logs,
                    partial(_show, bar, number, len(recordings)),
                )  # fmt: skip
            bar(number + 1, len(recordings))
            values = _metrics(trace)
            summaries.append(_summary(trace, recording.folder, values))
            shown = [_text(name, values[name], arguments.raw) for name in SHOWN]
            rows.append([recording.folder.name, *shown, f"{trace.manifest.notes['cpu']['busy']:.0%}"])
    note(f"saved in {folder}", arguments.quiet)
    if arguments.json:
        emit({"traces": summaries})
    else:
        print_table(["trace", *SHOWN, "CPU busy"], rows, f"{len(recordings)} measurements")
        meanings = [[name, METRICS[name].text] for name in SHOWN]
        print_table(["column", "description"], [*meanings, ["CPU busy", "share of the processors' time that was used"]])
    return 0


def _text(metric: str, number: float, raw: bool) -> str:
    from p2psim.analysis.formatting import format_value
    from p2psim.analysis.metrics import METRICS

    return str(number) if raw else format_value(number, METRICS[metric].unit)


def _show(bar: "Bar", before: int, total: int, done: float) -> None:
    bar(before + done, total)


def _record(
    arguments: argparse.Namespace,
    scenario: "Scenario",
    seed: int,
    folder: str | Path,
    logs: str | Path | None,
    progress: Callable[[float], object],
) -> "Trace":
    """Measure once, save the trace, and warn of inconsistent data and a busy processor."""
    from p2psim.testbed import measure
    from p2psim.testbed.cpu_meter import load_warnings
    from p2psim.trace import discrepancies

    trace = measure(
        scenario,
        seed=seed,
        out=folder,
        progress=progress,
        tracker_url=arguments.tracker,
        origin_port=arguments.origin_port,
        tracker_port=arguments.tracker_port,
        keep_logs=logs,
        lab=arguments.lab,
    )
    for line in (*discrepancies(trace, IN_FLIGHT), *load_warnings(trace.manifest.notes["cpu"])):
        warn(f"{Path(folder).name}: {line}")
    return trace


def _metrics(trace: "Trace") -> dict[str, float]:
    from p2psim.analysis.metrics import metrics
    from p2psim.trace import totals

    return metrics(totals(trace))


def _summary(trace: "Trace", folder: str | Path, values: dict[str, float]) -> dict[str, object]:
    manifest = trace.manifest
    return {
        "trace": str(folder), "scenario": manifest.name, "digest": manifest.scenario_digest, "seed": manifest.seed,
        **values,
    }  # fmt: skip
