"""``p2psim calibrate``: what the network between viewers is like, from measured traces."""

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from p2psim.cli.options import add_replications, file, whole
from p2psim.cli.output import emit, note, print_table, warn

if TYPE_CHECKING:
    from p2psim.analysis.calibration.fit import Calibration

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

SUMMARY = "fit the network's few parameters to measured traces, and judge them on scenarios kept out of the fit"
EXAMPLES = """\
  p2psim calibrate --actor aiortc --place loopback        the bundled traces: what is fitted, how far it carries
  p2psim calibrate traces/*/ --hold-out live-8s --out mine.toml
  p2psim simulate live-24s --set network.preset=mine.toml
  p2psim calibrate --actor aiortc --place loopback --name aiortc-loopback --out data/presets/sections/network.toml"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("traces", metavar="TRACE_DIR", nargs="*", help="trace folders (default: the bundled ones)")
    parser.add_argument(
        "--hold-out", metavar="NAME", nargs="+", default=[], help="scenarios kept out of the fit (default: a third)"
    )
    parser.add_argument("--actor", choices=("aiortc", "browser"), help="fit only what viewers of this kind did")
    parser.add_argument("--place", choices=("loopback", "lab"), help="take only traces that were recorded there")
    parser.add_argument("--name", default="calibrated", help="of the preset (default: calibrated)")
    parser.add_argument(
        "--out", metavar="FILE", type=file, help="write the preset to this TOML file, beside what is in it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output, nothing else")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--seed", type=whole(0), default=1, help="root of all randomness (default 1)")
    add_replications(parser, default=5)


def execute(arguments: argparse.Namespace) -> int:
    """Fit, print, write; status 1 where a check on a scenario kept out fails, or none was kept out."""
    from p2psim.analysis.calibration.fit import calibrate
    from p2psim.analysis.calibration.preset import write_preset
    from p2psim.analysis.runs import Runs
    from p2psim.experiment import Bar
    from p2psim.scenario import bundled

    with Bar("simulating", arguments.quiet) as bar:
        found = calibrate(
            arguments.traces or bundled("traces"), hold_out=arguments.hold_out, actor=arguments.actor or "",
            place=arguments.place or "",
            replications=arguments.replications, seed=arguments.seed, runs=Runs(arguments.jobs, bar),
        )  # fmt: skip
    if len(found.actors) > 1 and not arguments.actor:
        warn(f"these are viewers of several kinds ({', '.join(found.actors)}), fitted together; --actor fits one")
    if len(found.places) > 1:
        warn(
            f"these are recordings of several networks ({', '.join(found.places)}), fitted together; --place takes one"
        )
    if arguments.out:
        write_preset(found, Path(arguments.out), arguments.name, dt.datetime.now(dt.UTC).date())
        note(f"{arguments.out}: preset {arguments.name}", arguments.quiet)
    if arguments.json:
        emit({"seed": arguments.seed, **found.to_dict()})
    else:
        _print(found)
    return 0 if found.agrees else 1


def _print(found: "Calibration") -> None:
    from p2psim.analysis.calibration.observation import STARTUP_PARTS
    from p2psim.analysis.formatting import format_interval, format_value

    rows = []
    for name, each in found.estimates.items():
        unit = _UNITS.get(name, "number")
        shown = format_interval(each.interval, unit) if each.identified else "left alone"
        rows.append([f"network.{name}", format_value(each.default, unit), shown, each.how])
    print_table(["parameter", "default", "estimate (95 % interval)", "how"], rows, "Fitted")
    rows = []
    for check in found.checks:
        unit = "share" if check.metric == "p2p_ratio" else "time"
        gap = "points" if check.metric == "p2p_ratio" else "share"
        told = [format_value(x, unit) for x in (check.measured, check.before, check.after)]
        verdict = ("yes" if check.passes else "no") if check.held_out else "fitted"
        rows.append([check.scenario, check.metric, *told, format_value(check.error(check.after), gap), verdict])
    head = ["scenario", "metric", "measured", "simulated before", "after", "off by", "within the limit"]
    print_table(head, rows, f"Simulated with it (kept out of the fit: {', '.join(found.held_out) or 'nothing'})")
    parts = [
        [row["scenario"], row["world"], *(format_value(row[part], "time") for part in STARTUP_PARTS)]
        for row in found.startup.to_dict(orient="records")
    ]
    print_table(
        ["scenario", "world", *(part.replace("_", " ") for part in STARTUP_PARTS)], parts, "Where the start-up goes"
    )
    if found.held_out:
        print(f"P2P share of the scenarios kept out: off by {format_value(found.mean_error, 'points')} on average")
    else:
        print("No scenario was kept out, so nothing judges the fit: give traces of several scenarios")


_UNITS = {
    "request": "time", "http_request": "time", "window": "size", "channel_rate": "rate", "gather": "time",
    "handshake": "time", "relay_setup": "time",
}  # fmt: skip
