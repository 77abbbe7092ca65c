"""Where files of a user are kept that can be made again: compiled kernels, encoded clips, libraries of pages."""

import errno
import os
import stat
import tempfile
from pathlib import Path

__all__ = ["home_cache", "temporary_cache", "user_cache"]


def home_cache() -> Path | None:
    """Return the folder of the user's caches, which may not be there yet; None for a user without a home."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None


def temporary_cache() -> Path:
    """Make a temporary folder that only this user can write to, for code in it is run; raises OSError."""
    folder = Path(tempfile.gettempdir()) / f"p2psim-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "can be written to by others", str(folder))
    return folder


def user_cache(name: str) -> Path:
    """Return a folder for files of one kind, which may have to be made.

    It is in the user's cache, or in a temporary folder where nothing can be written there; OSError, if neither is.
    """
    home = home_cache()
    if home is not None:
        folder = home / "p2psim" / name
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            return folder
    return temporary_cache() / name
