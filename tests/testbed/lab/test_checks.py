import pytest

from p2psim.network.nat import connects
from p2psim.scenario.presets import NAT_KINDS
from p2psim.testbed.lab.blueprint import translation
from p2psim.testbed.lab.checks import succeeds

PAIRS = [(a, b) for i, a in enumerate(NAT_KINDS) for b in NAT_KINDS[i:]]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_order_does_not_matter(a, b):
    assert succeeds(translation(a), translation(b)) == succeeds(translation(b), translation(a))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_where_it_differs_from_the_rule_a_mapping_depends_on_the_address(a, b):
    """A mapping that depends on the address alone is stable towards one peer, once the peer has learnt it."""
    played, ruled = succeeds(translation(a), translation(b)), bool(connects(NAT_KINDS.index(a), NAT_KINDS.index(b)))
    if played != ruled:
        mappings = {translation(kind).mapping for kind in (a, b)}
        assert played
        assert "AD" in mappings
        assert "EI" not in mappings


def test_the_known_rows():
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
