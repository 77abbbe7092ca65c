"""Matching strategies: they choose the peers that receive the offers of an announcing peer.

The receivers are distinct members of the announcing peer's swarm, and none of them is on its connection.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol

from p2p_tracker.core.swarm import C, Membership, Swarm

__all__ = [
    "STRATEGIES",
    "LeastRecentlyOffered",
    "Locality",
    "Matching",
    "Random",
    "UniformRandom",
    "sample",
]


class UniformRandom(Protocol):
    """Source of uniform random numbers, such as `random.Random` and `numpy.random.Generator`."""

    def random(self) -> float:
        """Return a number drawn uniformly from [0, 1)."""
        ...


class Matching(Protocol[C]):
    """Matching strategy."""

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Return at most `count` receivers for the offers of `announcer`."""
        ...


def sample(
    members: Sequence[Membership[C]], announcer: Membership[C], count: int, rng: UniformRandom
) -> list[Membership[C]]:
    """Return a uniform sample without replacement of `count` members on other connections.

    If there are not more than `count`, all of them are returned, in the order of `members`.
    """
    client = announcer.client
    total = len(members)
    if total > 4 * count:
        chosen: dict[int, Membership[C]] = {}
        # Fewer than one draw in four repeats an index. The limit ends the loop when most members are on the
        # announcer's own connection.
        for _ in range(8 * count):
            index = int(rng.random() * total)
            member = members[index]
            if member.client is not client and index not in chosen:
                chosen[index] = member
                if len(chosen) == count:
                    return list(chosen.values())
    others = [member for member in members if member.client is not client]
    if len(others) > count:
        _shuffle(others, count, rng)
        del others[count:]
    return others


def _shuffle(members: list[Membership[C]], count: int, rng: UniformRandom) -> None:
    """Move a uniform sample of all, in random order, to the first `count` positions."""
    total = len(members)
    for position in range(count):
        other = position + int(rng.random() * (total - position))
        members[position], members[other] = members[other], members[position]


class Random(Generic[C]):
    """Uniform matching."""

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Return a uniform sample of the other members."""
        return sample(swarm.members, announcer, count, rng)


class LeastRecentlyOffered(Generic[C]):
    """Round-robin matching: no member receives a second offer in a round before every member has received one.

    Ties between members that have waited equally many rounds are broken at random. (If the time of the last offer
    decided, peers that once received offers together would do so ever after, and an announcing peer would meet the same
    few again and again.) In a large swarm only a sample of candidates is compared: a few candidates for each receiver
    suffice to even out the load, at a cost that does not grow with the swarm (Mitzenmacher, "The power of two choices
    in randomized load balancing", 2001).

    Parameters
    ----------
    choices
        Candidates compared for each receiver.
    candidates
        Smallest number of candidates.
    """

    def __init__(self, choices: int = 3, candidates: int = 40):
        self._choices = choices
        self._candidates = candidates

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Return the candidates whose last offer was the most rounds ago."""
        chosen = sample(swarm.members, announcer, max(self._choices * count, self._candidates), rng)
        _shuffle(chosen, len(chosen), rng)
        chosen.sort(key=_offered_in)
        del chosen[count:]
        if chosen and chosen[-1].offered_in == swarm.round:
            swarm.round += 1
        for member in chosen:
            member.offered_in = swarm.round
        return chosen


class Locality(Generic[C]):
    """Matching by locality: members near the announcer first, and some from anywhere.

    Near members are drawn from the announcer's network, then from its provider, then from its country (in general, from
    the names of its `Location` in their order), and last from the whole swarm.

    Parameters
    ----------
    random_share
        Share of the receivers that are chosen regardless of location, so that the swarm does not split into islands
        that exchange no segments.
    """

    def __init__(self, random_share: float = 0.25):
        self._random_share = random_share

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Return near members while there are any, besides the random share."""
        anywhere = int(count * self._random_share + rng.random())  # rounded at random, so that the mean is exact
        chosen = dict.fromkeys(sample(swarm.members, announcer, anywhere, rng) if anywhere else ())
        groups = [swarm.groups[name].members for name in announcer.client.location if name]
        for members in (*groups, swarm.members):
            # at most len(chosen) of these are chosen already, so that enough remain for the missing receivers
            candidates = sample(members, announcer, count, rng)
            _shuffle(candidates, len(candidates), rng)
            for member in candidates:
                if len(chosen) == count:
                    return list(chosen)
                chosen[member] = None
        return list(chosen)


def _offered_in(member: Membership[C]) -> int:
    return member.offered_in


STRATEGIES: dict[str, Callable[[], Matching[object]]] = {
    "random": Random,
    "least-recently-offered": LeastRecentlyOffered,
    "locality": Locality,
}
"""Matching strategies by the name that the option `matching` takes."""
