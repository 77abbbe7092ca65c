"""Branch coverage of the tracker's core by its own tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CORE = ("core/*", "config/options")
TESTS = ("core", "config/test_options.py")


def test_the_tests_of_the_core_cover_every_branch(tmp_path: Path) -> None:
    data = f"--data-file={tmp_path / 'coverage'}"
    include = "--include=" + ",".join(f"tracker/p2p_tracker/{name}.py" for name in CORE)
    coverage = [sys.executable, "-m", "coverage"]
    tests = [f"tests/tracker/{name}" for name in TESTS]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tracker'}"}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*coverage, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    tests_run = run("run", "--rcfile=/dev/null", "--branch", data, include, *command)
    assert tests_run.returncode == 0, tests_run.stdout[-2000:]
    report = run("report", "--rcfile=/dev/null", data, "--show-missing", "--fail-under=100")
    print(report.stdout)
    assert report.returncode == 0, report.stdout
