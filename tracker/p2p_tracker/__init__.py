"""WebTorrent tracker: WebSocket signalling for peers that share a stream.

The core (`p2p_tracker.core.tracker`) is sans-IO: it takes messages, the time and random numbers, and returns messages.
The server around it (`p2p_tracker.server.server`) speaks WebSocket and HTTP on one port.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2p_tracker.config.options import ServerOptions, TrackerOptions
    from p2p_tracker.core.events import Observer
    from p2p_tracker.core.tracker import Tracker
    from p2p_tracker.server.server import TrackerServer, serve

__all__ = ["Observer", "ServerOptions", "Tracker", "TrackerOptions", "TrackerServer", "serve"]

# imported on first use: a simulation, which needs only the core, loads no server
_MODULES = {
    "Tracker": "core.tracker",
    "TrackerOptions": "config.options",
    "Observer": "core.events",
    "ServerOptions": "config.options",
    "TrackerServer": "server.server",
    "serve": "server.server",
}


if not TYPE_CHECKING:  # a type checker would take any other name for an object

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
