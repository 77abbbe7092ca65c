"""The files of the pages, the player's libraries and the list of channels, as the tracker serves them."""

import hashlib
import json
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from p2p_tracker.errors import OptionError
from p2p_tracker.web import STATIC
from p2p_tracker.web.channels import read_channels
from p2p_tracker.web.libraries import CDN, Libraries, packages
from p2p_tracker.web.pages import Pages

WEB = STATIC
TABLE = json.loads((WEB / "libraries.json").read_bytes())


@pytest.mark.parametrize(
    ("path", "starts"), [("/", b"<!doctype html>"), ("/watch", b"<!doctype"), ("/channels", b"<!")]
)
def test_pages_are_found_by_their_names(path, starts):
    response = Pages().find(path)
    assert response.body.startswith(starts)
    assert response.content_type == "text/html; charset=utf-8"


def test_modules_have_a_type_that_browsers_run():
    assert Pages().find("/web/watch.js").content_type.startswith("text/javascript")


@pytest.mark.parametrize("path", ["/nothing", "/web/../config.py", "/web/.x.js", "/web/a/b.js", "/libraries/hls.js"])
def test_what_is_no_page_is_not_found(path):
    assert Pages().find(path) is None


def test_what_pages_refer_to_is_there():
    for page in ("watch.html", "channels.html", "index.html"):
        for word in (WEB / page).read_text("utf-8").split('"'):
            if word.startswith("/web/"):
                assert Pages().find(word) is not None, word


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder of packages with files of our own, whose hashes are in the table."""
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


def test_libraries_that_are_installed_are_served(installed):
    for package, entry in TABLE.items():
        response = Libraries(str(installed)).answer(f"{package}@{entry['version']}.js")
        assert response.body == f"// {package}".encode()
        assert "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize("change", ["absent", "other"])
def test_libraries_that_are_not_exactly_these_come_from_the_cdn(installed, change):
    path = installed / "hls.js" / "dist" / "hls.min.js"
    path.unlink() if change == "absent" else path.write_text("// another version")
    response = Libraries(str(installed)).answer(f"hls.js@{TABLE['hls.js']['version']}.js")
    assert response.status == 302
    assert response.headers["Location"] == f"{CDN}/hls.js@{TABLE['hls.js']['version']}/dist/hls.min.js"


def test_without_a_folder_everything_comes_from_the_cdn():
    pages = Pages()
    for package, entry in TABLE.items():
        assert pages.find(f"/libraries/{package}@{entry['version']}.js").status == 302


def test_the_list_of_channels_is_read_anew(tmp_path):
    path = tmp_path / "channels.json"
    path.write_text('[{"name": "One", "url": "https://example.org/one.m3u8", "options": {"httpErrorRetries": 5}}]')
    pages = Pages(channels=str(path))
    assert json.loads(pages.find("/channels.json").body)[0]["name"] == "One"
    path.write_text('[{"name": "Two", "url": "/two.mp4"}]')
    assert json.loads(pages.find("/channels.json").body)[0]["name"] == "Two"
    path.write_text("[{")
    response = pages.find("/channels.json")
    assert response.status == 500
    assert str(path) in json.loads(response.body)["error"]


def test_without_a_list_there_is_a_demonstration():
    assert {channel["name"] for channel in json.loads(Pages().find("/channels.json").body)} >= {"Big Buck Bunny"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{}",
        '[{"name": "a"}]',
        '[{"name": "", "url": "/x"}]',
        '[{"name": "a", "url": ""}]',
        '[{"name": "a", "url": "javascript:alert(1)"}]',
        '[{"name": "a", "url": "/x", "logo": "data:x"}]',
        '[{"name": "a", "url": "/x", "colour": "red"}]',
    ],
)
def test_lists_that_make_no_sense_are_refused(tmp_path, text):
    path = tmp_path / "channels.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OptionError, match=r"channels = '.*channels\.json'"):
        read_channels(str(path))


def test_the_pages_are_part_of_the_wheel(tmp_path):
    builder = WheelBuilder(str(Path(__file__).parents[3]))
    wheel = next(iter(builder.build(directory=str(tmp_path), versions=["standard"])))
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("p2p_tracker/web/static/")}
    assert names == {f"p2p_tracker/web/static/{path.name}" for path in Path(str(WEB)).iterdir()}


def test_the_readme_installs_the_versions_that_are_served():
    readme = (Path(__file__).parents[3] / "tracker" / "README.md").read_text("utf-8")
    assert f"npm install --ignore-scripts {' '.join(packages())}\n" in readme
