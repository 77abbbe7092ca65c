"""Testbed: real tracker, origin and WebRTC peers on this machine, in real time, recorded as a trace."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2psim.testbed.run import measure

__all__ = ["measure"]


if not TYPE_CHECKING:  # a type checker would take any other name for an object

    def __getattr__(name: str) -> object:
        """Import on first use: parts of the testbed are used without aiortc, and run as programs."""
        if name == "measure":
            from p2psim.testbed.run import measure

            return measure
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
