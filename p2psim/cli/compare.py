"""``p2psim compare``: whether the simulator predicts what was measured."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from p2psim.cli.options import add_common, add_replications, file, read_changes, read_points
from p2psim.cli.output import emit, note, print_table
from p2psim.errors import InputError

if TYPE_CHECKING:
    from p2psim.analysis.comparison.compare import Comparison

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute", "print_shares"]

_NOT_SHOWN = "not shown: an interval that reaches across its limit tells neither equality nor difference; record more"

SUMMARY = "simulate what was measured, compare metric by metric, and test whether both worlds are the same"
EXAMPLES = """\
  p2psim compare                          every bundled measured trace
  p2psim compare run-1 run-2 run-3        recordings of one scenario are compared together
  p2psim compare trace --margin 5         equal means: P2P share within 5 points
  p2psim compare trace --gate p2p_ratio,startup=15      what decides; the rest informs
  p2psim compare trace --junit junit.xml --out figures  for continuous integration; exit status 1 unless all agree
  p2psim compare trace --set access.uplink="5 Mbit/s"   change the simulated side alone: does the gate notice?
  p2psim compare trace --against other    two traces as they are"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("traces", metavar="TRACE_DIR", nargs="*", help="trace folders (default: the bundled ones)")
    parser.add_argument("--against", metavar="TRACE_DIR", help="compare with this trace instead of simulations")
    parser.add_argument("--margin", metavar="POINTS", default="3", help="equal P2P share means: within so many (3)")
    parser.add_argument(
        "--gate", metavar="NAMES",
        help="metrics that decide, NAME or NAME=LIMIT with commas between, limits in percent or points "
        "(default: p2p_ratio,media_bytes,stall_ratio,p2p_times,peers_over_time)",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="changes",
        help="change a field of the scenario on the simulated side only (may be given many times)",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", metavar="NAME", default="shipped",
        help="network of the simulations: the one shipped for a trace's conditions (shipped), the scenario's own "
        "(none), a preset of the section network, or a TOML file of p2psim calibrate",
    )  # fmt: skip
    parser.add_argument(
        "--junit", metavar="FILE", type=file, help="write a JUnit file: a test case per trace and metric"
    )
    add_replications(parser, default=20)
    add_common(parser, out="save a report, its figures (PNG) and tables (CSV) there")


def execute(arguments: argparse.Namespace) -> int:
    """Compare, print, write; status 1 unless simulated and measured are shown to agree."""
    found = _compared(arguments)
    if arguments.junit:
        from p2psim.analysis.comparison.junit import junit

        Path(arguments.junit).write_text(junit(found), encoding="utf-8")
    if arguments.out:
        from p2psim.report import write_comparison

        note(f"saved in {write_comparison(arguments.out, found, arguments.seed)}", arguments.quiet)
    if arguments.json:
        agree = all(each.agrees for each in found)
        emit({"seed": arguments.seed, "agrees": agree, "traces": [each.to_dict() for each in found]})
    else:
        _print(found)
    return 0 if all(each.agrees for each in found) else 1


def _compared(arguments: argparse.Namespace) -> "list[Comparison]":
    from p2psim.analysis.comparison.compare import compare_scenarios, compare_traces
    from p2psim.analysis.comparison.gate import read_gate
    from p2psim.analysis.runs import Runs
    from p2psim.experiment import Bar
    from p2psim.scenario import bundled
    from p2psim.scenario.toml_io import canonical_value

    margin = read_points(arguments.margin)
    gate = None if arguments.gate is None else read_gate(arguments.gate)
    if gate is not None and "p2p_ratio=" in arguments.gate:
        margin = gate["p2p_ratio"]
    changes = {name: canonical_value(name, value) for name, value in read_changes(arguments.changes).items()}
    folders = arguments.traces or bundled("traces")
    if not folders:
        raise InputError("no traces: give a trace folder (p2psim measure makes one)")
    if arguments.against:
        if changes:
            raise InputError("--set changes simulations, and --against compares without any: give one of them")
        return [compare_traces(folder, arguments.against, margin, gate) for folder in folders]
    with Bar("simulating", arguments.quiet) as bar:
        return compare_scenarios(
            folders,
            replications=arguments.replications,
            seed=arguments.seed,
            margin=margin,
            runs=Runs(arguments.jobs, bar),
            gate=gate,
            simulated_with=changes,
            calibration=arguments.calibration,
        )


def print_shares(found: "Sequence[Comparison]") -> None:
    """Print the table of P2P shares."""
    from p2psim.analysis.formatting import format_interval, format_value

    head = ["trace", "measured", "simulated", "difference (90 % interval)", "share", "gate"]
    rows = []
    for each in found:
        share = each.differences["p2p_ratio"]
        check = next(check for check in each.checks if check.metric == "p2p_ratio")
        shown = f"{check.verdict} (±{check.limit.format(check.limit.size)})"
        gap = format_interval(share.interval, "points")
        cells = [
            format_value(share.measured, "share"),
            format_value(share.simulated, "share"),
            gap,
            shown,
            each.verdict_text,
        ]
        rows.append([each.name, *cells])
    print_table(head, rows, "P2P share, simulated against measured")
    if any(each.verdict == "not shown" for each in found):
        print(f"{_NOT_SHOWN}\n")


def _print(found: "Sequence[Comparison]") -> None:
    for each in found:
        head = ["metric", "measured", "simulated", "difference (90 % interval)", "limit", ""]
        print_table(head, each.rows(), each.name)
        print(f"  interval: {each.noise}; {each.replications} simulated\n")
    print_shares(found)
