"""Entry points by which the control plane changes kernel state."""

from p2psim.compiled import entry
from p2psim.network.max_min_sharing import stage_capacity
from p2psim.simulation.kernel.connections import close_connection, close_connections
from p2psim.simulation.kernel.departures import leave, zap
from p2psim.simulation.kernel.event_queue import CONNECT, RELOAD, push
from p2psim.simulation.kernel.state import KernelState

__all__ = [
    "arrive",
    "change_capacity",
    "depart",
    "disconnect_all",
    "disconnect_pair",
    "schedule_connection",
    "switch_channel",
]


@entry
def arrive(P: KernelState, v: int, now: float) -> None:
    """Add a viewer, which loads the playlists and then starts to play."""
    P.clock[0] = max(P.clock[0], now)
    P.viewer[v].joined_at = now
    push(P, now + 2 * P.s.origin_latency, RELOAD, v, 0, 0)


@entry
def switch_channel(P: KernelState, v: int, channel: int, now: float) -> None:
    """Switch a viewer to another channel."""
    P.clock[0] = max(P.clock[0], now)
    zap(P, v, channel, now)


@entry
def change_capacity(P: KernelState, link: int, capacity: float, now: float) -> None:
    """Change the capacity of a link, bytes/s."""
    P.clock[0] = max(P.clock[0], now)
    stage_capacity(P.N, link, capacity)


@entry
def disconnect_pair(P: KernelState, a: int, b: int, now: float) -> None:
    """Close the connection of two viewers."""
    P.clock[0] = max(P.clock[0], now)
    close_connection(P, a, b, now)


@entry
def disconnect_all(P: KernelState, v: int, now: float) -> None:
    """Close all connections of a viewer."""
    P.clock[0] = max(P.clock[0], now)
    close_connections(P, v, now)


@entry
def depart(P: KernelState, v: int, crash: bool, now: float) -> None:
    """Remove a viewer."""
    P.clock[0] = max(P.clock[0], now)
    leave(P, v, crash, now)


@entry
def schedule_connection(P: KernelState, a: int, b: int, relayed: int, at: float) -> bool:
    """Schedule the opening of a connection, direct or through a relay; return False if the event queue is full."""
    return push(P, at, CONNECT, a, b, relayed)
