"""What is asked: scenarios, their presets, and the viewers they make."""

from p2psim.scenario.model import (
    Access,
    Nat,
    Network,
    Origin,
    Player,
    Policy,
    Scenario,
    Stream,
    Tracker,
    Viewers,
)
from p2psim.scenario.population import Population, populate
from p2psim.scenario.presets import DATA, NAT_KINDS, bundled

__all__ = [
    "DATA",
    "NAT_KINDS",
    "Access",
    "Nat",
    "Network",
    "Origin",
    "Player",
    "Policy",
    "Population",
    "Scenario",
    "Stream",
    "Tracker",
    "Viewers",
    "bundled",
    "populate",
]
