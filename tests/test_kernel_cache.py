"""The cache of compiled kernels: one process at a time adds to it, and what is taken from it is never wrong."""

import contextlib
import errno
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numba import njit

from p2psim import kernel_cache
from p2psim.kernel_cache import KernelCache, Place
from p2psim.numba_internals import keep

ROOT = Path(__file__).parents[1]
KERNEL = """
from p2psim.compiled import entry

@entry
def twice(x):
    return x + x
"""
EACH: tuple[object, ...] = (1.5, 1, 2j, (1, 2))
"""Arguments of four signatures."""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "twice.py").write_text(KERNEL)
    return tmp_path / "cache"


def start(code: str, cache: Path, **more: str) -> subprocess.Popen[str]:
    """Run a program with a cache of its own, in the folder of `twice.py`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(cache), "NUMBA_DISABLE_JIT": "0"}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cache.parent,
        env={**environment, **more},
    )


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what a program has written, which must have ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, err


def run(code: str, cache: Path, **more: str) -> tuple[str, str]:
    return ended(start(code, cache, **more))


READ_ALL = f"""
from twice import twice
for value in {EACH}:
    print(repr(twice(value)) == repr(value + value), end=" ")
print(sum(twice.stats.cache_misses.values()))
"""


# -- processes that fill one cache at once --------------------------------------------------------------------------


@pytest.mark.slow
def test_signatures_that_are_added_at_one_time_keep_their_own_code(cache: Path) -> None:
    """All read the index before any writes it, and the first to write the index is the last to write its code."""
    adding = """
        import time
        from pathlib import Path
        from numba.core.caching import IndexDataCacheFile as File
        from twice import twice

        def late(save, seconds):
            return lambda *arguments: [time.sleep(seconds), save(*arguments)]

        File._save_index = late(File._save_index, {number} * 0.25)
        File._save_data = late(File._save_data, (4 - 2 * {number}) * 0.25 + 0.5)
        print(flush=True)
        while not Path("go").exists():
            time.sleep(0.01)
        twice({value})
    """
    processes = [start(adding.format(number=i, value=EACH[i]), cache) for i in range(3)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    (cache.parent / "go").touch()
    for process in processes:
        ended(process)
    assert run(READ_ALL, cache)[0] == "True True True True 1\n", "one has not been asked for before"


@pytest.mark.slow
def test_kernels_called_by_several_processes_are_compiled_once(cache: Path) -> None:
    calls = """
        from p2psim.network.round_trip import pair_rtt
        from p2psim.player.hls_js import retry_delay
        from p2psim.rng import kernel_streams, uniform

        found = uniform(kernel_streams(1, 2), 1), pair_rtt(0.05, 0.5, 7, 3, 4), retry_delay(3)
        kernels = uniform, pair_rtt, retry_delay
        print(sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels), *map(repr, found))
    """
    found = [ended(process)[0].split(" ", 1) for process in [start(calls, cache) for _ in range(4)]]
    assert sum(int(misses) for misses, _ in found) == 3
    assert len({values for _, values in found}) == 1
    plain = textwrap.dedent(calls).partition("kernels =")[0] + "print(*map(repr, found))"
    interpreted = run(plain, cache, NUMBA_DISABLE_JIT="1")[0]
    assert found[0][1] == interpreted


HOLD = """
    import sys, time
    from pathlib import Path
    from p2psim.kernel_cache import KernelCache, Place
    cache = KernelCache(Place(Path("cache/folder"), Path("cache/lock")))
    with cache.adding():
        cache.begin()
        print("held", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def place(cache: Path) -> Place:
    return Place(cache / "folder", cache / "lock")


def can_lock(place: Place) -> bool:
    """Tell whether another process could have the lock."""
    code = f"""
        import fcntl
        try:
            fcntl.lockf(open({str(place.lock)!r}, "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
            print("free")
        except OSError:
            print("held")
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=60
    ).stdout == "free\n"  # fmt: skip


def test_the_lock_is_had_from_the_first_miss_to_the_end_of_the_outermost_compilation(place: Place) -> None:
    store = KernelCache(place)
    with store.adding():
        with store.adding():
            store.begin()
            assert not can_lock(place)
            store.begin()
        assert not can_lock(place)
    assert can_lock(place)
    with contextlib.suppress(KeyError), store.adding():
        store.begin()
        raise KeyError
    assert can_lock(place)


@pytest.mark.slow
def test_who_waits_says_for_whom_and_a_killed_process_leaves_no_lock(
    cache: Path, place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernel_cache, "_PATIENCE", 0.1)
    holder = start(HOLD, cache)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    first, pauses = holder.pid, list[float]()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            holder.kill()
            holder.communicate()
        assert len(pauses) < 200
        time.sleep(0.001)

    monkeypatch.setattr(kernel_cache, "time", type("Clock", (), {"sleep": staticmethod(pause)}))
    store = KernelCache(place)
    with store.adding():
        store.begin()
    assert len(pauses) >= 5
    other = start(HOLD, cache)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    holder = other
    pauses.clear()
    with store.adding():
        store.begin()
    assert len(pauses) >= 5, "waited once more, and said nothing"
    said = capfd.readouterr().err
    assert said.startswith(f"p2psim: waiting for process {first} on ")
    assert said.count("\n") == 1


def test_a_forked_process_neither_has_nor_ends_the_lock_of_its_parent(cache: Path, place: Place) -> None:
    code = """
        import os
        from pathlib import Path
        from p2psim.kernel_cache import KernelCache, Place
        store = KernelCache(Place(Path("cache/folder"), Path("cache/lock")))
        with store.adding():
            store.begin()
            child = os.fork()
            if child == 0:
                os._exit(0 if store._held is None and store._depth == 0 else 1)
            assert os.waitpid(child, 0)[1] == 0
            print("forked", flush=True)
            input()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=cache.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "forked\n"
    assert not can_lock(place)
    parent.communicate("\n", timeout=60)
    assert parent.returncode == 0
    assert can_lock(place)


def test_a_cache_that_is_removed_meanwhile_gets_a_lock_anew(place: Place) -> None:
    assert place.folder is not None
    assert place.lock is not None
    store = KernelCache(place)
    with store.adding():
        store.begin()
    place.lock.unlink()
    place.folder.rmdir()
    place.lock.parent.rmdir()
    with store.adding():
        store.begin()
        assert place.folder.is_dir()
        assert not can_lock(place)


# -- files that are damaged, or cannot be written -------------------------------------------------------------------


def called(place: Place) -> tuple[list[object], int]:
    """Return what a kernel gives for each kind of argument, and how often it was compiled for that."""

    def twice(x: object) -> object:
        return x + x  # type: ignore[operator]

    compiled: Any = njit(twice)
    keep(compiled, KernelCache(place))
    return [compiled(value) for value in EACH], sum(compiled.stats.cache_misses.values())


def code_files(place: Place) -> list[Path]:
    assert place.folder is not None
    return sorted(place.folder.rglob("*.nbc"))


def swap_code(place: Place) -> None:
    one, other, *_ = code_files(place)
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)


