"""Under which conditions a trace was recorded, and the calibration of the network that ships for them.

What lies between viewers depends on what they are and where they are: aiortc or a browser, on a loopback or in the lab.
Each has its own preset of the section `network`, fitted by ``p2psim calibrate`` to bundled traces of its kind.
"""

from p2psim.errors import one_of
from p2psim.scenario import Scenario
from p2psim.scenario.presets import section_presets
from p2psim.trace import Trace

__all__ = ["NONE", "PLACES", "SHIPPED", "conditions", "recording_place", "with_calibrated_network"]

PLACES = ("loopback", "lab")
"""Where real runs take place."""

SHIPPED = "shipped"
"""The calibration for the conditions of each trace, where there is one."""
NONE = "none"
"""The scenario as it is."""


def conditions(trace: Trace) -> str:
    """Name the conditions, and the preset for them: kind of viewers and place, ``aiortc-loopback`` for example."""
    kinds, place = "-".join(sorted(set(trace["viewers"]["actor"]))), recording_place(trace)
    return f"{kinds}-{place}" if place else kinds


def recording_place(trace: Trace) -> str:
    """Name where a trace was recorded: one of `PLACES`, or nothing for a simulated one."""
    return str(trace.manifest.notes.get("network", "")).partition(" ")[0].strip(":")


def with_calibrated_network(scenario: Scenario, trace: Trace, calibration: str = SHIPPED) -> Scenario:
    """Give the scenario with the network as calibrated.

    `calibration` is `SHIPPED`, `NONE`, the name of a preset of the section `network`, or a TOML file with one; raises
    InputError for anything else. The round trip stays that of the scenario.
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
