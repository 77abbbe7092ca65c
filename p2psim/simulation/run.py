"""One replication of a scenario, from seed to tables."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from p2psim.bundle import records
from p2psim.errors import CheckpointError
from p2psim.network import max_min_sharing
from p2psim.player.quality_choice import best_level
from p2psim.policy.interface import command_buffer, options, peer_hash
from p2psim.policy.state import allocate, timeline
from p2psim.rng import kernel_streams
from p2psim.scenario import Population, Scenario, populate
from p2psim.scenario.population import viewer_name
from p2psim.simulation import tables
from p2psim.simulation.checkpoint import Checkpoint, read_saved, write_state
from p2psim.simulation.control import faults, hybrid
from p2psim.simulation.control.control import Control
from p2psim.simulation.kernel.departures import CONSENT_EXPIRES
from p2psim.simulation.kernel.event_queue import BLOCK
from p2psim.simulation.kernel.loop import DONE, LEVELS_CHANGED, advance, close_run, start_clock
from p2psim.simulation.kernel.state import (
    BANDWIDTH_METER,
    BINS,
    CACHED,
    CONNECTION_LOG,
    EVENT,
    FETCH,
    HEAP_EVENT,
    N_BLOCKS_HELD,
    N_CONNECTIONS,
    N_COUNTS,
    N_EVENTS,
    N_HANDLED,
    N_PLAYED,
    N_STATES,
    N_TRANSFERS,
    PLAYED_LOG,
    STATE_LOG,
    TRANSFER,
    TRANSFER_LOG,
    VIEWER_STATE,
    VIEWER_TOTALS,
    KernelState,
    Settings,
)
from p2psim.simulation.kernel.topology import Links, lay_links, region_rtt
from p2psim.trace import Manifest, Trace, versions
from p2psim.trace.totals import Totals

__all__ = ["Run", "Simulation", "run"]

_LOGS = {"transfer_log": N_TRANSFERS, "played_log": N_PLAYED, "state_log": N_STATES, "connection_log": N_CONNECTIONS}
_LOG_ROWS = 32768
_REQUESTS = 16
"""Requests a simulated viewer retains: those loading, and the latest that failed."""
_BUCKETS = 32768
"""Buckets of the event queue, a power of two: more than the longest common delay fills."""
_EVENTS = 2**18
"""Least number of rows of the event queue; unused rows take no memory."""
_BUCKET = 64.0
"""Width of a bucket, seconds times viewers: some two hundred events."""
_BLOCK = 256
"""Ids that share all but their last byte."""


@dataclass(frozen=True, slots=True)
class Run:
    """Result of one replication."""

    totals: Totals
    trace: Trace | None
    stale_offers: int = 0
    """Offers that the tracker forwarded to viewers that had left already."""
    live_offers: int = 0
    """Offers that reached a present viewer."""
    events: int = 0
    """Events that the kernel handled."""


def run(
    scenario: Scenario,
    *,
    seed: int = 1,
    replication: int = 0,
    events: bool = False,
    progress: Callable[[float], None] | None = None,
    prepare: Callable[[Control], None] | None = None,
    checkpoint: Checkpoint | None = None,
    viewers: tuple[int, int] | None = None,
) -> Run:
    """Simulate one replication.

    Parameters
    ----------
    seed, replication
        Seeds of all random streams: the same pair gives the same tables, bit for bit.
    events
        Keep every event, for `Run.trace`.
    progress
        Called with the completed share of the run, 0 to 1.
    prepare
        Called before the clock starts, to add user-defined SimPy processes to `Control.env`.
    checkpoint
        File in which the run is saved periodically. A run saved there before is continued without calling `prepare`.
        The file is kept at the end.
    viewers
        Seed and replication of the population (links, NATs, devices, times), so that only the rest is random; default:
        those of `seed` and `replication`.

    Raises
    ------
    CheckpointError
        The saved run is damaged or belongs to another run, or the run cannot be saved.
    """
    simulation = None if checkpoint is None else _saved(checkpoint, scenario, seed, replication, events)
    if simulation is None:
        simulation = Simulation(scenario, seed, replication, events, viewers)
        if prepare is not None:
            prepare(simulation.control)
    simulation.run_until(scenario.duration, progress, checkpoint)
    return simulation.result()


def _saved(
    checkpoint: Checkpoint, scenario: Scenario, seed: int, replication: int, events: bool
) -> "Simulation | None":
    if not checkpoint.path.exists():
        return None
    simulation = read_saved(checkpoint.path, Simulation)
    control = simulation.control
    found = (control.scenario.digest, control.seed, control.replication, control.keep)
    if found != (scenario.digest, seed, replication, events):
        raise CheckpointError(
            f"{checkpoint.path}: of another run (scenario {found[0]}, seed {found[1]}, run {found[2]})"
        )
    return simulation


class Simulation:
    """Run in progress: control plane and kernel advance in step, and full logs are emptied."""

    def __init__(
        self, scenario: Scenario, seed: int, replication: int, events: bool, viewers: tuple[int, int] | None = None
    ) -> None:
        people = populate(scenario, *(viewers or (seed, replication)))
        kernel = _kernel_state(scenario, people, seed, replication, events)
        self.control = Control(scenario, people, kernel, seed, replication, keep=events)
        hybrid.schedule(self.control)
        faults.schedule(self.control)
        self._log_pages: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in _LOGS}
        start_clock(self.control.kernel)

    @property
    def now(self) -> float:
        """Simulated time, seconds."""
        return float(self.control.env.now)

    def run_until(
        self, end: float, progress: Callable[[float], None] | None = None, checkpoint: Checkpoint | None = None
    ) -> None:
        """Advance to a time, saving the run between two events of the control plane."""
        env = self.control.env
        reported = saved = float(env.now)
        while True:
            at = min(float(env.peek()), end)
            is_pause = checkpoint is not None and at < end and at > saved + 2 * checkpoint.every
            if not self._advance(saved + checkpoint.every if checkpoint is not None and is_pause else at):
                continue  # a new event may come first
            if at >= end:
                break
            if not is_pause:
                env.step()
            if progress is not None and env.now - reported > end / 200:
                reported = float(env.now)
                progress(reported / end)
            if checkpoint is not None and (is_pause or env.now - saved >= checkpoint.every):
                saved = saved + checkpoint.every if is_pause else float(env.now)
                write_state(self, checkpoint.path)
        if progress is not None:
            progress(1.0)

    def _advance(self, until: float) -> bool:
        """Advance the kernel; return False if it has scheduled an event that may come before `until`."""
        while (found := advance(self.control.kernel, float(until))) != DONE:
            if found == LEVELS_CHANGED:
                self.control.announce_level_changes()
                return False
            self._empty_logs()
            self._enlarge()
        return True

    def _enlarge(self) -> None:
        kernel = self.control.kernel
        if max(kernel.counts[N_EVENTS], kernel.counts[N_BLOCKS_HELD] * BLOCK) > len(kernel.event_blocks) // 2:
            larger = records(2 * len(kernel.event_blocks), EVENT)
            larger[: len(kernel.event_blocks)] = kernel.event_blocks
            event_heap = records(len(larger), HEAP_EVENT)
            event_heap[: len(kernel.event_heap)] = kernel.event_heap
            self.control.replace_kernel(replace(kernel, event_blocks=larger, event_heap=event_heap))

    def _empty_logs(self) -> None:
        kernel = self.control.kernel
        for name, place in _LOGS.items():
            count = int(kernel.counts[place])
            if count:
                self._log_pages[name].append(np.array(getattr(kernel, name)[:count]))
                kernel.counts[place] = 0

    def logs(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all log entries."""
        self._empty_logs()
        dtypes = {
            "transfer_log": TRANSFER_LOG,
            "played_log": PLAYED_LOG,
            "state_log": STATE_LOG,
            "connection_log": CONNECTION_LOG,
        }
        return {
            name: np.concatenate(pages) if pages else np.zeros(0, dtypes[name])
            for name, pages in self._log_pages.items()
        }

    def result(self) -> Run:
        """Return the result at the end of the scenario."""
        control = self.control
        scenario, people, kernel = control.scenario, control.population, control.kernel
        closed = 0
        while (closed := close_run(control.kernel, closed, float(scenario.duration))) < len(people):
            self._empty_logs()
        kernel.viewer["left_at"] = np.where(kernel.viewer["left_at"] > 0, kernel.viewer["left_at"], np.nan)
        self._free_arrays()
        kernel = control.kernel
        totals = tables.totals(scenario, people, kernel, control.seed, control.replication)
        trace = None
        if control.keep:
            manifest = Manifest(
                world="simulated",
                scenario_digest=scenario.digest,
                seed=control.seed,
                replication=control.replication,
                duration=scenario.duration,
                name=scenario.name,
                versions=versions(),
            )
            signalling = control.signalling
            event_tables = tables.tables(
                scenario, people, kernel, self.logs(), signalling.attempts, signalling.announcements
            )
            trace = Trace(manifest, scenario, event_tables)
        offers = control.signalling.stale_offers, control.signalling.live_offers
        return Run(totals, trace, *offers, int(kernel.counts[N_HANDLED]))

    def _free_arrays(self) -> None:
        """Free kernel arrays before the tables are built, to limit peak memory."""
        self.control.retire()
        self.control.replace_kernel(
            replace(
                self.control.kernel,
                L=allocate(1, 1, 1, 1),
                N=max_min_sharing.allocate(np.zeros(1), 1),
                transfer=records(1, TRANSFER),
                http_bytes=np.zeros((1, 1), np.float32),
                event_blocks=records(1, EVENT),
                event_heap=records(1, HEAP_EVENT),
            )
        )


