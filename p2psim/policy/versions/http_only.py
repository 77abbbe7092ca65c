"""No sharing: 2.3's scheduler without peers, the baseline of every saving."""

from typing import Any

from p2psim.policy.versions import v2_3
from p2psim.scenario.policy import Policy

__all__ = [
    "concerns",
    "option_overrides",
    "prefetch_delay",
    "prefetch_round",
    "queue_pass",
    "wakes_at",
    "window_border",
]

queue_pass = v2_3.queue_pass
prefetch_delay = v2_3.prefetch_delay
prefetch_round = v2_3.prefetch_round
concerns = v2_3.concerns
window_border = v2_3.window_border
wakes_at = v2_3.wakes_at


def option_overrides(policy: Policy) -> dict[str, Any]:
    """Return what is different from 2.3."""
    return {"p2p_slots": 0, "http_hold": 0.0}
