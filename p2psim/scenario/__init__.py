"""Scenarios, their presets, and the viewers that a scenario and a seed make."""

from p2psim.scenario.model import (
    Access,
    Carrier,
    Cdn,
    Channels,
    Devices,
    Fault,
    Household,
    Hybrid,
    Nat,
    Neighbourhood,
    Network,
    Origin,
    Player,
    Policy,
    Regions,
    Relay,
    Stream,
    Tracker,
    Viewers,
)
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.scenario.population import Population, populate
from p2psim.scenario.presets import DATA, bundled
from p2psim.scenario.scenario import Scenario

__all__ = [
    "DATA",
    "NAT_KINDS",
    "Access",
    "Carrier",
    "Cdn",
    "Channels",
    "Devices",
    "Fault",
    "Household",
    "Hybrid",
    "Nat",
    "Neighbourhood",
    "Network",
    "Origin",
    "Player",
    "Policy",
    "Population",
    "Regions",
    "Relay",
    "Scenario",
    "Stream",
    "Tracker",
    "Viewers",
    "bundled",
    "populate",
]
