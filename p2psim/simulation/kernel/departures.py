"""Ends of watching: a viewer leaves, zaps to another channel, or is still there when the run ends."""

import math

from p2psim.compiled import inner
from p2psim.network.max_min_sharing import stage_capacity
from p2psim.policy.interface import abort_all
from p2psim.policy.state import NOBODY
from p2psim.simulation.kernel.connections import abort_transfers, change_swarm, close_connections, freeze_uploads
from p2psim.simulation.kernel.event_queue import CONSENT, RELOAD, push
from p2psim.simulation.kernel.player import log_state, stop_playhead
from p2psim.simulation.kernel.state import AWAY, CRASHED, GONE, PLAYING, STALLED, STARTING, KernelState

__all__ = ["CONSENT_EXPIRES", "leave", "stop_watching", "zap"]

CONSENT_EXPIRES = 30.0
"""Seconds after which a connection to a vanished peer is given up (RFC 7675)."""


@inner
def leave(P: KernelState, v: int, crash: bool, now: float) -> None:
    """Remove a viewer: its downloads are aborted, its connections close now or, after a crash, when consent expires."""
    viewer = P.viewer[v]
    if viewer.state >= GONE:
        return
    abort_all(P.L, v, P.out)
    stop_watching(P, v, now)
    viewer.left_at = now
    if crash:
        viewer.state = CRASHED
        if P.s.homes:
            freeze_uploads(P, v, now)
        else:
            stage_capacity(P.N, P.location[v].up, 0.0)
        push(P, now + CONSENT_EXPIRES, CONSENT, v, 0, 0)
    else:
        viewer.state = GONE
        close_connections(P, v, now)


@inner
def stop_watching(P: KernelState, v: int, now: float) -> None:
    """Close the totals of a viewer; transfers in progress count up to now."""
    viewer = P.viewer[v]
    abort_transfers(P, v, now)
    if viewer.state == STALLED:
        viewer.stalled += now - viewer.stall_began
    stop_playhead(P, v, now)
    _uncount_unplayed(P, v)


@inner
def _uncount_unplayed(P: KernelState, v: int) -> None:
    """Subtract buffered segments that were never played from the played bytes."""
    viewer = P.viewer[v]
    segment = viewer.next - 1
    while (
        segment >= viewer.origin_index and P.T.start[segment] > viewer.position and not math.isnan(viewer.first_frame)
    ):
        slot = segment % P.L.slot.shape[1]
        size = P.size[P.L.slot[v, slot].level]
        http_bytes = min(P.http_bytes[v, slot], size)
        viewer.played_http -= http_bytes
        viewer.played_p2p -= size - http_bytes
        segment -= 1


@inner
def zap(P: KernelState, v: int, channel: int, now: float) -> None:
    """Switch a viewer to another channel, where it starts anew in another swarm."""
    viewer, me = P.viewer[v], P.L.viewer[v]
    if viewer.state >= GONE:
        return
    if viewer.state == STALLED:
        viewer.stalled += now - viewer.stall_began
    stop_playhead(P, v, now)
    if viewer.state == PLAYING or viewer.state == STALLED:
        _uncount_unplayed(P, v)
    change_swarm(P, v, now)
    me.first, me.last, me.requested, me.jumped = 0, 0, NOBODY, 0
    viewer.state = STARTING
    log_state(P, v, now)
    viewer.state, viewer.channel = AWAY, channel
    viewer.next = viewer.origin_index  # no segment is left to subtract
    viewer.border, viewer.border_at, viewer.urgent_at, viewer.buffer_check_at = math.inf, math.inf, math.inf, math.inf
    viewer.failures, viewer.retry_at = 0, 0.0
    viewer.channel_epoch += 1
    P.viewer_totals[v].zaps += 1
    P.viewer_totals[v].zapped_at = now
    push(P, now + 2 * P.s.origin_latency, RELOAD, v, viewer.channel_epoch, 0)
