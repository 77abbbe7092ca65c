"""Who is offered to whom.

A strategy picks the receivers of an announcing peer's offers: distinct members of the same swarm, never on the
connection that announces.
"""

from collections.abc import Callable
from typing import Generic, Protocol

from tracker.swarm import C, Membership, Place, Swarm

__all__ = [
    "STRATEGIES",
    "LeastRecentlyOffered",
    "Locality",
    "Matching",
    "Random",
    "UniformRandom",
    "distance",
    "sample",
]


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


class Locality(Generic[C]):
    """The nearest of a uniform sample, and a few from anywhere.

    Parameters
    ----------
    choices
        Candidates compared for each place.
    far
        Share of receivers taken without regard to where they are; a swarm of islands would not pass segments on.
    """

    def __init__(self, choices: int = 8, far: float = 0.25):
        self._choices = choices
        self._far = far

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Pick near ones, of those in the sample."""
        candidates = sample(swarm, announcer, self._choices * count, rng)
        far = min(int(count * self._far + rng.random()), count)
        chosen, rest = candidates[:far], candidates[far:]
        place = announcer.presence.place
        rest.sort(key=lambda member: distance(place, member.presence.place))
        return chosen + rest[: count - far]


def distance(one: Place, other: Place) -> int:
    """Tell how many levels one must go up from a place to find another inside."""
    for level, name in enumerate(one):
        if name and name in other:
            return level
    return len(one)


def _offered_at(member: Membership[C]) -> float:
    return member.offered_at


STRATEGIES: dict[str, Callable[[], Matching[object]]] = {
    "random": Random,
    "least-recently-offered": LeastRecentlyOffered,
    "locality": Locality,
}
"""The strategies by name."""