def cut_code(place: Place) -> None:
    for path in code_files(place):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_index(place: Place) -> None:
    (index,) = code_files(place)[0].parent.glob("*.nbi")
    index.write_bytes(index.read_bytes()[: index.stat().st_size // 2])


def remove_code(place: Place) -> None:
    code_files(place)[0].unlink()


@pytest.mark.parametrize("damage", [swap_code, cut_code, cut_index, remove_code])
def test_wrong_or_damaged_code_is_not_used_and_made_anew(place: Place, damage: Callable[[Place], None]) -> None:
    right = [value + value for value in EACH]  # type: ignore[operator]
    assert called(place) == (right, len(EACH))
    assert called(place) == (right, 0)
    damage(place)
    found, misses = called(place)
    assert [repr(value) for value in found] == [repr(value) for value in right]
    assert misses > 0
    assert called(place) == (right, 0)


def test_a_full_disk_ends_no_run(
    place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_data", refuse)
    assert called(place)[1] == len(EACH)
    assert capfd.readouterr().err == (
        f"p2psim: compiled kernels cannot be kept in {place.folder} (No space left on device); going on without\n"
    )


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_replaced_by_a_temporary_one(cache: Path, tmp_path: Path) -> None:
    cache.write_text("a file, so no folder can be made here")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    out, err = run(READ_ALL, cache, TMPDIR=str(temporary))
    assert out == "True True True True 4\n"
    assert str(cache) in err
    assert "NUMBA_CACHE_DIR" in err
    assert err.startswith(f"p2psim: compiled kernels are kept in {temporary}/p2psim-{os.geteuid()} ")
    assert err.count("\n") == 1
    again, nothing = run(READ_ALL, cache, TMPDIR=str(temporary))
    assert again == "True True True True 0\n"
    assert nothing == "", "who compiles nothing need not know"


# -- what else is kept, and what is not ------------------------------------------------------------------------------


def test_code_of_earlier_sources_is_removed_but_for_the_last_used(cache: Path) -> None:
    folders = [cache / "processor" / str(number) for number in range(8)]
    for number, folder in enumerate(folders[:7]):
        folder.mkdir(parents=True)
        (folder / "code.nbi").touch()
        os.utime(folder, (number, number))
    store = KernelCache(Place(folders[7], cache / "lock"))
    with store.adding():
        store.begin()
    assert sorted((cache / "processor").iterdir()) == folders[3:]


@pytest.mark.slow
def test_a_function_of_the_user_keeps_numbas_own_cache(cache: Path) -> None:
    (cache.parent / "mine.py").write_text("from numba import njit\n@njit(cache=True)\ndef three():\n    return 3\n")
    code = """
        from twice import twice
        from mine import three
        three(), twice(1)
        print(twice._cache.cache_path, three._cache.cache_path, sep="\\n")
    """
    ours, theirs = run(code, cache)[0].splitlines()
    assert "p2psim-kernels" in ours
    assert "p2psim-kernels" not in theirs


def test_no_kernel_has_numbas_own_cache() -> None:
    """That is filled without a lock, and refuses to work where nothing can be written."""
    with_it = [path for path in (ROOT / "p2psim").rglob("*.py") if "cache=True" in path.read_text(encoding="utf-8")]
    assert not with_it
