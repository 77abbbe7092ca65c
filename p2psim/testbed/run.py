"""Run a scenario for real on this machine: tracker, origin and viewers as processes, one trace in the end."""

import json
import math
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from shutil import copytree
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import msgspec

from p2psim.errors import TestbedError
from p2psim.scenario import Population, Scenario, populate
from p2psim.scenario.policy import PUBLIC_TRACKERS
from p2psim.scenario.population import ROLES, viewer_name
from p2psim.scenario.zapping import channel_names, itinerary, zapping_stream
from p2psim.testbed.browser.chromium import browser_versions, check_browser, find_libraries
from p2psim.testbed.browser.page import browser_viewers, check_for_browsers
from p2psim.testbed.cpu_meter import CpuMeter
from p2psim.testbed.faults import Change, origin_changes, tracker_changes, uplink_changes
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
from p2psim.testbed.origin.media import ClipOptions, ladder, make_clip
from p2psim.testbed.origin.schedule import OriginOptions
from p2psim.testbed.peer.config import ViewerPlan
from p2psim.testbed.peer.worker import Task, prepare
from p2psim.testbed.processes import ChildProcess
from p2psim.testbed.recording.event_log import digest
from p2psim.testbed.recording.trace_builder import ByteBalance, RunFacts, build_tables, read_events
from p2psim.trace import Manifest, Trace, versions
from p2psim.wire.protection import default_iv, encrypt_segment

__all__ = ["measure"]

CACHE: Final = Path.home() / ".cache" / "p2psim" / "media"
_START_TIMEOUT: Final = 60.0
_READY_TIMEOUT: Final = 120.0
_END_TIMEOUT: Final = 20.0
_LEAD: Final = 1.0
_POLL: Final = 0.25
_CLIP_SEGMENTS: Final = 8

Progress = Callable[[float], object]


def measure(
    scenario: Scenario | str | Path,
    *,
    seed: int = 1,
    out: str | Path | None = None,
    progress: Progress | None = None,
    tracker_url: str | None = None,
    origin_port: int = 0,
    tracker_port: int = 0,
    processes: int | None = None,
    keep_logs: str | Path | None = None,
    lab: bool = False,
) -> Trace:
    """Run a scenario for real, in real time, and give its trace.

    Parameters
    ----------
    scenario
        A scenario, the path of one, or the name of a bundled one.
    out
        Folder to write the trace to.
    progress
        Called with the share of the run that is over, 0 to 1.
    tracker_url
        Use this tracker; without it those of the scenario that are not the public ones, else one is started.
    origin_port, tracker_port
        Ports to listen on; 0 takes free ones.
    processes
        How many processes share the viewers; two by default. In a lab each viewer has one.
    keep_logs
        Folder for a copy of what the processes wrote down.
    lab
        Give every viewer a machine of its own (`p2psim.testbed.lab`), with the scenario's NATs, links and delays.

    Raises
    ------
    ScenarioError
        The scenario asks for what a loopback, or a lab, cannot give.
    TestbedError
        A port is taken (PortInUseError), the tracker does not answer (TrackerUnreachableError), or a process failed;
        nothing is left running.
    """
    scenario = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
    check_feasible(scenario, in_lab=lab)
    if lab:
        _check_for_lab(tracker_url)
    named = scenario.policy.announceTrackers
    trackers = named if named != PUBLIC_TRACKERS and not lab else ()
    if tracker_url is not None:
        trackers = (tracker_url,)
    check_own_tracker(scenario, trackers)
    if scenario.viewers.browsers:
        check_for_browsers(scenario)
        check_browser()
    for port in (origin_port, tracker_port):
        check_port(port)
    for url in trackers:
        check_tracker(url)
    if processes is not None and processes < 1:
        raise TestbedError(f"processes = {processes}: 1 or more are accepted")
    with tempfile.TemporaryDirectory(prefix="p2psim-") as name:
        folder = Path(name)
        run = _Run(scenario, seed, folder, progress or (lambda _: None), in_lab=lab)
        try:
            trace = run.carry_out(trackers, origin_port, tracker_port, processes or 2)
        finally:
            if keep_logs is not None:
                copytree(folder, keep_logs, dirs_exist_ok=True)
    if out is not None:
        trace.write(out)
    return trace


def _check_for_lab(tracker_url: str | None) -> None:
    """Raise MissingToolError for what a lab lacks here, TestbedError for a tracker that would be outside of it."""
    if tracker_url is not None:
        raise TestbedError(f"tracker {tracker_url}: a lab has no way out of itself; its own tracker is accepted")
    check_lab()
    check_relay()


@dataclass(slots=True)
class _Address:
    """What the origin says of itself."""

    master: str
    first_segment_at: float


