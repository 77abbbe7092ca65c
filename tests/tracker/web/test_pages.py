import json
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from p2p_tracker.server.http import Response
from p2p_tracker.web import STATIC
from p2p_tracker.web.pages import Pages

from tests.tracker.clients import get, raw_http, tracker


def get_page(path: str, pages: Pages | None = None) -> Response:
    """Return the response to a path that exists."""
    response = (pages or Pages()).find(path)
    assert response is not None
    return response


@pytest.mark.parametrize(
    ("path", "starts"), [("/", b"<!doctype html>"), ("/watch", b"<!doctype"), ("/channels", b"<!")]
)
def test_pages_are_found_by_their_names(path: str, starts: bytes) -> None:
    response = get_page(path)
    assert response.body.startswith(starts)
    assert response.content_type == "text/html; charset=utf-8"


def test_scripts_have_a_javascript_type() -> None:
    assert get_page("/web/watch.js").content_type.startswith("text/javascript")


@pytest.mark.parametrize("path", ["/nothing", "/web/../config.py", "/web/.x.js", "/web/a/b.js", "/libraries/hls.js"])
def test_other_paths_are_not_found(path: str) -> None:
    assert Pages().find(path) is None


def test_files_that_pages_refer_to_exist() -> None:
    for page in ("watch.html", "channels.html", "index.html"):
        for word in (STATIC / page).read_text("utf-8").split('"'):
            if word.startswith("/web/"):
                assert Pages().find(word) is not None, word


def test_the_list_of_channels_is_read_for_each_request(tmp_path: Path) -> None:
    path = tmp_path / "channels.json"
    path.write_text('[{"name": "One", "url": "https://example.org/one.m3u8", "options": {"httpErrorRetries": 5}}]')
    pages = Pages(channels=str(path))
    assert json.loads(get_page("/channels.json", pages).body)[0]["name"] == "One"
    path.write_text('[{"name": "Two", "url": "/two.mp4"}]')
    assert json.loads(get_page("/channels.json", pages).body)[0]["name"] == "Two"
    path.write_text("[{")
    response = get_page("/channels.json", pages)
    assert response.status == 500
    assert str(path) in json.loads(response.body)["error"]


def test_the_wheel_contains_the_pages(tmp_path: Path) -> None:
    builder = WheelBuilder(str(Path(__file__).parents[3]))
    wheel = next(iter(builder.build(directory=str(tmp_path), versions=["standard"])))
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("p2p_tracker/web/static/")}
    assert names == {f"p2p_tracker/web/static/{path.name}" for path in Path(str(STATIC)).iterdir()}


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/", "text/html"), ("/web/dashboard.css", "text/css"), ("/web/dashboard.js", "text/javascript")],
)
@pytest.mark.asyncio
async def test_pages_are_served_with_their_content_types(path: str, content_type: str) -> None:
    async with tracker() as server:
        response = await get(server, path)
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{content_type}; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/web/../config.py", "/web/..%2fconfig.py", "/web/.hidden", "/web/config.py", "/nothing", "/web/a\x00.js"]
)
@pytest.mark.asyncio
async def test_paths_outside_the_pages_are_not_found(path: str) -> None:
    async with tracker() as server:
        response = await raw_http(server, f"GET {path} HTTP/1.1\r\n\r\n".encode("latin-1"))
        assert response.startswith(b"HTTP/1.1 404 ")
