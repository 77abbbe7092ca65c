"""Events that the player reports to its loader, alike in all versions: requests, aborts, the playhead, the end."""

from p2psim.compiled import entry, inner
from p2psim.policy.queue_pass import abort_request
from p2psim.policy.state.commands import Commands, clear
from p2psim.policy.state.records import FAILED, LOADING, NOBODY, ROUNDING, URGENT, Loaders
from p2psim.policy.state.requests import clear_failures, find

__all__ = ["PASS_INTERVAL", "abort_all", "player_requests", "playhead_moved_unseen", "playhead_moves"]

PASS_INTERVAL = 1.0
"""Reports of the playhead cause a pass at most once per so many seconds."""
_JUMP = 0.5
"""Segments by which the playhead moves at once when it jumps."""


@entry
def player_requests(L: Loaders, v: int, segment: int) -> bool:
    """Take the player's request for a segment; True if it is stored and can be handed over at once.

    Otherwise it replaces what the player waited for before. Either way a pass is due.
    """
    L.viewer[v].requested = segment
    if L.slot[v, segment % L.slot.shape[1]].stored != 0:
        return True
    L.viewer[v].waiting = segment
    L.viewer[v].pending &= ~URGENT & 0xFF
    i = find(L, v, segment)
    if i != NOBODY and L.request[i, v].status == FAILED:
        clear_failures(L, v, i)
    return False


@entry
def playhead_moves(L: Loaders, v: int, position: float, rate: float, mean_segment: float, now: float) -> bool:
    """Take a report of the playhead; True if a pass is due: after a jump of half a segment, else once a second."""
    if position == L.viewer[v].position and rate == L.viewer[v].rate:
        return False
    jump = abs(position - L.viewer[v].position) / mean_segment > _JUMP
    L.viewer[v].position = position
    if rate != 0:
        L.viewer[v].rate = rate
    if jump and L.viewer[v].waiting != NOBODY:
        L.viewer[v].pending |= URGENT
    L.viewer[v].jumped = 1
    return jump or now - L.viewer[v].last_pass_at > PASS_INTERVAL + ROUNDING


@inner
def playhead_moved_unseen(L: Loaders, v: int, position: float, mean_segment: float) -> None:
    """Take the position of a playhead whose reports were skipped since the last pass (simulation).

    Only the first report of a player can be a jump then: from the start of a segment to where it began to play.
    """
    me = L.viewer[v]
    if me.jumped == 0 and me.waiting != NOBODY and abs(position - me.position) > _JUMP * mean_segment:
        me.pending |= URGENT
    me.position = position
    me.jumped = 1


@entry
def abort_all(L: Loaders, v: int, out: Commands) -> None:
    """Abort every request that is loading: the viewer leaves."""
    clear(out)
    L.viewer[v].waiting = NOBODY
    for i in range(L.viewer[v].retained):
        if L.request[i, v].status == LOADING:
            abort_request(L, v, i, out)
