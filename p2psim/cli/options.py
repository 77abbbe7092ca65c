"""Arguments that several verbs share, and what they mean."""

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
    """Add the scenario, or several, and changes to it."""
    parser.add_argument(
        "scenario", metavar="SCENARIO", nargs="+" if several else None,
        help="a TOML file, or the name of a bundled scenario",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="changes",
        help='change a field of the scenario, for example --set stream.live_latency="8 s" (may be given many times)',
    )  # fmt: skip


def add_common(parser: argparse.ArgumentParser, out: str) -> None:
    """Add seed, output folder and kind of output."""
    parser.add_argument("--seed", type=whole(0), default=1, help="root of all randomness (default 1)")
    add_output(parser, out)


def add_output(parser: argparse.ArgumentParser, out: str) -> None:
    """Add output folder and kind of output."""
    parser.add_argument("--out", metavar="FOLDER", type=folder, help=out)
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output, nothing else")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def add_raw(parser: argparse.ArgumentParser) -> None:
    """Add the choice of raw numbers in tables."""
    parser.add_argument(
        "--raw",
        action="store_true",
        help="tables with unrounded numbers in bytes, bytes/s, seconds, shares from 0 to 1",
    )


def add_replications(parser: argparse.ArgumentParser, default: int) -> None:
    """Add the number of replications and of processes."""
    parser.add_argument(
        "--replications", metavar="N", type=whole(1), default=default,
        help=f"runs with different randomness (default {default}); 5 or more for a useful interval",
    )  # fmt: skip
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=whole(1),
        help="processes (default: one per processor); results do not depend on it",
    )


def read_scenario(arguments: argparse.Namespace) -> "Scenario":
    """Load the scenario and apply the changes; raises InputError."""
    return _changed(arguments.scenario, arguments.changes)


def read_scenarios(arguments: argparse.Namespace) -> "list[Scenario]":
    """Load several scenarios and apply the changes to each; raises InputError."""
    return [_changed(name, arguments.changes) for name in arguments.scenario]


def _changed(name: str, changes: Sequence[str]) -> "Scenario":
    from p2psim.scenario import Scenario
    from p2psim.scenario.toml_io import replaced

    return replaced(Scenario.load(name), read_changes(changes), canonical=False)


def read_changes(texts: Sequence[str]) -> dict[str, object]:
    """Read ``NAME=VALUE`` texts; raises InputError."""
    return dict(_change(text) for text in texts)


def read_points(text: str) -> float:
    """Read a difference of shares in points (``10`` or ``10 %`` is 0.1); raises InputError."""
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
    """Read a TOML value; what is none is a text, so that quotes are not needed twice in a shell."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def port(text: str) -> int:
    """Read a TCP port, for argparse."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: a port from 1 to 65535 is expected")
    return int(text)


def share(text: str) -> float:
    """Read a share between 0 and 1 (``0.02`` or ``2 %``), for argparse."""
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a share between 0 and 1 is expected, for example 2 %")
    return number


def folder(text: str) -> str:
    """Read the name of a folder to write to, for argparse: refused before any work, not after it."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: is a file; the name of a folder is expected")
    _check_writable(text, path)
    return text


def file(text: str) -> str:
    """Read the name of a file to write, for argparse."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: is a folder; the name of a file is expected")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: there is no folder {str(path.parent)!r}; make it, or name another")
    _check_writable(text, path)
    return text


def _check_writable(text: str, path: Path) -> None:
    there = next((each for each in (path, *path.absolute().parents) if each.exists()), path)
    if there != path and not there.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: {str(there)!r} is a file; name another place")
    if not os.access(there, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r}: {str(there)!r} cannot be written to; name another place")


def whole(least: int) -> Callable[[str], int]:
    """Give a reader of whole numbers, for argparse."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r}: a whole number of at least {least} is expected")
        return number

    return read
