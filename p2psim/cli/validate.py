"""``p2psim validate``: every claim tested, the simulator held against what was measured, a report written."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from p2psim.cli.compare import print_shares
from p2psim.cli.options import add_common, add_replications, read_points
from p2psim.cli.output import emit, print_table, warn

if TYPE_CHECKING:
    from p2psim.analysis.claims.verdicts import ClaimResult
    from p2psim.analysis.comparison.compare import Comparison
    from p2psim.analysis.runs import Runs
    from p2psim.trace import Trace

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

_QUICKLY = 5
"""Simulations of each measured scenario, and of the first ones only, where time matters more."""
SUMMARY = "test every claim by simulation, hold the simulator against the bundled measured traces, write a report"
EXAMPLES = """\
  p2psim validate
  p2psim validate --quick
  p2psim validate --claims C1,C4 --replications 10
  p2psim validate --json --out report > validation.json"""

REPORT = "p2psim-report"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--claims", metavar="IDS", default="", help="only these, for example C1,C4 (default: all)")
    parser.add_argument("--margin", metavar="POINTS", default="3", help="simulated equals measured: within so many (3)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="three replications and fewer values along each boundary: about a minute",
    )
    add_replications(parser, default=4)
    add_common(parser, out=f"folder of the report, HTML and CSV (default {REPORT})")


def execute(arguments: argparse.Namespace) -> int:
    """Judge, compare, print, write; status 1 where a share is shown to differ by more than the margin."""
    from p2psim.analysis.runs import Runs
    from p2psim.experiment import Bar
    from p2psim.report import Validation, write_validation
    from p2psim.scenario import bundled
    from p2psim.trace import Trace

    margin = read_points(arguments.margin)
    if arguments.quick:
        arguments.replications = min(3, arguments.replications)
    traces = [Trace.read(folder) for folder in bundled("traces")]
    with Bar("simulating", arguments.quiet) as bar:
        runs = Runs(arguments.jobs, bar)
        verdicts = _judged(arguments, runs, traces)
        comparisons = _compared(arguments, runs, traces, margin)
    found = Validation(
        verdicts=verdicts, comparisons=comparisons, seed=arguments.seed, replications=arguments.replications
    )
    report = write_validation(arguments.out or REPORT, found)
    if arguments.json:
        emit(_plain(arguments, found.verdicts, found.comparisons, str(report)))
    else:
        _print(verdicts, comparisons)
        print(f"report: {report}")
    # whether equality is *shown* is a matter of how many recordings there are: `p2psim compare` is the gate for that
    gaps = [each.differences["p2p_ratio"].interval for each in comparisons]
    return 1 if any(gap.low > margin or gap.high < -margin for gap in gaps) else 0


def _judged(arguments: argparse.Namespace, runs: "Runs", traces: "Sequence[Trace]") -> "list[ClaimResult]":
    from p2psim.analysis.claims.boundaries import dimensions
    from p2psim.analysis.claims.definitions import load_claims, select
    from p2psim.analysis.claims.verdicts import Judge

    ids = [text.strip().upper() for text in arguments.claims.split(",") if text.strip()]
    claims = select(load_claims(), ids)
    judge = Judge(runs, arguments.seed, arguments.replications, traces, dimensions(arguments.quick))
    judge.prepare(claims)
    return [judge.judge(claim) for claim in claims]


def _compared(
    arguments: argparse.Namespace, runs: "Runs", traces: "Sequence[Trace]", margin: float
) -> "list[Comparison]":
    from p2psim.analysis.comparison.compare import REPLICATIONS, compare_scenarios

    if not traces:
        warn("no measured traces are bundled: nothing holds the simulator to the real world")
        return []
    if arguments.quick:
        traces = [trace for trace in traces if not trace.name.startswith("measured-")]
    replications = _QUICKLY if arguments.quick else REPLICATIONS
    return compare_scenarios(traces, replications=replications, seed=arguments.seed, margin=margin, runs=runs)


def _print(verdicts: "Sequence[ClaimResult]", comparisons: "Sequence[Comparison]") -> None:
    from p2psim.analysis.formatting import format_interval, format_range
    from p2psim.report.validation import contradictions_texts

    rows = []
    for verdict in verdicts:
        case = verdict.base.case
        said, found = format_range(case.low, case.high, case.unit), format_interval(verdict.base.interval, case.unit)
        rows.append([verdict.claim.id, case.metric, said, found, verdict.text])
    print_table(["claim", "metric", "said", "found (95 % interval)", "verdict"], rows, "The claims")
    for verdict in verdicts:
        print(f"{verdict.claim.id} holds along")
        print("".join(f"  {boundary.text}\n" for boundary in verdict.boundaries))
    for text in contradictions_texts(verdicts):
        print(text)
    print()
    if comparisons:
        print_shares(comparisons)


def _plain(
    arguments: argparse.Namespace, verdicts: "Sequence[ClaimResult]", comparisons: "Sequence[Comparison]", report: str
) -> dict[str, Any]:
    from p2psim.report.validation import agreement_text, contradictions_texts

    return {
        "seed": arguments.seed,
        "replications": arguments.replications,
        "claims": [verdict.to_dict() for verdict in verdicts],
        "agreement": agreement_text(verdicts),
        "contradictions": contradictions_texts(verdicts),
        "traces": [each.to_dict() for each in comparisons],
        "report": report,
    }
