"""Dashboard in Chromium."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.client import connect

from tests.tracker.examples import OTHER_SWARM, SWARM, answer_to, peer, wire_announce

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]


@pytest.fixture
def tracker() -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "p2p_tracker", "--port", "0", "--json", "--log-level", "error"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd() / "tracker")},
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(params=[(1280, 900), (360, 740)], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest) -> Iterator["Page"]:
    playwright = pytest.importorskip("playwright.sync_api")
    width, height = request.param
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"], headless=True)
        page: Page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(10_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
    assert errors == []


@pytest.mark.slow
def test_the_dashboard_shows_the_tracker_live(
    tracker: tuple["subprocess.Popen[bytes]", dict[str, Any]], page: "Page"
) -> None:
    process, address = tracker
    page.goto(address["http"] + "/")
    page.wait_for_selector("#state[data-state=live]")
    assert page.inner_text("#peers") == "0"
    assert page.is_visible("#empty")

    evil = "<img src=x onerror=1"  # a client chooses its peer id
    with connect(address["url"]) as one, connect(address["url"]) as two:
        one.send(json.dumps(wire_announce(1)))
        one.recv(timeout=5)
        two.send(json.dumps(wire_announce(2, OTHER_SWARM, peer_id=evil)))
        two.recv(timeout=5)
        two.send(json.dumps(wire_announce(2, count=3)))
        two.recv(timeout=5)
        one.send(json.dumps(answer_to(json.loads(one.recv(timeout=5)), 1)))
        two.recv(timeout=5)
        page.wait_for_function("document.querySelector('#peers').textContent === '3'")
        shown = {
            name: page.inner_text(f"#{name}") for name in ("swarms", "connections", "offers", "answers", "failures")
        }
        assert shown == {"swarms": "2", "connections": "2", "offers": "1", "answers": "1", "failures": "0"}
        assert re.fullmatch(r"\d+ MiB", page.inner_text("#memory"))
        page.wait_for_function("document.querySelector('#work').textContent.endsWith(' %')")
        assert page.locator("#list tr").count() == 2
        page.get_by_role("button", name=SWARM).click()
        page.wait_for_function("document.querySelectorAll('#members li').length === 2")
        assert page.locator("#members li").all_inner_texts() == [peer(1), peer(2)]
        page.get_by_role("button", name=OTHER_SWARM).click()
        page.wait_for_function("document.querySelectorAll('#members li').length === 1")
        assert page.inner_text("#members li") == evil
        page.wait_for_function("document.querySelector('#rates polyline').getAttribute('points').split(' ').length > 1")
        for chart in ("rates", "traffic", "population"):
            assert page.inner_text(f"#{chart} .axis span:first-child") == "28 s ago"
        assert float(page.inner_text("#population .top")) == 3
        # announces between two polls, per second
        assert float(page.inner_text("#rates .top").replace(",", "")) > 0
        # nothing extends beyond the width of the page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if folder := os.environ.get("SCREENSHOTS"):
            assert page.viewport_size is not None
            page.screenshot(path=f"{folder}/dashboard-{page.viewport_size['width']}.png", full_page=True)
    page.wait_for_function("document.querySelector('#peers').textContent === '0'")

    process.terminate()
    page.wait_for_selector("#state[data-state=error]")
    assert "does not answer" in page.inner_text("#state")
