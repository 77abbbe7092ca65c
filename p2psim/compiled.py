"""Decorators that declare compiled functions.

An `entry` may be called from Python and from compiled code. An `inner` one is for compiled code alone, which spares the
wrappers whose compilation costs as much as the function, and is translated with the entries that use it. An `inlined`
one becomes part of its callers' machine code, a `tiny` one before types are known: for a line or two. Entries are
cached with all that they call. All are ordinary Python functions under ``NUMBA_DISABLE_JIT=1``.

The cache folder, and how processes share it, is described in `p2psim.kernel_cache`.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from p2psim.kernel_cache import KernelCache, Place, locate
from p2psim.numba_internals import compile_within, keep, part_options, share_integers

__all__ = ["entry", "inlined", "inner", "kept_in", "tiny", "touch"]

F = TypeVar("F", bound=Callable[..., object])

# nothing here makes arrays: no references to count; nobody catches a division by zero: no branches for it
_njit: Any = partial(njit, _nrt=False, error_model="numpy")

_SELDOM = 100_000
"""Allocations between two runs of the garbage collector."""
_INTERPRETED = bool(getattr(config, "DISABLE_JIT", False))
_CACHE = KernelCache(Place(None) if _INTERPRETED else locate(Path(__file__).parent))


def kept_in() -> str:
    """Return the folder in which this process keeps compiled kernels; empty, where it can keep none."""
    return str(_CACHE.place.folder or "")


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Run the garbage collector less often while a function is compiled: it scans everything and frees little."""
    usual = gc.get_threshold()
    gc.set_threshold(_SELDOM, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def entry(function: F) -> F:
    """Compile a function that Python calls."""
    compiled = _njit(function)
    if not _INTERPRETED:
        share_integers(compiled)
        compile_within(compiled, _seldom_collected)
        keep(compiled, _CACHE)
    return cast("F", compiled)


def inner(function: F) -> F:
    """Compile a function that only compiled functions call."""
    if _INTERPRETED:
        return function
    compiled = _njit(**part_options())(function)
    share_integers(compiled)
    return cast("F", compiled)


def inlined(function: F) -> F:
    """Compile a function that compiled functions call often: its machine code becomes part of theirs.

    A call hands over arrays by value, each of them seven words, which costs more than a short function does.
    """
    if _INTERPRETED:
        return function
    compiled = _njit(forceinline=True, **part_options())(function)
    share_integers(compiled)
    return cast("F", compiled)


def tiny(function: F) -> F:
    """Compile a function of a line or two into its callers."""
    compiled: Any = _njit(inline="always")(function)
    return cast("F", compiled)


def _touch(_: Any, record: Any) -> Any:
    """Prefetch the cache line on which a record begins, without waiting for it."""

    def generate(context: Any, builder: Any, _declared: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", (cgutils.voidptr_t,), ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        )
        address = builder.bitcast(arguments[0], cgutils.voidptr_t)
        builder.call(prefetch, [address, *(ir.Constant(word, hint) for hint in _READ_KEEP_DATA)])
        return context.get_dummy_value()

    return types.void(record), generate


def _leave(record: object) -> None:
    """Interpreted code has no use for it."""


_READ_KEEP_DATA = 0, 3, 1
touch: Any = _leave if _INTERPRETED else intrinsic(_touch)
