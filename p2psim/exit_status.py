"""What the exit status of a command says, and how an error becomes one line and a status."""

import errno
import os
import select
import sys
import textwrap
import traceback
from typing import Final, TextIO

from p2psim.errors import P2PSimError

__all__ = [
    "BAD_INPUT",
    "BROKEN_PIPE",
    "CHECK_FAILED",
    "INTERNAL_ERROR",
    "INTERRUPTED",
    "MEANINGS",
    "TERMINATED",
    "TerminatedError",
    "describe",
    "say",
    "status_of",
]

CHECK_FAILED: Final = 1
BAD_INPUT: Final = 2
INTERNAL_ERROR: Final = 70
"""EX_SOFTWARE of sysexits.h."""
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
TERMINATED: Final = 143
"""From 129 on: 128 and the number of a signal, as shells count them."""

MEANINGS: Final = {
    0: "done",
    CHECK_FAILED: "a check said no: a claim fails, a simulation differs from what was measured, runs of a sweep failed",
    BAD_INPUT: "bad input, or something outside that refuses, such as a port in use; one line names it",
    INTERNAL_ERROR: "an error of the program itself, in one line; --debug shows where it happened",
    INTERRUPTED: "interrupted (Ctrl-C)",
    BROKEN_PIPE: "the reader of the output has gone, as in `p2psim … | head`",
    TERMINATED: "ended by SIGTERM",
}

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONGEST: Final = 300
"""Characters of an unexpected error's own words that are shown."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: what Ctrl-C would do."""


def describe() -> str:
    """Return the table of exit statuses for a help text."""
    return "exit status:\n" + "\n".join(
        textwrap.fill(text, 100, initial_indent=f"  {status:<5}", subsequent_indent=" " * 7)
        for status, text in MEANINGS.items()
    )


def status_of(program: str, error: BaseException, *, is_debugging: bool = False) -> int:
    """Say in one line on standard error what has ended a program, and return its exit status."""
    match error:
        case SystemExit(code=int() | None as code):  # --help and --version
            return code or 0
        case P2PSimError() | SystemExit():
            return _refused(program, str(error))
        case KeyboardInterrupt():
            say(f"{program}: {str(error) or 'interrupted'}")
            return TERMINATED if isinstance(error, TerminatedError) else INTERRUPTED
        case BrokenPipeError() if _is_reader_gone():
            return BROKEN_PIPE
        case OSError(filename=str() | bytes() | os.PathLike() as name):
            return _refused(program, f"{os.fsdecode(name)}: {error.strerror}")
        case OSError(errno=number) if number in _FULL:
            _drop(sys.stdout)
            return _refused(program, f"the output cannot be written: {error.strerror}")
    return _unexpected(program, error, is_debugging=is_debugging)


def _refused(program: str, message: str) -> int:
    say(f"{program}: {' '.join(message.split())}")
    return BAD_INPUT


def _unexpected(program: str, error: BaseException, *, is_debugging: bool) -> int:
    if is_debugging:
        say("".join(traceback.format_exception(error)).rstrip())
    words = textwrap.shorten(str(error), _LONGEST, placeholder=" …")
    hint = "" if is_debugging else "; --debug shows where"
    say(f"{program}: internal error: {type(error).__name__}{': ' if words else ''}{words}{hint}")
    return INTERNAL_ERROR


def say(text: str) -> None:
    """Write a line on standard error, if there is one and somebody reads it."""
    if sys.stderr is not None:
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:
            _drop(sys.stderr)


def _is_reader_gone() -> bool:
    """Tell whether nobody reads standard output or standard error any more; what is left of them is dropped."""
    gone = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in gone:
        _drop(stream)
    return bool(gone)


def _is_closed(stream: TextIO | None) -> bool:
    number = _number(stream)
    if number is None:
        return False
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _drop(stream: TextIO | None) -> None:
    """Drop what is left of an output: Python would write it at exit, and fail again."""
    number = _number(stream)
    if number is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _number(stream: TextIO | None) -> int | None:
    """Return the descriptor of an output; None, if it is no file."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
