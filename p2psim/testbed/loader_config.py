"""Configuration of a real viewer's loader."""

from collections.abc import Callable
from dataclasses import dataclass, field

from p2psim.policy.state.bandwidth import Bandwidth
from p2psim.testbed.peer.adversaries import Behaviour, Honest
from p2psim.testbed.peer.single_loader import LoaderLimits
from p2psim.wire import MAX_MESSAGE_SIZE

__all__ = ["LoaderConfig", "Validator"]

Validator = Callable[[int, bytes, Callable[[bool], None]], None]
"""Validator of a complete segment (id, data, verdict), which calls `verdict` now or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderConfig(LoaderLimits):
    """Configuration of a loader beside the policy's options: its limits, and the rules of its transfers."""

    uploads: bool = True
    """True: peers get segments from this loader."""
    max_message_size: int = MAX_MESSAGE_SIZE
    """Longest message on a data channel, bytes."""
    page_opened_at: float | None = None
    """Time of the clock at which the page was opened, seconds; None: when the loader is made."""
    meters: tuple[Bandwidth, Bandwidth] | None = None
    """Bandwidth meters of all bytes and of those over HTTP, shared by the loaders of a page; None: new ones."""
    validate_p2p: Validator | None = None
    """Validator of segments that came from peers, as a whole or in part."""
    validate_http: Validator | None = None
    """Validator of segments that came over HTTP alone."""
    behaviour: Behaviour = field(default_factory=Honest)
    """Rule that decides what is announced and sent to peers."""
    name: str = ""
    """Peer id of the viewer."""
    answers_unknown: bool = False
    """True: requests that cannot be served are refused, where upstream does not respond or sends an empty segment."""
    upstream_faults: bool = False
    """True: announcements are read and written with the fault of 2.3, which loses a full block of 256 ids."""
