"""p2p-media-loader in Chromium: viewers connect through this tracker, share, and reconnect after its restart.

The segments are a few kilobytes each and exist on no server: the browser's requests for them are intercepted.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from tests.tracker.clients import Message, tracker_process

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

CHROMIUM = Path("/usr/bin/chromium")
SITE = "http://localhost"  # every request is intercepted
SEGMENTS, SECONDS, SIZE = 12, 4, 30_000
DEADLINE = 30.0

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]

# a client waits between ten seconds and five minutes before it reconnects; here it waits a fiftieth of that
IMPATIENCE = """
const wait = window.setTimeout;
window.setTimeout = (callback, ms, ...rest) => wait(callback, ms >= 10000 && ms !== 50000 ? ms / 50 : ms, ...rest);
"""

PAGE = """<!doctype html><script type="module">
import { Core } from "/core.js";
window.watch = (tracker, count, seconds, from, isPlaying) => {
  const core = new Core({ swarmId: "a test", announceTrackers: [tracker], rtcConfig: { iceServers: [] } });
  const seen = window.seen = { http: 0, p2p: 0, loaded: 0, peers: 0, warnings: [] };
  core.addEventListener("onChunkDownloaded", (bytes, source) => { seen[source] += bytes; });
  core.addEventListener("onPeerConnect", () => { seen.peers += 1; });
  core.addEventListener("onTrackerWarning", ({ warning }) => seen.warnings.push(String(warning.message ?? warning)));
  core.setManifestResponseUrl(`${location.origin}/master.m3u8`);
  core.addStreamIfNoneExists({ runtimeId: "stream", type: "main", index: "one" });
  const url = (number) => `${location.origin}/segment${number}`;
  core.updateStream("stream", Array.from({ length: count }, (_, number) => ({
    runtimeId: url(number), externalId: number, url: url(number),
    startTime: number * seconds, endTime: (number + 1) * seconds,
  })));
  core.updatePlayback(0, 1);
  const load = (number) => number < count && core.loadSegment(url(number), {
    onSuccess: () => {
      seen.loaded += 1;
      if (isPlaying) core.updatePlayback((number + 1) * seconds, 1);
      load(number + 1);
    },
    onError: (error) => seen.warnings.push(String(error)),
  });
  load(from);
};
window.isReady = true;
</script>"""


class OpenPage(Protocol):
    """Function that opens a page; its segments exist over HTTP only if `has_segments`."""

    def __call__(self, *, has_segments: bool) -> "Page": ...


def wait_for_peers(address: Message, count: int) -> Message:
    deadline = time.perf_counter() + DEADLINE
    while True:
        metrics: Message = httpx.get(address["http"] + "/tracker/stats").json()
        if metrics["peers"] == count:
            return metrics
        assert time.perf_counter() < deadline, metrics
        time.sleep(0.1)


@pytest.fixture
def open_page(node_modules: Path) -> Iterator[OpenPage]:
    playwright = pytest.importorskip("playwright.sync_api")
    library = (node_modules / "p2p-media-loader-core/dist/p2p-media-loader-core.es.min.js").read_text(encoding="utf-8")

    def answer(route: "Route", *, has_segments: bool) -> None:
        path = route.request.url.removeprefix(SITE)
        if path == "/":
            route.fulfill(content_type="text/html", body=PAGE)
        elif path == "/core.js":
            route.fulfill(content_type="text/javascript", body=library)
        elif has_segments and path.startswith("/segment"):
            route.fulfill(body=path.encode() * (SIZE // len(path)))
        # any other request stays unanswered

    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--allow-loopback-in-peer-connection"]
        # newer versions do not let a page of no real address connect to this machine
        arguments += ["--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks"]
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=arguments, headless=True)

        def open_one(*, has_segments: bool) -> "Page":
            page: Page = browser.new_page()
            page.set_default_timeout(DEADLINE * 1000)
            page.add_init_script(IMPATIENCE)
            page.route(f"{SITE}/**", lambda route: answer(route, has_segments=has_segments))
            page.goto(SITE + "/")
            page.wait_for_function("window.isReady")
            return page

        yield open_one
        browser.close()


def test_viewers_share_and_reconnect_after_a_restart(open_page: OpenPage) -> None:
    with tracker_process() as address:
        seeder, viewer = open_page(has_segments=True), open_page(has_segments=False)
        seeder.evaluate(f"watch('{address['url']}', {SEGMENTS}, {SECONDS}, 0, true)")
        seeder.wait_for_function(f"seen.loaded === {SEGMENTS}")
        # start behind the high-demand window, in which segments are requested over HTTP
        viewer.evaluate(f"watch('{address['url']}', {SEGMENTS}, {SECONDS}, 5, false)")
        viewer.wait_for_function(f"seen.p2p >= {2 * SIZE}")
        assert viewer.evaluate("seen.http") == 0
        metrics = wait_for_peers(address, 2)
        assert metrics["offers"] >= 1
        assert metrics["answers"] >= 1
        assert metrics["failures"] == 0
        viewer.close()
        wait_for_peers(address, 1)
        assert seeder.evaluate("seen.warnings") == []
    seeder.wait_for_function("seen.warnings.length > 0")
    with tracker_process(port=address["port"]):
        wait_for_peers(address, 1)  # the seeder has reconnected
        late = open_page(has_segments=False)
        late.evaluate(f"watch('{address['url']}', {SEGMENTS}, {SECONDS}, 5, false)")
        late.wait_for_function(f"seen.p2p >= {2 * SIZE}")
        assert wait_for_peers(address, 2)["failures"] == 0
