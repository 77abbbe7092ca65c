"""Files that are there whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["PARTIAL_SUFFIX", "atomic_write", "replace_folder", "sync"]

PARTIAL_SUFFIX = ".part"
"""How the names of files end that a killed program may leave behind; they begin with a dot."""


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that takes the place of `path` once it is whole and on disk; after an error the old one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=PARTIAL_SUFFIX, dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync(path.parent)


def replace_folder(new: Path, target: Path) -> None:
    """Put a folder in the place of another, which may be there; a kill leaves one of them whole, or none."""
    for path in new.iterdir():
        sync(path)
    sync(new)
    old = new.with_name(f"{new.name}-old")
    if target.exists():
        target.rename(old)
    new.replace(target)
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def sync(path: Path) -> None:
    """Have a folder's names, or a file's content, on disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
