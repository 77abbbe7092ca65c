"""Round-trip times of pairs and between regions."""

import numpy as np
import pytest

from p2psim.network.round_trip import pair_rtt, regional_rtt


def test_without_spread_a_pair_has_the_median() -> None:
    assert pair_rtt(0.04, 0.0, 1, 3, 9) == 0.04


def test_a_pair_has_the_same_round_trip_in_both_directions() -> None:
    assert pair_rtt(0.04, 0.6, 7, 3, 9) == pair_rtt(0.04, 0.6, 7, 9, 3)
    assert pair_rtt(0.04, 0.6, 7, 3, 9) != pair_rtt(0.04, 0.6, 8, 3, 9)


def test_pairs_are_lognormal() -> None:
    logs = np.log([pair_rtt(0.04, 0.6, 11, a, b) for a in range(60) for b in range(a)])
    assert np.median(logs) == pytest.approx(np.log(0.04), abs=0.06)
    assert np.std(logs) == pytest.approx(0.6, rel=0.06)


def test_regions_are_apart_by_the_great_circle() -> None:
    """São Paulo and Lisbon are 7930 km apart: 79 ms there and back through straight fibre."""
    found = regional_rtt(0.04, np.array([-23.55, 38.72]), np.array([-46.63, -9.14]), 1.0)
    assert found[0, 0] == found[1, 1] == 0.04
    assert found[0, 1] == found[1, 0] == pytest.approx(0.04 + 2 * 7930 / 200_000, abs=0.0005)
    stretched = regional_rtt(0.04, np.array([-23.55, 38.72]), np.array([-46.63, -9.14]), 2.0)
    assert stretched[0, 1] - 0.04 == pytest.approx(2 * (found[0, 1] - 0.04))