def _kernel_state(scenario: Scenario, people: Population, seed: int, replication: int, events: bool) -> KernelState:
    stream, policy, count = scenario.stream, scenario.policy.of_stream("main"), len(people)
    live = stream.kind == "live"
    chosen = options(scenario.policy, live, stream.segment, stream.live_latency)
    segments = _segment_count(scenario)
    slots = _slots(scenario, segments)
    rows = chosen.http_slots + 2 * chosen.p2p_slots + 1  # the second half: late bytes of cancelled transfers
    bitrate = np.array(stream.ladder or (stream.bitrate,), float)
    size = np.round(bitrate * stream.segment)
    links = lay_links(scenario, people)
    loaders = allocate(max(1, count), slots, max(_REQUESTS, 2 * rows), policy.maxPeers)
    loaders.size[0, 0] = size[-1]
    loaders.random[:count] = kernel_streams(seed, count, replication, "loader")
    loaders.viewer["uploads"][:count] = people.uploads & (not policy.isP2PUploadDisabled)
    loaders.identity[:count] = [peer_hash(viewer_name(v)) for v in range(count)]
    storage = np.where(people.mobile, policy.storage_limit(True), policy.storage_limit(False))
    loaders.storage[:count] = storage
    viewer = records(count, VIEWER_STATE)
    for name in ("border", "border_at", "urgent_at", "buffer_check_at", "wake_at"):
        viewer[name] = np.inf
    viewer["first_frame"] = np.nan
    viewer["role"][:count] = people.role
    viewer["last_pass_at"] = -np.inf
    viewer["channel"] = people.channel
    bandwidth_estimate = float(scenario.player.initial_estimate)
    viewer["level"] = best_level(bitrate, 0, bandwidth_estimate, 1.0, 1.0, 0.0, np.inf) if len(bitrate) > 1 else 0
    fetch = np.full((count, slots) if events else (1, 1), np.nan, FETCH).view(np.recarray)
    fetch["p2p"] = 0.0
    logged = _LOG_ROWS if events else 1
    return KernelState(
        L=loaders,
        N=max_min_sharing.allocate(links.capacity, count * rows, links.longest),
        o=chosen,
        T=timeline(segments, stream.segment),
        s=_settings(scenario, people, links, seed, replication, rows, events),
        viewer=viewer,
        viewer_totals=records(count, VIEWER_TOTALS),
        location=links.location,
        rtt=region_rtt(scenario),
        size=size,
        bitrate=bitrate,
        cached=_caches(scenario, links, slots if links.edges else 0),
        cached_bytes=np.zeros(links.edges + 1),
        bandwidth_estimate=np.zeros((count if len(bitrate) > 1 else 1, 3)),
        bandwidth_meter=records(count if len(bitrate) > 1 else 1, BANDWIDTH_METER),
        switched=np.zeros(2 * count if len(bitrate) > 1 else 1, np.int64),
        transfer=records(count * rows, TRANSFER),
        row=np.zeros((count, rows), np.int32),
        free_rows=np.zeros(count * rows, np.int32),
        http_bytes=np.zeros((count, slots), np.float32),
        fetch=fetch,
        event_blocks=records(max(_EVENTS, 24 * count), EVENT),
        event_heap=records(max(_EVENTS, 24 * count), HEAP_EVENT),
        bucket_tails=np.zeros(_BUCKETS, np.int32),
        counts=np.zeros(N_COUNTS, np.int64),
        clock=np.array([0.0, 0.0, scenario.origin.rate]),
        pass_queue=np.zeros(2 * count + 64, np.int64),
        bins=np.zeros((int(np.ceil(scenario.duration)) + 1, BINS)),
        out=command_buffer(max(_REQUESTS, 2 * rows), slots),
        path=np.full(links.longest, -1, np.int64),
        transfer_log=records(logged, TRANSFER_LOG),
        played_log=records(logged, PLAYED_LOG),
        state_log=records(logged, STATE_LOG),
        connection_log=records(logged, CONNECTION_LOG),
    )


