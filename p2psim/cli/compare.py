"""``p2psim compare``: comparison of measured traces with simulations of their scenarios."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from p2psim.cli.options import add_common, add_raw, add_replications, file, read_changes, read_points
from p2psim.cli.output import emit, note, print_frame, print_table
from p2psim.errors import InputError

if TYPE_CHECKING:
    from p2psim.analysis.comparison.result import Comparison

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute", "print_shares"]

_INCONCLUSIVE = "inconclusive: the interval contains the limit; record more"

SUMMARY = "simulate measured scenarios, compare each metric with the measured one, and test for equivalence"
EXAMPLES = """\
  p2psim compare                          all bundled measured traces
  p2psim compare run-1 run-2 run-3        recordings of one scenario are compared together
  p2psim compare trace --margin 5         P2P shares are equal within 5 points
  p2psim compare trace --gate p2p_ratio,startup=15      metrics that decide; the others only inform
  p2psim compare trace --junit junit.xml --out figures  for continuous integration; exit status 1 unless all agree
  p2psim compare trace --set access.uplink="5 Mbit/s"   change only the simulated side, to see what the gate detects
  p2psim compare trace --against other    compare two traces, without simulation"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.add_argument("traces", metavar="TRACE_DIR", nargs="*", help="trace folders (default: the bundled ones)")
    parser.add_argument("--against", metavar="TRACE_DIR", help="compare with this trace instead of simulations")
    parser.add_argument(
        "--margin", metavar="POINTS", default="3", help="difference up to which P2P shares are equal (3)"
    )
    parser.add_argument(
        "--gate", metavar="NAMES",
        help="metrics that decide, NAME or NAME=LIMIT separated by commas, limits in percent or points; "
        "known: {limits} (default: {gate})",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="changes",
        help="change a field of the scenario on the simulated side only (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", metavar="NAME", default="shipped",
        help="network of the simulations: the bundled calibration for the conditions of the trace (shipped), that of "
        "the scenario (none), a preset of the section network ({networks}), or a TOML file written by p2psim calibrate",
    )  # fmt: skip
    parser.add_argument(
        "--junit", metavar="FILE", type=file, help="write a JUnit file with a test case per trace and metric"
    )
    add_replications(parser, default=20)
    add_common(parser, out="write a report (HTML), its figures (PNG) and tables (CSV) to this folder")
    add_raw(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Compare, print, write; status 1 unless all comparisons agree."""
    comparisons = _comparisons(arguments)
    agree = all(comparison.agrees for comparison in comparisons)
    if arguments.junit:
        from p2psim.analysis.comparison.junit import junit

        Path(arguments.junit).write_text(junit(comparisons), encoding="utf-8")
    if arguments.out:
        from p2psim.report import write_comparison

        note(f"saved in {write_comparison(arguments.out, comparisons, arguments.seed)}", arguments.quiet)
    if arguments.json:
        rows = [comparison.to_dict() for comparison in comparisons]
        emit({"seed": arguments.seed, "agrees": agree, "traces": rows})
    else:
        _print(comparisons, arguments.raw)
    return 0 if agree else 1


def _comparisons(arguments: argparse.Namespace) -> "list[Comparison]":
    from p2psim.analysis.comparison.compare import CompareOptions, compare_scenarios, compare_traces
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
        raise InputError("no traces: give the folder of a trace, as p2psim measure writes it")
    if arguments.against:
        if changes:
            raise InputError("--set, --against: one of them is accepted, since --against compares without simulations")
        return [compare_traces(folder, arguments.against, margin, gate) for folder in folders]
    options = CompareOptions(
        replications=arguments.replications, seed=arguments.seed, margin=margin, gate=gate, simulated_with=changes,
        calibration=arguments.calibration,
    )  # fmt: skip
    with Bar("simulating", arguments.quiet) as bar:
        return compare_scenarios(folders, options, Runs(arguments.jobs, bar))


def print_shares(comparisons: "Sequence[Comparison]") -> None:
    """Print the table of measured and simulated P2P shares."""
    from p2psim.analysis.formatting import format_interval, format_value

    head = [
        "trace",
        "measured",
        "simulated",
        "difference (90 % interval)",
        "verdict on the share",
        "verdict of the gate",
    ]
    rows = []
    for comparison in comparisons:
        share = comparison.differences["p2p_ratio"]
        check = next(check for check in comparison.checks if check.metric == "p2p_ratio")
        shown = f"{check.verdict} (±{check.limit.format(check.limit.size)})"
        gap = format_interval(share.interval, "points")
        cells = [
            format_value(share.measured, "share"),
            format_value(share.simulated, "share"),
            gap,
            shown,
            comparison.verdict_text,
        ]
        rows.append([comparison.name, *cells])
    print_table(head, rows, "P2P share, simulated against measured")
    if any(comparison.verdict == "inconclusive" for comparison in comparisons):
        print(f"{_INCONCLUSIVE}\n")


def _print(comparisons: "Sequence[Comparison]", raw: bool) -> None:
    from p2psim.analysis.comparison.gate import description

    for comparison in comparisons:
        if raw:
            print_frame(comparison.table(), comparison.name)
            continue
        head = ["metric", "measured", "simulated", "difference (90 % interval)", "limit", "verdict", "description"]
        print_table(head, [[*row, description(row[0])] for row in comparison.rows()], comparison.name)
        print(f"  interval: {comparison.noise}; {comparison.replications} simulated runs\n")
    print_shares(comparisons)
