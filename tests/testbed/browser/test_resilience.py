"""Playback continues through faults: no stall is longer than one segment.

The pages buffer only a few seconds and fetch the rest from their peers, so that a fault has an effect.
"""

import hashlib
import signal
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browsing import SEGMENT, Process, Visitor, chromium, needs_chromium, serving, tracking, visiting

pytestmark = [*needs_chromium, pytest.mark.testbed, pytest.mark.slow]

SHARING = {"latency": 20, "buffer": 6, "highDemandTimeWindow": 5}
"""Options of the page: enough latency for peers, and a short buffer."""

Visit = Callable[..., Visitor]
Events = list[dict[str, Any]]

NO_WEBRTC = "delete globalThis.RTCPeerConnection; delete globalThis.RTCDataChannel;"

POLLUTING = """
const send = RTCDataChannel.prototype.send;
RTCDataChannel.prototype.send = function (data) {
  const bytes = new Uint8Array(data.buffer ?? data).slice();
  if (bytes.length > 500) bytes.fill(7, 100, 400);
  send.call(this, bytes);
};
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def origin() -> Iterator[Process]:
    with serving() as process:
        yield process


@pytest.fixture
def tracker() -> Iterator[Process]:
    with tracking() as process:
        yield process


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with visiting(browser) as (come, _):
        yield come


def source(origin: Process, name: str) -> str:
    return f"{origin[1]['master']}?viewer={name}"


def two_that_share(visit: Visit, tracker: Process, origin: Process, **options: object) -> tuple[Visitor, Visitor]:
    """Return two visitors of whom the second has received segments from the first."""
    first = visit(**options).watch(tracker[1], source(origin, "a"), **SHARING).until(video="playing")
    second = visit().watch(tracker[1], source(origin, "b"), **SHARING).until(video="playing", p2p="green")
    second.until_figure("share", 1)
    return first, second


def test_the_tracker_is_killed(visit: Visit, tracker: Process, origin: Process) -> None:
    visitors = two_that_share(visit, tracker, origin)
    tracker[0].kill()
    before = [visitor.figure("downloaded") * visitor.figure("share") for visitor in visitors]
    for visitor in visitors:
        visitor.until(tracker="red")
    visitors[1].wait(8)
    for visitor in visitors:
        assert visitor.longest_stall <= SEGMENT
        assert visitor.figure("peers") == 1  # the connection stays
        assert visitor.errors == []
    after = [visitor.figure("downloaded") * visitor.figure("share") for visitor in visitors]
    assert sum(after) > sum(before)  # and segments still come from the peer


def test_a_peer_is_killed_during_a_segment(visit: Visit, tracker: Process, origin: Process) -> None:
    # a segment takes this peer seven seconds
    slow = visit(uplink=35_000.0).watch(tracker[1], source(origin, "a"), **SHARING).until(video="playing")
    other = visit(is_probed=True).watch(tracker[1], source(origin, "b"), **SHARING).until(video="playing", p2p="green")
    other.page.wait_for_function(
        """() => {
          globalThis.events = [...(globalThis.events ?? []), ...probe.drain()];
          const peers = globalThis.events.filter(({ kind, source }) => kind === "bytes" || source === "p2p");
          return peers.at(-1)?.kind === "bytes";
        }"""
    )
    slow.crash()
    other.wait(8)
    assert other.longest_stall <= SEGMENT
    assert other.errors == []


def test_all_peers_pollute(visit: Visit, tracker: Process, origin: Process) -> None:
    for name in ("a", "b"):
        visit(scripts=(POLLUTING,)).watch(tracker[1], source(origin, name), **SHARING).until(video="playing")
    honest = visit(is_probed=True).watch(tracker[1], source(origin, "c"), **SHARING).until(video="playing")
    honest.page.get_by_text("Data that a viewer sent was false").wait_for()
    honest.wait(8)
    assert honest.longest_stall <= SEGMENT
    assert honest.errors == []
    events = honest.page.evaluate("probe.drain()")
    assert outcomes(events).count("p2p-segment-validation-failed") > 0
    assert held_as_served(events, origin) >= 5


def test_a_peer_pollutes_the_first_part_of_a_segment_that_http_completes(
    visit: Visit, tracker: Process, origin: Process
) -> None:
    # the polluter needs five seconds for a segment, which becomes urgent meanwhile: the rest comes from the origin
    polluter = visit(scripts=(POLLUTING,), uplink=50_000.0)
    polluter.watch(tracker[1], source(origin, "a"), **SHARING).until(video="playing")
    honest = visit(is_probed=True).watch(tracker[1], source(origin, "b"), **SHARING).until(video="playing")
    honest.page.wait_for_function(
        """() => {
          globalThis.events = [...(globalThis.events ?? []), ...probe.drain()];
          return globalThis.events.some(({ outcome }) => outcome === "http-segment-validation-failed");
        }""",
        timeout=120_000,
    )
    honest.wait(3)
    assert honest.longest_stall <= SEGMENT
    assert honest.errors == []
    events = honest.page.evaluate("[...globalThis.events, ...probe.drain()]")
    refused = next(event for event in events if event.get("outcome") == "http-segment-validation-failed")
    resumed = [event for event in events if event["kind"] == "range" and event["first"] > 0]
    assert any(event["url"].partition("?")[0].endswith(f"/{refused['segment']}.ts") for event in resumed)
    assert held_as_served(events, origin) >= 5


def outcomes(events: Events) -> list[str | None]:
    return [event.get("outcome") for event in events]


def held_as_served(events: Events, origin: Process) -> int:
    """Return the number of segments that a page holds, after a check that their bytes are the origin's."""
    held = {event["segment"]: event["digest"] for event in events if event["kind"] == "held"}
    for number, digest in held.items():
        address = origin[1]["master"].replace("master.m3u8", f"360p-1000k/{number}.ts")
        with urllib.request.urlopen(address, timeout=5) as response:
            assert hashlib.sha256(response.read()).hexdigest() == digest
    return len(held)


def test_webrtc_is_disabled(visit: Visit, tracker: Process, origin: Process) -> None:
    visitor = visit(scripts=(NO_WEBRTC,)).watch(tracker[1], source(origin, "a"), **SHARING)
    visitor.until(video="playing", p2p="red")
    visitor.page.get_by_text("This browser has no WebRTC").wait_for()
    visitor.wait(6)
    assert visitor.longest_stall <= SEGMENT
    assert visitor.position > 5
    assert visitor.figure("downloaded") > 0.5
    assert visitor.errors == []


@pytest.mark.parametrize("fault", ["refuses or fails", "is silent"])
def test_the_origin_fails_for_three_seconds(visit: Visit, tracker: Process, origin: Process, fault: str) -> None:
    visitors = two_that_share(visit, tracker, origin)
    pattern = "**/main/**"
    if fault == "is silent":
        origin[0].send_signal(signal.SIGSTOP)
    else:  # refused for one visitor, an error for the other
        visitors[0].context.route(pattern, lambda route: route.abort("connectionrefused"))
        visitors[1].context.route(pattern, lambda route: route.fulfill(status=503))
    visitors[0].wait(3)
    origin[0].send_signal(signal.SIGCONT)
    for visitor in visitors:
        visitor.context.unroute(pattern)
    before = [visitor.position for visitor in visitors]
    visitors[0].wait(9)
    for visitor, position in zip(visitors, before, strict=True):
        assert visitor.longest_stall <= SEGMENT
        assert visitor.position > position + 6
        visitor.until(video="playing")
        assert visitor.errors == []
