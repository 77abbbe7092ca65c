"""How modules depend on each other: no circles, whichever way an import is written."""

import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx as nx
import pytest


def circles(*packages: str) -> list[list[str]]:
    """Modules that import each other, in groups; imports for types alone and within functions count as well."""
    modules = grimp.build_graph(*packages, cache_dir=None)
    imports = nx.DiGraph(
        [(module, each) for module in modules.modules for each in modules.find_modules_directly_imported_by(module)]
    )
    return sorted(sorted(group) for group in nx.strongly_connected_components(imports) if len(group) > 1)


def test_modules_import_each_other_in_no_circle() -> None:
    assert circles("p2psim", "p2p_tracker") == []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "ring"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("ring", None)


@pytest.mark.parametrize(
    "text",
    [
        "import ring.b\n",
        "from ring import b\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ring.b import thing\n",
        "def late():\n    from ring.b import thing\n    return thing\n",
        "class Owner:\n    def late(self):\n        import ring.b\n        return ring.b\n",
    ],
    ids=["import", "from", "types", "function", "method"],
)
def test_circles_are_found_however_they_are_written(package: Path, text: str) -> None:
    (package / "a.py").write_text(text)
    (package / "b.py").write_text("from ring.a import late\n")
    assert circles("ring") == [["ring.a", "ring.b"]]
    (package / "b.py").write_text("thing = 1\n")
    assert circles("ring") == []
