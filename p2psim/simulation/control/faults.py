"""Fault schedule of a simulated run (`p2psim.scenario.faults`)."""

import numpy as np

from p2psim.scenario.fault_targets import victims
from p2psim.simulation.control.control import Control

__all__ = ["schedule"]


def schedule(control: Control) -> None:
    """Schedule the begin and the end of all faults of a scenario."""
    for number, fault in enumerate(control.scenario.faults):
        control.env.after(fault.at, _begin, control, number)
        if np.isfinite(fault.duration):
            control.env.after(fault.at + fault.duration, _end, control, number)


def _begin(control: Control, number: int) -> None:
    fault = control.scenario.faults[number]
    if fault.kind == "tracker":
        control.stop_tracker()
    elif fault.kind == "partition":
        control.isolate(fault.region)
    else:
        _weaken(control, number, fault.capacity_left)


def _end(control: Control, number: int) -> None:
    fault = control.scenario.faults[number]
    if fault.kind == "tracker":
        control.start_tracker()
    elif fault.kind == "partition":
        control.rejoin(fault.region)
    else:
        _weaken(control, number, 1.0)


def _weaken(control: Control, number: int, left: float) -> None:
    """Set the capacity of all links that a fault hits to the share `left` of the usual one."""
    fault, scenario = control.scenario.faults[number], control.scenario
    if fault.kind == "origin":
        control.set_origin(_part(scenario.origin.rate, left))
    elif fault.kind == "edges":
        control.set_edges(_part(scenario.cdn.rate, left))
    elif fault.kind == "relay":
        control.set_relay(_part(scenario.relay.rate, left))
    elif fault.kind == "uplinks":
        for v in victims(scenario, control.population, number, control.seed, control.replication):
            control.set_uplink(v, _part(float(control.population.uplink[v]), left))


def _part(rate: float, left: float) -> float:
    return rate * left if left > 0 else 0.0
