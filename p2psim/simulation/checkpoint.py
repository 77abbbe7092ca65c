"""Checkpoint files: a run in progress, which another process continues with the same result, bit for bit.

The file is a header line of JSON, then the compressed state. The whole state of a run is data: the arrays of the
kernel, the core of the tracker, random streams, and the scheduled calls of the clock. Views of arrays (a column of a
table, say) are restored as views of the restored arrays. A SimPy process is a generator, which cannot be saved: a run
with a user-defined one (`prepare`) is refused, unless it uses `Clock.after`.

A file is replaced atomically: a kill at any moment leaves the old one or the new one. The state is a pickle, which can
run any code when it is loaded: open only files that you have written.
"""

import hashlib
import io
import json
import pickle
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar, cast

import numpy as np
import p2p_tracker
import pyarrow as pa

from p2psim.errors import CheckpointError
from p2psim.simulation.control.clock import Clock
from p2psim.trace.atomic_files import PARTIAL_SUFFIX, atomic_write

__all__ = ["Checkpoint", "UnderWay", "fingerprint", "read_saved", "write_run", "write_state"]

T = TypeVar("T")


class UnderWay(Protocol):
    """Run under way, for example `p2psim.simulation.run.Simulation`."""

    @property
    def now(self) -> float:
        """Simulated time so far, seconds."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """File in which a run is saved, and the interval between saves."""

    path: Path
    every: float = 600.0
    """Interval, simulated seconds."""


_FORMAT = 1
_KIND = "p2psim checkpoint"


@cache
def fingerprint() -> str:
    """Return the hash of all code that a result depends on: only equal code continues a run to the same bits."""
    digest = hashlib.sha256()
    for name in ("numpy", "numba", "simpy", "scipy"):
        digest.update(f"{name} {version(name)}\n".encode())
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    """Yield the files with the code that a result depends on."""
    package = Path(__file__).parents[1]
    yield from sorted(package.glob("*.py"))
    folders = [package / name for name in ("policy", "network", "player", "simulation", "scenario", "trace", "wire")]
    for folder in (*folders, Path(p2p_tracker.__file__).parent):
        yield from sorted(folder.rglob("*.py"))


def write_state(simulation: UnderWay, path: str | Path) -> None:
    """Save a run under way; raises CheckpointError if part of it cannot be saved."""
    _write(simulation, Path(path), lambda file: _Pickler(file, 5), at=simulation.now)


def write_run(run: object, path: str | Path) -> None:
    """Save a finished run."""
    _write(run, Path(path), lambda file: pickle.Pickler(file, protocol=5))


def read_saved(path: str | Path, expected: type[T]) -> T:
    """Return the object of the class `expected` that a checkpoint holds.

    Raises
    ------
    CheckpointError
        The file is not a checkpoint, is damaged, was saved by other code, or holds an object of another class.
    """
    return _read(Path(path), expected)


def _write(content: object, target: Path, pickler: Callable[[IO[bytes]], Any], **more: object) -> None:
    head = {"kind": _KIND, "format": _FORMAT, "fingerprint": fingerprint(), "holds": type(content).__name__, **more}
    for partial_file in target.parent.glob(f".{target.name}-*{PARTIAL_SUFFIX}"):
        partial_file.unlink()  # left by a process that was killed while it saved
    with atomic_write(target) as file:
        file.write(json.dumps(head).encode() + b"\n")
        body = _Checked(file)
        with pa.CompressedOutputStream(pa.PythonFile(body, "w"), "zstd") as packed:
            try:
                pickler(cast("IO[bytes]", packed)).dump(content)
            except (TypeError, AttributeError, pickle.PicklingError) as error:
                raise CheckpointError(
                    f"this run cannot be saved: {error}; only behaviours scheduled with Clock.after can"
                ) from None
        file.write(body.checksum)


def _read(path: Path, expected: type[T]) -> T:
    head, body = _parts(path)
    if head.get("format") != _FORMAT or head.get("fingerprint") != fingerprint():
        raise CheckpointError(f"{path}: saved by another version of p2psim; only the one that saved a run continues it")
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as packed:
            content = pickle.load(io.BufferedReader(cast("io.RawIOBase", packed)))
    except (pickle.UnpicklingError, OSError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None
    if not isinstance(content, expected):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not a {expected.__name__}")
    return content


def _parts(path: Path) -> tuple[dict[str, Any], memoryview]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); a checkpoint is expected") from None
    header, _, packed = data.partition(b"\n") if data.startswith(b"{") else (b"", b"", b"")
    try:
        head = json.loads(header)
    except ValueError:
        head = {}
    if head.get("kind") != _KIND:
        raise CheckpointError(f"{path}: not a checkpoint; p2psim simulate --checkpoint makes one")
    body = memoryview(packed)[: -_Checked.WIDTH]
    if zlib.crc32(body).to_bytes(_Checked.WIDTH) != packed[-_Checked.WIDTH :]:
        raise CheckpointError(f"{path}: damaged (its checksum does not fit)")
    return head, body


class _Checked(io.RawIOBase):
    """Writer that forwards bytes and computes their checksum."""

    WIDTH = 4

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._sum = file, 0

    @property
    def checksum(self) -> bytes:
        return self._sum.to_bytes(self.WIDTH)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sum = zlib.crc32(data, self._sum)
        return self._file.write(data)


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Clock):
            return Clock.restored, (float(obj.now), obj.pending())
        if isinstance(obj, np.ndarray):
            return _reduce_view(obj)
        return NotImplemented


def _reduce_view(array: Any) -> Any:
    """Reduce a view to its base array and its offset in it."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if owner is array:
        return NotImplemented
    offset = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return _view, (owner, type(array), array.dtype, array.shape, offset, array.strides)


def _view(owner: Any, array_type: Any, dtype: Any, shape: Any, offset: int, strides: Any) -> Any:
    """Return the view of an array at an offset in bytes."""
    view: Any = np.ndarray(shape, dtype, owner, offset, strides)
    return view if array_type is np.ndarray else view.view(array_type)
