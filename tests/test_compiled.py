"""The kernels' cache is dropped when any kernel changes."""

from pathlib import Path

import pytest

from p2psim import compiled


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("rng.py", "compiled.py", "bundle.py", "policy/queue.py", "network/nat.py", "simulation/kernel.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
        (path.parent / "__pycache__").mkdir(exist_ok=True)
        (path.parent / "__pycache__" / f"{path.stem}.1.nbi").write_text("")
    monkeypatch.setattr(compiled, "_PACKAGE", tmp_path)
    monkeypatch.setattr(compiled, "_STAMP", tmp_path / "__pycache__" / "kernels.stamp")
    return tmp_path


def caches(package: Path) -> int:
    return len(list(package.glob("**/*.nbi")))


def test_unchanged_sources_keep_the_cache(package: Path) -> None:
    compiled._drop_stale_cache()
    (package / "policy" / "__pycache__" / "queue.2.nbi").write_text("")
    compiled._drop_stale_cache()
    assert caches(package) == 1


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_change_anywhere_drops_all(package: Path, change: str) -> None:
    compiled._drop_stale_cache()
    (package / "simulation" / "__pycache__" / "kernel.2.nbi").write_text("")
    if change == "edit":
        (package / "policy" / "queue.py").write_text("x = 22\n")
    elif change == "add":
        (package / "network" / "sharing.py").write_text("x = 1\n")
    else:
        (package / "network" / "nat.py").unlink()
    compiled._drop_stale_cache()
    assert caches(package) == 0