def _may_mute(scenario: Scenario) -> bool:
    """Return whether a neighbour may announce segments that it lacks, or store segments that it cannot announce."""
    long = scenario.stream.kind == "vod" and _segment_count(scenario) >= _BLOCK
    return scenario.viewers.liars > 0 or (long and scenario.policy.of_stream("main").announcementBlocks == "upstream")


def _segment_count(scenario: Scenario) -> int:
    stream = scenario.stream
    if stream.kind == "vod":
        return max(1, int(np.ceil(stream.length / stream.segment - 1e-9)))
    return stream.playlist_segments + int(np.ceil(scenario.duration / stream.segment)) + 2


def _slots(scenario: Scenario, segments: int) -> int:
    """Return the number of slots, a power of two, such that no two segments in use share one."""
    stream = scenario.stream
    if stream.kind == "vod":
        needed = segments
    else:
        # behind the playlist: segments stored within the window behind the playhead, and segments that a vanished
        # neighbour has announced, until its connection is closed
        behind = (scenario.policy.of_stream("main").highDemandTimeWindow + CONSENT_EXPIRES) / stream.segment
        needed = stream.playlist_segments + int(np.ceil(behind)) + 4
    return max(16, 1 << int(np.ceil(np.log2(needed))))


def _caches(scenario: Scenario, links: Links, slots: int) -> np.ndarray[Any, Any]:
    objects = scenario.channels.count * max(1, len(scenario.stream.ladder)) * slots
    caches = records((max(1, links.edges), max(1, objects)), CACHED)
    caches["segment"] = -1
    return caches


