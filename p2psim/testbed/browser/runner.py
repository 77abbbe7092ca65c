"""Process that runs the viewers of a scenario who watch in Chromium: ``python -m p2psim.testbed.browser.runner``.

It reads and writes the same messages as `p2psim.testbed.peer.worker`. Each viewer is a page in a profile of its own:
the player that the tracker serves, with the real hls.js and p2p-media-loader. `probe.js` records events in the page,
and `BrowserLog` converts them into the log of the viewer.
"""

import asyncio
import contextlib
import json
import logging
import math
import signal
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
from playwright.async_api import Browser, BrowserContext, Error, Page, ViewportSize, async_playwright

from p2psim.errors import P2PSimError, TestbedError
from p2psim.scenario import Scenario
from p2psim.testbed.browser.chromium import FLAGS, find_chromium
from p2psim.testbed.browser.events import BrowserLog
from p2psim.testbed.browser.page import page_url
from p2psim.testbed.peer.clock import RunClock
from p2psim.testbed.peer.config import ViewerPlan
from p2psim.testbed.peer.worker import Task
from p2psim.testbed.recording.event_log import EventLog
from p2psim.trace.schema import SAMPLE_PERIOD

__all__ = ["BrowserViewer", "main"]

_VIEWPORT: Final = ViewportSize(width=640, height=720)
_OPEN_TIMEOUT: Final = 20.0
_LEAVE_TIMEOUT: Final = 2.0
_DRAIN_PERIOD: Final = 0.5
_CLOCK_READINGS: Final = 9
_MS: Final = 1000.0

_log = logging.getLogger(__name__)


class BrowserViewer:
    """Viewer in a browser: ``await viewer.prepare()`` before the run, then ``await viewer.watch(clock)``."""

    def __init__(self, plan: ViewerPlan, task: Task, scenario: Scenario, browser: Browser, log: EventLog) -> None:
        self._plan, self._browser = plan, browser
        self._url = page_url(task.master, task.trackers[0], scenario, plan)
        self._events = BrowserLog(log, plan.name, scenario.stream.segment)
        self._context: BrowserContext | None = None
        self._page: Page | None = None
        self.errors: list[str] = []
        """Exceptions that the page did not catch."""

    async def prepare(self) -> None:
        """Open an empty page with the probe in it."""
        self._context = await self._browser.new_context(viewport=_VIEWPORT)
        settings = json.dumps({"uplink": self._plan.uplink, "period": SAMPLE_PERIOD})
        probe = (files("p2psim.testbed.browser") / "probe.js").read_text("utf-8")
        await self._context.add_init_script(f"const PROBE = {settings};\n{probe}")
        self._page = await self._context.new_page()
        self._page.on("pageerror", self._failed)

    async def watch(self, clock: RunClock) -> None:
        """Join, play and leave at the planned times."""
        if self._page is None or self._context is None:
            raise RuntimeError("watch() was called before prepare()")
        await clock.sleep_until(self._plan.joined_at)
        await self._page.goto(self._url, wait_until="commit", timeout=_OPEN_TIMEOUT * _MS)
        self._events.zero = await _zero(self._page, clock)
        draining = asyncio.get_running_loop().create_task(self._drain_repeatedly(self._page))
        try:
            await asyncio.wait([draining], timeout=max(0.0, self._plan.left_at - clock.now()))
            if draining.done():
                draining.result()  # raises the error that ended it
        finally:
            draining.cancel()
            await asyncio.wait([draining])
        left_at = clock.now()
        await self._leave(self._page)
        await self._context.close()
        self._conclude(left_at)

    def _failed(self, error: Error) -> None:
        self.errors.append(str(error))
        _log.error("%s: %s", self._plan.name, error)

    async def _drain_repeatedly(self, page: Page) -> None:
        while True:
            await asyncio.sleep(_DRAIN_PERIOD)
            await self._drain(page)

    async def _drain(self, page: Page) -> None:
        self._events.add(await page.evaluate("probe.drain()"))

    async def _leave(self, page: Page) -> None:
        """Leave, or crash: then peers and tracker are not told, and bytes in flight are lost."""
        if self._plan.departure == "crash":
            await page.evaluate("probe.finish()")
            await self._drain(page)
            await _crash(page)
        else:
            await page.evaluate("patience => probe.leave(patience)", _LEAVE_TIMEOUT * _MS)
            await self._drain(page)

    def _conclude(self, left_at: float) -> None:
        if math.isnan(self._events.joined_at):
            raise TestbedError(f"{self._plan.name}: no stream was opened in {left_at - self._plan.joined_at:.1f} s")
        plan = self._plan
        self._events.conclude(
            left_at=left_at, departure=plan.departure, uplink=plan.uplink, downlink=None, device=plan.device
        )


async def _zero(page: Page, clock: RunClock) -> float:
    """Return the second of the run at which the page's clock showed 0, by the fastest of several readings."""
    readings = []
    for _ in range(_CLOCK_READINGS):
        before = clock.now()
        shown = float(await page.evaluate("performance.now()"))
        after = clock.now()
        readings.append((after - before, (before + after) / 2 - shown / _MS))
    return min(readings)[1]


async def _crash(page: Page) -> None:
    """Kill the process of a page."""
    with contextlib.suppress(Error):  # the process ends before it answers
        await page.goto("chrome://crash", timeout=_LEAVE_TIMEOUT * _MS)


def main() -> int:
    """Run the viewers of a task; return the exit status."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    task = msgspec.json.decode(sys.stdin.readline(), type=Task)
    try:
        errors = asyncio.run(_run(task, Scenario.load(task.scenario)))
    except (P2PSimError, Error) as error:
        print(str(error).strip().splitlines()[0], file=sys.stderr)
        return 2
    _write({"done": len(task.viewers), "errors": errors, "cpu": time.process_time()})
    return 0


def _write(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


async def _run(task: Task, scenario: Scenario) -> int:
    """Run all viewers to their end; return the number of exceptions that their pages did not catch."""
    with EventLog(Path(task.event_log)) as log:
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=find_chromium(), headless=True, args=list(FLAGS))
            viewers = [BrowserViewer(plan, task, scenario, browser, log) for plan in task.viewers]
            for viewer in viewers:
                await viewer.prepare()
            _write({"ready": len(viewers)})
            started = json.loads(await asyncio.to_thread(sys.stdin.readline) or "null")
            if started is None:
                return 1
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _orphaned)
            clock = RunClock(float(started["start"]))
            try:
                async with asyncio.TaskGroup() as watching:
                    for viewer in viewers:
                        watching.create_task(viewer.watch(clock))
            except ExceptionGroup as failures:
                raise failures.exceptions[0] from None
            await browser.close()
    return sum(len(viewer.errors) for viewer in viewers)


def _orphaned() -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
