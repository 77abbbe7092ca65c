"""Round trips of pairs."""

import numpy as np
import pytest

from p2psim.network.latency import pair_rtt


def test_no_spread_is_the_median() -> None:
    assert pair_rtt(0.04, 0.0, 1, 3, 9) == 0.04


def test_a_pair_has_one_round_trip() -> None:
    assert pair_rtt(0.04, 0.6, 7, 3, 9) == pair_rtt(0.04, 0.6, 7, 9, 3)
    assert pair_rtt(0.04, 0.6, 7, 3, 9) != pair_rtt(0.04, 0.6, 8, 3, 9)


def test_pairs_are_lognormal() -> None:
    logs = np.log([pair_rtt(0.04, 0.6, 11, a, b) for a in range(60) for b in range(a)])
    assert np.median(logs) == pytest.approx(np.log(0.04), abs=0.06)
    assert np.std(logs) == pytest.approx(0.6, rel=0.06)
