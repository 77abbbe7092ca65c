import pytest

from p2psim.network.nat import connects
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.testbed.lab.blueprint import translation
from p2psim.testbed.lab.ice_model import succeeds

PAIRS = [(a, b) for i, a in enumerate(NAT_KINDS) for b in NAT_KINDS[i:]]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_order_does_not_matter(a, b) -> None:
    assert succeeds(translation(a), translation(b)) == succeeds(translation(b), translation(a))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_it_comes_to_the_simulators_rule(a, b) -> None:
    ruled = bool(connects(NAT_KINDS.index(a), NAT_KINDS.index(b)))
    assert succeeds(translation(a), translation(b)) == ruled


def test_the_known_rows() -> None:
    """RFC 3489's kinds, as every table of them has it."""
    cones = ["full-cone", "restricted", "port-restricted"]
    for cone in cones:
        assert all(succeeds(translation(cone), translation(other)) for other in [*cones, "public"])
    symmetric = translation("symmetric")
    assert succeeds(symmetric, translation("restricted"))
    assert not succeeds(symmetric, translation("port-restricted"))
    assert not succeeds(symmetric, symmetric)
    assert not succeeds(translation("blocked"), None)
    assert succeeds(None, None)
