import hashlib
import json
from base64 import b64encode
from pathlib import Path

import pytest
from p2p_tracker.web import STATIC
from p2p_tracker.web.libraries import CDN, Libraries, packages
from p2p_tracker.web.pages import Pages

TABLE = json.loads((STATIC / "libraries.json").read_bytes())


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a node_modules folder with files made for the test, whose hashes are in the table."""
    table = {}
    for package, entry in TABLE.items():
        body = f"// {package}".encode()
        path = tmp_path / "node_modules" / package / entry["file"]
        path.parent.mkdir(parents=True)
        path.write_bytes(body)
        table[package] = entry | {"integrity": "sha384-" + b64encode(hashlib.sha384(body).digest()).decode()}
    (tmp_path / "libraries.json").write_text(json.dumps(table))
    monkeypatch.setattr("p2p_tracker.web.libraries.STATIC", tmp_path)
    return tmp_path / "node_modules"


def test_installed_libraries_are_served(installed: Path) -> None:
    for package, entry in TABLE.items():
        response = Libraries(str(installed)).answer(f"{package}@{entry['version']}.js")
        assert response is not None
        assert response.body == f"// {package}".encode()
        assert "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize("change", ["absent", "other"])
def test_missing_and_different_files_are_redirected_to_the_cdn(installed: Path, change: str) -> None:
    path = installed / "hls.js" / "dist" / "hls.min.js"
    path.unlink() if change == "absent" else path.write_text("// another version")
    response = Libraries(str(installed)).answer(f"hls.js@{TABLE['hls.js']['version']}.js")
    assert response is not None
    assert response.status == 302
    assert response.headers["Location"] == f"{CDN}/hls.js@{TABLE['hls.js']['version']}/dist/hls.min.js"


def test_without_a_folder_every_library_is_redirected_to_the_cdn() -> None:
    pages = Pages()
    for package, entry in TABLE.items():
        response = pages.find(f"/libraries/{package}@{entry['version']}.js")
        assert response is not None
        assert response.status == 302


def test_the_readme_names_the_versions_that_are_served() -> None:
    readme = (Path(__file__).parents[3] / "tracker" / "README.md").read_text("utf-8")
    assert f"npm install --ignore-scripts {' '.join(packages())}\n" in readme