class _Run:
    """One run; every process it starts ends with `carry_out`."""

    def __init__(self, scenario: Scenario, seed: int, folder: Path, progress: Progress, *, in_lab: bool) -> None:
        self._scenario, self._seed, self._folder, self._progress = scenario, seed, folder, progress
        self._population = populate(scenario, seed)
        self._hosts = LabHosts(scenario, self._population, seed, folder) if in_lab else Hosts(scenario)
        self._children: dict[str, ChildProcess] = {}
        self._stack = ExitStack()
        self._trackers = 0
        self._outages: list[tuple[float, float]] = []
        """When the tracker went, and when it was back (NaN: not before the end)."""

    def carry_out(self, trackers: tuple[str, ...], origin_port: int, tracker_port: int, processes: int) -> Trace:
        scenario = self._scenario
        prepare(scenario)
        clip = make_clip(_clip_options(scenario), CACHE)
        with self._stack:
            self._stack.enter_context(self._hosts)
            origin = self._start_origin(origin_port)
            with self._hosts.at_server(ORIGIN):
                keys = _keys(scenario, origin.master)
            own = () if trackers else (self._start_tracker(tracker_port),)
            workers = self._start_workers(origin.master, trackers or own, processes)
            started_at = self._begin(workers, origin)
            meter = CpuMeter(self._children)
            self._watch(workers, started_at, meter, own[0] if own else "")
            with self._hosts.at_server(TRACKER):
                statistics = _tracker_statistics(own[0]) if own else None
            seen = self._hosts.readings()
        options = _origin_options(scenario, origin_port, self._hosts)
        facts = RunFacts(
            scenario=scenario,
            started_at=started_at,
            first_segment_at=origin.first_segment_at - started_at,
            expected_digests=lambda channel, number: _digests(
                clip.segment(0, options.clip_segment(channel, number)), number, keys.get(channel)
            ),
        )
        return self._trace(facts, meter, statistics, seen, [child.name for child in workers])

    # -- starting -----------------------------------------------------------------------------------------------

    def _start(self, name: str, *arguments: str) -> ChildProcess:
        child = self._stack.enter_context(ChildProcess(name, arguments, self._folder, has_family=name == "browser"))
        self._children[name] = child
        return child

    def _start_origin(self, port: int) -> _Address:
        options = {
            **asdict(_origin_options(self._scenario, port, self._hosts)),
            "clip": asdict(_clip_options(self._scenario)),
        }
        events = self._folder / "origin.jsonl"
        with self._hosts.at_server(ORIGIN):
            child = self._start(
                "origin", "-m", "p2psim.testbed.origin.server", "--options", json.dumps(options), "--events",
                str(events), "--cache", str(CACHE), "--run-started-at", "0", "--obey",
            )  # fmt: skip
        said = child.receive(_START_TIMEOUT)
        return _Address(said["master"], said["first_segment_at"])

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
        plans = _plans(self._scenario, self._population, changes, self._seed, is_paced=not enforces_rates)
        honest = [plan.index for plan in plans if plan.role == ROLES[0]]  # a browser plays no other part
        pages = {honest[place] for place in browser_viewers(len(honest), self._scenario.viewers.browsers)}
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
                journal=str(self._folder / f"{name}.jsonl"), ice=ice, is_confined=not enforces_rates,
            )  # fmt: skip
            with self._hosts.at_viewer(viewers[0].index):
                child = self._start(name, "-m", module)
            child.send(msgspec.json.encode(task))
            workers.append(child)
        return workers

    def _ice(self, tracker: str) -> str:
        """Where the tracker lists STUN and TURN servers, if the place has any."""
        return f"{_http(tracker)}/tracker/ice" if self._hosts.tracker_arguments else ""

    def _begin(self, workers: list[ChildProcess], origin: _Address) -> float:
        """Agree on the start: the moment at which a live segment appears, as in a simulation."""
        for child in workers:
            child.receive(_READY_TIMEOUT)
        length = self._scenario.stream.segment
        passed = (time.monotonic() + _LEAD - origin.first_segment_at) / length
        started_at = origin.first_segment_at + math.ceil(passed) * length
        for child in workers:
            child.send(json.dumps({"start": started_at}).encode())
        changes = [] if self._hosts.enforces_rates else origin_changes(self._scenario)
        weakened = [(started_at + at, left) for at, left in changes]
        self._children["origin"].send(json.dumps(weakened).encode())
        return started_at

    # -- running ------------------------------------------------------------------------------------------------

    def _watch(self, workers: list[ChildProcess], started_at: float, meter: CpuMeter, tracker: str) -> None:
        """Wait for the workers' end, as long as nobody fails that should not."""
        duration = self._scenario.duration
        left = {child.name: child for child in workers}
        links = self._hosts.link_changes()
        ahead = tracker_changes(self._scenario)
        while left:
            passed = time.monotonic() - started_at
            if passed > duration + _END_TIMEOUT:
                raise TestbedError(f"{', '.join(left)}: still running {_END_TIMEOUT:g} s after the end")
            while links and links[0][0] <= passed:
                links.pop(0)[1]()
            while ahead and ahead[0][0] <= passed:
                self._switch_tracker(tracker, ahead.pop(0)[1] > 0, started_at)
            pause = min([_POLL, *(max(0.0, changes[0][0] - passed) for changes in (links, ahead) if changes)])
            for name, child in list(left.items()):
                done = child.poll(pause / len(left))
                if done is not None:
                    meter.errors += int(done["errors"])
                    del left[name]
            for name, child in self._children.items():
                if name in left or child not in workers:
                    child.check()
            if passed <= duration:
                meter.read()
            self._progress(min(1.0, max(0.0, passed / duration)))

    def _switch_tracker(self, url: str, on: bool, started_at: float) -> None:
        """Kill the tracker, or start another at its address."""
        name = next((name for name in self._children if name.startswith("tracker")), "")
        if on and not name:
            self._start_tracker(urlsplit(url).port or 0)
            self._outages[-1] = self._outages[-1][0], time.monotonic() - started_at
        elif not on and name:
            self._children.pop(name).kill()
            self._outages.append((time.monotonic() - started_at, math.nan))

    # -- the trace ----------------------------------------------------------------------------------------------

    def _trace(
        self, facts: RunFacts, meter: CpuMeter, statistics: Any, seen: dict[str, Any], workers: list[str]
    ) -> Trace:
        origin_events = read_events([self._folder / "origin.jsonl"])
        events = read_events(self._folder / f"{name}.jsonl" for name in workers)
        rows, balance = build_tables(facts, events, origin_events)
        scenario = self._scenario
        manifest = Manifest(
            world="measured",
            scenario_digest=scenario.digest,
            seed=self._seed,
            replication=0,
            duration=scenario.duration,
            name=scenario.name,
            recorded_on=datetime.now(UTC).date().isoformat(),
            versions=versions(),
            notes=_notes(self._hosts, balance, meter, statistics, workers, scenario.viewers.browsers)
            | seen
            | (
                {"tracker_outages": [[_rounded(at) for at in outage] for outage in self._outages]}
                if self._outages
                else {}
            ),
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


def _clip_options(scenario: Scenario) -> ClipOptions:
    return ClipOptions(
        rungs=ladder(scenario.stream.bitrate),
        segment_duration=scenario.stream.segment,
        segment_count=_CLIP_SEGMENTS,
    )


def _origin_options(scenario: Scenario, port: int, hosts: Hosts) -> OriginOptions:
    stream, origin = scenario.stream, scenario.origin
    return OriginOptions(
        host=hosts.address(ORIGIN),
        port=port,
        kind=stream.kind,
        channels=tuple(channel_names(scenario)),
        window=stream.window,
        segment_count=math.ceil(stream.length / stream.segment),
        encrypted=stream.encrypted,
        rate=None if hosts.enforces_rates else _limit(origin.rate),
        connection_rate=_limit(origin.per_connection),
        latency=0.0 if hosts.enforces_rates else origin.latency,
    )


def _rounded(at: float) -> float | None:
    return None if math.isnan(at) else round(at, 3)


def _limit(rate: float) -> float | None:
    return None if math.isinf(rate) else rate


def _digests(data: bytes, number: int, key: bytes | None) -> set[str]:
    return {digest(data)} if key is None else {digest(data), digest(encrypt_segment(data, key, default_iv(number)))}


def _keys(scenario: Scenario, master: str) -> dict[str, bytes]:
    """Keys of the channels, if they are encrypted."""
    channels = channel_names(scenario) if scenario.stream.encrypted else []
    return {channel: _read(urljoin(master, f"../{channel}/key.bin")) for channel in channels}


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=2.0) as response:
        body: bytes = response.read()
        return body


