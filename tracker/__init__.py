"""A WebTorrent tracker: WebSocket signalling for peers that share a stream.

The brain (`tracker.brain`) is sans-IO: messages in, messages out, with the time and the random numbers given. The
server around it (`tracker.server`) speaks WebSocket and HTTP on one port.
"""

from tracker.brain import Brain, BrainOptions
from tracker.config import Options
from tracker.events import Observer
from tracker.server import TrackerServer, serve

__all__ = ["Brain", "BrainOptions", "Observer", "Options", "TrackerServer", "serve"]
