"""``p2psim calibrate``: network parameters fitted to measured traces."""

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from p2psim.cli.options import add_replications, file, whole
from p2psim.cli.output import emit, note, print_table, warn

if TYPE_CHECKING:
    from p2psim.analysis.calibration.fit import Calibration

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

SUMMARY = "fit the network parameters to measured traces, and validate them on scenarios held out of the fit"
EXAMPLES = """\
  p2psim calibrate --actor aiortc --place loopback        fit to the bundled traces
  p2psim calibrate traces/*/ --hold-out live-8s --out mine.toml
  p2psim simulate live-24s --set network.preset=mine.toml
  p2psim calibrate --actor aiortc --place loopback --name aiortc-loopback --out data/presets/sections/network.toml"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.add_argument("traces", metavar="TRACE_DIR", nargs="*", help="trace folders (default: the bundled ones)")
    parser.add_argument(
        "--hold-out", metavar="NAME", nargs="+", default=[], help="scenarios to hold out of the fit (default: a third)"
    )
    parser.add_argument("--actor", metavar="KIND", help="fit only to exchange among viewers of this kind: {actors}")
    parser.add_argument("--place", metavar="PLACE", help="use only traces recorded there: {places}")
    parser.add_argument("--name", default="calibrated", help="name of the preset (default: calibrated)")
    parser.add_argument(
        "--out", metavar="FILE", type=file, help="write the preset to this TOML file; other presets in it stay"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output, nothing else")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--seed", type=whole(0), default=1, help="seed of all random numbers (default 1)")
    add_replications(parser, default=5)


def execute(arguments: argparse.Namespace) -> int:
    """Fit, print, write; status 1 if a check on a held-out scenario fails, or no scenario was held out."""
    from p2psim.analysis.calibration.fit import calibrate
    from p2psim.analysis.calibration.preset import write_preset
    from p2psim.analysis.runs import Runs
    from p2psim.experiment import Bar
    from p2psim.scenario import bundled

    with Bar("simulating", arguments.quiet) as bar:
        calibration = calibrate(
            arguments.traces or bundled("traces"), hold_out=arguments.hold_out, actor=arguments.actor or "",
            place=arguments.place or "",
            replications=arguments.replications, seed=arguments.seed, runs=Runs(arguments.jobs, bar),
        )  # fmt: skip
    if len(calibration.actors) > 1 and not arguments.actor:
        warn(f"viewers of several kinds are fitted together ({', '.join(calibration.actors)}); --actor selects one")
    if len(calibration.places) > 1:
        warn(
            f"recordings of several networks are fitted together ({', '.join(calibration.places)}); --place selects one"
        )
    if arguments.out:
        write_preset(calibration, Path(arguments.out), arguments.name, dt.datetime.now(dt.UTC).date())
        note(f"{arguments.out}: preset {arguments.name}", arguments.quiet)
    if arguments.json:
        emit({"seed": arguments.seed, **calibration.to_dict()})
    else:
        _print(calibration)
    return 0 if calibration.agrees else 1


def _print(calibration: "Calibration") -> None:
    from p2psim.analysis.calibration.observation import STARTUP_PARTS
    from p2psim.analysis.dimensions import unit_of
    from p2psim.analysis.formatting import format_interval, format_value

    rows = []
    for name, estimate in calibration.estimates.items():
        unit = unit_of(f"network.{name}")
        shown = format_interval(estimate.interval, unit) if estimate.identified else "not identified"
        rows.append([f"network.{name}", format_value(estimate.default, unit), shown, estimate.how])
    print_table(["parameter", "default", "estimate (95 % interval)", "basis"], rows, "Fitted parameters")
    rows = []
    for check in calibration.checks:
        unit = "share" if check.metric == "p2p_ratio" else "time"
        gap = "points" if check.metric == "p2p_ratio" else "share"
        values = [format_value(x, unit) for x in (check.measured, check.before, check.after)]
        verdict = ("yes" if check.passes else "no") if check.held_out else "fitted"
        rows.append([check.scenario, check.metric, *values, format_value(check.error(check.after), gap), verdict])
    head = ["scenario", "metric", "measured", "simulated before", "simulated after", "error", "within limit"]
    print_table(head, rows, f"Validation (held out of the fit: {', '.join(calibration.held_out) or 'nothing'})")
    parts = [
        [row["scenario"], row["world"], *(format_value(row[part], "time") for part in STARTUP_PARTS)]
        for row in calibration.startup.to_dict(orient="records")
    ]
    print_table(
        ["scenario", "world", *(part.replace("_", " ") for part in STARTUP_PARTS)], parts, "Parts of the start-up time"
    )
    if calibration.held_out:
        print(f"Mean absolute error of the P2P share (held out): {format_value(calibration.mean_error, 'points')}")
    else:
        print("No scenario was held out, so the fit is not validated: give traces of several scenarios")
