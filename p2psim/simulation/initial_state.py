"""Kernel state at the start of a run, from a scenario and its population."""

from typing import Any

import numpy as np

from p2psim.bundle import records
from p2psim.network import max_min_sharing
from p2psim.player.quality_choice import best_level
from p2psim.policy.interface import command_buffer, options, peer_hash
from p2psim.policy.state import Loaders, allocate, timeline
from p2psim.rng import kernel_streams
from p2psim.scenario import Population, Scenario
from p2psim.scenario.population import viewer_name
from p2psim.simulation.kernel.departures import CONSENT_EXPIRES
from p2psim.simulation.kernel.state import (
    BANDWIDTH_METER,
    BINS,
    CACHED,
    CONNECTION_LOG,
    EVENT,
    FETCH,
    HEAP_EVENT,
    N_COUNTS,
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

__all__ = ["kernel_state"]

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


def kernel_state(scenario: Scenario, people: Population, seed: int, replication: int, events: bool) -> KernelState:
    """Return the arrays of all viewers before the first event; `events`: with logs of every event."""
    stream, count = scenario.stream, len(people)
    chosen = options(scenario.policy, stream.kind == "live", stream.segment, stream.live_latency)
    segments = _segment_count(scenario)
    slots = _slots(scenario, segments)
    rows = chosen.http_slots + 2 * chosen.p2p_slots + 1  # the second half: late bytes of cancelled transfers
    bitrate = np.array(stream.ladder or (stream.bitrate,), float)
    size = np.round(bitrate * stream.segment)
    choosing = count if len(bitrate) > 1 else 1
    links = lay_links(scenario, people)
    return KernelState(
        L=_loaders(scenario, people, seed, replication, slots, 2 * rows, size[-1]),
        N=max_min_sharing.allocate(links.capacity, count * rows, links.longest),
        o=chosen,
        T=timeline(segments, stream.segment),
        s=_settings(scenario, people, links, seed, replication, rows, events),
        viewer=_viewers(scenario, people, bitrate),
        viewer_totals=records(count, VIEWER_TOTALS),
        location=links.location,
        rtt=region_rtt(scenario),
        size=size,
        bitrate=bitrate,
        cached=_caches(scenario, links, slots if links.edges else 0),
        cached_bytes=np.zeros(links.edges + 1),
        bandwidth_estimate=np.zeros((choosing, 3)),
        bandwidth_meter=records(choosing, BANDWIDTH_METER),
        switched=np.zeros(2 * count if len(bitrate) > 1 else 1, np.int64),
        transfer=records(count * rows, TRANSFER),
        row=np.zeros((count, rows), np.int32),
        free_rows=np.zeros(count * rows, np.int32),
        http_bytes=np.zeros((count, slots), np.float32),
        fetch=_fetches(count, slots, events),
        event_blocks=records(max(_EVENTS, 24 * count), EVENT),
        event_heap=records(max(_EVENTS, 24 * count), HEAP_EVENT),
        bucket_tails=np.zeros(_BUCKETS, np.int32),
        counts=np.zeros(N_COUNTS, np.int64),
        clock=np.array([0.0, 0.0, scenario.origin.rate]),
        pass_queue=np.zeros(2 * count + 64, np.int64),
        bins=np.zeros((int(np.ceil(scenario.duration)) + 1, BINS)),
        out=command_buffer(max(_REQUESTS, 2 * rows), slots),
        path=np.full(links.longest, -1, np.int64),
        **_logs(_LOG_ROWS if events else 1),
    )


def _loaders(
    scenario: Scenario, people: Population, seed: int, replication: int, slots: int, requests: int, size: float
) -> Loaders:
    policy, count = scenario.policy.of_stream("main"), len(people)
    loaders = allocate(max(1, count), slots, max(_REQUESTS, requests), policy.maxPeers)
    loaders.size[0, 0] = size
    loaders.random[:count] = kernel_streams(seed, count, replication, "loader")
    loaders.viewer["uploads"][:count] = people.uploads & (not policy.isP2PUploadDisabled)
    loaders.identity[:count] = [peer_hash(viewer_name(v)) for v in range(count)]
    loaders.storage[:count] = np.where(people.mobile, policy.storage_limit(True), policy.storage_limit(False))
    return loaders


def _viewers(scenario: Scenario, people: Population, bitrate: np.ndarray[Any, Any]) -> Any:
    viewer = records(len(people), VIEWER_STATE)
    for name in ("border", "border_at", "urgent_at", "buffer_check_at", "wake_at"):
        viewer[name] = np.inf
    viewer["first_frame"] = np.nan
    viewer["role"] = people.role
    viewer["last_pass_at"] = -np.inf
    viewer["channel"] = people.channel
    estimate = float(scenario.player.initial_estimate)
    viewer["level"] = best_level(bitrate, 0, estimate, 1.0, 1.0, 0.0, np.inf) if len(bitrate) > 1 else 0
    return viewer


def _fetches(count: int, slots: int, events: bool) -> Any:
    fetch = np.full((count, slots) if events else (1, 1), np.nan, FETCH).view(np.recarray)
    fetch["p2p"] = 0.0
    return fetch


def _logs(rows: int) -> dict[str, Any]:
    kinds = {
        "transfer_log": TRANSFER_LOG,
        "played_log": PLAYED_LOG,
        "state_log": STATE_LOG,
        "connection_log": CONNECTION_LOG,
    }
    return {name: records(rows, kind) for name, kind in kinds.items()}


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
