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
from collections.abc import Iterable
from numbers import Integral
from typing import Any

__all__ = [
    "CheckpointError",
    "DesignError",
    "InputError",
    "MissingToolError",
    "P2PSimError",
    "PortInUseError",
    "ScenarioError",
    "TestbedError",
    "TraceError",
    "TrackerUnreachableError",
    "UnitError",
    "at_least",
    "no_such",
    "one_of",
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
    raise error(f"{name} = {value!r}: {_hint(str(value).lower(), texts)}accepted: {', '.join(texts)}")


def no_such(kind: str, name: str, accepted: Iterable[str]) -> str:
    """Return the message that nothing of a kind has this name, with the nearest accepted name and all of them."""
    names = list(accepted)
    return f"no such {kind}; {_hint(name, names)}accepted: {', '.join(names)}"


def _hint(name: str, accepted: list[str]) -> str:
    nearest = difflib.get_close_matches(name, accepted, n=1)
    return f"did you mean {nearest[0]!r}? " if nearest else ""
