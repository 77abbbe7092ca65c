"""``p2psim sweep``: many scenarios × replications, resumable, on this machine or a cluster."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from p2psim.cli.options import add_output, add_raw, whole
from p2psim.cli.output import emit, note, print_frame, print_table, warn

if TYPE_CHECKING:
    from p2psim.experiment import Sweep

__all__ = ["EXAMPLES", "SUMMARY", "configure", "execute"]

SUMMARY = "simulate every point of a design, keep each finished run, and collect the results in one table"
EXAMPLES = """\
  p2psim sweep latency                           a bundled design
  p2psim sweep design.toml --out mine            resumes after a kill: finished runs are kept
  p2psim sweep design.toml --out mine --status   print the progress, simulate nothing
  p2psim sweep design.toml --out mine --dask tcp://head:8786
  p2psim sweep design.toml --out mine --task $SLURM_ARRAY_TASK_ID/16    then again without --task for the table

a design:
  scenario = "live-24s"
  replications = 5
  metrics = ["p2p_ratio", "origin_saving"]
  [grid]
  "stream.live_latency" = ["8 s", "16 s", "24 s"]
  "access.uplink" = ["2 Mbit/s", "5 Mbit/s"]
(also [set], [[points]] and [sample]: see p2psim/experiment/design.py)"""


_SHOWN = 4
"""Maximum number of metrics in the printed table."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to the parser."""
    parser.add_argument("design", metavar="DESIGN", help="path of a TOML file, or name of a bundled design: {designs}")
    parser.add_argument(
        "--replications", metavar="N", type=whole(1), help="replications (default: those of the design)"
    )
    parser.add_argument("--seed", type=whole(0), help="seed (default: that of the design)")
    add_output(parser, out="keep runs and tables in this folder (default: sweep-NAME)")
    add_raw(parser)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--jobs", metavar="N", type=whole(1), help="processes (default: one per processor)")
    place.add_argument("--dask", metavar="ADDRESS", help="simulate on this running Dask cluster")
    parser.add_argument("--task", metavar="K/N", help="simulate only the K-th of N parts, for job arrays")
    parser.add_argument("--retry", action="store_true", help="repeat failed runs")
    parser.add_argument("--status", action="store_true", help="print the progress; simulate nothing")


def execute(arguments: argparse.Namespace) -> int:
    """Simulate, print, save; status 1 if runs failed."""
    from p2psim.experiment.design import Design
    from p2psim.experiment.result_store import Store
    from p2psim.experiment.sweep import gathered, sweep

    design = Design.load(arguments.design)
    changes = {name: getattr(arguments, name) for name in ("replications", "seed")}
    design = dataclasses.replace(design, **{name: number for name, number in changes.items() if number is not None})
    folder = arguments.out or f"sweep-{design.name}"
    if arguments.status:
        swept = gathered(design, Store(folder))
    else:
        try:
            swept = sweep(
                design, folder, jobs=arguments.jobs, dask=arguments.dask, task=arguments.task, retry=arguments.retry,
                progress=not arguments.quiet,
            )  # fmt: skip
        except KeyboardInterrupt as interrupt:
            done = _counts(gathered(design, Store(folder)))
            raise type(interrupt)(f"interrupted; {done}, kept in {folder}: repeat the command to continue") from None
    _report(swept, folder, arguments)
    return 1 if swept.count("failed") else 0


def _counts(swept: "Sweep") -> str:
    finished, failed, pending = (swept.count(status) for status in ("ok", "failed", "pending"))
    return f"{finished} runs finished, {failed} failed, {pending} pending"


def _report(swept: "Sweep", folder: str, arguments: argparse.Namespace) -> None:
    failures = swept.status[swept.status["status"] == "failed"]
    for row in failures.head(5).to_dict("records"):
        warn(f"run {row['replication']} of {row['scenario']} ({row['policy']}) failed: {row['reason']}")
    if arguments.json:
        emit(_plain(swept, folder))
        return
    if swept.is_complete and not arguments.status:
        _print(swept, arguments.raw)
    note(f"{_counts(swept)}; in {folder}")


def _plain(swept: "Sweep", folder: str) -> dict[str, Any]:
    design = swept.design
    points = [
        {
            "changes": dict(point.changes),
            "digest": point.scenario.digest,
            "replications": row["replications"],
            **{
                name: {"mean": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}
                for name in design.metrics
            },
        }
        for point, row in zip(design.points, swept.table.to_dict("records"), strict=True)
    ]
    return {
        "design": design.name,
        "seed": design.seed,
        "replications": design.replications,
        "out": folder,
        "runs": {status: swept.count(status) for status in ("ok", "failed", "pending")},
        "failures": swept.status[swept.status["status"] == "failed"].to_dict("records"),
        "points": points,
    }


def _print(swept: "Sweep", raw: bool) -> None:
    from p2psim.analysis.formatting import format_interval
    from p2psim.analysis.metrics import METRICS
    from p2psim.analysis.statistics import Interval
    from p2psim.experiment.design_points import say_value

    design, shown = swept.design, swept.design.metrics[:_SHOWN]
    title = f"{design.name}: {design.replications} replications, 95 % intervals"
    if raw:
        print_frame(swept.table, title)
        return
    rows = []
    for row in swept.table.to_dict("records"):
        cells = [say_value(name, row[name]) for name in design.factors]
        for name in shown:
            interval = Interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
            cells.append(format_interval(interval, METRICS[name].unit))
        rows.append(cells)
    print_table([*design.factors, *shown], rows, title)
    print_table(["metric", "description"], [[name, METRICS[name].text] for name in shown])
    if len(design.metrics) > _SHOWN:
        print(f"{len(design.metrics) - _SHOWN} more metrics are in table.csv: {', '.join(design.metrics[_SHOWN:])}")
