import random
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tracker.matching import STRATEGIES, LeastRecentlyOffered, sample
from tracker.swarm import Presence, Swarm


def swarm_of(sizes: list[int]) -> Swarm:
    """Build a swarm where connection i holds `sizes[i]` peers."""
    swarm = Swarm("x" * 20)
    for connection, size in enumerate(sizes):
        presence = Presence(connection, 0.0)
        for number in range(size):
            swarm.add(f"{connection}.{number}", presence, 0.0)
    return swarm


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.integers(1, 25),
    st.integers(0),
    st.sampled_from(list(STRATEGIES)),
)
def test_receivers_are_distinct_others_and_as_many_as_possible(sizes, count, seed, name):
    swarm = swarm_of(sizes)
    announcer = swarm.members[0]
    chosen = STRATEGIES[name]().choose(swarm, announcer, count, random.Random(seed))
    assert len(chosen) == len(set(chosen)) == min(count, sum(sizes[1:]))
    assert all(member.presence is not announcer.presence for member in chosen)


@pytest.mark.parametrize(("others", "count"), [(6, 5), (18, 5), (30, 5), (200, 5)])
def test_every_subset_is_as_likely_as_any(others, count):
    swarm, rng = swarm_of([1] * (others + 1)), random.Random(1)
    singles, pairs = Counter(), Counter()
    rounds = 4000
    for _ in range(rounds):
        chosen = [member.presence.connection for member in sample(swarm, swarm.members[0], count, rng)]
        singles.update(chosen)
        pairs[(1 in chosen) + (2 in chosen)] += 1
    share = count / others
    assert all(abs(singles[i] / rounds - share) < 6 * (share / rounds) ** 0.5 for i in range(1, others + 1))
    both = share * (count - 1) / (others - 1)
    assert abs(pairs[2] / rounds - both) < 6 * (both / rounds) ** 0.5 + 1e-3


def test_numpy_generators_serve_as_well():
    swarm = swarm_of([1] * 100)
    assert len(sample(swarm, swarm.members[0], 5, np.random.default_rng(1))) == 5


def test_who_waits_longest_is_preferred():
    swarm, rng = swarm_of([1] * 301), random.Random(2)
    strategy = LeastRecentlyOffered()
    received = Counter()
    for now in range(600):
        for member in strategy.choose(swarm, swarm.members[0], 5, rng):
            member.offered_at = now
            received[member.presence.connection] += 1
    # ten offers each on average; a uniform choice would leave somebody with three or less and give another eighteen
    assert min(received[i] for i in range(1, 301)) >= 7
    assert max(received.values()) <= 13
