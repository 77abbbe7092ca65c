"""How compiled functions are declared.

An `entry` may be called from Python and from compiled code. An `inner` one is for compiled code alone, which spares the
wrappers whose compilation costs as much as the function. A `tiny` one becomes part of its callers. All are cached, and
all are ordinary Python functions under ``NUMBA_DISABLE_JIT=1``.
"""

from collections.abc import Callable
from typing import TypeVar

from numba import njit

__all__ = ["entry", "inner", "tiny"]

F = TypeVar("F", bound=Callable[..., object])


def entry(function: F) -> F:
    """Compile a function that Python calls."""
    compiled: F = njit(cache=True)(function)
    return compiled


def inner(function: F) -> F:
    """Compile a function that only compiled functions call."""
    compiled: F = njit(cache=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return compiled


def tiny(function: F) -> F:
    """Compile a function of a line or two into its callers."""
    compiled: F = njit(inline="always")(function)
    return compiled