def _settings(
    scenario: Scenario, people: Population, links: Links, seed: int, replication: int, rows: int, events: bool
) -> Settings:
    stream, network, player, cdn = scenario.stream, scenario.network, scenario.player, scenario.cdn
    return Settings(
        live=stream.kind == "live",
        segment=float(stream.segment),
        window=stream.playlist_segments,
        latency=float(stream.live_latency),
        origin_latency=float(scenario.origin.time_to_first_byte + network.http_request),
        origin_rate=float(scenario.origin.rate_per_connection) if links.edges == 0 else float("inf"),
        fill_rate=float(scenario.origin.rate_per_connection),
        edges=links.edges,
        first_edge=links.first_edge,
        edge_latency=float(cdn.time_to_first_byte + network.http_request),
        miss_latency=float(cdn.miss_delay),
        cache=float(cdn.cache),
        coalesce=cdn.coalesce,
        overflow=float(cdn.overflow_threshold),
        overflow_latency=float(cdn.overflow_time_to_first_byte),
        relay=links.relay,
        relay_latency=float(scenario.relay.added_rtt),
        lan_rate=float(scenario.household.lan_rate),
        lan_rtt=float(scenario.household.rtt),
        homes=len(np.unique(people.home)) < len(people),
        dead=links.dead,
        levels=max(1, len(stream.ladder)),
        estimate=float(player.initial_estimate),
        fast=float(player.fast_half_life),
        slow=float(player.slow_half_life),
        margin=float(player.margin),
        margin_up=float(player.margin_up),
        rtt_spread=float(network.rtt_spread),
        rtt_key=(seed * 1009 + replication) % 2147483647,
        channel_window=float(network.window),
        loss=scenario.network.loss,
        channel_rate=float(network.channel_rate),
        goodput=float(network.goodput),
        request=float(network.request),
        chunk=float(scenario.policy.of_stream("main").webRtcMaxMessageSize),
        backlog=scenario.network.backlog,
        buffer=float(player.buffer),
        tick=float(player.tick_interval),
        update=float(player.update_interval),
        warmup=float(scenario.warmup),
        rows=rows,
        bucket_width=_BUCKET / max(1, len(people)),
        origin=0,
        events=events,
        shortcuts=True,
        validates=scenario.policy.of_stream("main").validateP2PSegment,
        mutes=_may_mute(scenario),
    )
