"""A WebTorrent tracker: WebSocket signalling for peers that share a stream.

The brain (`tracker.brain`) is sans-IO: messages in, messages out, with the time and the random numbers given. The
server around it (`tracker.server`) speaks WebSocket and HTTP on one port.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracker.brain import Brain
    from tracker.events import Observer
    from tracker.options import BrainOptions, Options
    from tracker.server import TrackerServer, serve

__all__ = ["Brain", "BrainOptions", "Observer", "Options", "TrackerServer", "serve"]

# whoever only needs the brain, such as a simulation, loads no server
_HOMES = {
    "Brain": "brain",
    "BrainOptions": "options",
    "Observer": "events",
    "Options": "options",
    "TrackerServer": "server",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
