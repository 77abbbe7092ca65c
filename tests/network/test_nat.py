"""NAT traversal: the published matrix of pairs, and the shares of pairs that connect under the presets."""

import numpy as np
import pytest

from p2psim.network.nat import connects, pair_success, reachability, twice_translated
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.scenario.presets import nat_mixes

# rows and columns in the order of NAT_KINDS; checkmynat.com/posts/nat-traversal, and measured in a lab
PUBLISHED = ["YYYYYn", "YYYYYn", "YYYYYn", "YYYYnn", "YYYnnn", "nnnnnn"]


def test_matrix_is_the_published_one() -> None:
    found = ["".join("Y" if cell else "n" for cell in row[:6]) for row in reachability()[:6]]
    assert found == PUBLISHED


def test_matrix_is_symmetric() -> None:
    assert (reachability() == reachability().T).all()
    assert connects(4, 4) is False or not connects(4, 4)


@pytest.mark.parametrize(
    ("mix", "share"), [("open", 1.0), ("fixed", 0.834), ("average", 0.778), ("mixed", 0.698), ("mobile", 0.538)]
)
def test_presets_meet_the_published_share_of_pairs(mix: str, share: float) -> None:
    assert pair_success(np.array(nat_mixes()[mix])) == pytest.approx(share, abs=0.001)


def test_pair_success_agrees_with_its_closed_form() -> None:
    """P = (1 - b)² - s² - 2 s q, with b blocked, s symmetric and q port-restricted."""
    mix = dict(zip(NAT_KINDS, nat_mixes()["mobile"], strict=True))
    b, s, q = mix["blocked"], mix["symmetric"], mix["port-restricted"]
    assert pair_success(np.array(nat_mixes()["mobile"])) == pytest.approx((1 - b) ** 2 - s**2 - 2 * s * q)


def test_general_kinds_follow_the_rule_of_mapping_and_filtering() -> None:
    """A dependent mapping connects to independent ones whose filter ignores ports; one by address connects to more."""
    named = {name: i for i, name in enumerate(NAT_KINDS)}
    easy, by_address, by_port = {"public", "full-cone", "restricted"}, {"AD/EI", "AD/AD"}, {"APD/EI", "APD/AD"}
    met = {
        **dict.fromkeys(("AD/APD", "symmetric"), easy),
        **dict.fromkeys(by_port, easy | by_address),
        **dict.fromkeys(by_address, easy | by_address | by_port),
    }
    for kind, others in met.items():
        assert {name for name in NAT_KINDS if connects(named[kind], named[name])} == others


@pytest.mark.parametrize(
    ("inner", "outer", "both"),
    [
        ("public", "symmetric", "symmetric"),
        ("full-cone", "public", "full-cone"),
        ("full-cone", "port-restricted", "port-restricted"),
        ("restricted", "symmetric", "symmetric"),
        ("symmetric", "full-cone", "symmetric"),
        ("AD/EI", "restricted", "AD/AD"),
        ("blocked", "full-cone", "blocked"),
    ],
)
def test_two_layers_are_as_restrictive_as_either(inner: str, outer: str, both: str) -> None:
    assert NAT_KINDS[twice_translated(NAT_KINDS.index(inner), NAT_KINDS.index(outer))] == both


def test_a_second_layer_never_helps() -> None:
    kinds = range(len(NAT_KINDS))
    alone = reachability()
    for inner in kinds:
        for outer in kinds:
            assert not (reachability()[twice_translated(inner, outer)] & ~alone[inner]).any()
