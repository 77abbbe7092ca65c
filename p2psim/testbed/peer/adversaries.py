"""Adversarial peer behaviours: polluter, liar, staller.

Adversaries download by the same rules as other viewers; they differ in what they announce and send to their peers.
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
        return data.translate(_INVERTED)


class Liar(Honest):
    """Behaviour that announces every segment in the playlist, and refuses requests for those it does not store."""

    def stored(self, held: Sequence[int], listed: Sequence[int]) -> Sequence[int]:
        """Return all segments in the playlist."""
        return sorted({*held, *listed})


class Staller(Honest):
    """Behaviour that announces the stored segments and never answers a request."""

    def served(self, data: bytes) -> bytes | None:  # noqa: ARG002 - the signature of the protocol
        """Return None: the request gets no response."""
        return None


_INVERTED: Final = bytes(byte ^ 0xFF for byte in range(256))

BEHAVIOURS: Final[Mapping[str, Callable[[], Behaviour]]] = {
    HONEST: Honest,
    POLLUTER: Polluter,
    LIAR: Liar,
    STALLER: Staller,
    FREE_RIDER: Honest,  # its plan says that it does not upload
}
"""Behaviours by the viewer's role in the scenario."""
