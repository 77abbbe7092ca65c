"""Schedule of a hybrid CDN: peer-to-peer delivery by time, audience and load (`p2psim.scenario.cdn.Hybrid`)."""

import numpy as np

from p2psim.scenario import Hybrid
from p2psim.simulation.control.control import Control
from p2psim.simulation.kernel.state import BIN_HTTP, BIN_P2P

__all__ = ["schedule"]


def schedule(control: Control) -> None:
    """Check time, audience and load periodically, if peer-to-peer delivery depends on them in this scenario."""
    hybrid = control.scenario.hybrid
    if hybrid == Hybrid(check_interval=hybrid.check_interval) or not control.scenario.policy.of_stream("main").shares:
        return
    control.p2p_on = False
    if hybrid.min_viewers > 0 or hybrid.min_load > 0:
        control.env.after(hybrid.begins, _look, control)
        return
    control.env.after(hybrid.begins, control.switch_p2p, True)
    if np.isfinite(hybrid.ends):
        control.env.after(hybrid.ends, control.switch_p2p, False)


def _look(control: Control) -> None:
    hybrid, now = control.scenario.hybrid, control.env.now
    is_time = hybrid.begins <= now < hybrid.ends
    control.switch_p2p(is_time and len(control.viewers()) >= hybrid.min_viewers and _load(control) >= hybrid.min_load)
    control.env.after(hybrid.check_interval, _look, control)


def _load(control: Control) -> float:
    """Return the bytes fetched since the last check, from any source, as a share of the capacity of origin or edges.

    Bytes from peers count: otherwise peer-to-peer delivery would lower the load and switch itself off.
    """
    scenario = control.scenario
    edges = control.kernel.s.edges
    carried = scenario.cdn.rate * edges if edges else scenario.origin.rate
    if np.isinf(carried):
        return 0.0
    until = int(control.env.now)
    rows = control.kernel.bins[max(0, until - max(1, int(scenario.hybrid.check_interval))) : until]
    return float(rows[:, [BIN_HTTP, BIN_P2P]].sum()) / max(1, len(rows)) / carried
