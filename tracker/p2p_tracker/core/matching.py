"""Who is offered to whom.

A strategy picks the receivers of an announcing peer's offers: distinct members of the same swarm, never on the
connection that announces.
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
    """A source of random numbers: `random.Random` and `numpy.random.Generator` both are."""

    def random(self) -> float:
        """Draw from [0, 1)."""
        ...


class Matching(Protocol[C]):
    """Picks receivers."""

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Pick at most `count` members for the offers of `announcer`."""
        ...


def sample(
    members: Sequence[Membership[C]], announcer: Membership[C], count: int, rng: UniformRandom
) -> list[Membership[C]]:
    """Draw `count` of the others uniformly without replacement (all of them, as they stand, if there are no more)."""
    presence = announcer.presence
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
        _shuffle(others, count, rng)
        del others[count:]
    return others


def _shuffle(members: list[Membership[C]], count: int, rng: UniformRandom) -> None:
    """Put a uniform sample of all, in random order, into the first `count` places."""
    total = len(members)
    for place in range(count):
        other = place + int(rng.random() * (total - place))
        members[place], members[other] = members[other], members[place]


class Random(Generic[C]):
    """A uniform sample of the others."""

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Pick each of the others with the same probability."""
        return sample(swarm.members, announcer, count, rng)


class LeastRecentlyOffered(Generic[C]):
    """Those who have waited longest for an offer: nobody gets a second in a round before everybody got one.

    Who waits equally many rounds is drawn by chance. (By time alone, those who were offered together once would be
    offered together ever after, and an announcing peer would meet the same few again and again.) In a swarm larger than
    the sample, a sample is compared: a few candidates for each place are enough to even out the load, and cost the same
    in every swarm (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).

    Parameters
    ----------
    choices
        Candidates compared for each place.
    candidates
        Candidates at least.
    """

    def __init__(self, choices: int = 3, candidates: int = 40):
        self._choices = choices
        self._candidates = candidates

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Pick those who got no offer for most rounds."""
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
    """The nearest, and a few from anywhere.

    The nearest are drawn from those of the same network, then of the same provider, then of the same country, or
    whatever names the places have, and last from all.

    Parameters
    ----------
    far
        Share of receivers taken without regard to where they are; a swarm of islands would not pass segments on.
    """

    def __init__(self, far: float = 0.25):
        self._far = far

    def choose(self, swarm: Swarm[C], announcer: Membership[C], count: int, rng: UniformRandom) -> list[Membership[C]]:
        """Pick near ones as long as there are any."""
        far = int(count * self._far + rng.random())  # on average exactly that share
        chosen = dict.fromkeys(sample(swarm.members, announcer, far, rng) if far else ())
        groups = [swarm.groups[name].members for name in announcer.presence.place if name]
        for members in (*groups, swarm.members):
            # as many as could be missing, and as many again as could have been chosen before
            found = sample(members, announcer, count, rng)
            _shuffle(found, len(found), rng)
            for member in found:
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
"""The strategies by name."""
