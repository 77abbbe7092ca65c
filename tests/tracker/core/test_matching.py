import random
from collections import Counter
from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from p2p_tracker.core.matching import STRATEGIES, LeastRecentlyOffered, Locality, Matching, sample
from p2p_tracker.core.swarm import Client, Location, Membership, Swarm


def swarm_of(sizes: Sequence[int], locations: Sequence[Location] = ()) -> Swarm[object]:
    """Return a swarm where connection i is at `locations[i]` and holds `sizes[i]` peers."""
    swarm: Swarm[object] = Swarm("x" * 20)
    for connection, size in enumerate(sizes):
        client: Client[object] = Client(connection, 0.0)
        if connection < len(locations):
            client.move(locations[connection])
        for number in range(size):
            swarm.add(f"{connection}.{number}", client, 0.0)
    return swarm


LOCATIONS: list[Location] = [
    (),
    ("net A", "AS1", "DE"),
    ("net B", "AS1", "DE"),
    ("net C", "", "DE"),
    ("net D", "AS4", ""),
]


@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from(LOCATIONS)), min_size=1, max_size=30),
    st.integers(1, 25),
    st.integers(0),
    st.sampled_from(list(STRATEGIES)),
)
def test_receivers_are_distinct_other_members_as_many_as_possible(
    connections: list[tuple[int, Location]], count: int, seed: int, name: str
) -> None:
    sizes, locations = zip(*connections, strict=True)
    swarm = swarm_of(sizes, locations)
    announcer = swarm.members[0]
    chosen = STRATEGIES[name]().choose(swarm, announcer, count, random.Random(seed))
    assert len(chosen) == len(set(chosen)) == min(count, sum(sizes[1:]))
    assert all(member.client is not announcer.client for member in chosen)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("others", [6, 18, 60])
def test_without_preferences_every_member_gets_the_same_share(name: str, others: int) -> None:
    rounds, count = 3000, 5
    swarm, rng, strategy = swarm_of([1] * (others + 1)), random.Random(3), STRATEGIES[name]()
    received = Counter(
        member.client.connection
        for _ in range(rounds)
        for member in strategy.choose(swarm, swarm.members[0], count, rng)
    )
    share = count / others
    assert all(abs(received[i] / rounds - share) < 6 * (share / rounds) ** 0.5 for i in range(1, others + 1))


@pytest.mark.parametrize(("others", "count"), [(6, 5), (18, 5), (30, 5), (200, 5)])
def test_every_subset_is_equally_likely(others: int, count: int) -> None:
    swarm, rng = swarm_of([1] * (others + 1)), random.Random(1)
    singles: Counter[object] = Counter()
    pairs: Counter[int] = Counter()
    rounds = 4000
    for _ in range(rounds):
        chosen = [member.client.connection for member in sample(swarm.members, swarm.members[0], count, rng)]
        singles.update(chosen)
        pairs[(1 in chosen) + (2 in chosen)] += 1
    share = count / others
    assert all(abs(singles[i] / rounds - share) < 6 * (share / rounds) ** 0.5 for i in range(1, others + 1))
    both = share * (count - 1) / (others - 1)
    assert abs(pairs[2] / rounds - both) < 6 * (both / rounds) ** 0.5 + 1e-3


def test_numpy_generators_are_accepted() -> None:
    swarm = swarm_of([1] * 100)
    assert len(sample(swarm.members, swarm.members[0], 5, np.random.default_rng(1))) == 5


@pytest.mark.parametrize("others", [30, 40])
def test_the_member_that_has_waited_longest_comes_first(others: int) -> None:
    swarm, rng = swarm_of([1] * (others + 1)), random.Random(2)
    strategy: Matching[object] = LeastRecentlyOffered()
    for _ in range(20):
        # no member twice before every member once
        chosen = [strategy.choose(swarm, swarm.members[0], 5, rng) for _ in range(others // 5)]
        offered = Counter(member.client.connection for receivers in chosen for member in receivers)
        assert offered == Counter(range(1, others + 1))
    late = swarm.add("late", Client("late", 0.0), 0.0)
    assert late in strategy.choose(swarm, swarm.members[0], 1, rng)


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_announcer_meets_many_members_over_time(name: str) -> None:
    swarm, rng, strategy = swarm_of([1] * 31), random.Random(2), STRATEGIES[name]()
    met: list[set[Membership[object]]] = [set() for _ in range(31)]
    for turn in range(8 * 31):
        met[turn % 31] |= set(strategy.choose(swarm, swarm.members[turn % 31], 5, rng))
    # 30 * (1 - (25 / 30) ** 8), if every choice were independent
    assert sum(map(len, met)) / 31 == pytest.approx(23, abs=1)


def test_in_a_large_swarm_members_that_have_waited_long_are_preferred() -> None:
    swarm, rng = swarm_of([1] * 301), random.Random(2)
    strategy: Matching[object] = LeastRecentlyOffered()
    received = Counter(
        member.client.connection for _ in range(600) for member in strategy.choose(swarm, swarm.members[0], 5, rng)
    )
    # ten offers each on average; with uniform choices, some member would have three or fewer, and another eighteen
    assert min(received[i] for i in range(1, 301)) >= 6
    assert max(received.values()) <= 14


def test_near_peers_are_found_in_the_largest_swarm() -> None:
    locations = [(f"net {number}", f"AS{number % 100}", f"country {number % 10}") for number in range(2000)]
    locations[7] = locations[1234] = locations[0]  # two more in the network of the announcer; 19 more at its provider
    swarm, rng = swarm_of([1] * 2000, locations), random.Random(4)
    strategy: Matching[object] = Locality()
    levels: Counter[int] = Counter()
    for _ in range(400):
        chosen = [member.client for member in strategy.choose(swarm, swarm.members[0], 8, rng)]
        assert {7, 1234} <= {client.connection for client in chosen}
        levels.update(next((i for i in range(3) if client.location[i] == locations[0][i]), 3) for client in chosen)
    assert levels[0] == 800
    # two of eight from anywhere, of which a tenth is in the country
    assert levels[1] == pytest.approx(400 * 4, rel=0.02)
    assert levels[2] == pytest.approx(400 * 2 * 0.09, rel=0.4)


def test_same_provider_comes_before_same_country_before_any() -> None:
    locations = [("a", "AS1", "DE"), ("b", "AS1", "DE"), ("c", "AS2", "DE"), ("d", "AS3", "FR")]
    swarm, rng = swarm_of([1, 1, 1, 1], locations), random.Random(5)
    strategy: Matching[object] = Locality(random_share=0)
    for count in (1, 2, 3):
        chosen = strategy.choose(swarm, swarm.members[0], count, rng)
        assert [member.client.connection for member in chosen] == [1, 2, 3][:count]
    swarm.remove(swarm.members[1])
    assert swarm.groups.keys() == {"a", "AS1", "DE", "c", "AS2", "d", "AS3", "FR"}


def test_unknown_names_of_a_location_form_no_group() -> None:
    swarm = swarm_of([1, 1, 1], [("a", "", "DE"), ("b", "", "DE"), ()])
    assert swarm.groups.keys() == {"a", "b", "DE"}
    swarm.members[1].client.move(("", "AS1", "FR"))
    assert {name: len(group.members) for name, group in swarm.groups.items()} == {"a": 1, "DE": 1, "AS1": 1, "FR": 1}
    for member in list(swarm.members):
        swarm.remove(member)
    assert not swarm.groups
