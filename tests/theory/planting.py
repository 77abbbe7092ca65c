"""Replacement of one function of the package by a wrong one, wherever it is used."""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any

from numba.core.dispatcher import Dispatcher

__all__ = ["Error", "Function", "How", "Wrong", "plant", "resolve"]

Function = Callable[..., Any]
Wrong = Callable[[Function], Function]
"""Function that returns the wrong function for the right one."""

_PACKAGES = ("p2psim", "p2p_tracker")


class How(Enum):
    """Ways to run the test of an error."""

    AS_IT_IS = "Python"
    """The wrong function is called by Python alone: compiled functions stay as they are."""
    INTERPRETED = "interpreted"
    """Compiled functions run as plain Python: for tests whose runs are small."""
    COMPILED = "compiled anew"
    """All functions are compiled again, the wrong one among them, and nothing is cached."""


@dataclass(frozen=True)
class Error:
    """A function that is replaced by a wrong one, and the test that fails then."""

    name: str
    target: str
    """``module:function`` or ``module:Class.method``."""
    wrong: Wrong
    test: str
    """``file::test`` in this folder."""
    how: How = How.AS_IT_IS
    only_in: str = ""
    """Module whose calls alone get the wrong function; empty: the calls of all modules."""


def resolve(target: str) -> tuple[Any, str]:
    """Return the module or class that has the function of a target, and the function's name.

    Raises
    ------
    LookupError
        The module, the class or the function does not exist.
    """
    name, _, path = target.partition(":")
    *classes, function = path.split(".")
    try:
        owner: Any = importlib.import_module(name)
        for each in classes:
            owner = getattr(owner, each)
        getattr(owner, function)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"{target}: no such function ({error})") from error
    return owner, function


def plant(error: Error) -> None:
    """Replace the function of an error in this process.

    Raises
    ------
    LookupError
        The function, or the module that alone should call the wrong one, does not exist.
    ValueError
        Cached machine code would hide the wrong function, or would keep it.
    """
    owner, name = resolve(error.target)
    right = vars(owner)[name]
    if error.how is How.AS_IT_IS and isinstance(right, Dispatcher) and not error.only_in:
        raise ValueError(f"{error.target} is compiled: run its test interpreted or compiled anew")
    wrong = error.wrong(right)
    if error.only_in:
        resolve(f"{error.only_in}:{name}")
        setattr(importlib.import_module(error.only_in), name, wrong)
        return
    setattr(owner, name, wrong)
    for module, alias in _uses(right):
        setattr(module, alias, wrong)


def _uses(function: object) -> Iterator[tuple[ModuleType, str]]:
    """Yield the modules of the packages that have imported a function, and the name that each has for it."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _PACKAGES:
            yield from ((module, alias) for alias, value in list(vars(module).items()) if value is function)
