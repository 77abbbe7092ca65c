"""Entry point of the command line: the commands, and the handling of their errors.

A command is a module with `SUMMARY`, `EXAMPLES`, ``configure(parser)`` and ``execute(arguments) -> exit status``.
`p2psim.exit_status` says what each exit status means.
"""

import argparse
import gc
import signal
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NoReturn

from p2psim import __version__
from p2psim.cli.lists import HelpFormatter
from p2psim.cli.output import warn
from p2psim.errors import P2PSimError, RenamedWarning
from p2psim.exit_status import TerminatedError, describe, status_of

__all__ = ["COMMANDS", "main"]

COMMANDS = ("validate", "plan", "simulate", "sweep", "measure", "compare", "calibrate")
"""Modules of this package that are commands, in the order of the help text."""

_INTRODUCTION = "Simulate, measure and plan peer-to-peer delivery of HLS video."
_EXAMPLES = """\
  p2psim validate                          test all claims, compare with the bundled measurements, write a report
  p2psim plan --viewers 20000 --event match --cdn-price 0.02     saving, peak rates and bill, with intervals
  p2psim simulate live-24s                 a bundled scenario: summary with 95 % intervals
  p2psim simulate mine.toml --set nat.mix=mobile --replications 20 --out results
  p2psim measure live-24s --out trace      run it with a real tracker, origin and WebRTC peers
  p2psim compare trace                     compare the simulator with what was measured
  p2psim calibrate traces/*/               fit the network parameters to measured traces"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _MisuseError(f"{message}; see {self.prog} --help")


class _MisuseError(P2PSimError):
    """Arguments that argparse refuses."""


@contextmanager
def _ended_politely() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, so that finished work is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _renamed_told_once() -> Iterator[None]:
    """Print each warning about a former name as one line, once."""
    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not issubclass(category, RenamedWarning):
            usual(message, category, *place, **more)
        elif str(message) not in told:
            told.add(str(message))
            warn(str(message))

    with warnings.catch_warnings():
        usual = warnings.showwarning
        warnings.simplefilter("always", RenamedWarning)
        warnings.showwarning = show
        yield


def _terminate(number: int, frame: object) -> NoReturn:
    del number, frame
    raise TerminatedError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    # compilation creates millions of objects that stay alive: frequent garbage collection takes a seventh of its time
    gc.set_threshold(200_000, 20, 50)
    given = sys.argv[1:] if argv is None else argv
    try:
        return _run(given)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            with suppress(KeyboardInterrupt):  # who presses Ctrl-C twice does not wait for workers
                _stop_workers()
        return status_of("p2psim", error, is_debugging="--debug" in given)


def _run(argv: Sequence[str]) -> int:
    try:
        arguments = _parser().parse_args(argv)
        with _ended_politely(), _renamed_told_once():
            return int(arguments.execute(arguments))
    finally:
        if sys.stdout is not None:  # it may have been closed before the program began
            sys.stdout.flush()


def _stop_workers() -> None:
    if "joblib" in sys.modules:
        from joblib.externals.loky import reusable_executor

        if reusable_executor._executor is not None:  # asking by the public name would start workers first
            reusable_executor._executor.shutdown(kill_workers=True)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="p2psim",
        description=_INTRODUCTION,
        epilog=f"examples:\n{_EXAMPLES}\n\n{describe()}",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"p2psim {__version__}")
    _add_debug(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        command = import_module(f"p2psim.cli.{name}")
        added = commands.add_parser(
            name,
            help=command.SUMMARY,
            description=textwrap.fill(f"{command.SUMMARY[0].upper()}{command.SUMMARY[1:]}.", 100),
            epilog=f"examples:\n{command.EXAMPLES}",
            formatter_class=HelpFormatter,
        )
        command.configure(added)
        _add_debug(added)
        added.set_defaults(execute=command.execute)
    return parser


def _add_debug(parser: argparse.ArgumentParser) -> None:
    """Add an option that is read before anything else: an error may come before the arguments are understood."""
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show where in the program an error happened"
    )
