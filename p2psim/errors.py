"""Exceptions that p2psim raises on purpose, and the wording of frequent messages.

::

    P2PSimError
    ├── InputError            input that cannot be understood or accepted (exit status 2)
    │   ├── UnitError         a malformed quantity such as "5 Mbits"
    │   ├── ScenarioError     a scenario file or field
    │   ├── TraceError        a trace folder that is missing, incomplete or corrupt
    │   ├── CheckpointError   a saved run that is missing, damaged or of another scenario, or cannot be saved
    │   └── DesignError       a sweep's design, or a folder with results of another design
    └── TestbedError          a failure of the testbed or of this machine (exit status 2)
        ├── PortInUseError    an address that another program listens on
        ├── TrackerUnreachableError
        └── MissingToolError  a program or a right that this machine lacks

The message of each is one line: it names the value at fault and says what is accepted.
"""

import difflib
import sys
import warnings
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

__all__ = [
    "CheckpointError",
    "DesignError",
    "InputError",
    "MissingToolError",
    "P2PSimError",
    "PortInUseError",
    "RenamedWarning",
    "ScenarioError",
    "TestbedError",
    "TraceError",
    "TrackerUnreachableError",
    "UnitError",
    "at_least",
    "no_such",
    "one_of",
    "warn_renamed",
]


class P2PSimError(Exception):
    """Base of all errors raised on purpose."""


class InputError(P2PSimError, ValueError):
    """Input that cannot be understood or accepted."""


class UnitError(InputError):
    """Malformed quantity."""


class ScenarioError(InputError):
    """Scenario that cannot be read or is inconsistent."""


class TraceError(InputError):
    """Trace folder that is missing, incomplete or corrupt."""


class CheckpointError(InputError):
    """Saved run that is missing, damaged or of another scenario, or a run that cannot be saved."""


class DesignError(InputError):
    """Design of a sweep that cannot be understood, or a folder with results of another design."""


class TestbedError(P2PSimError):
    """Failure of the testbed, of its processes or of this machine."""

    __test__ = False  # its name begins like a test class


class PortInUseError(TestbedError):
    """Address to listen on that another program holds."""


class TrackerUnreachableError(TestbedError):
    """Address at which no tracker answers."""


class MissingToolError(TestbedError):
    """Program or right that this machine lacks."""


def at_least(name: str, value: Any, minimum: int) -> int:
    """Return a value if it is a whole number of at least `minimum`.

    Raises
    ------
    InputError
        It is not; the message names the value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise InputError(f"{name} = {value!r}: a whole number of at least {minimum} is expected")
    return int(value)


def one_of(name: str, value: object, accepted: Iterable[str], error: type[InputError] = InputError) -> str:
    """Return a value if it is one of the accepted texts.

    Raises
    ------
    InputError
        It is not (`error`); the message has the nearest accepted text, and all of them.
    """
    texts = [str(text) for text in accepted]
    if value in texts:
        return str(value)
    hint = _hint(str(value).lower(), {text: text for text in texts})
    raise error(f"{name} = {value!r}: {hint}accepted: {', '.join(texts)}")


def no_such(what: str, name: str, known: Iterable[str], former: Mapping[str, str] | None = None) -> str:
    """Return "no such …", with the name that was probably meant and all that are accepted.

    `former` maps former names to present ones: what resembles a former name is answered by the present one.
    """
    names = list(known)
    present = {each: each for each in names} | dict(former or {})
    return f"no such {what}; {_hint(name, present)}accepted: {', '.join(names)}"


def _hint(name: str, present: Mapping[str, str]) -> str:
    nearest = difflib.get_close_matches(name, present, n=1)
    return f"did you mean {present[nearest[0]]!r}? " if nearest else ""


class RenamedWarning(FutureWarning):
    """A former name of a field or preset, which the next version refuses."""


def warn_renamed(former: str, present: str) -> None:
    """Warn that a former name was used; the warning points at the caller outside of this package."""
    depth, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "p2psim":
        depth, frame = depth + 1, frame.f_back
    text = f"{former} is now called {present}; the old name is accepted in this version only"
    warnings.warn(text, RenamedWarning, stacklevel=depth)
