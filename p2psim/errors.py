"""Every error that p2psim raises on purpose.

::

    P2PSimError
    ├── InputError            what was asked cannot be understood or accepted (exit status 2)
    │   ├── UnitError         a quantity such as "5 Mbits" that is none
    │   ├── ScenarioError     a scenario file or field
    │   ├── TraceError        a trace folder that is missing, incomplete or corrupt
    │   ├── CheckpointError   a saved run that is missing, damaged or another's, or a run that cannot be saved
    │   └── DesignError       a sweep's design, or a folder of results that is not of this design
    └── TestbedError          the real world refused (exit status 2)
        ├── PortInUseError    an address that another program holds
        ├── TrackerUnreachableError
        └── MissingToolError  a capability this machine lacks

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
    """What was asked cannot be understood or accepted."""


class UnitError(InputError):
    """A text that should be a quantity with a unit and is not."""


class ScenarioError(InputError):
    """A scenario that cannot be read or makes no sense."""


class TraceError(InputError):
    """A trace folder that is missing, incomplete or corrupt."""


class CheckpointError(InputError):
    """A saved run that is missing, damaged or another's, or a run that cannot be saved."""


class DesignError(InputError):
    """A sweep's design that cannot be understood, or a folder of results that is not of this design."""


class TestbedError(P2PSimError):
    """The real world did not do what the testbed needs."""

    __test__ = False  # its name begins like a test class


class PortInUseError(TestbedError):
    """An address to listen on is taken."""


class TrackerUnreachableError(TestbedError):
    """No tracker answers at the address given."""


class MissingToolError(TestbedError):
    """A program or a right that this machine does not have."""


def at_least(what: str, value: Any, least: int) -> int:
    """Give `value` if it is a whole number of at least `least`; else raise InputError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{what} = {value!r}: a whole number of at least {least} is expected")
    return int(value)


def one_of(what: str, value: object, known: Iterable[str], error: type[InputError] = InputError) -> str:
    """Give `value` if it is a known name; else raise `error` with the nearest one and all that are accepted."""
    names = [str(name) for name in known]
    if value in names:
        return str(value)
    near = difflib.get_close_matches(str(value).lower(), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise error(f"{what} = {value!r}: {hint}accepted: {', '.join(names)}")


def no_such(what: str, name: str, known: Iterable[str], former: Mapping[str, str] | None = None) -> str:
    """Return "no such …", with the name that was probably meant and all that are accepted.

    `former` maps former names to present ones: what resembles a former name is answered by the present one.
    """
    names = list(known)
    present = {each: each for each in names} | dict(former or {})
    near = difflib.get_close_matches(name, present, n=1)
    hint = f"did you mean {present[near[0]]!r}? " if near else ""
    return f"no such {what}; {hint}accepted: {', '.join(names)}"


class RenamedWarning(FutureWarning):
    """A former name of a field or preset, which the next version refuses."""


def warn_renamed(former: str, present: str) -> None:
    """Warn that a former name was used; the warning points at the caller outside of this package."""
    depth, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "p2psim":
        depth, frame = depth + 1, frame.f_back
    text = f"{former} is now called {present}; the old name is accepted in this version only"
    warnings.warn(text, RenamedWarning, stacklevel=depth)
