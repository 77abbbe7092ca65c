"""Who is offered to whom.

A strategy picks the receivers of an announcing peer's offers: distinct members of the same swarm, never on the
connection that announces.
"""

from collections.abc import Callable
from typing import Generic, Protocol

from tracker.swarm import C, Membership, Swarm

__all__ = ["STRATEGIES", "LeastRecentlyOffered", "Matching", "Random", "UniformRandom", "sample"]


class UniformRandom(Protocol):
    """A source of random numbers: `random.Random` and `numpy.random.Generator` both are."""

    def random(self) -> float:
        """Draw from [0, 1)."""
        ...


class Matching(Protocol[C]):
    """Picks receivers."""

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Pick at most `count` members for the offers of `announcer`."""
        ...


def sample(swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
    """Draw `count` of the others uniformly without replacement (all of them, if there are no more)."""
    members, presence = swarm.members, announcer.presence
    total = len(members)
    if total > 4 * count:
        chosen: dict[int, Membership[C]] = {}
        # drawing again what was drawn before is rarer than one in four; give up when one connection fills the swarm
        for _ in range(8 * count):
            index = int(rng.random() * total)
            member = members[index]
            if member.presence is not presence and index not in chosen:
                chosen[index] = member
                if len(chosen) == count:
                    return list(chosen.values())
    others = [member for member in members if member.presence is not presence]
    if len(others) > count:
        for place in range(count):
            other = place + int(rng.random() * (len(others) - place))
            others[place], others[other] = others[other], others[place]
        del others[count:]
    return others


class Random(Generic[C]):
    """A uniform sample of the others."""

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Pick each of the others with the same probability."""
        return sample(swarm, announcer, count, rng)


class LeastRecentlyOffered(Generic[C]):
    """The longest waiting of a uniform sample, so that nobody is left without offers for long.

    Comparing `choices` candidates for each place is enough to even out the load, and costs the same in every swarm
    (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).
    """

    def __init__(self, choices: int = 3):
        self._choices = choices

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Pick those of a larger sample who got no offer for longest."""
        candidates = sample(swarm, announcer, self._choices * count, rng)
        candidates.sort(key=_offered_at)
        return candidates[:count]


def _offered_at(member: Membership[C]) -> float:
    return member.offered_at


STRATEGIES: dict[str, Callable[[], Matching[object]]] = {
    "random": Random,
    "least-recently-offered": LeastRecentlyOffered,
}
"""The strategies by name."""
