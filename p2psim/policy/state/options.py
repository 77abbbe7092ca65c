"""Options of a viewer's loader in canonical units, as compiled rules read them."""

from p2psim.bundle import Bundle

__all__ = ["Options"]


class Options(Bundle):
    """Options of a loader in canonical units (seconds, bytes); `p2psim.policy.interface.options` makes them."""

    version: int
    """Number of the loader version (`p2psim.policy.versions`)."""
    high_demand_window: float
    http_window: float
    p2p_window: float
    http_slots: int
    p2p_slots: int
    http_hold: float
    http_timeout: float
    http_first_byte: float
    """Seconds to wait for the first byte over HTTP."""
    p2p_timeout: float
    http_retries: int
    p2p_retries: int
    live: bool
    whole_blocks: bool
    """Announcements with a full block of 256 ids cannot be read."""
    reputation: bool
    """Viewers remember who failed them, and ask such neighbours last."""
    from_playhead: bool
    """The queue begins where the player still has to play, and keeps what is loading from there on."""
    decide: int
    """Address of a user's own decision; 0: none."""
