"""What the control plane does to the data plane, from outside its clock."""

from p2psim.compiled import entry
from p2psim.network.max_min_sharing import stage_capacity
from p2psim.simulation.kernel.announcements import leave, zap
from p2psim.simulation.kernel.connections import lose_consent, part
from p2psim.simulation.kernel.event_queue import CONNECT, RELOAD, push
from p2psim.simulation.kernel.state import Plane

__all__ = ["arrive", "change_capacity", "cut", "cut_all", "depart", "later_connect", "turn_to"]


@entry
def arrive(P: Plane, v: int, now: float) -> None:
    """A viewer comes: it loads the playlists, then starts to play."""
    P.clock[0] = max(P.clock[0], now)
    P.seat[v].joined_at = now
    push(P, now + 2 * P.s.origin_latency, RELOAD, v, 0, 0)


@entry
def turn_to(P: Plane, v: int, channel: int, now: float) -> None:
    """A viewer zaps to another channel."""
    P.clock[0] = max(P.clock[0], now)
    zap(P, v, channel, now)


@entry
def change_capacity(P: Plane, link: int, capacity: float, now: float) -> None:
    """A link carries more or less from now on."""
    P.clock[0] = max(P.clock[0], now)
    stage_capacity(P.N, link, capacity)


@entry
def cut(P: Plane, a: int, b: int, now: float) -> None:
    """A connection is lost."""
    P.clock[0] = max(P.clock[0], now)
    part(P, a, b, now)


@entry
def cut_all(P: Plane, v: int, now: float) -> None:
    """A viewer closes all its connections."""
    P.clock[0] = max(P.clock[0], now)
    lose_consent(P, v, now)


@entry
def depart(P: Plane, v: int, crash: bool, now: float) -> None:
    """A viewer leaves."""
    P.clock[0] = max(P.clock[0], now)
    leave(P, v, crash, now)


@entry
def later_connect(P: Plane, a: int, b: int, relayed: int, at: float) -> bool:
    """Schedule the opening of a connection, direct or through a relay; False if the calendar is full."""
    return push(P, at, CONNECT, a, b, relayed)
