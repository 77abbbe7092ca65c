"""How long functions, their lists of parameters and modules may be; tests are held to the same."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for folder in ("p2psim", "tracker", "tests") for path in (ROOT / folder).rglob("*.py"))
LINES_OF_A_FUNCTION, PARAMETERS, LINES_OF_A_MODULE = 60, 8, 450

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, Function):
            yield f"{path.relative_to(ROOT).as_posix()}:{node.name}", node


def parameters(function: Function) -> list[str]:
    """Names of the parameters, without `self` and `cls`; ``*args`` and ``**more`` are one each."""
    given = function.args
    named = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    rest = [each.arg for each in (given.vararg, given.kwarg) if each is not None]
    return [*(named[1:] if named[:1] in (["self"], ["cls"]) else named), *rest]


def lines(function: Function) -> int:
    """Lines from ``def`` to the end."""
    return (function.end_lineno or 0) - function.lineno + 1


def test_functions_are_short() -> None:
    long = {name for path in MODULES for name, each in functions(path) if lines(each) > LINES_OF_A_FUNCTION}
    assert long == set()


def test_functions_take_few_parameters() -> None:
    many = {name for path in MODULES for name, each in functions(path) if len(parameters(each)) > PARAMETERS}
    assert many == set()


def test_modules_are_short() -> None:
    sizes = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name for name, size in sizes.items() if size > LINES_OF_A_MODULE} == set()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(a, /, b, *, c): ...", ["a", "b", "c"]),
        ("def f(self, a, *rest, **more): ...", ["a", "rest", "more"]),
        ("async def f(cls, *, a=1): ...", ["a"]),
    ],
)
def test_parameters_are_counted_however_they_are_given(text: str, names: list[str]) -> None:
    (function,) = ast.parse(text).body
    assert isinstance(function, Function)
    assert parameters(function) == names
