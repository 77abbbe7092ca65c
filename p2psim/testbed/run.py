"""Measured run of a scenario on this machine: tracker, origin and viewers as processes, recorded as one trace."""

import json
import math
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any, Final, TypedDict, Unpack
from urllib.parse import urljoin, urlsplit

import msgspec

from p2psim.errors import TestbedError, no_such
from p2psim.scenario import Scenario, populate
from p2psim.scenario.policy import PUBLIC_TRACKERS
from p2psim.scenario.roles import HONEST
from p2psim.scenario.zapping import channel_names
from p2psim.testbed.browser.chromium import browser_versions, check_browser, find_libraries
from p2psim.testbed.browser.page import browser_viewers, check_for_browsers
from p2psim.testbed.cpu_meter import CpuMeter
from p2psim.testbed.faults import origin_changes, tracker_changes, uplink_changes
from p2psim.testbed.feasibility import (
    NOT_ENFORCED_IN_BROWSERS,
    check_feasible,
    check_own_tracker,
    check_port,
    check_tracker,
)
from p2psim.testbed.hosts import ORIGIN, TRACKER, Hosts
from p2psim.testbed.lab.capabilities import check_lab, check_relay
from p2psim.testbed.lab.environment import LabHosts
from p2psim.testbed.origin.media import make_clip
from p2psim.testbed.peer.worker import Task, prepare
from p2psim.testbed.plans import clip_options, origin_options, viewer_plans
from p2psim.testbed.processes import ChildProcess
from p2psim.testbed.recording.event_log import digest
from p2psim.testbed.recording.trace_builder import ByteBalance, RunFacts, build_tables, read_events
from p2psim.trace import Manifest, Trace, versions
from p2psim.user_cache import user_cache
from p2psim.wire.protection import default_iv, encrypt_segment

__all__ = ["measure"]

CACHE: Final = user_cache("media")
"""Folder of encoded clips."""
_START_TIMEOUT: Final = 60.0
_READY_TIMEOUT: Final = 120.0
_END_TIMEOUT: Final = 20.0
_LEAD: Final = 1.0
"""Seconds from the last `ready` of a worker to the start of the run, at least."""
_POLL: Final = 0.25

Progress = Callable[[float], object]


