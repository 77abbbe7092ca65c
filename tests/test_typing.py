"""What a type checker sees of the packages: in a user's file, and as they are installed from a wheel."""

import ast
import subprocess
import sys
import sysconfig
import venv
from importlib import import_module
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import p2psim

ROOT = Path(__file__).parents[1]
CONSUMER = ROOT / "tests" / "typing" / "consumer.py"
LAZY = [
    path
    for package in ("p2psim", "tracker/p2p_tracker")
    for path in sorted((ROOT / package).rglob("__init__.py"))
    if "def __getattr__" in path.read_text()
]


def imported_names(tree: ast.AST) -> list[str]:
    return [
        each.asname or each.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for each in node.names
    ]


def blocks(path: Path, condition: str) -> list[ast.If]:
    tree = ast.parse(path.read_text())
    return [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == condition]


@pytest.mark.parametrize("path", LAZY, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_names_that_are_imported_on_demand_are_known_to_type_checkers(path: Path) -> None:
    module = import_module(".".join(path.parent.relative_to(ROOT).parts).removeprefix("tracker."))
    (known,) = blocks(path, "TYPE_CHECKING")
    (on_demand,) = blocks(path, "not TYPE_CHECKING")  # else any mistyped name is an object
    assert sorted(imported_names(known)) == sorted(module.__all__)
    assert isinstance(on_demand.body[0], ast.FunctionDef)
    assert on_demand.body[0].name == "__getattr__"


def test_the_users_file_has_every_public_name() -> None:
    tree = ast.parse(CONSUMER.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(p2psim.__all__) <= used


def installed_with_wheel(folder: Path) -> Path:
    """Return the Python of a new environment with the project's wheel and the libraries of this one."""
    wheel = next(iter(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    purelib = sysconfig.get_path("purelib", vars={"base": str(folder / "venv")})
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", purelib]
    subprocess.run([*install, str(wheel)], check=True, timeout=120)
    # A path file within a path file is not followed, so an editable install of this environment does not come along.
    (Path(purelib) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.slow
def test_the_users_file_is_correct_against_an_installed_wheel(tmp_path: Path) -> None:
    python = installed_with_wheel(tmp_path)
    where = [str(python), "-c", "import p2psim; print(p2psim.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.startswith(str(tmp_path / "venv"))
    check = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", str(python)]
    run = subprocess.run(
        [*check, str(CONSUMER)], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
