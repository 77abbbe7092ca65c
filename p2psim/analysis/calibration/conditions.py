"""Conditions of a recording, and the bundled calibration of the network for them.

The network between viewers depends on their software and their place: aiortc or a browser, on the loopback or in the
lab. Each combination has a preset of the section `network`, fitted by ``p2psim calibrate`` to bundled traces.
"""

from p2psim.errors import one_of
from p2psim.scenario import Scenario
from p2psim.scenario.presets import section_presets
from p2psim.trace import Trace

__all__ = ["NONE", "PLACES", "SHIPPED", "conditions", "recording_place", "with_calibrated_network"]

PLACES = ("loopback", "lab")
"""Networks that measured runs use."""

SHIPPED = "shipped"
"""Name of the calibration that belongs to the conditions of each trace, if there is one."""

NONE = "none"
"""Name of no calibration: the network of the scenario."""


def conditions(trace: Trace) -> str:
    """Return the name of the conditions and of their preset: kind of viewers and place, such as ``aiortc-loopback``."""
    kinds, place = "-".join(sorted(set(trace["viewers"]["actor"]))), recording_place(trace)
    return f"{kinds}-{place}" if place else kinds


def recording_place(trace: Trace) -> str:
    """Return where a trace was recorded: one of `PLACES`, empty for a simulated trace."""
    return str(trace.manifest.notes.get("network", "")).partition(" ")[0].strip(":")


def with_calibrated_network(scenario: Scenario, trace: Trace, calibration: str = SHIPPED) -> Scenario:
    """Return the scenario with a calibrated network; the round-trip time stays that of the scenario.

    `calibration` is `SHIPPED`, `NONE`, the name of a preset of the section `network`, or the path of a TOML file with
    one; raises InputError for anything else.
    """
    if calibration == SHIPPED:
        calibration = conditions(trace)
        if trace.manifest.world != "measured" or calibration not in section_presets("network"):
            return scenario
    if calibration == NONE:
        return scenario
    if not calibration.endswith(".toml"):
        one_of("calibration", calibration, [SHIPPED, NONE, *section_presets("network")])
    return scenario.replace({"network.preset": calibration})
