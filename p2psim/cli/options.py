"""Command line arguments that several commands share, and readers of their values."""

import argparse
import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from p2psim.errors import InputError

if TYPE_CHECKING:
    from p2psim.scenario import Scenario

__all__ = [
    "add_common",
    "add_output",
    "add_raw",
    "add_replications",
    "add_scenario",
    "file",
    "folder",
    "port",
    "read_changes",
    "read_points",
    "read_scenario",
    "read_scenarios",
    "share",
    "whole",
]


def add_scenario(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add the argument of a scenario, or of several, and the option for changes to it."""
    parser.add_argument(
        "scenario", metavar="SCENARIO", nargs="+" if several else None,
        help="path of a TOML file, or name of a bundled scenario: {scenarios}",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="changes",
        help='change a field of the scenario, for example --set stream.live_latency="8 s" (may be repeated)',
    )  # fmt: skip


def add_common(parser: argparse.ArgumentParser, out: str) -> None:
    """Add the options for the seed, the output folder and the kind of output."""
    parser.add_argument("--seed", type=whole(0), default=1, help="seed of all random numbers (default 1)")
    add_output(parser, out)


def add_output(parser: argparse.ArgumentParser, out: str) -> None:
    """Add the options for the output folder and the kind of output."""
    parser.add_argument("--out", metavar="FOLDER", type=folder, help=out)
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output, nothing else")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def add_raw(parser: argparse.ArgumentParser) -> None:
    """Add the option for raw numbers in tables."""
    parser.add_argument(
        "--raw",
        action="store_true",
        help="tables with unrounded numbers in bytes, bytes/s, seconds, shares from 0 to 1",
    )


def add_replications(parser: argparse.ArgumentParser, default: int) -> None:
    """Add the options for the numbers of replications and of processes."""
    parser.add_argument(
        "--replications", metavar="N", type=whole(1), default=default,
        help=f"runs with different random numbers (default {default}); use 5 or more for a reliable interval",
    )  # fmt: skip
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=whole(1),
        help="processes (default: one per processor); results do not depend on it",
    )


def read_scenario(arguments: argparse.Namespace) -> "Scenario":
    """Return the scenario with the changes applied; raises InputError."""
    return _changed(arguments.scenario, arguments.changes)


def read_scenarios(arguments: argparse.Namespace) -> "list[Scenario]":
    """Return several scenarios with the changes applied to each; raises InputError."""
    return [_changed(name, arguments.changes) for name in arguments.scenario]


def _changed(name: str, changes: Sequence[str]) -> "Scenario":
    from p2psim.scenario import Scenario
    from p2psim.scenario.toml_io import replaced

    return replaced(Scenario.load(name), read_changes(changes), canonical=False)


def read_changes(texts: Sequence[str]) -> dict[str, object]:
    """Return the changes given as ``NAME=VALUE`` texts; raises InputError."""
    return dict(_change(text) for text in texts)


def read_points(text: str) -> float:
    """Return a difference of shares given in points (``10`` or ``10 %`` is 0.1); raises InputError."""
    try:
        points = float(text.strip().removesuffix("%"))
    except ValueError:
        points = -1.0
    if not 0 < points <= 100:
        raise InputError(f"--margin {text}: points are expected, more than 0 and at most 100, for example 10")
    return points / 100


def _change(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"--set {text}: NAME=VALUE is expected, for example --set viewers.count=50")
    return name.strip(), _value(value.strip())


def _value(text: str) -> object:
    """Return a TOML value; a text that is not TOML is a string, so that shells need no nested quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def port(text: str) -> int:
    """Return a TCP port, for argparse."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: a port from 1 to 65535 is expected")
    return int(text)


def share(text: str) -> float:
    """Return a share between 0 and 1 (``0.02`` or ``2 %``), for argparse."""
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a share between 0 and 1 is expected, for example 2 %")
    return number


def folder(text: str) -> str:
    """Return the path of an output folder, for argparse; an unusable path is refused before any work is done."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: is a file; a folder is expected")
    _check_writable(text, path)
    return text


def file(text: str) -> str:
    """Return the path of an output file, for argparse."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: is a folder; a file is expected")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"{text!r}: the folder {str(path.parent)!r} does not exist; create it, or give another path"
        )
    _check_writable(text, path)
    return text


def _check_writable(text: str, path: Path) -> None:
    existing = next((each for each in (path, *path.absolute().parents) if each.exists()), path)
    if existing != path and not existing.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: {str(existing)!r} is a file; give another path")
    if not os.access(existing, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r}: {str(existing)!r} is not writable; give another path")


def whole(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers of at least `least`, for argparse."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r}: a whole number of at least {least} is expected")
        return number

    return read
