"""Once a second: the time line of a run, and the end of its warm-up."""

import math

from p2psim.compiled import inner
from p2psim.simulation.kernel.event_queue import SECOND, push
from p2psim.simulation.kernel.player import media_end, position_at
from p2psim.simulation.kernel.state import AWAY, BIN_PEERS, BIN_STALLED, BIN_VIEWERS, GONE, PLAYING, STALLED, Plane
from p2psim.simulation.kernel.transfers import book, usable

__all__ = ["tick"]


@inner
def tick(P: Plane, now: float) -> None:
    """Once a second: book the bytes of running transfers, count viewers, stalls and neighbours."""
    second = round(now)
    for i in range(P.N.counts[0]):
        row = P.N.finish[i].who
        book(P, row, usable(P, row, now), now)
    if second >= len(P.bins):
        return
    if second == math.ceil(P.s.warmup) and second > 0:
        _forget_warmup(P, now)
    for v in range(len(P.seat)):
        seat = P.seat[v]
        if seat.state == AWAY or seat.state >= GONE:
            continue
        degree = P.L.viewer[v].degree
        P.bins[second, BIN_VIEWERS] += 1
        P.bins[second, BIN_PEERS] += degree
        if seat.state == STALLED:
            P.bins[second, BIN_STALLED] += 1
        seat.peers_sum += degree
        seat.ticks += 1
        if P.s.live and seat.state == PLAYING:
            seat.latency_sum += media_end(P, now) - position_at(P, v, now)
            seat.latency_ticks += 1
    push(P, now + 1.0, SECOND, 0, 0, 0)


@inner
def _forget_warmup(P: Plane, now: float) -> None:
    """The run begins to count here."""
    for v in range(len(P.seat)):
        seat = P.seat[v]
        seat.bytes_http, seat.bytes_p2p, seat.bytes_up = 0.0, 0.0, 0.0
        tally = P.tally[v]
        tally.bytes_relayed, tally.bytes_far, tally.zap_wait, tally.zaps, tally.switches = 0.0, 0.0, 0.0, 0, 0
        seat.played_http, seat.played_p2p = 0.0, 0.0
        seat.http_wait, seat.p2p_wait, seat.http_time, seat.p2p_time = 0.0, 0.0, 0.0, 0.0
        seat.http_transfers, seat.p2p_transfers = 0, 0
        seat.peers_sum, seat.latency_sum, seat.stalled, seat.played = 0.0, 0.0, 0.0, 0.0
        seat.ticks, seat.latency_ticks, seat.stalls = 0, 0, 0
        seat.stall_began = max(seat.stall_began, now) if seat.state == STALLED else seat.stall_began
        if seat.state == PLAYING:
            seat.position, seat.anchor = position_at(P, v, now), now
