"""Who reaches whom, by homes, carriers, IPv6 and NATs; shares of pairs are products of shares of homes."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from p2psim.network.nat import pair_success
from p2psim.scenario import Scenario, populate
from p2psim.scenario.presets import nat_mixes
from p2psim.simulation.control.reachability import Reachability


def ways(**changes: Any) -> tuple[dict[str, float], Any, Reachability]:
    """Shares of the pairs of a population by their way, the population and the rules."""
    scenario = Scenario().replace({"viewers.count": 200, **changes})
    people = populate(scenario, 1)
    reach = Reachability(scenario, people, 1, 0)
    found: dict[str, float] = {}
    pairs = list(combinations(range(len(people)), 2))
    for a, b in pairs:
        way = reach.way(a, b)
        assert way == reach.way(b, a)
        found[way] = found.get(way, 0.0) + 1 / len(pairs)
    return found, people, reach


def test_without_carriers_and_homes_only_the_nats_count() -> None:
    found, _, _ = ways(**{"nat.mix": "mixed"})
    assert 1 - found[""] == pytest.approx(pair_success(np.array(nat_mixes()["mixed"])), abs=0.06)


def test_everybody_public_needs_no_way_around() -> None:
    assert ways(**{"nat.mix": "open"})[0] == {"host": pytest.approx(1.0)}


def test_without_an_ice_server_one_of_two_must_be_public() -> None:
    found, people, reach = ways(**{"nat.mix": "mixed", "policy.rtcConfig": ()})
    assert 0 < 1 - found[""] < 1 - ways(**{"nat.mix": "mixed"})[0][""]
    met = [(a, b) for a, b in combinations(range(len(people)), 2) if reach.way(a, b)]
    assert all(0 in (people.nat[a], people.nat[b]) for a, b in met)


def test_viewers_of_one_home_meet_on_the_lan() -> None:
    changes = {"nat.shares": {"symmetric": 1.0}, "household.size_shares": (0.0, 1.0)}
    found, _, _ = ways(**changes)
    assert found["host"] == pytest.approx(1 / 199)
    assert found[""] == pytest.approx(198 / 199)


def test_viewers_of_one_home_whose_router_hairpins_meet_if_its_kind_lets_two_of_it_meet() -> None:
    homes = {"household.size_shares": (0.0, 1.0), "household.direct_share": 0.0, "household.hairpin": 1.0}
    assert set(ways(**homes, **{"nat.shares": {"symmetric": 1.0}})[0]) == {""}
    changes = {"nat.shares": {"port-restricted": 1.0}, "nat.failure": 0.0, **homes}
    _, people, reach = ways(**changes)
    assert reach.way(*np.flatnonzero(people.home == people.home[0])[:2]) == "srflx"


def test_ipv6_needs_no_nat_unless_udp_is_blocked() -> None:
    found, _, _ = ways(**{"nat.shares": {"symmetric": 1.0}, "nat.ipv6": 0.6})
    assert found["host"] == pytest.approx(0.36, abs=0.06)
    assert ways(**{"nat.shares": {"blocked": 1.0}, "nat.ipv6": 1.0})[0] == {"": pytest.approx(1.0)}


def test_two_homes_behind_one_carrier_meet_only_if_it_hairpins() -> None:
    behind = {"nat.mix": "open", "carrier.home_share": 1.0, "carrier.count": 4, "carrier.kinds": {"full-cone": 1.0}}
    found, people, _ = ways(**behind)
    same = sum(people.carrier[a] == people.carrier[b] for a, b in combinations(range(200), 2)) / (200 * 199 / 2)
    assert found[""] == pytest.approx(same)
    assert "" not in ways(**behind, **{"carrier.hairpin": 1.0})[0]


def test_the_second_layer_decides_where_it_is_stricter() -> None:
    strict = {"carrier.home_share": 0.5, "carrier.count": 2000, "carrier.kinds": {"symmetric": 1.0}}
    found, people, _ = ways(**{"nat.mix": "open"}, **strict)
    # symmetric meets public, not symmetric; hardly anybody shares a carrier
    assert found[""] == pytest.approx((people.carrier >= 0).mean() ** 2, abs=0.01)


def test_a_relay_is_a_property_of_the_pair() -> None:
    _, _, reach = ways(**{"relay.availability": 0.4})
    there = [reach.relay(a, b) for a, b in combinations(range(150), 2)]
    assert sum(there) / len(there) == pytest.approx(0.4, abs=0.02)
    assert all(reach.relay(a, b) == reach.relay(b, a) for a, b in combinations(range(20), 2))
