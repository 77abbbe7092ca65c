"""Viewers that a fault hits; simulations and measurements draw the same ones."""

import numpy as np

from p2psim.rng import stream
from p2psim.scenario.model import Scenario
from p2psim.scenario.population import Population

__all__ = ["victims"]


def victims(scenario: Scenario, population: Population, number: int, seed: int, replication: int = 0) -> list[int]:
    """Return one viewer of each home whose uplink the scenario's fault of that number hits."""
    draws = stream(seed, replication, "fault", number).random(len(population))
    homes, first = np.unique(population.home, return_index=True)
    hit: list[int] = first[draws[homes] < scenario.faults[number].home_share].tolist()
    return hit
