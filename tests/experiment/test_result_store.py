"""The folder of a sweep: locked, checked, and repaired."""

import subprocess
import sys
from pathlib import Path

import pytest

from p2psim.errors import DesignError
from p2psim.experiment import Sweep, sweep
from p2psim.experiment.result_store import Store
from tests.experiment.small_sweep import DESIGN, ROOT, Counting, assert_same


@pytest.mark.slow
def test_two_sweeps_do_not_work_in_one_folder(tmp_path: Path) -> None:
    code = (
        "from p2psim.experiment.result_store import Store\n"
        f"store = Store({str(tmp_path)!r}); store.open(); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        store = Store(tmp_path)
        with pytest.raises(DesignError, match="another process is using it"):
            store.open()
        other.kill()
    store.open()
    store.close()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DesignError, match="not empty and not the folder of a sweep"):
        sweep(DESIGN, tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_runs_of_other_code_are_not_mixed_in(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open()
    store.close()
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(DesignError, match="another version"):
        store.open()


def test_a_damaged_run_is_made_again(tmp_path: Path, alone: Sweep) -> None:
    sweep(DESIGN, tmp_path, jobs=1, progress=False)
    for path, damage in zip(sorted(tmp_path.glob("runs/*.json")), ("", "{", "[]", '{"status": "ok"}'), strict=False):
        path.write_text(damage)
    with Counting() as executor:
        assert_same(sweep(DESIGN, tmp_path, executor=executor, progress=False), alone)
        assert len(executor.given) == 4
