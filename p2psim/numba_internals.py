"""What is relied on in Numba beyond its documented interface: patches that spare compilation time, and its cache.

No patch changes a result. Those for the compiler are applied to the versions of Numba that they were tried with, those
for the cache to every version that has what they need; where they do not fit, kernels compile more slowly, or anew in
each process. `missing` tells what a version of Numba lacks.
"""

import operator
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numba
from numba import config, types

from p2psim.kernel_cache import KernelCache

__all__ = [
    "BELOW",
    "LEAST",
    "compile_within",
    "is_patched",
    "keep",
    "missing",
    "part_options",
    "share_integers",
    "try_common_rules_first",
]

_CONFIG: Any = config
LEAST: Final = (0, 61)
BELOW: Final = (0, 69)
"""The patches of the compiler were tried with Numba from LEAST to below BELOW; pyproject.toml asks for the same."""

_COMPILER: Final = {
    "numba.core.codegen:JITCodeLibrary._optimize_final_module": "code of inner functions is not optimised by itself",
    "numba.core.codegen:JITCodeLibrary._finalize_final_module": "code of inner functions is not translated by itself",
    "numba.core.codegen:JITCodeLibrary.get_pointer_to_function": "inner functions have no address",
    "numba.core.compiler:Compiler": "inner functions get a code library of another kind",
    "numba.core.dispatcher:Dispatcher.get_call_template": "compiled callers share one version for all integers",
    "numba.core.typing.arraydecl:GetItemBuffer": "the rule for reading arrays is tried first",
    "numba.core.typing.arraydecl:SetItemBuffer": "the rule for writing arrays is tried first",
    "numba.core.typing.builtins:Bool": "the rule for truth values is tried first",
    "numba.core.typing.templates:infer_global": "rules are put before others",
}
_CACHE: Final = {
    "numba.core.compiler_lock:global_compiler_lock": "one thread compiles at a time",
    "numba.core.dispatcher:Dispatcher.compile": "compilation takes place under a lock",
    "numba.core.dispatcher:Dispatcher.enable_caching": "a function has a cache of its own",
    "numba.core.caching:FunctionCache.load_overload": "what is missing in the cache is noticed",
    "numba.core.caching:FunctionCache.save_overload": "a full disk ends no run",
    "numba.core.caching:FunctionCache.flush": "a damaged index is begun anew",
    "numba.core.caching:CompileResultCacheImpl._locator_classes": "the cache is in a folder of ours",
    "numba.core.caching:_CacheLocator.from_function": "the cache is in a folder of ours",
}


def missing(wanted: dict[str, str] | None = None) -> list[str]:
    """Return what this version of Numba lacks, each with what it is needed for."""
    names = {**_COMPILER, **_CACHE} if wanted is None else wanted
    return [f"{name}: {why}" for name, why in names.items() if not _is_there(name)]


def _is_there(name: str) -> bool:
    module, _, path = name.partition(":")
    try:
        operator.attrgetter(path)(import_module(module))
    except (ImportError, AttributeError):
        return False
    return True


@cache
def is_patched() -> bool:
    """Tell whether the patches of the compiler fit this version of Numba."""
    return LEAST <= numba.version_info.short < BELOW and not missing(_COMPILER)


@cache
def _has_cache() -> bool:
    return not missing(_CACHE)


# -- the compiler ---------------------------------------------------------------------------------------------------


def try_common_rules_first() -> None:
    """Have Numba try its rules for arrays and numbers before those for strings, lists and so on.

    It tries them for every expression, which takes a fifth of the time of compiling. They are its own rules, said to
    be made for this processor, which it tries first.
    """
    if not is_patched():
        return
    from numba.core.typing.arraydecl import GetItemBuffer, SetItemBuffer
    from numba.core.typing.builtins import Bool
    from numba.core.typing.templates import infer_global

    for operation, rule in ((operator.getitem, GetItemBuffer), (operator.setitem, SetItemBuffer), (bool, Bool)):
        first = type(f"{rule.__name__}First", (rule,), {"metadata": {"target": "cpu"}})
        infer_global(operation)(first)


