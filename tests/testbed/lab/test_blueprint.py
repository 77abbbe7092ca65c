"""Blueprints: kinds of NAT, homes of a population, addresses, delays."""

import numpy as np
import pytest

from p2psim.errors import ScenarioError
from p2psim.scenario import Scenario, populate
from p2psim.testbed.lab.blueprint import Blueprint, Carrier, Home, Impairment, Server, blueprint, translation


def test_public_is_no_translation_and_blocked_drops_udp() -> None:
    assert translation("public") is None
    blocked = translation("blocked")
    assert blocked is not None
    assert blocked.blocks_udp


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ScenarioError, match="'cone'; one of public, full-cone"):
        translation("cone")


def test_homes_have_what_was_drawn_for_them() -> None:
    scenario = Scenario().replace(
        **{
            "viewers.count": 30,
            "nat.mix": "mobile",
            "nat.ipv6": 0.5,
            "household.size_shares": (0.4, 0.6),
            "household.direct_share": 0.5,
            "carrier.home_share": 0.5,
            "carrier.count": 2,
            "access.spread": 0.5,
        }
    )
    people = populate(scenario, 3)
    plan = blueprint(scenario, people, 3)
    assert sorted(viewer for home in plan.homes for viewer in home.viewers) == list(range(30))
    for home in plan.homes:
        for viewer in home.viewers:
            assert home.kind == people.nat_names[viewer]
            assert home.link.uplink == people.uplink[viewer]
            assert home.link.downlink == people.downlink[viewer]
            assert (-1 if home.carrier is None else home.carrier) == people.carrier[viewer]
            assert home.ipv6 == people.ipv6[viewer]
            assert (home.is_lan_open, home.hairpin) == (people.within[viewer] == 2, people.within[viewer] == 1)
            assert plan.home_of(viewer) is home
    assert {carrier.number for carrier in plan.carriers} == {home.carrier for home in plan.homes} - {None}


def test_no_two_hosts_share_an_address() -> None:
    homes = [Home(number=number, viewers=(2 * number, 2 * number + 1), ipv6=True) for number in range(250)]
    addresses = [home.viewer_address(viewer) for home in homes for viewer in home.viewers]
    addresses += [home.viewer_address6(viewer) for home in homes for viewer in home.viewers]
    addresses += [home.gateway for home in homes] + [home.address for home in homes]
    assert len(set(addresses)) == len(addresses)


def test_a_public_address_behind_a_carrier_is_a_private_one() -> None:
    assert Home(number=3, viewers=(7,)).viewer_address(7) == "198.19.0.8"
    assert Home(number=3, viewers=(7,), carrier=0).viewer_address(7) == "10.0.3.2"


def test_nodes_are_servers_carriers_and_homes_without_carrier() -> None:
    homes = (Home(number=0, viewers=(0,)), Home(number=1, viewers=(1,), carrier=4))
    plan = Blueprint(homes=homes, carriers=(Carrier(number=4, kind="symmetric"),), servers=(_server("origin"),))
    assert plan.nodes == ("origin", "carrier-4", "home-0")
    assert [plan.node_of(home) for home in homes] == ["home-0", "carrier-4"]


def _server(name: str) -> Server:
    return Server(name=name, addresses=("203.0.113.1",))


def test_impairments_are_the_same_in_both_directions() -> None:
    plan = Blueprint(
        homes=(), default_impairment=Impairment(delay=1.0), impairments={("a", "b"): Impairment(delay=2.0)}
    )
    assert plan.between("a", "b") == plan.between("b", "a") == Impairment(delay=2.0)
    assert plan.between("a", "c") == Impairment(delay=1.0)


def test_round_trips_are_those_of_the_simulator() -> None:
    from p2psim.network.round_trip import pair_rtt
    from p2psim.simulation.kernel.topology import region_rtt

    scenario = Scenario().replace(
        **{
            "viewers.count": 12,
            "regions.mix": {"london": 0.5, "tokyo": 0.5},
            "network.rtt": 0.03,
            "network.rtt_spread": 0.3,
            "network.loss": 0.02,
        }
    )
    seed = 5
    people = populate(scenario, seed)
    plan = blueprint(scenario, people, seed)
    medians = region_rtt(scenario)
    assert len(np.unique(people.region)) == 2
    for a in range(12):
        for b in range(a):
            median = medians[people.region[a], people.region[b]]
            rtt = pair_rtt(median, 0.3, seed * 1009 % 2147483647, a, b)
            impairment = plan.between(plan.node_of(plan.home_of(a)), plan.node_of(plan.home_of(b)))
            assert impairment.delay == pytest.approx(rtt / 2, rel=1e-12)
            assert impairment.loss == 0.02


def test_too_many_homes_are_refused() -> None:
    scenario = Scenario().replace(**{"viewers.count": 300})
    with pytest.raises(ScenarioError, match="300 homes: a lab has room for 250"):
        blueprint(scenario, populate(scenario, 1), 1)
