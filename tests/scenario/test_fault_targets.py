"""Faults of uplinks hit whole homes, the same ones for equal seeds."""

import numpy as np
import pytest

from p2psim.scenario import Fault, Scenario, populate
from p2psim.scenario.fault_targets import victims

HOMES = Scenario().replace({"viewers.count": 2000, "household.size_shares": (0.5, 0.5)})


@pytest.mark.parametrize(("home_share", "hit"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_the_share_of_the_homes_is_hit_each_once(home_share: float, hit: float) -> None:
    scenario = HOMES.replace({"faults": (Fault(kind="uplinks", home_share=home_share),)})
    people = populate(scenario, seed=1)
    viewers = victims(scenario, people, 0, seed=1)
    homes = people.home[viewers]
    assert len(set(homes)) == len(homes)
    assert len(homes) / len(np.unique(people.home)) == pytest.approx(hit, abs=0.04)
    assert viewers == victims(scenario, people, 0, seed=1)
