"""Atomic file writes: a file or a folder is complete or absent, even after a crash."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["PARTIAL_SUFFIX", "atomic_write", "replace_folder"]

PARTIAL_SUFFIX = ".part"
"""Suffix of incomplete files that a killed program may leave behind; their names begin with a dot."""


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Context of a file that replaces `path` once it is complete and on disk; after an error the old file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=PARTIAL_SUFFIX, dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def replace_folder(new: Path, target: Path) -> None:
    """Rename a folder to `target`, whose old content is removed; a kill leaves one of the two, complete, or none."""
    for path in new.iterdir():
        _sync(path)
    _sync(new)
    old = new.with_name(f"{new.name}-old")
    if target.exists():
        target.rename(old)
    new.replace(target)
    _sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until the names in a folder, or the content of a file, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
