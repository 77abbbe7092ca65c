"""Where compiled kernels are kept: a folder for each processor, set of versions and state of the sources."""

import fcntl
import os
from pathlib import Path

import pytest

from p2psim.kernel_cache import locate, processor, sources_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    folder = tmp_path / "package"
    for name in (
        "rng.py",
        "compiled.py",
        "bundle.py",
        "policy/queue.py",
        "network/nat.py",
        "simulation/kernel/loop.py",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    return folder


def test_the_folder_asked_for_is_taken(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate(package).folder == package / "__pycache__" / "p2psim-kernels" / processor() / sources_digest(package)
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "asked"))
    assert locate(package).folder == tmp_path / "asked" / "p2psim-kernels" / processor() / sources_digest(package)


def test_each_kind_of_processor_and_each_version_has_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {processor()}
    for change in (
        ("numba.config.CPU_NAME", "generic"),
        ("numba.config.CPU_FEATURES", "+sse2"),
        ("numba.__version__", "0.0.1"),
        ("llvmlite.__version__", "0.0.1"),
        ("numpy.__version__", "0.0.1"),
        ("sys.implementation.cache_tag", "cpython-399"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(*change)
            names.add(processor())
    assert len(names) == 7


@pytest.mark.parametrize("change", ["edit", "edit in a folder of a folder", "add", "remove", "rename"])
def test_each_state_of_the_sources_has_a_folder(package: Path, change: str) -> None:
    before = sources_digest(package)
    assert sources_digest(package) == before
    queue = package / "policy" / "queue.py"
    if change == "edit":
        times = queue.stat()
        queue.write_text("x = 2\n")
        os.utime(queue, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "edit in a folder of a folder":
        (package / "simulation" / "kernel" / "loop.py").write_text("x = 2\n")
    elif change == "add":
        (package / "network" / "sharing.py").write_text("x = 1\n")
    elif change == "remove":
        queue.unlink()
    else:
        queue.rename(queue.with_name("rows.py"))
    assert sources_digest(package) != before


def test_a_user_without_a_home_in_a_read_only_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Path
) -> None:
    (package / "__pycache__").write_text("a file, so no folder can be made here")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = locate(package)
    assert place.folder is not None
    assert place.folder.is_relative_to(tmp_path / "home" / ".cache")
    assert not place.notice

    monkeypatch.setenv("HOME", str(package / "__pycache__"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = locate(package)
    temporary = tmp_path / f"p2psim-{os.geteuid()}"
    assert place.folder is not None
    assert place.folder.is_relative_to(temporary)
    assert temporary.stat().st_mode & 0o777 == 0o700
    assert "for now" in place.notice

    temporary.chmod(0o777)
    place = locate(package)
    assert place.folder is None, "others could put code there"
    assert "compiled anew" in place.notice
    assert "\n" not in place.notice


def test_a_file_system_without_locks_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Path
) -> None:
    lock = fcntl.lockf

    def refuse(number: int, how: int) -> None:
        if Path(f"/proc/self/fd/{number}").readlink().is_relative_to(package):
            raise OSError(37, "No locks available")
        lock(number, how)

    monkeypatch.setattr("fcntl.lockf", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of-user"))
    place = locate(package)
    assert place.folder is not None
    assert place.folder.is_relative_to(tmp_path / "of-user")
