"""Model of ICE: symmetric, equal to the simulator's rule, and right for the known kinds."""

import pytest

from p2psim.network.nat import connects
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.testbed.lab.blueprint import translation
from p2psim.testbed.lab.ice_model import succeeds

PAIRS = [(a, b) for i, a in enumerate(NAT_KINDS) for b in NAT_KINDS[i:]]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_order_of_the_two_does_not_matter(a: str, b: str) -> None:
    assert succeeds(translation(a), translation(b)) == succeeds(translation(b), translation(a))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_model_agrees_with_the_simulators_rule(a: str, b: str) -> None:
    expected = bool(connects(NAT_KINDS.index(a), NAT_KINDS.index(b)))
    assert succeeds(translation(a), translation(b)) == expected


def test_the_classical_kinds() -> None:
    """The published table for the kinds of RFC 3489."""
    cones = ["full-cone", "restricted", "port-restricted"]
    for cone in cones:
        assert all(succeeds(translation(cone), translation(other)) for other in [*cones, "public"])
    symmetric = translation("symmetric")
    assert succeeds(symmetric, translation("restricted"))
    assert not succeeds(symmetric, translation("port-restricted"))
    assert not succeeds(symmetric, symmetric)
    assert not succeeds(translation("blocked"), None)
    assert succeeds(None, None)
