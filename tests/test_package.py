"""The package as a whole: its public names, and that every module says what it offers."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import p2psim

MODULES = sorted(
    info.name for info in pkgutil.walk_packages(p2psim.__path__, "p2psim.") if not info.name.endswith("__main__")
)


@pytest.mark.parametrize("name", p2psim.__all__)
def test_public_names_are_there(name: str) -> None:
    assert callable(getattr(p2psim, name))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="simulate"):
        _ = p2psim.simulat  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_offers(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        assert hasattr(module, public), f"{name}.{public}"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, p2psim; print({'numba', 'pandas', 'matplotlib', 'aiortc'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "set()"
