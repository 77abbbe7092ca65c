"""How compiled functions are declared.

An `entry` may be called from Python and from compiled code. An `inner` one is for compiled code alone, which spares the
wrappers whose compilation costs as much as the function, and is translated with the entries that use it. A `tiny` one
becomes part of its callers before types are known: for a line or two. Entries are cached with all that they call. All
are ordinary Python functions under ``NUMBA_DISABLE_JIT=1``.

Numba's cache notices a change of a function's own file, not of the functions that were compiled into it. So a change
of any kernel's source, or of their number, empties the cache of all.
"""

import contextlib
import gc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.extending import intrinsic

__all__ = ["entry", "inner", "tiny", "touch"]

F = TypeVar("F", bound=Callable[..., object])

# nothing here makes arrays: no references to count; nobody catches a division by zero: no branches for it
_njit: Any = partial(njit, _nrt=False, error_model="numpy")


_SELDOM = 100_000
"""Objects that are made between two looks of the garbage collector."""


def _compiled_once(compiled: Any) -> Any:
    """Let compiled callers share one version for every integer, where Numba makes one for each width and constant."""
    if getattr(config, "DISABLE_JIT", False):
        return compiled
    template = compiled.get_call_template

    def shared(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return template(tuple(map(_widened, args)), {name: _widened(kind) for name, kind in kws.items()})

    compiled.get_call_template = shared
    return compiled


def _widened(kind: Any) -> Any:
    plain = types.unliteral(kind)  # type: ignore[no-untyped-call]
    return types.int64 if isinstance(plain, types.Integer) else plain


def _undisturbed(compiled: Any) -> Any:
    """Let the garbage collector look less often while a function is compiled: it finds little, and looks at all."""
    if getattr(config, "DISABLE_JIT", False):
        return compiled
    compile_for = compiled.compile

    def compile_undisturbed(signature: Any) -> Any:
        usual = gc.get_threshold()
        gc.set_threshold(_SELDOM, *usual[1:])
        try:
            return compile_for(signature)
        finally:
            gc.set_threshold(*usual)

    compiled.compile = compile_undisturbed
    return compiled


def entry(function: F) -> F:
    """Compile a function that Python calls."""
    return cast("F", _undisturbed(_compiled_once(_njit(cache=True)(function))))


class _Part(JITCodeLibrary):
    """Code that is nothing by itself: what it becomes part of has it optimised and translated, once for all.

    Numba would do both for each function, with all that it calls in it, and again in each of its callers.
    """

    @property
    def codegen(self) -> "_Part":
        return self

    def set_env(self, name: str, env: object) -> None:
        """Numba notes here where an executable function finds its module."""

    def get_pointer_to_function(self, _: str) -> int:
        return 0

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True


class _PartCompiler(Compiler):
    def __init__(self, typing: Any, target: Any, _: Any, *rest: Any) -> None:
        part: Any = _Part
        super().__init__(typing, target, part(target.codegen(), "part"), *rest)  # type: ignore[no-untyped-call]


def inner(function: F) -> F:
    """Compile a function that only compiled functions call."""
    compiled = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_PartCompiler)(function)
    return cast("F", _compiled_once(compiled))


def tiny(function: F) -> F:
    """Compile a function of a line or two into its callers."""
    compiled: Any = _njit(inline="always")(function)
    return cast("F", compiled)


def _touch(_: Any, record: Any) -> Any:
    """Ask for the cache line on which a record begins: it comes while other work goes on, and nobody waits for it."""

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
touch: Any = _leave if getattr(config, "DISABLE_JIT", False) else intrinsic(_touch)


_PACKAGE = Path(__file__).parent
_STAMP = _PACKAGE / "__pycache__" / "kernels.stamp"


def _sources() -> Iterator[Path]:
    yield from (_PACKAGE / name for name in ("rng.py", "compiled.py", "bundle.py", "scenario/roles.py"))
    for folder in ("policy", "network", "simulation"):
        yield from sorted((_PACKAGE / folder).rglob("*.py"))


def _stamp() -> str:
    states = [(path, path.stat()) for path in _sources()]
    return "\n".join(f"{path.relative_to(_PACKAGE)} {state.st_mtime_ns} {state.st_size}" for path, state in states)


def _drop_stale_cache() -> None:
    stamp = _stamp()
    # a read-only installation keeps its cache elsewhere, and its sources do not change
    with contextlib.suppress(OSError):
        if _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == stamp:
            return
        for folder in {path.parent for path in _sources()}:
            for cached in (folder / "__pycache__").glob("*.nb[ic]"):
                cached.unlink(missing_ok=True)
        _STAMP.parent.mkdir(exist_ok=True)
        _STAMP.write_text(stamp, encoding="utf-8")


_drop_stale_cache()