def share_integers(compiled: Any) -> None:
    """Let compiled callers share one version for every integer, where Numba makes one for each width and constant."""
    if not is_patched():
        return
    template = compiled.get_call_template

    def shared(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return template(tuple(map(_widened, args)), {name: _widened(kind) for name, kind in kws.items()})

    compiled.get_call_template = shared


def _widened(kind: Any) -> Any:
    plain = types.unliteral(kind)
    return types.int64 if isinstance(plain, types.Integer) else plain


@cache
def part_options() -> dict[str, Any]:
    """Return options of ``njit`` for code that is nothing by itself: what it becomes part of has it translated.

    Numba would optimise and translate each function, with all that it calls in it, and again in each of its callers.
    """
    if not is_patched():
        return {}
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import Compiler

    class Part(JITCodeLibrary):
        @property
        def codegen(self) -> "Part":
            return self

        def set_env(self, name: str, env: object) -> None:
            """Numba notes here where an executable function finds its module."""

        def get_pointer_to_function(self, _: str) -> int:
            return 0

        def _optimize_final_module(self) -> None:
            pass

        def _finalize_final_module(self) -> None:
            self._finalized = True

    class PartCompiler(Compiler):
        def __init__(self, typing: Any, target: Any, _: Any, *rest: Any) -> None:
            super().__init__(typing, target, Part(target.codegen(), "part"), *rest)

    return {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": PartCompiler}


def compile_within(compiled: Any, guard: Callable[[], AbstractContextManager[object]]) -> bool:
    """Have a function compiled inside a context; False where this version of Numba has no place for it."""
    if not hasattr(compiled, "compile"):
        return False
    compile_for = compiled.compile

    def compile_guarded(signature: Any) -> Any:
        with guard():
            return compile_for(signature)

    compiled.compile = compile_guarded
    return True


# -- the cache ------------------------------------------------------------------------------------------------------


def keep(compiled: Any, store: KernelCache) -> None:
    """Keep a function's machine code on disk, and let one process at a time add to it."""
    if store.place.folder is None or not _has_cache():
        return
    from numba.core.compiler_lock import global_compiler_lock

    @contextmanager
    def adding() -> Iterator[None]:
        with global_compiler_lock, store.adding():
            yield

    compile_within(compiled, adding)
    compiled._cache = _cache_class(store)(compiled.py_func)


@cache
def _cache_class(store: KernelCache) -> Any:
    from numba.core.caching import CompileResultCacheImpl, FunctionCache

    class Implementation(CompileResultCacheImpl):
        pass

    Implementation._locator_classes = [_locator_class(store)]

    class Cache(FunctionCache):
        """Numba's cache of one function: who finds nothing takes the lock and looks again."""

        _impl_class = Implementation

        def __init__(self, function: Any) -> None:
            # a user's own locators are for the user's functions
            before = getattr(_CONFIG, "CACHE_LOCATOR_CLASSES", "")
            _CONFIG.CACHE_LOCATOR_CLASSES = ""
            try:
                super().__init__(function)
            finally:
                _CONFIG.CACHE_LOCATOR_CLASSES = before

        def load_overload(self, signature: Any, target: Any) -> Any:
            found = self._sound(signature, target)
            if found is None:
                store.begin()
                found = self._sound(signature, target, mend=True)
            return found

        def _sound(self, signature: Any, target: Any, mend: bool = False) -> Any:
            """Load code, None where there is none for this signature or it cannot be read."""
            try:
                found = super().load_overload(signature, target)
            except Exception:  # a damaged pickle may raise anything; the code can be made again
                if mend and store.is_open:
                    with suppress(OSError):
                        self.flush()
                return None
            arguments = tuple(getattr(signature, "args", signature))
            return found if found is None or tuple(found.signature.args) == arguments else None

        def save_overload(self, signature: Any, data: Any) -> None:
            if not store.is_open:
                return
            try:
                super().save_overload(signature, data)
            except OSError as error:
                store.give_up(error)

    return Cache


def _locator_class(store: KernelCache) -> Any:
    from numba.core.caching import _CacheLocator

    folder = Path(store.place.folder or "")

    class Locator(_CacheLocator):
        """A folder beside those of other processors and other states of the sources; it may be moved or copied."""

        def __init__(self, function: Any, file: str) -> None:
            self._file, self._line = Path(file), function.__code__.co_firstlineno

        def get_cache_path(self) -> str:
            return str(folder / self._file.parent.name)

        def get_source_stamp(self) -> str:
            return _digest(self._file)

        def get_disambiguator(self) -> str:
            return str(self._line)

        @classmethod
        def from_function(cls, function: Any, file: str) -> Any:
            return cls(function, file)

    return Locator


@cache
def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
