"""``p2psim validate``: tests of every claim, and comparison of the simulator with the bundled measurements."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from p2psim.cli.compare import print_shares
from p2psim.cli.options import add_common, add_replications, read_points
from p2psim.cli.output import emit, print_table, warn

if TYPE_CHECKING:
    from p2psim.analysis.claims.verdicts import ClaimResult
    from p2psim.analysis.comparison.result import Comparison
    from p2psim.analysis.runs import Runs
    from p2psim.trace import Trace

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

_QUICK_REPLICATIONS = 5
"""Simulations of each measured scenario with --quick."""
SUMMARY = "test every claim by simulation, compare the simulator with the bundled measured traces, write a report"
EXAMPLES = """\
  p2psim validate
  p2psim validate --quick
  p2psim validate --claims C1,C4 --replications 10
  p2psim validate --json --out report > validation.json"""

REPORT = "p2psim-report"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.add_argument(
        "--claims", metavar="IDS", default="", help="test only these claims, for example C1,C4 (default: all)"
    )
    parser.add_argument(
        "--margin",
        metavar="POINTS",
        default="3",
        help="difference up to which measured and simulated P2P shares are equal (3)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="three replications and fewer values along each dimension: about a minute",
    )
    add_replications(parser, default=4)
    add_common(parser, out=f"write the report (HTML, CSV) to this folder (default {REPORT})")


def execute(arguments: argparse.Namespace) -> int:
    """Test, compare, print, write; status 1 if a P2P share differs by more than the margin."""
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
        results = _tested(arguments, runs, traces)
        comparisons = _compared(arguments, runs, traces, margin)
    validation = Validation(
        results=results, comparisons=comparisons, seed=arguments.seed, replications=arguments.replications
    )
    report = write_validation(arguments.out or REPORT, validation)
    if arguments.json:
        emit(_plain(arguments, results, comparisons, str(report)))
    else:
        _print(results, comparisons)
        print(f"report: {report}")
    # An inconclusive comparison, which depends on the number of recordings, fails in `p2psim compare` only.
    differences = [comparison.differences["p2p_ratio"].interval for comparison in comparisons]
    return 1 if any(interval.low > margin or interval.high < -margin for interval in differences) else 0


def _tested(arguments: argparse.Namespace, runs: "Runs", traces: "Sequence[Trace]") -> "list[ClaimResult]":
    from p2psim.analysis.claims.definitions import load_claims, select
    from p2psim.analysis.claims.verdicts import Judge
    from p2psim.analysis.dimensions import dimensions

    ids = [text.strip().upper() for text in arguments.claims.split(",") if text.strip()]
    claims = select(load_claims(), ids)
    judge = Judge(runs, arguments.seed, arguments.replications, traces, dimensions(arguments.quick))
    judge.prepare(claims)
    return [judge.judge(claim) for claim in claims]


def _compared(
    arguments: argparse.Namespace, runs: "Runs", traces: "Sequence[Trace]", margin: float
) -> "list[Comparison]":
    from p2psim.analysis.comparison.compare import REPLICATIONS, CompareOptions, compare_scenarios

    if not traces:
        warn("no measured traces are bundled, so the simulator is not compared with measurements")
        return []
    if arguments.quick:
        traces = [trace for trace in traces if not trace.name.startswith("measured-")]
    replications = _QUICK_REPLICATIONS if arguments.quick else REPLICATIONS
    options = CompareOptions(replications=replications, seed=arguments.seed, margin=margin)
    return compare_scenarios(traces, options, runs)


def _print(results: "Sequence[ClaimResult]", comparisons: "Sequence[Comparison]") -> None:
    from p2psim.analysis.claims.evidence import CLAIM_METRICS
    from p2psim.analysis.formatting import format_interval, format_range
    from p2psim.report.validation import contradictions_texts

    rows = []
    for result in results:
        case = result.base.case
        claimed, found = format_range(case.low, case.high, case.unit), format_interval(result.base.interval, case.unit)
        text = CLAIM_METRICS[case.metric].text
        rows.append([result.claim.id, case.metric, claimed, found, result.text, text])
    head = ["claim", "metric", "claimed", "found (95 % interval)", "verdict", "description of the metric"]
    print_table(head, rows, "The claims")
    for result in results:
        print(f"{result.claim.id} holds for")
        print("".join(f"  {boundary.text}\n" for boundary in result.boundaries))
    for text in contradictions_texts(results):
        print(text)
    print()
    if comparisons:
        print_shares(comparisons)


def _plain(
    arguments: argparse.Namespace, results: "Sequence[ClaimResult]", comparisons: "Sequence[Comparison]", report: str
) -> dict[str, Any]:
    from p2psim.report.validation import agreement_text, contradictions_texts

    return {
        "seed": arguments.seed,
        "replications": arguments.replications,
        "claims": [result.to_dict() for result in results],
        "agreement": agreement_text(results),
        "contradictions": contradictions_texts(results),
        "traces": [comparison.to_dict() for comparison in comparisons],
        "report": report,
    }
