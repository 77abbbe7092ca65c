"""How a real viewer's loader is set up."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from p2psim.policy.state.bandwidth import Bandwidth
from p2psim.testbed.peer.adversaries import Behaviour, Honest
from p2psim.wire import MAX_MESSAGE_SIZE

__all__ = ["LoaderConfig", "Validator"]

Validator = Callable[[int, bytes, Callable[[bool], None]], None]
"""Judges a complete segment (id, data, verdict): calls `verdict` now or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderConfig:
    """What a loader is told beside the policy's options."""

    uploads: bool = True
    """Whether peers get segments from it."""
    max_message_size: int = MAX_MESSAGE_SIZE
    """Bytes."""
    capacity: int = 512
    """Segments that can be known at once."""
    neighbours: int = 64
    """Peers that can be connected at once."""
    storage: float = math.inf
    """Bytes of segments that are kept."""
    page_opened_at: float | None = None
    """Seconds of the clock; None: when the loader is made."""
    meters: tuple[Bandwidth, Bandwidth] | None = None
    """Of all bytes and of those over HTTP, shared by the loaders of a page; None: its own."""
    validate_p2p: Validator | None = None
    """Judges segments that came from peers, as a whole or in part."""
    validate_http: Validator | None = None
    """Judges the others."""
    behaviour: Behaviour = field(default_factory=Honest)
    """Decides what peers are told and sent."""
    name: str = ""
    """Peer id."""
    answers_unknown: bool = False
    """Whether requests are answered that cannot be served, where upstream is silent or sends nothing."""
    upstream_faults: bool = False
    """Whether announcements are read and written with 2.3's fault (a full block of 256 ids is lost)."""