def _plans(
    scenario: Scenario, population: Population, uplinks: Mapping[int, list[Change]], seed: int, *, is_paced: bool
) -> list[ViewerPlan]:
    channels = channel_names(scenario)
    return [
        ViewerPlan(
            index=index,
            name=viewer_name(index),
            joined_at=float(population.joined_at[index]),
            left_at=float(population.left_at[index]),
            departure=departure,  # type: ignore[arg-type]
            uplink=_limit(float(population.uplink[index])),
            downlink=_limit(float(population.downlink[index])),
            device="mobile" if population.mobile[index] else "desktop",
            uploads=bool(population.uploads[index]),
            channel=channels[population.channel[index]],
            zaps=[(at, channels[channel]) for at, channel in _zaps(scenario, population, seed, index)],
            role=ROLES[population.role[index]],
            uplink_changes=uplinks.get(index, []),
            nat=population.nat_names[index],
            is_paced=is_paced,
        )
        for index, departure in enumerate(population.departures)
    ]


def _zaps(scenario: Scenario, population: Population, seed: int, index: int) -> list[tuple[float, int]]:
    """When a viewer zaps while it is there, and whereto."""
    channel, joined_at = int(population.channel[index]), float(population.joined_at[index])
    zaps = itinerary(scenario, channel, joined_at, zapping_stream(seed, 0, index))
    return list(takewhile(lambda zap: zap[0] < population.left_at[index], zaps))


def _tracker_statistics(url: str) -> Any:
    """What the tracker counted; nothing if it does not say."""
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{_http(url)}/tracker/stats", timeout=2.0) as response:
        return json.load(response)
    return None


def _http(tracker: str) -> str:
    """Where a tracker's pages are."""
    return tracker.replace("ws", "http", 1).rstrip("/").partition("/tracker/ws")[0]
