"""Time line of a run, written once a second, and the reset of totals at the end of the warm-up."""

import math

from p2psim.compiled import inner
from p2psim.simulation.kernel.event_queue import SECOND, push
from p2psim.simulation.kernel.player import media_end, position_at
from p2psim.simulation.kernel.state import (
    AWAY,
    BIN_PEERS,
    BIN_STALLED,
    BIN_VIEWERS,
    GONE,
    PLAYING,
    STALLED,
    KernelState,
)
from p2psim.simulation.kernel.transfers import book_bytes, usable_bytes

__all__ = ["tick"]


@inner
def tick(P: KernelState, now: float) -> None:
    """Write a second of the time line: bytes of running transfers, viewers, stalls and neighbours."""
    second = round(now)
    for i in range(P.N.counts[0]):
        row = P.N.finish[i].who
        book_bytes(P, row, usable_bytes(P, row, now), now)
    if second >= len(P.bins):
        return
    if second == math.ceil(P.s.warmup) and second > 0:
        _forget_warmup(P, now)
    for v in range(len(P.viewer)):
        viewer = P.viewer[v]
        if viewer.state == AWAY or viewer.state >= GONE:
            continue
        degree = P.L.viewer[v].degree
        P.bins[second, BIN_VIEWERS] += 1
        P.bins[second, BIN_PEERS] += degree
        if viewer.state == STALLED:
            P.bins[second, BIN_STALLED] += 1
        viewer.peers_sum += degree
        viewer.ticks += 1
        if P.s.live and viewer.state == PLAYING:
            viewer.latency_sum += media_end(P, now) - position_at(P, v, now)
            viewer.latency_ticks += 1
    push(P, now + 1.0, SECOND, 0, 0, 0)


@inner
def _forget_warmup(P: KernelState, now: float) -> None:
    """Reset the totals of all viewers at the end of the warm-up."""
    for v in range(len(P.viewer)):
        viewer = P.viewer[v]
        viewer.bytes_http, viewer.bytes_p2p, viewer.bytes_up = 0.0, 0.0, 0.0
        viewer_totals = P.viewer_totals[v]
        (
            viewer_totals.bytes_relayed,
            viewer_totals.bytes_far,
            viewer_totals.zap_wait,
            viewer_totals.zaps,
            viewer_totals.switches,
        ) = 0.0, 0.0, 0.0, 0, 0
        viewer.played_http, viewer.played_p2p = 0.0, 0.0
        viewer.http_wait, viewer.p2p_wait, viewer.http_time, viewer.p2p_time = 0.0, 0.0, 0.0, 0.0
        viewer.http_transfers, viewer.p2p_transfers = 0, 0
        viewer.peers_sum, viewer.latency_sum, viewer.stalled, viewer.played = 0.0, 0.0, 0.0, 0.0
        viewer.ticks, viewer.latency_ticks, viewer.stalls = 0, 0, 0
        viewer.stall_began = max(viewer.stall_began, now) if viewer.state == STALLED else viewer.stall_began
        if viewer.state == PLAYING:
            viewer.position, viewer.anchor = position_at(P, v, now), now