class MeasureOptions(TypedDict, total=False):
    """Further keyword arguments of `measure`."""

    tracker_url: str | None
    origin_port: int
    tracker_port: int
    processes: int | None
    keep_logs: str | Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The same, with their defaults."""

    tracker_url: str | None = None
    origin_port: int = 0
    tracker_port: int = 0
    processes: int | None = None
    keep_logs: str | Path | None = None


def measure(
    scenario: Scenario | str | Path,
    *,
    seed: int = 1,
    out: str | Path | None = None,
    progress: Progress | None = None,
    lab: bool = False,
    **options: Unpack[MeasureOptions],
) -> Trace:
    """Run a scenario on this machine, in real time, and return its trace.

    Parameters
    ----------
    scenario
        A scenario, the path of one, or the name of a bundled one.
    out
        Folder to write the trace to.
    progress
        Called with the completed share of the run, 0 to 1.
    lab
        Give every viewer a host of its own (`p2psim.testbed.lab`), with the scenario's NATs, links and delays.
    tracker_url
        Use this tracker; by default those of the scenario unless they are the public ones, else one is started.
    origin_port, tracker_port
        Ports to listen on; 0, the default, takes free ones.
    processes
        Number of processes that share the viewers; two by default. In a lab each viewer has one.
    keep_logs
        Folder for a copy of the logs of all processes.

    Raises
    ------
    ScenarioError
        The scenario cannot be measured on a loopback, or in a lab.
    TestbedError
        A port is taken (PortInUseError), the tracker does not answer (TrackerUnreachableError), or a process failed;
        no process is left running.
    """
    scenario = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    chosen = _options(options)
    trackers = _check(scenario, chosen, in_lab=lab)
    with tempfile.TemporaryDirectory(prefix="p2psim-") as name:
        folder = Path(name)
        run = _Run(scenario, seed, folder, progress or (lambda _: None), in_lab=lab)
        try:
            trace = run.execute(trackers, chosen)
        finally:
            if chosen.keep_logs is not None:
                copytree(folder, chosen.keep_logs, dirs_exist_ok=True)
    if out is not None:
        trace.write(out)
    return trace


def _options(given: MeasureOptions) -> _Options:
    accepted = MeasureOptions.__annotations__
    for name in given:
        if name not in accepted:
            raise TypeError(f"measure(): {no_such('argument', name, accepted)}")
    return _Options(**given)


def _check(scenario: Scenario, options: _Options, *, in_lab: bool) -> tuple[str, ...]:
    """Raise an error for what cannot be measured here; return the URLs of the trackers that the run does not start."""
    check_feasible(scenario, in_lab=in_lab)
    if in_lab:
        _check_for_lab(options.tracker_url)
    named = scenario.policy.announceTrackers
    trackers = named if named != PUBLIC_TRACKERS and not in_lab else ()
    if options.tracker_url is not None:
        trackers = (options.tracker_url,)
    check_own_tracker(scenario, trackers)
    if scenario.viewers.browsers:
        check_for_browsers(scenario)
        check_browser()
    for port in (options.origin_port, options.tracker_port):
        check_port(port)
    for url in trackers:
        check_tracker(url)
    if options.processes is not None and options.processes < 1:
        raise TestbedError(f"processes = {options.processes}: 1 or more are accepted")
    return trackers


def _check_for_lab(tracker_url: str | None) -> None:
    """Raise MissingToolError if this machine cannot have a lab, TestbedError for a tracker outside of the lab."""
    if tracker_url is not None:
        raise TestbedError(
            f"tracker {tracker_url}: a lab has no route to other networks; only its own tracker is accepted"
        )
    check_lab()
    check_relay()


@dataclass(slots=True)
class _OriginProcess:
    """Origin that has started."""

    master: str
    """URL of the master playlist."""
    first_segment_at: float
    """Monotonic time at which segment 0 appears."""


class _Run:
    """One run; all processes that it starts end with `execute`."""

    def __init__(self, scenario: Scenario, seed: int, folder: Path, progress: Progress, *, in_lab: bool) -> None:
        self._scenario, self._seed, self._folder, self._progress = scenario, seed, folder, progress
        self._population = populate(scenario, seed)
        self._hosts = LabHosts(scenario, self._population, seed, folder) if in_lab else Hosts(scenario)
        self._children: dict[str, ChildProcess] = {}
        self._stack = ExitStack()
        self._trackers = 0
        self._outages: list[tuple[float, float]] = []
        """Seconds at which the tracker was stopped and started again (NaN: not before the end)."""

    def execute(self, trackers: tuple[str, ...], options: _Options) -> Trace:
        scenario = self._scenario
        prepare(scenario)
        clip = make_clip(clip_options(scenario), CACHE)
        with self._stack:
            self._stack.enter_context(self._hosts)
            origin = self._start_origin(options.origin_port)
            with self._hosts.at_server(ORIGIN):
                keys = _keys(scenario, origin.master)
            own_tracker = "" if trackers else self._start_tracker(options.tracker_port)
            workers = self._start_workers(origin.master, trackers or (own_tracker,), options.processes or 2)
            started_at = self._begin(workers, origin)
            meter = CpuMeter(self._children)
            self._watch(workers, started_at, meter, own_tracker)
            with self._hosts.at_server(TRACKER):
                statistics = _tracker_statistics(own_tracker) if own_tracker else None
            readings = self._hosts.readings()
        origin_plan = origin_options(scenario, options.origin_port, self._hosts)
        facts = RunFacts(
            scenario=scenario,
            started_at=started_at,
            first_segment_at=origin.first_segment_at - started_at,
            expected_digests=lambda channel, number: _digests(
                clip.segment(0, origin_plan.clip_segment(channel, number)), number, keys.get(channel)
            ),
        )
        return self._trace(facts, meter, statistics, readings, [child.name for child in workers])

    # -- starting -----------------------------------------------------------------------------------------------

    def _start(self, name: str, *arguments: str) -> ChildProcess:
        child = self._stack.enter_context(ChildProcess(name, arguments, self._folder, has_family=name == "browser"))
        self._children[name] = child
        return child

    def _start_origin(self, port: int) -> _OriginProcess:
        options = {
            **asdict(origin_options(self._scenario, port, self._hosts)),
            "clip": asdict(clip_options(self._scenario)),
        }
        events = self._folder / "origin.jsonl"
        with self._hosts.at_server(ORIGIN):
            child = self._start(
                "origin", "-m", "p2psim.testbed.origin.server", "--options", json.dumps(options), "--events",
                str(events), "--cache", str(CACHE), "--run-started-at", "0", "--obey",
            )  # fmt: skip
        started = child.receive(_START_TIMEOUT)
        return _OriginProcess(started["master"], started["first_segment_at"])

    def _start_tracker(self, port: int) -> str:
        tracker = self._scenario.tracker
        libraries = str(find_libraries()) if self._scenario.viewers.browsers else ""
        self._trackers += 1
        name = "tracker" if self._trackers == 1 else f"tracker-{self._trackers}"
        host = self._hosts.address(TRACKER)
        with self._hosts.at_server(TRACKER):
            child = self._start(
                name, "-m", "p2p_tracker", "--host", host, "--port", str(port), "--json", "--log-level", "warning",
                "--interval", repr(tracker.interval), "--heartbeat-timeout", repr(tracker.heartbeat),
                "--matching", tracker.matching, "--libraries", libraries, *self._hosts.tracker_arguments,
            )  # fmt: skip
        return str(child.receive(_START_TIMEOUT)["url"])

    def _start_workers(self, master: str, trackers: tuple[str, ...], count: int) -> list[ChildProcess]:
        path = self._folder / "scenario.toml"
        path.write_text(self._hosts.scenario.to_toml(), encoding="utf-8")
        enforces_rates = self._hosts.enforces_rates
        changes = {} if enforces_rates else uplink_changes(self._scenario, self._population, self._seed)
        plans = viewer_plans(self._scenario, self._population, changes, self._seed, is_paced=not enforces_rates)
        honest = [plan.index for plan in plans if plan.role == HONEST]  # browsers do not misbehave
        pages = {honest[index] for index in browser_viewers(len(honest), self._scenario.viewers.browsers)}
        others = self._hosts.divide([plan.index for plan in plans if plan.index not in pages], count)
        shares = [
            (f"worker-{number}", "p2psim.testbed.peer.worker", [plans[index] for index in share])
            for number, share in enumerate(others)
        ]
        ice = self._ice(trackers[0])
        shares.append(("browser", "p2psim.testbed.browser.runner", [plan for plan in plans if plan.index in pages]))
        workers = []
        for name, module, viewers in shares:
            if not viewers:
                continue
            task = Task(
                scenario=str(path), seed=self._seed, viewers=viewers, master=master, trackers=trackers,
                event_log=str(self._folder / f"{name}.jsonl"), ice=ice, is_confined=not enforces_rates,
            )  # fmt: skip
            with self._hosts.at_viewer(viewers[0].index):
                child = self._start(name, "-m", module)
            child.send(msgspec.json.encode(task))
            workers.append(child)
        return workers

    def _ice(self, tracker: str) -> str:
        """Return the URL at which the tracker lists STUN and TURN servers, if there are any."""
        return f"{_http(tracker)}/tracker/ice" if self._hosts.tracker_arguments else ""

    def _begin(self, workers: list[ChildProcess], origin: _OriginProcess) -> float:
        """Send all processes the start of the run and return it: a live segment appears then, as in a simulation."""
        for child in workers:
            child.receive(_READY_TIMEOUT)
        length = self._scenario.stream.segment
        segments = math.ceil((time.monotonic() + _LEAD - origin.first_segment_at) / length)
        started_at = origin.first_segment_at + segments * length
        for child in workers:
            child.send(json.dumps({"start": started_at}).encode())
        changes = [] if self._hosts.enforces_rates else origin_changes(self._scenario)
        schedule = [(started_at + at, share) for at, share in changes]
        self._children["origin"].send(json.dumps(schedule).encode())
        return started_at

    # -- running ------------------------------------------------------------------------------------------------

    def _watch(self, workers: list[ChildProcess], started_at: float, meter: CpuMeter, tracker: str) -> None:
        """Wait until all workers have ended; meanwhile carry out faults, and check that no other process has ended."""
        duration = self._scenario.duration
        running = {child.name: child for child in workers}
        link_changes, outages = self._hosts.link_changes(), tracker_changes(self._scenario)
        while running:
            elapsed = time.monotonic() - started_at
            if elapsed > duration + _END_TIMEOUT:
                raise TestbedError(f"{', '.join(running)}: still running {_END_TIMEOUT:g} s after the end")
            while link_changes and link_changes[0][0] <= elapsed:
                link_changes.pop(0)[1]()
            while outages and outages[0][0] <= elapsed:
                self._switch_tracker(tracker, outages.pop(0)[1] > 0, started_at)
            pause = min([_POLL, *(max(0.0, due[0][0] - elapsed) for due in (link_changes, outages) if due)])
            for name, child in list(running.items()):
                result = child.poll(pause / len(running))
                if result is not None:
                    meter.errors += int(result["errors"])
                    del running[name]
            for name, child in self._children.items():
                if name in running or child not in workers:
                    child.check()
            if elapsed <= duration:
                meter.read()
            self._progress(min(1.0, max(0.0, elapsed / duration)))

    def _switch_tracker(self, url: str, on: bool, started_at: float) -> None:
        """Kill the tracker, or start another one at the same address."""
        name = next((name for name in self._children if name.startswith("tracker")), "")
        if on and not name:
            self._start_tracker(urlsplit(url).port or 0)
            self._outages[-1] = self._outages[-1][0], time.monotonic() - started_at
        elif not on and name:
            self._children.pop(name).kill()
            self._outages.append((time.monotonic() - started_at, math.nan))

    # -- the trace ----------------------------------------------------------------------------------------------

    def _trace(
        self, facts: RunFacts, meter: CpuMeter, statistics: Any, readings: dict[str, Any], workers: list[str]
    ) -> Trace:
        origin_events = read_events([self._folder / "origin.jsonl"])
        events = read_events(self._folder / f"{name}.jsonl" for name in workers)
        rows, balance = build_tables(facts, events, origin_events)
        scenario = self._scenario
        notes = _notes(self._hosts, balance, meter, statistics, workers, scenario.viewers.browsers) | readings
        if self._outages:
            notes["tracker_outages"] = [[_rounded(at) for at in outage] for outage in self._outages]
        manifest = Manifest(
            world="measured",
            scenario_digest=scenario.digest,
            seed=self._seed,
            replication=0,
            duration=scenario.duration,
            name=scenario.name,
            recorded_on=datetime.now(UTC).date().isoformat(),
            versions=versions(),
            notes=notes,
        )
        self._progress(1.0)
        return Trace(manifest, scenario, rows.tables())


def _notes(
    hosts: Hosts, balance: ByteBalance, meter: CpuMeter, statistics: Any, workers: list[str], browsers: int
) -> dict[str, Any]:
    return {
        "network": hosts.network,
        "processes": len(workers),
        "cpu": meter.to_dict(),
        "enforced": dict(hosts.enforced),
        "not_enforced": {**hosts.not_enforced, **(NOT_ENFORCED_IN_BROWSERS if browsers else {})},
        **({"browser": browser_versions()} if browsers else {}),
        "tracker": statistics,
        "bytes": balance.to_dict(),
        "unhandled_errors": meter.errors,
    }


def _rounded(at: float) -> float | None:
    return None if math.isnan(at) else round(at, 3)


def _digests(data: bytes, number: int, key: bytes | None) -> set[str]:
    return {digest(data)} if key is None else {digest(data), digest(encrypt_segment(data, key, default_iv(number)))}


def _keys(scenario: Scenario, master: str) -> dict[str, bytes]:
    """Return the key of each channel, if segments are encrypted."""
    channels = channel_names(scenario) if scenario.stream.encrypted else []
    return {channel: _read(urljoin(master, f"../{channel}/key.bin")) for channel in channels}


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=2.0) as response:
        body: bytes = response.read()
        return body


def _tracker_statistics(url: str) -> Any:
    """Return the counters of the tracker, or None if they cannot be had."""
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{_http(url)}/tracker/stats", timeout=2.0) as response:
        return json.load(response)
    return None


def _http(tracker: str) -> str:
    """Return the URL of a tracker's pages."""
    return tracker.replace("ws", "http", 1).rstrip("/").partition("/tracker/ws")[0]
