"""Whom a fault hits: both worlds, simulated and measured, draw it here."""

import numpy as np

from p2psim.rng import stream
from p2psim.scenario.model import Scenario
from p2psim.scenario.population import Population

__all__ = ["victims"]


def victims(scenario: Scenario, people: Population, number: int, seed: int, replication: int = 0) -> list[int]:
    """List one viewer of each home whose uplink is hit by the scenario's fault of that number."""
    luck = stream(seed, replication, "fault", number).random(len(people))
    homes, first = np.unique(people.home, return_index=True)
    found: list[int] = first[luck[homes] < scenario.faults[number].home_share].tolist()
    return found
