"""Where the machine code of the kernels is kept, and how one process at a time adds to it.

Numba keeps an index of signatures and numbered files of code for each function. It replaces each file in one step, but
reads and writes the index without a lock: of two processes that add to one index at once, one may leave its code under
the signature of the other. So a process that finds no code takes a lock before it compiles, looks again, and gives the
lock back when the code is on disk. The lock is one of the operating system, which ends it with its process.

A folder belongs to one kind of processor, one set of versions and one state of the kernels' sources. Numba itself would
notice a change of a function's own file, but not of the functions that were compiled into it; here every change leads
to a folder of its own, so what a process finds in its folder is never out of date, whatever other processes do.
"""

import fcntl
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite import binding
from numba import config

from p2psim.user_cache import home_cache, temporary_cache

__all__ = ["KernelCache", "Place", "locate", "processor", "sources", "sources_digest"]

_CONFIG: Any = config
_NAME = "p2psim-kernels"
_KEPT = 4
"""Folders of other states of the sources that stay when a new one is begun: the last used."""
_PAUSE = 0.05
"""Seconds between two attempts to take the lock."""
_PATIENCE = 3.0
"""Seconds of waiting for another process before a line says so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where code is kept: a folder and the file that is locked to add to it; None, where nothing can be kept."""

    folder: Path | None
    lock: Path | None = None
    notice: str = ""
    """What a user should know of this place, in one line; empty, where it is the usual one."""


def processor() -> str:
    """Return a name of what code was compiled for and by: processor, its features, Python, Numba, LLVM and NumPy."""
    name = _CONFIG.CPU_NAME or binding.get_host_cpu_name()
    features = _CONFIG.CPU_FEATURES
    if features is None:
        with suppress(RuntimeError):  # LLVM cannot tell on every platform
            features = binding.get_host_cpu_features().flatten()
    python = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    versions = (python, numba.__version__, llvmlite.__version__, np.__version__)
    digest = _digest(binding.get_process_triple(), name, str(features), *versions)
    return f"{name}-{python}-numba-{numba.__version__}-{digest}"


def sources(package: Path) -> Iterator[Path]:
    """Yield the files that kernels are made of, or take constants from."""
    names = ("bundle.py", "compiled.py", "numba_internals.py", "rng.py", "scenario/roles.py")
    yield from (package / name for name in names if (package / name).exists())
    for folder in ("network", "player", "policy", "simulation"):
        yield from sorted((package / folder).rglob("*.py"))


def sources_digest(package: Path) -> str:
    """Return a hash of the names and contents of the kernels' sources."""
    parts: list[str | bytes] = []
    for path in sources(package):
        parts += [path.relative_to(package).as_posix(), path.read_bytes()]
    return _digest(*parts)


def _digest(*parts: str | bytes) -> str:
    found = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(len(data).to_bytes(8) + data)
    return found.hexdigest()[:16]


def locate(package: Path) -> Place:
    """Choose where the code of a package's kernels is kept.

    That is the folder that NUMBA_CACHE_DIR names, or else the package's own ``__pycache__``, or else the user's cache
    folder: the first that can be written to. Failing these it is a temporary folder of the user.
    """
    asked = _CONFIG.CACHE_DIR
    roots = [Path(asked)] if asked else [package / "__pycache__", *filter(None, [home_cache()])]
    name = Path(processor()) / sources_digest(package)
    refused = ""
    for root in roots:
        try:
            return Place(*_prepared(root.absolute(), name))
        except OSError as error:
            refused = refused or f"nothing can be kept in {root} ({error.strerror})"
    remedy = "set NUMBA_CACHE_DIR to a folder that can be written to"
    try:
        place = _prepared(temporary_cache(), name)
    except OSError as error:
        refused += f", nor in a temporary folder ({error.strerror})"
        return Place(None, None, f"kernels are compiled anew in each process: {refused}; {remedy}")
    return Place(*place, f"compiled kernels are kept in {place[0].parents[2]} for now: {refused}; {remedy}")


def _prepared(root: Path, name: Path) -> tuple[Path, Path]:
    """Make the folder and its lock; raises OSError where code cannot be written or files cannot be locked."""
    folder = root / _NAME / name
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    lock = folder.parent.with_name(f"{folder.parent.name}.lock")
    number = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(BlockingIOError):  # somebody holds it, so locks work
            fcntl.lockf(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(number)
    return folder, lock


class KernelCache:
    """The right to add to a folder of compiled code, which one process at a time has.

    It is for one thread at a time: Numba's compiler lock is held around `adding`.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.is_open = place.folder is not None
        self._depth = 0
        self._held: int | None = None
        self._is_told = False
        os.register_at_fork(after_in_child=self._forget)

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Give the lock back in the end, if `begin` took it; may be nested, as compilations are."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._release()

    def begin(self) -> None:
        """Take the lock, which is kept until the outermost `adding` ends; waits for a process that has it."""
        if not self._is_told and self.place.notice:
            _say(self.place.notice)
        self._is_told = True
        if not self.is_open or self._held is not None:
            return
        try:
            self._held = self._acquire()
            self._prune()
        except OSError as error:
            self.give_up(error)

    def give_up(self, error: OSError) -> None:
        """Keep nothing from here on, and say so: the code at hand is good all the same."""
        if self.is_open:
            _say(f"compiled kernels cannot be kept in {self.place.folder} ({error.strerror}); going on without")
        self.is_open = False

    def _acquire(self) -> int:
        assert self.place.lock is not None
        waited = 0.0
        while True:
            self.place.lock.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(self.place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same(number, self.place.lock):
                    os.ftruncate(number, 0)
                    os.pwrite(number, f"process {os.getpid()} on {platform.node()}".encode(), 0)
                    return number
            except (BlockingIOError, PermissionError):  # POSIX allows both for a lock that another process has
                if waited <= _PATIENCE < waited + _PAUSE:
                    holder = os.pread(number, 200, 0).decode(errors="replace") or "another process"
                    _say(f"waiting for {holder}, which compiles the kernels")
            except BaseException:
                os.close(number)
                raise
            os.close(number)
            time.sleep(_PAUSE)
            waited += _PAUSE

    def _release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _forget(self) -> None:
        """A forked process has not got its parent's lock, nor is it compiling."""
        self._depth = 0
        self._release()

    def _prune(self) -> None:
        """Remove the code of sources that have changed since, but of the last few states."""
        folder = self.place.folder
        assert folder is not None
        folder.mkdir(exist_ok=True)
        os.utime(folder)
        others = [path for path in folder.parent.iterdir() if path != folder]
        for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(path, ignore_errors=True)


def _is_same(number: int, path: Path) -> bool:
    """Tell whether an open file is still the one of this name: a user may have emptied the cache."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(number), path.stat())
    return False


def _say(text: str) -> None:
    print(f"p2psim: {text}", file=sys.stderr, flush=True)
