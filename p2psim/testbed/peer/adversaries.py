"""Adversarial peer behaviours: polluter, liar, staller.

Adversaries watch with the same loader as all others; they announce and send something different to their peers.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from p2psim.scenario.roles import FREE_RIDER, HONEST, LIAR, POLLUTER, STALLER

__all__ = ["BEHAVIOURS", "Behaviour", "Honest", "Liar", "Polluter", "Staller"]


class Behaviour(Protocol):
    """Rule that decides what a loader announces and serves."""

    def stored(self, held: Sequence[int], listed: Sequence[int]) -> Sequence[int]:
        """Return the ids to announce as stored by a viewer that stores `held` of the `listed` segments."""

    def served(self, data: bytes) -> bytes | None:
        """Return the bytes to send in response to a request for a segment; None: no response."""


class Honest:
    """Behaviour that announces the stored segments and serves them."""

    def stored(self, held: Sequence[int], listed: Sequence[int]) -> Sequence[int]:  # noqa: ARG002 - the signature of the protocol
        """Return the stored segments."""
        return held

    def served(self, data: bytes) -> bytes | None:
        """Return the bytes unchanged."""
        return data


class Polluter(Honest):
    """Behaviour that serves wrong bytes of the right size."""

    def served(self, data: bytes) -> bytes | None:
        """Return the bytes with every bit inverted."""
        return data.translate(_TURNED)


class Liar(Honest):
    """Behaviour that announces every listed segment, and has to refuse most requests."""

    def stored(self, held: Sequence[int], listed: Sequence[int]) -> Sequence[int]:
        """Return all listed segments."""
        return sorted({*held, *listed})


class Staller(Honest):
    """Behaviour that announces the stored segments and never answers a request."""

    def served(self, data: bytes) -> bytes | None:  # noqa: ARG002 - the signature of the protocol
        """Return None: the request gets no response."""
        return None


_TURNED: Final = bytes(byte ^ 0xFF for byte in range(256))

BEHAVIOURS: Final[Mapping[str, Callable[[], Behaviour]]] = {
    HONEST: Honest,
    POLLUTER: Polluter,
    LIAR: Liar,
    STALLER: Staller,
    FREE_RIDER: Honest,  # it uploads nothing in the first place
}
"""Behaviours by the role that a scenario gives a viewer."""
