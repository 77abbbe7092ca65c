"""Testbed: real tracker, origin and WebRTC peers on this machine, in real time, recorded as a trace."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2psim.testbed.run import measure

__all__ = ["measure"]


def __getattr__(name: str) -> object:
    """Return a public name, imported on first use: parts of the testbed run without aiortc, or as programs."""
    if name == "measure":
        from p2psim.testbed.run import measure

        return measure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
