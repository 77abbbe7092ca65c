"""What is relied on in Numba beyond its documented interface: it is there, does what is hoped, and can be spared."""

import os
import re
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba import config, njit

from p2psim import bundle, numba_internals
from p2psim.compiled import entry, inner
from p2psim.numba_internals import BELOW, LEAST, compile_within, is_patched, missing, part_options

ROOT = Path(__file__).parents[1]
compiled_only = pytest.mark.skipif(bool(getattr(config, "DISABLE_JIT", False)), reason="nothing is compiled")


def test_numba_has_what_is_relied_on() -> None:
    lacking = missing()
    assert not lacking, (
        f"Numba {numba.__version__} has changed what p2psim/numba_internals.py uses:\n" + "\n".join(lacking)
    )  # fmt: skip
    assert LEAST <= numba.version_info.short < BELOW, (
        f"Numba {numba.__version__} is not among the versions that p2psim/numba_internals.py was tried with; "
        "when the tests of this file pass with it, raise BELOW there and the bound in pyproject.toml"
    )
    assert is_patched()


def test_what_is_missing_is_named_with_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("numba.core.typing.templates.infer_global")
    monkeypatch.setitem(numba_internals._CACHE, "numba.core.nowhere:Thing", "it is only a test")
    assert missing() == [
        "numba.core.typing.templates:infer_global: rules are put before others",
        "numba.core.nowhere:Thing: it is only a test",
    ]


def test_the_package_asks_for_the_versions_that_were_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (asked,) = (each for each in project["dependencies"] if re.match(r"numba\b", each))
    assert asked == "numba>={}.{},<{}.{}".format(*LEAST, *BELOW)


def test_only_the_one_module_uses_what_is_private() -> None:
    """Of Numba's core, extensions are shown `cgutils` and templates of types; all else is for one module."""
    allowed = {
        "numba.core.errors import NumbaError",
        "numba.core import cgutils",
        "numba.core.typing.templates import AttributeTemplate",
    }
    found = {
        f"{path.relative_to(ROOT)}: {match[1]}"
        for path in (ROOT / "p2psim").rglob("*.py")
        for match in re.finditer(
            r"^\s*from (numba\.core\S* import .*)$", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        if path.name != "numba_internals.py" and match[1] not in allowed
    }
    assert not found


# -- each patch does what is hoped ----------------------------------------------------------------------------------


@inner
def doubled(x: int) -> int:
    return 2 * x


@entry
def shared(x: int) -> int:
    return doubled(x) + 1


@entry
def narrow(values: "np.ndarray[Any, np.dtype[np.int16]]") -> int:
    return shared(values[0]) + shared(3) + shared(len(values))


@compiled_only
def test_compiled_callers_share_one_version_for_all_integers() -> None:
    assert narrow(np.array([5], np.int16)) == 11 + 7 + 3
    found: Any = shared
    versions = [tuple(map(str, arguments)) for arguments in found.overloads]
    assert versions in ([("int64",)], []), "none where the caller came out of the cache"


@compiled_only
def test_a_part_has_no_machine_code_of_its_own() -> None:
    assert shared(4) == 9
    found: Any = doubled
    found.compile((numba.int64,))  # the caller may have come from the cache
    (part,) = found.overloads.values()
    assert type(part.library).__name__ == "Part"
    assert not part.library._codegen._engine.is_symbol_defined(part.fndesc.llvm_func_name)


@compiled_only
def test_the_rule_for_arrays_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.typing.templates import AbstractTemplate

    assert bundle.Bundle is not None  # this module has the patch applied
    tried: list[Any] = []
    usual: Any = AbstractTemplate.apply

    def noted(self: Any, *arguments: Any) -> Any:
        tried.append(type(self))
        return usual(self, *arguments)

    monkeypatch.setattr(AbstractTemplate, "apply", noted)
    read: Any = njit(lambda values, i: values[i])
    assert read(np.array([1.5]), 0) == 1.5
    assert "GetItemBufferFirst" in [kind.__name__ for kind in tried[0].__mro__]


@compiled_only
def test_compilation_takes_place_in_the_context() -> None:
    entered: list[object] = []

    class Guard(nullcontext[None]):
        def __enter__(self) -> None:
            entered.append(self)

    thrice: Any = njit(lambda x: 3 * x)
    assert compile_within(thrice, Guard)
    assert [thrice(2), thrice(3), thrice(2.0)] == [6, 9, 6.0]
    assert len(entered) == 2
    assert not compile_within(object(), Guard)


def test_a_function_is_compiled_without_a_patch_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_internals, "is_patched", lambda: False)
    assert part_options.__wrapped__() == {}


# -- a version of Numba that nobody knows ---------------------------------------------------------------------------

KERNELS = """
import numpy as np
from p2psim.bundle import Bundle
from p2psim.compiled import entry, inner, tiny

class Rows(Bundle):
    values: np.ndarray
    weight: float

@tiny
def weighted(R, i):
    return R.weight * R.values[i]

@inner
def total(R, first):
    found = 0.0
    for i in range(first, len(R.values)):
        found += weighted(R, i)
    return found

@entry
def best(R, n):
    return max(total(R, 0), total(R, n), total(R, int(R.values[1])))

print(best(Rows(values=np.array([-3.0, 1.0, 5.0]), weight=0.5), 1))
print(sum(best.stats.cache_misses.values()), sum(best.stats.cache_hits.values()))
"""
LATER = "import numba\nnumba.version_info = numba.version_info._replace(short=(9, 9))\n"
WITHOUT_A_RULE = "from numba.core.typing import builtins\ndel builtins.Bool\n"
WITHOUT_A_CACHE = "from numba.core import caching\ndel caching.CacheImpl._locator_classes\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "counts"),
    [("", ["1 0", "0 1"]), (LATER, ["1 0", "0 1"]), (WITHOUT_A_RULE, ["1 0"]), (WITHOUT_A_CACHE, ["1 0", "1 0"])],
    ids=["as it is", "later", "without a rule", "without a cache"],
)
def test_kernels_give_the_same_whatever_numba_has_changed(tmp_path: Path, change: str, counts: list[str]) -> None:
    (tmp_path / "kernels.py").write_text(change + KERNELS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    for misses_and_hits in counts:
        done = subprocess.run(
            [sys.executable, "kernels.py"],
            capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == ["3.0", misses_and_hits]
