"""NAT traversal: the published matrix, and the shares of pairs that the presets were made for."""

import numpy as np
import pytest

from p2psim.network.nat import connects, pair_success, reachability
from p2psim.scenario.presets import NAT_KINDS, nat_mixes

# rows and columns in the order of NAT_KINDS; checkmynat.com/posts/nat-traversal, and measured in a lab
PUBLISHED = ["YYYYYn", "YYYYYn", "YYYYYn", "YYYYnn", "YYYnnn", "nnnnnn"]


def test_matrix_is_the_published_one() -> None:
    found = ["".join("Y" if cell else "n" for cell in row) for row in reachability()]
    assert found == PUBLISHED


def test_matrix_is_symmetric() -> None:
    assert (reachability() == reachability().T).all()
    assert connects(4, 4) is False or not connects(4, 4)


@pytest.mark.parametrize(
    ("mix", "share"), [("open", 1.0), ("fixed", 0.834), ("average", 0.778), ("mixed", 0.698), ("mobile", 0.538)]
)
def test_presets_meet_the_published_share_of_pairs(mix: str, share: float) -> None:
    assert pair_success(np.array(nat_mixes()[mix])) == pytest.approx(share, abs=0.001)


def test_pair_success_is_its_closed_form() -> None:
    """P = (1 - b)² - s² - 2 s q, with b blocked, s symmetric and q port-restricted."""
    mix = dict(zip(NAT_KINDS, nat_mixes()["mobile"], strict=True))
    b, s, q = mix["blocked"], mix["symmetric"], mix["port-restricted"]
    assert pair_success(np.array(nat_mixes()["mobile"])) == pytest.approx((1 - b) ** 2 - s**2 - 2 * s * q)
