"""``p2psim plan``: capacity planning from the command line."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from p2psim.cli.options import add_common, add_raw, read_changes, whole
from p2psim.cli.output import emit, note, print_frame, print_table

if TYPE_CHECKING:
    from p2psim.analysis.planning import Plan

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

SUMMARY = "plan capacity: what sharing saves for an audience, the origin's rates and the bill, with intervals"
EXAMPLES = """\
  p2psim plan --viewers 1000
  p2psim plan --viewers 20000 --event match --bitrate "6 Mbit/s" --country brazil --mobile "30 %" --cdn-price 0.02
  p2psim plan --csv audience.csv --ladder "1 Mbit/s, 3 Mbit/s, 6 Mbit/s" --p95-price 1.5
  p2psim plan --viewers 5000 --channels 50 --latency "40 s" --prices cloud-cdn-and-service --out plan"""

_GROUPS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "audience": {
        "viewers": ("N", "concurrent viewers; with --event, at its peak"),
        "event": ("NAME", "a curve over time: match, show, evening (data/presets/events.toml)"),
        "csv": ("FILE", "concurrent viewers over time: two columns, time (seconds, or with a unit) and viewers"),
        "channels": ("N", "channels over which the viewers are distributed (1)"),
        "zipf": ("S", "exponent of the channels' popularity (1)"),
        "viewing": ("TIME", 'mean time that a viewer stays ("1100 s")'),
    },
    "stream": {
        "bitrate": ("RATE", '"5 Mbit/s"'),
        "ladder": ("RATES", 'bitrates instead of --bitrate: "1 Mbit/s, 3 Mbit/s", or apple-ladder, short-ladder'),
        "latency": ("TIME", 'live latency of the viewers ("24 s")'),
        "segment": ("TIME", 'length of a segment ("4 s")'),
    },
    "network": {
        "country": ("NAME", "links and NATs of brazil, usa or the world (data/presets/countries.toml)"),
        "access": ("MIX", "access profiles instead of the country's, for example ftth:40%%,dsl:60%%"),
        "nat": ("MIX", "one NAT mix for all, for example average or mobile"),
        "mobile": ("SHARE", 'share of viewers on mobile, who do not upload ("30 %%")'),
        "lent": ("SHARE", 'share of an uplink that may be used for uploads to peers ("50 %%")'),
        "relay": ("SHARE", 'share of the pairs that need a relay which have one ("0 %%")'),
    },
    "prices, in dollars": {
        "prices": ("NAME", "a set: cloud-cdn (default), cloud-cdn-and-service, volume-cdn, volume-cdn-and-service"),
        "cdn_price": ("$", "price of the CDN per gigabyte"),
        "p95_price": ("$", "price of the CDN per Mbit/s (95th percentile) and month, instead of --cdn-price"),
        "fee_hour": ("$", "fee of a P2P service per viewer-hour"),
        "fee_gb": ("$", "fee of a P2P service per gigabyte from peers"),
        "turn_price": ("$", "price of relays per gigabyte"),
        "hours": ("N", "hours for which a constant audience is billed (720)"),
        "times": ("N", "number of times that an audience over time is billed (1)"),
    },
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    for title, options in _GROUPS.items():
        group = parser.add_argument_group(title)
        for name, (metavar, text) in options.items():
            group.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=text)
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="changes",
        help="change any other field of the scenario, for example --set policy.maxPeers=15 (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="smaller swarms, shorter runs: wider intervals")
    parser.add_argument("--replications", metavar="N", type=whole(2), help="replications of every simulation (8)")
    parser.add_argument("--jobs", metavar="N", type=whole(1), help="processes (default: one per processor)")
    add_common(parser, out="write a report (HTML) and its tables (CSV) to this folder")
    add_raw(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Plan, print, write; status 0."""
    from p2psim.experiment import plan

    names = [name for options in _GROUPS.values() for name in options]
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    result = plan(
        **given,
        changes=read_changes(arguments.changes),
        replications=arguments.replications,
        seed=arguments.seed,
        jobs=arguments.jobs,
        quick=arguments.quick,
        progress=not arguments.quiet,
    )
    if arguments.out:
        from p2psim.report import write_plan

        note(f"saved in {write_plan(arguments.out, result)}", arguments.quiet)
    if arguments.json:
        emit(result.to_dict())
    elif arguments.raw:
        print_frame(result.summary(raw=True), "Numbers of the plan")
        print_frame(result.sensitivities, "Each input at a low and a high value")
    else:
        _print(result)
    return 0


def _print(result: "Plan") -> None:
    from p2psim.analysis.planning.answer_text import number_rows, sensitivity_rows

    print(f"{result.answer}\n")
    _table(["input", "value"], [list(row) for row in result.inputs.rows()])
    _table(["number", "without sharing", "with sharing", "95 % interval"], number_rows(result))
    _table(
        ["input at this value", "kind", "origin's bytes saved (95 % interval)", "bill", "time stalled"],
        sensitivity_rows(result),
    )
    print(f"{result.advice}\n{result.basis}")


def _table(head: list[str], rows: list[list[Any]]) -> None:
    print_table(head, rows)
