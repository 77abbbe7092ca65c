"""A copy of the packages with edited sources, and programs that run in it: what follows from a change of one table?"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["run_edited"]

ROOT = Path(__file__).parents[1]


def run_edited(folder: Path, edits: Mapping[str, tuple[str, str]], program: str) -> None:
    """Run a program in a copy of the packages where each file of `edits` has its one old text replaced by the new one.

    The kernels of the copy are not compiled. AssertionError with what the program wrote where it fails.
    """
    for package in ("p2psim", "tracker"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for kind in ("presets", "scenarios"):
        shutil.copytree(ROOT / "data" / kind, folder / "data" / kind)
    for name, (old, new) in edits.items():
        text = (folder / name).read_text()
        assert text.count(old) == 1, f"{name}: {text.count(old)} times {old!r}"
        (folder / name).write_text(text.replace(old, new))
    paths = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'tracker'}", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=folder, env=paths, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
