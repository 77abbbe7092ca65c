"""Real pages for tests: Chromium by Playwright, the tracker and the origin as processes, and what a page shows."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Error, ViewportSize, sync_playwright

from p2psim.errors import MissingToolError
from p2psim.testbed.browser.chromium import FLAGS, find_chromium, find_libraries
from p2psim.testbed.origin.media import ClipOptions, ladder
from p2psim.testbed.run import CACHE

CHROMIUM = shutil.which("chromium")
Process = tuple["subprocess.Popen[bytes]", dict[str, Any]]
"""Process, and the line of JSON that it writes when it has started."""
PROBE = Path(__file__).parents[1] / "p2psim" / "testbed" / "browser" / "probe.js"
SEGMENT = 2.0
CLIP = ClipOptions(rungs=ladder(125_000), segment_duration=SEGMENT, segment_count=8)
LIVE = {"window": 15, "rate": 1.5e6, "latency": 0.002, "clip": asdict(CLIP)}
"""30 s of a live stream of 1 Mbit/s, at a rate at which peers have time to be found."""

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

# Notes how long the picture stood still after it had begun to move, on any page.
STALLS = """
globalThis.stalls = [];
document.addEventListener("DOMContentLoaded", () => {
  let began = null, hasPlayed = false;
  addEventListener("waiting", () => { if (hasPlayed) began ??= performance.now(); }, true);
  addEventListener("playing", () => {
    hasPlayed = true;
    if (began !== null) stalls.push((performance.now() - began) / 1000);
    began = null;
  }, true);
  globalThis.longestStall = () => Math.max(0, ...stalls, began === null ? 0 : (performance.now() - began) / 1000);
});
"""


@contextmanager
def process(module: str, *arguments: str) -> Iterator[Process]:
    """Run a module as a process."""
    environment = {**os.environ, "PYTHONPATH": f"{Path.cwd()}{os.pathsep}{Path.cwd() / 'tracker'}"}
    running = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, env=environment)
    assert running.stdout is not None
    try:
        assert running.stdout is not None
        yield running, json.loads(running.stdout.readline())
    finally:
        running.kill()
        running.communicate()


@contextmanager
def tracking(*arguments: str) -> Iterator[Process]:
    """Run a tracker whose pages have their libraries."""
    try:
        libraries = str(find_libraries())
    except MissingToolError as error:
        pytest.skip(str(error))
    options = ["--port", "0", "--json", "--log-level", "error", "--interval", "5", "--libraries", libraries, *arguments]
    with process("p2p_tracker", *options) as (running, address):
        yield running, address


@contextmanager
def serving(**options: object) -> Iterator[Process]:
    """Run an origin, by default of a live stream."""
    arguments = ["--options", json.dumps(LIVE | options), "--cache", str(CACHE)]
    with process("p2psim.testbed.origin.server", *arguments) as (running, address):
        yield running, address


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Run Chromium."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *flags], headless=True)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """A person at a page, in a profile of their own."""

    browser: Browser
    width: int = 800
    height: int = 900
    language: str = "en-US"
    scripts: tuple[str, ...] = ()
    uplink: float | None = None
    is_probed: bool = False
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = ViewportSize(width=self.width, height=self.height)
        self.context = self.browser.new_context(viewport=size, locale=self.language)
        for script in (*self.scripts, STALLS):
            self.context.add_init_script(script)
        if self.is_probed or self.uplink is not None:
            settings = json.dumps({"uplink": self.uplink, "period": 2})
            self.context.add_init_script(f"const PROBE = {settings};\n{PROBE.read_text()}")
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def watch(self, address: dict[str, Any], source: str, **parameters: object) -> "Visitor":
        """Open the player's page."""
        query = urlencode({"src": source, "ice": "off", **parameters})
        self.page.goto(f"{address['http']}/watch?{query}", wait_until="commit")
        return self

    def until(self, **state: str) -> "Visitor":
        """Wait for lights (video, tracker, p2p) to have a colour, and for video= a state."""
        for name, value in state.items():
            selector = f"[data-video={value}]" if name == "video" else f"[data-light={name}][data-colour={value}]"
            self.page.wait_for_selector(selector)
        return self

    def wait(self, seconds: float) -> None:
        """Look on for a while."""
        self.page.wait_for_timeout(seconds * 1000)

    def figure(self, name: str) -> float:
        """Read a number of the statistics."""
        words = self.page.inner_text(f"[data-figure={name}]")
        return float(words.split()[0].replace(",", "")) if words != "–" else 0.0

    def until_figure(self, name: str, least: float) -> None:
        """Wait until a number of the statistics is large enough."""
        script = f"""least => parseFloat(document.querySelector('[data-figure={name}]').textContent) >= least"""
        self.page.wait_for_function(script, arg=least)

    @property
    def position(self) -> float:
        """Media time of the video, seconds."""
        return float(self.page.evaluate("document.querySelector('video').currentTime"))

    @property
    def longest_stall(self) -> float:
        """Seconds for which the picture stood still."""
        return float(self.page.evaluate("longestStall()"))

    def crash(self) -> None:
        """Kill the page's process."""
        with suppress(Error):  # the page is gone before it answers
            self.page.goto("chrome://crash")


@contextmanager
def visiting(browser: Browser) -> Iterator[tuple[Callable[..., Visitor], list[Visitor]]]:
    """Yield a function that opens a page for a visitor, and the list of visitors; all pages are closed at the end."""
    visitors: list[Visitor] = []

    def come(**options: Any) -> Visitor:
        visitors.append(Visitor(browser, **options))
        return visitors[-1]

    yield come, visitors
    for visitor in visitors:
        visitor.context.close()
