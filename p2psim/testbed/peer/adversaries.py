"""How a viewer treats its peers: as it should, or not.

Hostile viewers watch like all others, by the same loader; what they tell and send their peers is different.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from p2psim.scenario.roles import FREE_RIDER, HONEST, LIAR, POLLUTER, STALLER

__all__ = ["BEHAVIOURS", "Behaviour", "Honest", "Liar", "Polluter", "Staller"]


class Behaviour(Protocol):
    """What a loader asks before it announces or serves anything."""

    def stored(self, held: Sequence[int], listed: Sequence[int]) -> Sequence[int]:
        """Ids to announce as stored, of a viewer that holds some of those in its playlist."""

    def served(self, data: bytes) -> bytes | None:
        """Bytes to send in answer to a request for a segment; None: none, and no answer."""


class Honest:
    """Announces what it holds, and serves it."""

    def stored(self, held: Sequence[int], listed: Sequence[int]) -> Sequence[int]:  # noqa: ARG002 - a conduct's form
        """Give what is held."""
        return held

    def served(self, data: bytes) -> bytes | None:
        """Give it as it is."""
        return data


class Polluter(Honest):
    """Serves rubbish of the right size."""

    def served(self, data: bytes) -> bytes | None:
        """Turn every bit."""
        return data.translate(_TURNED)


class Liar(Honest):
    """Announces all there is, and has to answer that it lacks most of it."""

    def stored(self, held: Sequence[int], listed: Sequence[int]) -> Sequence[int]:
        """Give everything."""
        return sorted({*held, *listed})


class Staller(Honest):
    """Announces what it holds, and never answers a request."""

    def served(self, data: bytes) -> bytes | None:  # noqa: ARG002 - a conduct's form
        """Give nothing."""
        return None


_TURNED: Final = bytes(byte ^ 0xFF for byte in range(256))

BEHAVIOURS: Final[Mapping[str, Callable[[], Behaviour]]] = {
    HONEST: Honest,
    POLLUTER: Polluter,
    LIAR: Liar,
    STALLER: Staller,
    FREE_RIDER: Honest,  # it uploads nothing in the first place
}
"""Conducts by the role that a scenario gives a viewer."""
