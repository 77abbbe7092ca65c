"""``p2psim compare``: whether the simulator predicts what was measured."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from p2psim.cli.options import add_common, add_replications, read_points
from p2psim.cli.output import emit, note, print_table
from p2psim.errors import InputError

if TYPE_CHECKING:
    from p2psim.analysis.comparison import Comparison

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute", "shares_table"]

SUMMARY = "simulate what was measured, compare, and test whether the P2P share is the same"
EXAMPLES = """\
  p2psim compare                          every bundled measured trace
  p2psim compare trace --margin 5         equal means: within 5 points
  p2psim compare trace --junit junit.xml  for continuous integration; exit status 1 where they disagree
  p2psim compare trace --against other    two traces as they are"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("traces", metavar="TRACE_DIR", nargs="*", help="trace folders (default: the bundled ones)")
    parser.add_argument("--against", metavar="TRACE_DIR", help="compare with this trace instead of simulations")
    parser.add_argument("--margin", metavar="POINTS", default="10", help="equal means: within so many points (10)")
    parser.add_argument("--junit", metavar="FILE", help="write a JUnit file")
    add_replications(parser, default=5)
    add_common(parser, out="save a report and the metrics (CSV) there")


def execute(arguments: argparse.Namespace) -> int:
    """Compare, print, write; status 1 where simulated and measured disagree."""
    found = _compared(arguments)
    if arguments.junit:
        from p2psim.analysis.junit import junit

        Path(arguments.junit).write_text(junit(found), encoding="utf-8")
    if arguments.out:
        from p2psim.report import write_comparison

        note(f"saved in {write_comparison(arguments.out, found, arguments.seed)}", arguments.quiet)
    if arguments.json:
        emit({"seed": arguments.seed, "traces": [each.to_dict() for each in found]})
    else:
        _print(found)
    return 0 if all(each.agrees for each in found) else 1


def _compared(arguments: argparse.Namespace) -> "list[Comparison]":
    from p2psim.analysis.comparison import compare_all, compare_traces
    from p2psim.analysis.runs import Runs
    from p2psim.experiment import Bar
    from p2psim.scenario import bundled

    margin = read_points(arguments.margin)
    folders = arguments.traces or bundled("traces")
    if not folders:
        raise InputError("no traces: give a trace folder (p2psim measure makes one)")
    if arguments.against:
        return [compare_traces(folder, arguments.against, margin) for folder in folders]
    with Bar("simulating", arguments.quiet) as bar:
        return compare_all(
            folders,
            replications=arguments.replications,
            seed=arguments.seed,
            margin=margin,
            runs=Runs(arguments.jobs, bar),
        )


def shares_table(found: "Sequence[Comparison]") -> tuple[list[str], list[list[str]]]:
    """Give head and rows of the table of P2P shares."""
    from p2psim.analysis.wording import say, say_interval

    head = ["trace", "measured", "simulated", "difference", "within the margin"]
    rows = []
    for each in found:
        share = each.differences["p2p_ratio"]
        shown = f"{'yes' if each.agrees else 'no'} (±{say(each.equivalence.margin, 'points')})"
        gap = say_interval(share.interval, "points")
        rows.append([each.name, say(share.measured, "share"), say(share.simulated, "share"), gap, shown])
    return head, rows


def _print(found: "Sequence[Comparison]") -> None:
    for each in found:
        print_table(["metric", "measured", "simulated", "difference (95 % interval)"], each.rows(), each.name)
    head, rows = shares_table(found)
    print_table(head, rows, "P2P share, simulated against measured")
