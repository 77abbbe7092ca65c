"""Each planted error names a function and a test that exist; `python -m tests.theory.plant` plants them."""

import dataclasses
import sys
from types import ModuleType

import pytest

from tests.theory.errors import ERRORS
from tests.theory.plant import ROOT, outcome_of, row
from tests.theory.planting import Error, How, plant, resolve
from tests.theory.plugin import is_assertion


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.name)
def test_function_and_test_of_an_error_exist(error: Error) -> None:
    resolve(error.target)
    module, _, name = error.test.partition("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / "tests/theory" / module).read_text(encoding="utf-8")


def test_errors_have_names_of_their_own() -> None:
    assert len({error.name for error in ERRORS}) == len(ERRORS)


def test_the_readme_lists_the_errors() -> None:
    readme = (ROOT / "tests/theory/README.md").read_text(encoding="utf-8").splitlines()
    begin = readme.index("| planted error | test that fails |") + 2
    assert readme[begin:] == [row(error) for error in ERRORS]


class Box:
    """A class whose method is replaced."""

    def size(self) -> int:
        return 1


def right() -> int:
    """The function that is replaced."""
    return 1


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """Two modules of the package: one defines a function, the other has imported it under another name."""
    defining, using = ModuleType("p2psim.defining"), ModuleType("p2psim.using")
    vars(defining).update(function=right, Box=type("Box", (Box,), {"size": Box.size}))
    vars(using).update(alias=right, function=right)
    for module in (defining, using):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return defining, using


ERROR = Error("two for one", "p2psim.defining:function", lambda one: lambda: 1 + int(one()), "test_plant.py::test")


def test_a_function_is_replaced_wherever_it_was_imported(modules: tuple[ModuleType, ModuleType]) -> None:
    defining, using = modules
    plant(ERROR)
    assert (defining.function(), using.function(), using.alias()) == (2, 2, 2)


def test_a_function_is_replaced_in_one_module_alone(modules: tuple[ModuleType, ModuleType]) -> None:
    defining, using = modules
    plant(dataclasses.replace(ERROR, only_in="p2psim.using"))
    assert (defining.function(), using.function()) == (1, 2)


def test_a_method_is_replaced(modules: tuple[ModuleType, ModuleType]) -> None:
    plant(dataclasses.replace(ERROR, target="p2psim.defining:Box.size", wrong=lambda size: lambda box: 5 * size(box)))
    assert modules[0].Box().size() == 5


@pytest.mark.parametrize(
    "target", ["p2psim.nowhere:function", "p2psim.rng:unknown", "p2psim.errors:InputError.unknown"]
)
def test_a_function_that_does_not_exist_is_named(target: str) -> None:
    with pytest.raises(LookupError, match=f"{target}: no such function"):
        plant(dataclasses.replace(ERROR, target=target))
    assert outcome_of(dataclasses.replace(ERROR, target=target), set()) == "NO SUCH FUNCTION"


def test_a_compiled_function_is_not_replaced_where_compiled_callers_would_keep_the_right_one() -> None:
    with pytest.raises(ValueError, match="interpreted or compiled anew"):
        plant(dataclasses.replace(ERROR, target="p2psim.rng:uniform"))


def test_only_a_failed_assertion_counts_as_noticing() -> None:
    assert is_assertion(AssertionError("off by one"))
    assert is_assertion(ExceptionGroup("two", [ValueError(), AssertionError()]))
    assert not is_assertion(NameError("outcome"))
    assert not is_assertion(ExceptionGroup("one", [NameError("outcome")]))


@pytest.mark.slow
def test_an_error_is_noticed() -> None:
    error = next(error for error in ERRORS if error.name == "caps do not hold")
    assert error.how is How.INTERPRETED
    assert outcome_of(error, set()) == "noticed"
