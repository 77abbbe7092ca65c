"""Shares of pairs that connect under mixes of NATs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from p2psim.network.nat import connects
from p2psim.scenario import Scenario, populate
from p2psim.scenario.nat_kinds import NAT_KINDS
from p2psim.simulation import run
from tests.theory.ideal import IDEAL, traced
from tests.theory.statistics import agree

# public, full cone, restricted, port-restricted, symmetric, blocked: the table of RFC 4787 behaviours under ICE
TABLE = ("YYYYYn", "YYYYYn", "YYYYYn", "YYYYnn", "YYYnnn", "nnnnnn")


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["average", "mobile"])
def test_attempts_succeed_as_the_table_says(mix: str) -> None:
    """F: every attempt of a run, by the kinds of its two ends."""
    scenario = IDEAL.replace(
        {
            "nat.mix": mix,
            "viewers.count": 200,
            "duration": "3 s",
            "stream.bitrate": "1 kbit/s",
            "policy.maxPeers": 200,
        }
    )
    trace = traced(run(scenario, events=True))
    kinds = trace["viewers"].set_index("viewer")["nat"].map(NAT_KINDS.index)
    links = trace["connections"]
    pairs = zip(links["viewer"].map(kinds), links["other"].map(kinds), links["outcome"], strict=True)
    outcomes = [(TABLE[a][b] == "Y", outcome != "failed") for a, b, outcome in pairs]
    assert all(expected == found for expected, found in outcomes)
    assert {True, False} == {found for _, found in outcomes}
    assert len(outcomes) > 2000


def kinds_of(scenario: Scenario, seed: int) -> NDArray[np.int8]:
    return populate(scenario.replace({"viewers.count": 200_000}), seed).nat


@pytest.mark.parametrize(
    ("mix", "pairs"),
    [("fixed", 0.8344), ("average", 0.7784), ("mixed", 0.6984), ("mobile", 0.5384), ("restrictive", 0.09)],
)
def test_share_of_pairs_that_connect(mix: str, pairs: float) -> None:
    """F2: (1 - b)² - s² - 2 s q, of b blocked, s symmetric and q port-restricted viewers."""
    kinds = kinds_of(IDEAL.replace({"nat.mix": mix}), 1)[:20_000]
    works = [connects(a, b) for a, b in zip(kinds[::2].tolist(), kinds[1::2].tolist(), strict=True)]
    agree(works, pairs, within=0.15)


@pytest.mark.parametrize(("tries", "none"), [(3, 0.373), (10, 0.0374)])
def test_a_symmetric_viewer_needs_several_tries(tries: int, none: float) -> None:
    """F3: with 28 % of partners who can, 3 tries find none in 37.3 % of the cases, 10 in 3.7 %."""
    groups = kinds_of(IDEAL.replace({"nat.mix": "average"}), 2)
    groups = groups[: len(groups) // (tries + 1) * (tries + 1)].reshape(-1, tries + 1)
    symmetric = groups[groups[:, 0] == NAT_KINDS.index("symmetric")].tolist()
    agree([not any(connects(me, other) for other in others) for me, *others in symmetric], none, within=0.5)
